//! Where executions live between two moments: the partition log (the truth) and the state store (a cache of it).
//!
//! Data flow: the partition encodes events into chunks and appends them to a [`PartitionLog`]; rows of closed, evicted
//! or checkpointed executions go to a [`StateStore`]; a checkpoint names the sequence per partition that the rows
//! cover, after which the log is trimmed. Recovery loads rows and applies the chunks that follow.
//!
//! Glossary: *chunk*: one append of one partition, many records. *record*: the events of one decision of one execution.
//! *epoch*: the ownership under which a chunk was written. *row*: one key and value of a table of the state store.
#![warn(missing_docs)]

pub mod backup;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod control;
pub mod error;
pub mod etcd;
pub mod folder;
pub mod log;
pub mod records;
pub mod snapshot;
pub mod state;

pub use error::StoreError;
pub use log::{Append, BatchId, Chunk, Epoch, PartitionLog, Seq, halves};
pub use state::{Row, StateStore, Table};
