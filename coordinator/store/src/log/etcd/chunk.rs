//! A chunk as etcd keeps it: packed, with a checksum, and in pieces when it is too long for a request.

use bytes::Bytes;
use prost::Message as _;
use stepfleet_proto::record::v1::{ChunkPacking, LogChunk};

use crate::error::StoreError;
use crate::log::{Append, BatchId, CHUNK_BYTES_MAX, Chunk, Epoch, Seq, halves};
use crate::records::convert::wide;

/// Bytes of a body within its chunk, and of a piece. A request of etcd has 1.5 MiB at most, unless it is told otherwise.
pub(super) const PIECE_BYTES_MAX: usize = 512 * 1024;
/// Packed chunks of fewer bytes would gain nothing.
const PACK_BYTES_MIN: usize = 256;

/// A chunk that is ready to be stored.
#[derive(Debug)]
pub(super) struct Packed {
    /// Value of the chunk's key.
    pub(super) value: Vec<u8>,
    /// What has to be stored before it.
    pub(super) pieces: Vec<Bytes>,
}

pub(super) fn pack(append: &Append) -> Packed {
    let (packing, body) = compressed(&append.chunk);
    let pieces: Vec<Bytes> = if body.len() > PIECE_BYTES_MAX {
        let starts = (0..body.len()).step_by(PIECE_BYTES_MAX);
        starts
            .map(|from| body.slice(from..body.len().min(from + PIECE_BYTES_MAX)))
            .collect()
    } else {
        Vec::new()
    };
    let [batch_high, batch_low] = halves(append.batch.0);
    let chunk = LogChunk {
        epoch: append.epoch.0,
        seq: append.seq.0,
        batch_high,
        batch_low,
        crc32: crc32fast::hash(&append.chunk),
        length: count(append.chunk.len()),
        packing: packing.into(),
        pieces: count(pieces.len()),
        body: if pieces.is_empty() {
            body.to_vec()
        } else {
            Vec::new()
        },
    };
    Packed {
        value: chunk.encode_to_vec(),
        pieces,
    }
}

/// What a key holds, without the body of pieces.
pub(super) fn read(seq: Seq, value: &[u8]) -> Result<LogChunk, StoreError> {
    let chunk = LogChunk::decode(value)
        .map_err(|error| StoreError::Corrupt(format!("chunk {} cannot be read: {error}", seq.0)))?;
    if chunk.seq != seq.0 {
        return Err(StoreError::Corrupt(format!(
            "the key of chunk {} holds chunk {}",
            seq.0, chunk.seq
        )));
    }
    Ok(chunk)
}

pub(super) fn batch_of(chunk: &LogChunk) -> BatchId {
    BatchId(wide(chunk.batch_high, chunk.batch_low))
}

/// The chunk as it was appended. `body` is what the pieces hold, where there are some.
pub(super) fn unpack(stored: &LogChunk, body: &[u8]) -> Result<Chunk, StoreError> {
    let damaged = |what: &str| StoreError::Corrupt(format!("chunk {}: {what}", stored.seq));
    let length = usize::try_from(stored.length).unwrap_or(usize::MAX);
    if length > CHUNK_BYTES_MAX {
        return Err(damaged("its length is out of bounds"));
    }
    let bytes = match stored.packing() {
        ChunkPacking::Plain => body.to_vec(),
        ChunkPacking::Lz4 => lz4_flex::block::decompress(body, length)
            .map_err(|error| damaged(&format!("cannot be unpacked: {error}")))?,
        ChunkPacking::Unspecified => {
            return Err(damaged(
                "it is packed in a way that this version does not know",
            ));
        }
    };
    if bytes.len() != length || crc32fast::hash(&bytes) != stored.crc32 {
        return Err(damaged("its checksum does not match"));
    }
    Ok(Chunk {
        epoch: Epoch(stored.epoch),
        seq: Seq(stored.seq),
        batch: batch_of(stored),
        bytes: bytes.into(),
    })
}

fn compressed(chunk: &Bytes) -> (ChunkPacking, Bytes) {
    if chunk.len() >= PACK_BYTES_MIN {
        let packed = lz4_flex::block::compress(chunk);
        if packed.len() < chunk.len() / 8 * 7 {
            return (ChunkPacking::Lz4, packed.into());
        }
    }
    (ChunkPacking::Plain, chunk.clone())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("chunks are bounded")
}
