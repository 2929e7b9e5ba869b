//! Taking a backup.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use stepfleet_engine::PartitionId;
use tokio::runtime::Runtime;

use super::Totals;
use super::frame::{BACKUP, FrameWriter, Kind, encode_format, encode_totals, put_chunk, put_row};
use crate::error::StoreError;
use crate::folder::Format;
use crate::log::{Chunk, PartitionLog, Seq};
use crate::state::{KEY_BYTES_MAX, Order, StateStore, Table, checkpoint};

/// Bytes after which a frame is written.
const FRAME_BYTES: usize = 1024 * 1024;
/// Rows of a page; a page of history blocks is the largest.
const PAGE_ROWS: usize = 64;
/// Bytes of log that are read at once.
const PAGE_BYTES: usize = 1024 * 1024;

/// Snapshots first: what is read after them is as new or newer, and replay makes it agree. The other way round a
/// snapshot could be ahead of its history, and replay would skip the records that fill the gap. Retention must rest
/// meanwhile, as trimming must.
pub(crate) const ORDER: [Table; 6] = [
    Table::Execution,
    Table::Live,
    Table::History,
    Table::Listing,
    Table::Control,
    Table::Meta,
];

/// Where the chunks come from. Calls block.
pub trait ChunkSource {
    /// Every partition that may hold chunks.
    fn partitions(&self) -> Vec<PartitionId>;
    /// Chunks from `seq` on; empty at the end.
    fn read(&mut self, partition: PartitionId, seq: Seq) -> Result<Vec<Chunk>, StoreError>;
}

/// Chunks of a log. For a thread that may block, not for an async task.
pub struct LogSource {
    log: Arc<dyn PartitionLog>,
    partitions: Vec<PartitionId>,
    runtime: Runtime,
}

impl LogSource {
    /// Reads these partitions of a log.
    pub fn new(
        log: Arc<dyn PartitionLog>,
        partitions: Vec<PartitionId>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            log,
            partitions,
            runtime: runtime()?,
        })
    }
}

impl ChunkSource for LogSource {
    fn partitions(&self) -> Vec<PartitionId> {
        self.partitions.clone()
    }

    fn read(&mut self, partition: PartitionId, seq: Seq) -> Result<Vec<Chunk>, StoreError> {
        self.runtime
            .block_on(self.log.read_from(partition, seq, PAGE_BYTES))
    }
}

impl fmt::Debug for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSource")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// A runtime for waiting for a log; it drives nothing.
pub(super) fn runtime() -> Result<Runtime, StoreError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| StoreError::Unavailable(format!("cannot wait for the log: {error}")))
}

/// Writes a backup to `out` while the store and the log go on. Nothing may be trimmed meanwhile. Blocks; `Unavailable`
/// when `out` fails.
pub fn write_backup(
    out: &mut dyn Write,
    format: Format,
    store: &dyn StateStore,
    log: &mut dyn ChunkSource,
) -> Result<Totals, StoreError> {
    let covered = store.last_checkpoint()?;
    let mut frames = FrameWriter::begin(out, BACKUP).map_err(unwritten)?;
    frames
        .write(Kind::Format, &encode_format(format))
        .map_err(unwritten)?;
    frames
        .write(Kind::Checkpoint, &checkpoint::encode(&covered))
        .map_err(unwritten)?;
    let mut totals = Totals::default();
    for table in ORDER {
        totals.rows += write_table(&mut frames, store, table)?;
    }
    for partition in log.partitions() {
        let after = covered
            .iter()
            .find(|(of, _)| *of == partition)
            .map_or(0, |(_, seq)| seq.0);
        totals.chunks += write_partition(&mut frames, log, partition, Seq(after + 1))?;
    }
    frames
        .write(Kind::End, &encode_totals(totals))
        .map_err(unwritten)?;
    frames.finish().map_err(unwritten)?;
    Ok(totals)
}

fn write_table<W: Write>(
    frames: &mut FrameWriter<W>,
    store: &dyn StateStore,
    table: Table,
) -> Result<u64, StoreError> {
    let (mut from, to) = (vec![0], vec![u8::MAX; KEY_BYTES_MAX]);
    let (mut rows, mut frame) = (0, Vec::new());
    loop {
        let page = store.scan(table, &from, &to, Order::Ascending, PAGE_ROWS)?;
        let Some((last, _)) = page.last() else { break };
        from.clone_from(last);
        from.push(0);
        for (key, value) in &page {
            // The checkpoint of this backup stands in its own frame; the row may be younger.
            if table == Table::Meta && key == checkpoint::KEY {
                continue;
            }
            rows += 1;
            put_row(&mut frame, table, key, value);
            if frame.len() >= FRAME_BYTES {
                frames.write(Kind::Rows, &frame).map_err(unwritten)?;
                frame.clear();
            }
        }
    }
    if !frame.is_empty() {
        frames.write(Kind::Rows, &frame).map_err(unwritten)?;
    }
    Ok(rows)
}

fn write_partition<W: Write>(
    frames: &mut FrameWriter<W>,
    log: &mut dyn ChunkSource,
    partition: PartitionId,
    first: Seq,
) -> Result<u64, StoreError> {
    let mut next = first;
    loop {
        let chunks = log.read(partition, next)?;
        let Some(last) = chunks.last() else {
            return Ok(next.0 - first.0);
        };
        next = Seq(last.seq.0 + 1);
        let mut frame = Vec::new();
        for chunk in &chunks {
            put_chunk(&mut frame, partition, chunk);
        }
        frames.write(Kind::Chunks, &frame).map_err(unwritten)?;
    }
}

fn unwritten(error: io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot write the backup: {error}"))
}
