//! Online backup into one file, and restore from it.
//!
//! A backup is a stream of checksummed, lz4-packed frames: the format, the rows of every table, the checkpoint that was
//! the last before the first row was read, and every chunk of the log after it, read when the rows were. Rows may be
//! ahead of the checkpoint: replay is idempotent, as after a crash. The caller holds trimming back meanwhile.

pub(crate) mod frame;
mod restore;
#[cfg(test)]
mod tests;
mod write;

pub use restore::{RestoreError, RestoreOptions, restore};
pub(crate) use write::ORDER;
pub use write::{ChunkSource, LogSource, write_backup};

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows of all tables together.
    pub rows: u64,
    /// Log chunks of all partitions together.
    pub chunks: u64,
}
