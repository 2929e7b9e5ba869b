//! The state store: ordered tables of rows, written lazily, flushed at checkpoints. Calls block; the shell makes them
//! from its own threads, never from a partition task.

pub(crate) mod checkpoint;
pub mod fjall;
pub mod memory;
pub mod partition;

use std::fmt::Debug;

use stepfleet_engine::PartitionId;

use crate::error::StoreError;
use crate::log::Seq;

/// A table. Numbers are stable and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Checkpoints, format.
    Meta = 1,
    /// Snapshot of an execution: `records::execution`.
    Execution = 2,
    /// Blocks of history: `records::history`.
    History = 3,
    /// List indexes: `records::listing`.
    Listing = 4,
    /// What a live execution waits for, so that a start needs no snapshots: `records::live`.
    Live = 5,
    /// State machines, revisions, activities, settings: `records::control`.
    Control = 6,
}

/// Every table.
pub const TABLES: [Table; 6] = [
    Table::Meta,
    Table::Execution,
    Table::History,
    Table::Listing,
    Table::Live,
    Table::Control,
];

/// Bytes of a key at most; an empty key is refused too.
pub const KEY_BYTES_MAX: usize = 65_535;
/// Bytes of a value at most.
pub const VALUE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// One row to write; `value: None` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where the row stands.
    pub table: Table,
    /// 1 to [`KEY_BYTES_MAX`] bytes; orders the table bytewise.
    pub key: Vec<u8>,
    /// At most [`VALUE_BYTES_MAX`] bytes; none deletes.
    pub value: Option<Vec<u8>>,
}

/// Which way a scan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// Key and value of a scanned row.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Ordered tables.
pub trait StateStore: Debug + Send + Sync {
    /// Writes rows atomically, without waiting for the disk.
    fn write(&self, rows: Vec<Row>) -> Result<(), StoreError>;
    /// The value of a key; none when there is no such row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Rows with `from <= key < to`, in the given order, at most `limit`.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;
    /// Makes everything written so far durable and records that it covers these sequences.
    fn checkpoint(&self, covered: &[(PartitionId, Seq)]) -> Result<(), StoreError>;
    /// What the last completed checkpoint covered.
    fn last_checkpoint(&self) -> Result<Vec<(PartitionId, Seq)>, StoreError>;
}

/// Refuses rows that break a bound, before anything is written.
fn check_rows(rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        let (key, value) = (row.key.len(), row.value.as_ref().map_or(0, Vec::len));
        if key == 0 || key > KEY_BYTES_MAX || value > VALUE_BYTES_MAX {
            return Err(StoreError::LimitExceeded(format!(
                "a row of {:?} with a key of {key} and a value of {value} bytes",
                row.table
            )));
        }
    }
    Ok(())
}
