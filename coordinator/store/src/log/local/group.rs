//! One group commit in the making: bytes to write, and what becomes true when they are durable.

use std::collections::BTreeMap;

use super::frame::{self, Frame, Kind, Place};
use super::index::Entry;
use super::queue::Reply;
use crate::error::StoreError;
use crate::log::admission::PartitionState;
use crate::log::{Acquired, Append, BatchId};
use tokio::sync::oneshot;

/// Frames that go to the disk in one write.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Number of this attempt to commit.
    pub(super) number: u64,
    pub(super) segment: u64,
    /// Offset of the first frame.
    pub(super) start: u32,
    pub(super) bytes: Vec<u8>,
    /// States after the group, of the partitions that it touches.
    pub(super) states: BTreeMap<u16, PartitionState>,
    pub(super) chunks: Vec<(u16, Entry)>,
    /// Answers that depend on it.
    pub(super) tickets: Vec<Ticket>,
}

/// Which answer, and which chunk in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) answer: usize,
    pub(super) chunk: usize,
}

/// A frame before it knows its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) partition: u16,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) batch: BatchId,
}

impl Draft {
    pub(super) fn chunk(append: &Append) -> Self {
        Self {
            kind: Kind::Chunk,
            partition: append.partition.0,
            epoch: append.epoch.0,
            seq: append.seq.0,
            batch: append.batch,
        }
    }

    pub(super) fn control(kind: Kind, partition: u16, epoch: u64, seq: u64) -> Self {
        Self {
            kind,
            partition,
            epoch,
            seq,
            batch: BatchId::default(),
        }
    }
}

impl Group {
    /// Adds a frame and returns its offset in the segment.
    pub(super) fn push(&mut self, draft: Draft, payload: &[u8]) -> u32 {
        let written = u32::try_from(self.bytes.len()).expect("a group is smaller than its segment");
        let offset = self.start + written;
        let frame = Frame {
            kind: draft.kind,
            partition: draft.partition,
            group_start: self.start,
            group: self.number,
            epoch: draft.epoch,
            seq: draft.seq,
            batch: draft.batch.0,
        };
        frame::write(
            &mut self.bytes,
            &frame,
            payload,
            Place {
                segment: self.segment,
                offset,
            },
        );
        offset
    }

    pub(super) fn push_chunk(&mut self, append: &Append) {
        let offset = self.push(Draft::chunk(append), &append.chunk);
        let length = u32::try_from(append.chunk.len()).expect("chunks are bounded");
        let (seq, batch) = (append.seq.0, append.batch);
        let entry = Entry {
            segment: self.segment,
            offset,
            length,
            seq,
            batch,
        };
        self.chunks.push((append.partition.0, entry));
    }

    /// The batch of a chunk in this group.
    pub(super) fn batch(&self, partition: u16, seq: u64) -> Option<BatchId> {
        self.chunks
            .iter()
            .find(|(of, entry)| *of == partition && entry.seq == seq)
            .map(|(_, entry)| entry.batch)
    }
}

/// An answer in the making: `Ok` unless something says otherwise before it is sent.
#[derive(Debug)]
pub(super) enum Answer {
    Append {
        results: Vec<Result<(), StoreError>>,
        reply: oneshot::Sender<Vec<Result<(), StoreError>>>,
    },
    Acquire {
        result: Result<Acquired, StoreError>,
        reply: Reply<Acquired>,
    },
    Done {
        result: Result<(), StoreError>,
        reply: Reply<()>,
    },
}

impl Answer {
    pub(super) fn fail(&mut self, chunk: usize, error: StoreError) {
        match self {
            Self::Append { results, .. } => results[chunk] = Err(error),
            Self::Acquire { result, .. } => *result = Err(error),
            Self::Done { result, .. } => *result = Err(error),
        }
    }

    /// Sends it; a caller that went away does not matter.
    pub(super) fn send(self) {
        match self {
            Self::Append { results, reply } => drop(reply.send(results)),
            Self::Acquire { result, reply } => drop(reply.send(result)),
            Self::Done { result, reply } => drop(reply.send(result)),
        }
    }
}
