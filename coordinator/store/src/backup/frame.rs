//! Frames of a backup, and of a part of a snapshot: kind 1, bytes unpacked 4, bytes packed 4, checksum 4, then the packed bytes. The checksum is
//! salted with the frame's number, so that none can be missing or exchanged. Numbers are little endian.

use std::io::{self, Read, Write};

use stepfleet_engine::PartitionId;

use super::Totals;
use crate::error::StoreError;
use crate::folder::{FORMAT_VERSION, Format};
use crate::log::{BatchId, Chunk, Epoch, Seq};
use crate::state::{Row, TABLES, Table};

/// What frames stand in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Container {
    magic: [u8; 8],
    /// Version of its own layout.
    version: u32,
    name: &'static str,
}

pub(super) const BACKUP: Container = Container {
    magic: *b"SFBACKUP",
    version: 1,
    name: "backup",
};

/// One object of a snapshot's rows.
pub(crate) const PART: Container = Container {
    magic: *b"SFROWPRT",
    version: 1,
    name: "part",
};

/// Bytes of a frame at most, unpacked: one row and its key, with room to spare.
const FRAME_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What a frame holds. Numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Format = 1,
    Rows = 2,
    Checkpoint = 3,
    Chunks = 4,
    End = 5,
    /// Rows that were set or deleted; in parts of snapshots.
    Changes = 6,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [
            Self::Format,
            Self::Rows,
            Self::Checkpoint,
            Self::Chunks,
            Self::End,
            Self::Changes,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// Writes frames.
#[derive(Debug)]
pub(crate) struct FrameWriter<W> {
    out: W,
    number: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn begin(mut out: W, container: Container) -> io::Result<Self> {
        out.write_all(&container.magic)?;
        out.write_all(&container.version.to_le_bytes())?;
        Ok(Self { out, number: 0 })
    }

    pub(crate) fn write(&mut self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        let packed = lz4_flex::block::compress(bytes);
        let length = |length| u32::try_from(length).map_err(io::Error::other);
        let mut header = vec![kind as u8];
        header.extend_from_slice(&length(bytes.len())?.to_le_bytes());
        header.extend_from_slice(&length(packed.len())?.to_le_bytes());
        let checksum = checksum(self.number, &header, &packed);
        self.number += 1;
        self.out.write_all(&header)?;
        self.out.write_all(&checksum.to_le_bytes())?;
        self.out.write_all(&packed)
    }

    pub(crate) fn out(&self) -> &W {
        &self.out
    }

    pub(crate) fn into_out(self) -> W {
        self.out
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads frames, checking each.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    input: R,
    number: u64,
    container: Container,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn begin(mut input: R, container: Container) -> Result<Self, StoreError> {
        let name = container.name;
        let mut head = [0; 12];
        input
            .read_exact(&mut head)
            .map_err(|error| broken(container, 0, &error))?;
        if head[..8] != container.magic {
            return Err(StoreError::Corrupt(format!(
                "this is not a Stepfleet {name}"
            )));
        }
        let version = u32::from_le_bytes(head[8..].try_into().expect("four bytes"));
        if version != container.version {
            return Err(StoreError::Corrupt(format!(
                "the {name} has layout {version}, this binary reads {}",
                container.version
            )));
        }
        Ok(Self {
            input,
            number: 0,
            container,
        })
    }

    pub(crate) fn read(&mut self) -> Result<(Kind, Vec<u8>), StoreError> {
        let (number, container) = (self.number, self.container);
        let broken = |why: &dyn std::fmt::Display| broken(container, number, why);
        let mut head = [0; 13];
        self.input
            .read_exact(&mut head)
            .map_err(|error| broken(&error))?;
        let length = |at: usize| {
            let bytes = u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
            usize::try_from(bytes)
                .ok()
                .filter(|bytes| *bytes <= FRAME_BYTES_MAX)
        };
        let (Some(bytes), Some(packed_bytes)) = (length(1), length(5)) else {
            return Err(broken(&"it claims to be too large"));
        };
        let mut packed = Vec::new();
        let limit = packed_bytes as u64;
        self.input
            .by_ref()
            .take(limit)
            .read_to_end(&mut packed)
            .map_err(|error| broken(&error))?;
        let expected = u32::from_le_bytes(head[9..].try_into().expect("four bytes"));
        if packed.len() != packed_bytes || checksum(number, &head[..9], &packed) != expected {
            return Err(broken(&"its checksum does not match"));
        }
        let kind = Kind::of(head[0]).ok_or_else(|| broken(&"its kind is unknown"))?;
        let unpacked =
            lz4_flex::block::decompress(&packed, bytes).map_err(|error| broken(&error))?;
        self.number += 1;
        Ok((kind, unpacked))
    }

    /// Whether nothing follows.
    pub(crate) fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.input.read(&mut [0])? == 0)
    }
}

