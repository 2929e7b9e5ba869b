//! The contract of an append, decided in one place for every log that keeps its partitions' state in memory.

use std::ops::RangeInclusive;

use stepfleet_engine::PartitionId;

use super::{Append, BatchId, CHUNK_BYTES_MAX};
use crate::error::StoreError;

/// What a log knows of one partition. Sequences are dense, so chunks `trimmed + 1 ..= last` are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartitionState {
    pub(crate) epoch: u64,
    pub(crate) last: u64,
    pub(crate) trimmed: u64,
}

/// What to do with a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is the next one.
    Append,
    /// It is stored already: a resend.
    Stored,
    Refuse(StoreError),
}

/// Decides about one chunk. `stored` looks up the batch of a sequence that is in the log and not trimmed.
pub(crate) fn admit(
    append: &Append,
    state: PartitionState,
    stored: impl FnOnce(u64) -> Option<BatchId>,
) -> Admission {
    let partition = append.partition.0;
    let seq = append.seq.0;
    if append.chunk.len() > CHUNK_BYTES_MAX {
        return Admission::Refuse(StoreError::LimitExceeded(format!(
            "chunk of {} bytes for partition {partition}, the bound is {CHUNK_BYTES_MAX}",
            append.chunk.len()
        )));
    }
    if state.epoch == 0 {
        return Admission::Refuse(StoreError::Fenced(format!(
            "partition {partition} was never acquired"
        )));
    }
    if append.epoch.0 != state.epoch {
        return Admission::Refuse(StoreError::Fenced(format!(
            "partition {partition} is at epoch {}, the append came under {}",
            state.epoch, append.epoch.0
        )));
    }
    if seq == state.last + 1 {
        return Admission::Append;
    }
    if seq > state.trimmed && seq <= state.last && stored(seq) == Some(append.batch) {
        return Admission::Stored;
    }
    Admission::Refuse(StoreError::Fenced(if seq > state.last {
        format!(
            "partition {partition} ends at {}, the append is for {seq}",
            state.last
        )
    } else {
        format!("partition {partition} holds another chunk at {seq}")
    }))
}

/// The sequences that a read from `seq` may return, or why it may not begin there.
pub(crate) fn readable(
    partition: PartitionId,
    seq: u64,
    state: PartitionState,
) -> Result<RangeInclusive<u64>, StoreError> {
    if seq <= state.trimmed {
        return Err(StoreError::Corrupt(format!(
            "chunks {seq} to {} of partition {} were trimmed; the state store should cover them",
            state.trimmed, partition.0
        )));
    }
    Ok(seq..=state.last)
}

/// The new trim position, or none when nothing changes.
pub(crate) fn trimmed(
    partition: PartitionId,
    seq: u64,
    state: PartitionState,
) -> Result<Option<u64>, StoreError> {
    if seq > state.last {
        return Err(StoreError::Corrupt(format!(
            "trim of partition {} to {seq}, but its log ends at {}: the log lost its end",
            partition.0, state.last
        )));
    }
    Ok((seq > state.trimmed).then_some(seq))
}
