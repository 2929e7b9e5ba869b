//! The partition log: dense, fenced, append-only chunks per partition. One trait; the implementations differ only in
//! where the bytes go.

mod admission;
pub mod etcd;
pub mod fault;
pub mod local;
pub mod model;

use std::fmt::Debug;

use bytes::Bytes;
use futures::future::BoxFuture;
use stepfleet_engine::PartitionId;

use crate::error::StoreError;

/// The ownership of a partition under which chunks are written; grows with every acquisition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Number of a chunk within its partition, from 1, dense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// Identity of one append, so that a resend after a lost answer is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u128);

/// Bytes of one chunk at most; a contract for every implementation. One decision is one record and is never torn
/// over chunks; with payloads of 256 KiB a transition can record several. (Logs with smaller requests, as etcd's, keep
/// payloads over 16 KiB outside.)
pub const CHUNK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes at which a partition ends a chunk and begins the next.
pub const CHUNK_BYTES_TARGET: usize = 256 * 1024;

/// One chunk to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// The partition whose log grows.
    pub partition: PartitionId,
    /// Epoch that the writer acquired; under an outdated one the append is `Fenced`.
    pub epoch: Epoch,
    /// One more than the last chunk; 1 is the first.
    pub seq: Seq,
    /// The same when the chunk is sent again, so that it is stored once.
    pub batch: BatchId,
    /// Encoded records, at most [`CHUNK_BYTES_MAX`] bytes.
    pub chunk: Bytes,
}

/// One stored chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Epoch under which it was appended.
    pub epoch: Epoch,
    /// Its place in the partition, from 1.
    pub seq: Seq,
    /// Identity of the append that stored it.
    pub batch: BatchId,
    /// The encoded records, as they were appended.
    pub bytes: Bytes,
}

/// What an owner gets: its epoch and where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// The new epoch, greater than every earlier one of the partition.
    pub epoch: Epoch,
    /// The last chunk in the log; the owner's first append is the next one.
    pub last: Seq,
}

/// A log of partitions. Futures are `'static` so that a partition goes on deciding while an append is in flight.
pub trait PartitionLog: Debug + Send + Sync {
    /// Takes ownership of a partition under a new epoch; older owners' appends are `Fenced` from now on.
    fn acquire(&self, partition: PartitionId) -> BoxFuture<'static, Result<Acquired, StoreError>>;
    /// Appends chunks of several partitions, durably and each all-or-nothing, and answers in the same order. A chunk
    /// whose (seq, batch) is already stored is answered `Ok`.
    fn append(&self, chunks: Vec<Append>) -> BoxFuture<'static, Vec<Result<(), StoreError>>>;
    /// Chunks of a partition from `seq` on, ascending, at most about `bytes_max` bytes (at least one chunk); empty at
    /// the end.
    fn read_from(
        &self,
        partition: PartitionId,
        seq: Seq,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Chunk>, StoreError>>;
    /// Chunks up to and including `seq` are no longer needed.
    fn trim(&self, partition: PartitionId, seq: Seq) -> BoxFuture<'static, Result<(), StoreError>>;
    /// Gives the partition up: appends under `epoch` are fenced from now on.
    fn hand_over(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A wide number as two fields of a message.
#[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
pub fn halves(number: u128) -> [u64; 2] {
    [(number >> 64) as u64, number as u64]
}
