//! What makes the log safe, apart from how it is sent. No clock and no failure detector is part of it.

// Four rules:
//
// 1. An owner is acquired by a write on the condition that the owner's key still has the revision that was seen; the
//    revision of that write is the epoch. The same transaction reads where the log ends.
// 2. A chunk is written on two conditions: the owner's key has the writer's epoch for its revision, and the chunk's
//    own key does not exist.
// 3. A request whose outcome is unknown is sent again, unchanged, until an answer tells.
// 4. Nothing is told to anybody before the answer of its append, and the next chunk is not sent before either.
//
// So chunks are dense and written once; no chunk of an older epoch comes after an acquisition, one that was on its way
// neither; and what was acknowledged is in front of the end that the acquisition read.

use stepfleet_engine::PartitionId;

use crate::error::StoreError;
use crate::log::{Append, BatchId, Epoch, Seq};

/// What must be true in etcd for a request to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Condition {
    /// The owner's key was last changed at this revision; 0: it does not exist.
    OwnerAt(Epoch),
    /// No chunk stands at the sequence.
    Absent(Seq),
}

/// What etcd holds where an append was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Found {
    /// Revision of the owner's key; 0 when there is none.
    pub(super) owner: Epoch,
    /// Batch of the chunk that stands at the sequence.
    pub(super) chunk: Option<BatchId>,
}

/// Rule 1.
pub(super) fn acquisition(seen: Epoch) -> [Condition; 1] {
    [Condition::OwnerAt(seen)]
}

/// Rule 2.
pub(super) fn append(epoch: Epoch, seq: Seq) -> [Condition; 2] {
    [Condition::OwnerAt(epoch), Condition::Absent(seq)]
}

/// What the owner may do to its partition apart from appending: trim it, give it up, store pieces, point to a snapshot.
pub(crate) fn owned(epoch: Epoch) -> [Condition; 1] {
    [Condition::OwnerAt(epoch)]
}

/// What became of an append that etcd refused: it was there already, or it may never come.
pub(super) fn judge(append: &Append, found: Found) -> Result<(), StoreError> {
    let Append {
        partition,
        epoch,
        seq,
        batch,
        ..
    } = append;
    // Even when the chunk is there: whoever owns the partition now has decided what follows from it.
    if found.owner != *epoch {
        return Err(StoreError::Fenced(format!(
            "partition {} is at epoch {}, the append came under {}",
            partition.0, found.owner.0, epoch.0
        )));
    }
    if found.chunk == Some(*batch) {
        return Ok(());
    }
    Err(StoreError::Fenced(format!(
        "partition {} holds another chunk at {}",
        partition.0, seq.0
    )))
}

pub(super) fn never_acquired(partition: PartitionId, epoch: Epoch) -> StoreError {
    StoreError::Fenced(format!(
        "partition {} was not acquired under epoch {} here",
        partition.0, epoch.0
    ))
}