fn checksum(number: u64, header: &[u8], packed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(header);
    hasher.update(packed);
    hasher.finalize()
}

fn broken(container: Container, number: u64, why: &dyn std::fmt::Display) -> StoreError {
    let name = container.name;
    StoreError::Corrupt(format!(
        "frame {number} of the {name} cannot be used: {why}"
    ))
}

/// Reads numbers and texts off the front of a frame.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.array().map(u32::from_le_bytes)?;
        self.take(usize::try_from(length).ok()?)
    }
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let length = u32::try_from(text.len()).expect("keys, values and chunks are bounded");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
}

fn misread<T>(value: Option<T>, what: &str) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Corrupt(format!("the {what} of the backup cannot be read")))
}

/// Layout: format 4, partitions 2, cluster 16.
pub(super) fn encode_format(format: Format) -> Vec<u8> {
    let mut out = FORMAT_VERSION.to_le_bytes().to_vec();
    out.extend_from_slice(&format.partitions.to_le_bytes());
    out.extend_from_slice(&format.cluster.to_le_bytes());
    out
}

pub(super) fn decode_format(bytes: &[u8]) -> Result<Format, StoreError> {
    let mut fields = Fields(bytes);
    let version = misread(fields.array().map(u32::from_le_bytes), "format")?;
    if version != FORMAT_VERSION {
        return Err(StoreError::Corrupt(format!(
            "the backup holds data of format {version}, this binary restores {FORMAT_VERSION}; \
             restore it with the release that wrote it, then upgrade"
        )));
    }
    let partitions = misread(fields.array().map(u16::from_le_bytes), "format")?;
    let cluster = misread(fields.array().map(u128::from_le_bytes), "format")?;
    Ok(Format {
        partitions,
        cluster,
    })
}

/// Layout: table 1, then per row key and value, each with its length 4.
pub(super) fn put_row(out: &mut Vec<u8>, table: Table, key: &[u8], value: &[u8]) {
    if out.is_empty() {
        out.push(table as u8);
    }
    put_text(out, key);
    put_text(out, value);
}

pub(super) fn decode_rows(bytes: &[u8]) -> Result<Vec<Row>, StoreError> {
    let mut fields = Fields(bytes);
    let number = misread(fields.array().map(|[number]: [u8; 1]| number), "rows")?;
    let table = misread(
        TABLES.into_iter().find(|table| *table as u8 == number),
        "rows",
    )?;
    let mut rows = Vec::new();
    while !fields.0.is_empty() {
        let (key, value) = (
            misread(fields.text(), "rows")?,
            misread(fields.text(), "rows")?,
        );
        rows.push(Row {
            table,
            key: key.to_vec(),
            value: Some(value.to_vec()),
        });
    }
    Ok(rows)
}

/// Layout: partition 2, then per chunk epoch 8, seq 8, batch 16, bytes with their length 4.
pub(super) fn put_chunk(out: &mut Vec<u8>, partition: PartitionId, chunk: &Chunk) {
    if out.is_empty() {
        out.extend_from_slice(&partition.0.to_le_bytes());
    }
    out.extend_from_slice(&chunk.epoch.0.to_le_bytes());
    out.extend_from_slice(&chunk.seq.0.to_le_bytes());
    out.extend_from_slice(&chunk.batch.0.to_le_bytes());
    put_text(out, &chunk.bytes);
}

pub(super) fn decode_chunks(bytes: &[u8]) -> Result<(PartitionId, Vec<Chunk>), StoreError> {
    let mut fields = Fields(bytes);
    let partition = misread(fields.array().map(u16::from_le_bytes), "log")?;
    let mut chunks = Vec::new();
    while !fields.0.is_empty() {
        chunks.push(Chunk {
            epoch: Epoch(misread(fields.u64(), "log")?),
            seq: Seq(misread(fields.u64(), "log")?),
            batch: BatchId(misread(fields.array().map(u128::from_le_bytes), "log")?),
            bytes: misread(fields.text(), "log")?.to_vec().into(),
        });
    }
    Ok((PartitionId(partition), chunks))
}

/// Layout: rows 8, chunks 8.
pub(super) fn encode_totals(totals: Totals) -> Vec<u8> {
    [totals.rows.to_le_bytes(), totals.chunks.to_le_bytes()].concat()
}

pub(super) fn decode_totals(bytes: &[u8]) -> Result<Totals, StoreError> {
    let mut fields = Fields(bytes);
    Ok(Totals {
        rows: misread(fields.u64(), "end")?,
        chunks: misread(fields.u64(), "end")?,
    })
}
