//! Frames: a 64-byte header and a payload, padded to 8 bytes. The header's checksum is salted with the segment's number
//! and the frame's offset, so that what an earlier use of a recycled file left behind never passes for live.
//!
//! Header, little endian: magic 4, header checksum 4, payload checksum 4, payload length 4, offset of the group's start
//! 4, partition 2, kind 1, version 1, group 8, epoch 8, seq 8, batch 16.

/// Bytes of a frame's header.
pub(super) const HEADER_BYTES: usize = 64;
/// Frames begin at multiples of this.
pub(super) const ALIGN: usize = 8;

const MAGIC: [u8; 4] = *b"SFfr";
const VERSION: u8 = 1;

/// What a frame holds. Numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Chunk = 1,
    /// The partition's epoch is `epoch` from here on.
    Owner = 2,
    /// Chunks up to `seq` are no longer needed.
    Trim = 3,
    /// The state of every partition; the first frame of each segment.
    Ledger = 4,
    /// The partition begins after `seq`, under `epoch`.
    Base = 5,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [
            Self::Chunk,
            Self::Owner,
            Self::Trim,
            Self::Ledger,
            Self::Base,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// A frame's header without its checksums. `group_start` and `group` name the group commit that wrote it: the offset
/// at which that began, and a number that grows with every attempt to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) partition: u16,
    pub(super) group_start: u32,
    pub(super) group: u64,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) batch: u128,
}

/// Where a frame stands: the salt of its checksum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u32,
}

/// What was found at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Valid(Frame, &'a [u8]),
    /// The header is whole, the payload is not.
    Torn(Frame),
    /// A whole header with a kind or version of a newer release.
    Unknown {
        kind: u8,
        version: u8,
    },
    Nothing,
}

/// Bytes that a frame with this payload takes.
pub(super) const fn framed_bytes(payload: usize) -> usize {
    (HEADER_BYTES + payload).next_multiple_of(ALIGN)
}

/// Appends a frame to `out`.
pub(super) fn write(out: &mut Vec<u8>, frame: &Frame, payload: &[u8], place: Place) {
    let start = out.len();
    let length = u32::try_from(payload.len()).expect("payloads are bounded by the segment");
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&frame.group_start.to_le_bytes());
    out.extend_from_slice(&frame.partition.to_le_bytes());
    out.extend_from_slice(&[frame.kind as u8, VERSION]);
    out.extend_from_slice(&frame.group.to_le_bytes());
    out.extend_from_slice(&frame.epoch.to_le_bytes());
    out.extend_from_slice(&frame.seq.to_le_bytes());
    out.extend_from_slice(&frame.batch.to_le_bytes());
    let checksum = header_checksum(&out[start + 8..], place);
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(payload);
    out.resize(start + framed_bytes(payload.len()), 0);
}

/// Looks at the frame that begins `bytes`, which may run on behind it.
pub(super) fn find(bytes: &[u8], place: Place) -> Found<'_> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Found::Nothing;
    };
    if header[..4] != MAGIC || u32_at(header, 4) != header_checksum(&header[8..], place) {
        return Found::Nothing;
    }
    let (kind, version) = (header[22], header[23]);
    let Some(kind) = Kind::of(kind).filter(|_| version == VERSION) else {
        return Found::Unknown { kind, version };
    };
    let frame = Frame {
        kind,
        partition: u16::from_le_bytes([header[20], header[21]]),
        group_start: u32_at(header, 16),
        group: u64_at(header, 24),
        epoch: u64_at(header, 32),
        seq: u64_at(header, 40),
        batch: u128::from(u64_at(header, 48)) | (u128::from(u64_at(header, 56)) << 64),
    };
    let length = usize::try_from(u32_at(header, 12)).expect("a usize holds 32 bits");
    match rest.get(..length) {
        Some(payload) if crc32fast::hash(payload) == u32_at(header, 8) => {
            Found::Valid(frame, payload)
        }
        Some(_) | None => Found::Torn(frame),
    }
}

/// Whether a frame may begin here, at almost no cost.
pub(super) fn looks_like_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

fn header_checksum(fields: &[u8], place: Place) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place.segment.to_le_bytes());
    hasher.update(&place.offset.to_le_bytes());
    hasher.update(fields);
    hasher.finalize()
}

/// Little-endian number at an offset that the caller knows to be inside.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Little-endian number at an offset that the caller knows to be inside.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
