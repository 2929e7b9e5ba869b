//! The log of one node: all partitions interleaved in pre-written, recycled segment files, one writer thread, one
//! `fdatasync` for everything that waits.
//!
//! A segment begins with a header and a *ledger* (every partition's epoch, end and trim position, and where the
//! previous segment ends); frames follow. Guarantee: what was answered survives power loss; a torn tail is cut, any
//! other damage is refused. Limit: damage within the very last synced group looks like a torn tail.

mod disk;
mod frame;
mod group;
mod index;
mod ledger;
mod pool;
mod queue;
mod read;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use futures::future::BoxFuture;
use stepfleet_engine::PartitionId;
use tokio::sync::oneshot;

use self::index::Index;
use self::pool::Pool;
use self::queue::{Command, Queue};
use self::read::Reader;
use self::writer::Writer;
use super::{Acquired, Append, CHUNK_BYTES_MAX, Chunk, Epoch, PartitionLog, Seq};
use crate::error::StoreError;

pub use self::disk::{Disk, SystemDisk};

/// Bytes of the smallest segment: room for a ledger, a chunk and the reserve for control frames.
pub const SEGMENT_BYTES_MIN: u32 = 5 * 1024 * 1024;
/// Partitions at most, so that a ledger stays a small part of a segment: the 4096 that executions may hash to, and
/// those that hold something else.
pub const PARTITIONS_MAX: usize = 4096 + 16;

const _: () = assert!(
    segment::HEADER_BYTES
        + ledger::BYTES_MAX
        + frame::HEADER_BYTES
        + CHUNK_BYTES_MAX
        + writer::CONTROL_RESERVE_BYTES
        < SEGMENT_BYTES_MIN as usize
);

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of one segment file; at least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u32,
    /// Appends are refused while the disk has fewer free bytes than this.
    pub reserve_bytes: u64,
    /// When an append is answered.
    pub sync: Sync,
    /// How the log touches the disk; tests inject faults here.
    pub disk: Arc<dyn Disk>,
}

/// When an append counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// After `fdatasync`: survives power loss.
    Fdatasync,
    /// After the write: survives the process only. For ephemeral data and tests.
    None,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 16 * 1024 * 1024,
            reserve_bytes: 256 * 1024 * 1024,
            sync: Sync::Fdatasync,
            disk: Arc::new(SystemDisk),
        }
    }
}

/// Counters since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Group commits, each one write and one `fdatasync`.
    pub groups: u64,
    /// Chunks stored; a resend of a stored chunk does not count.
    pub chunks: u64,
    /// Bytes written, headers included.
    pub bytes: u64,
    /// Segments that hold chunks still needed.
    pub segments: u64,
    /// Appends refused because the disk was full.
    pub refused_full: u64,
}

/// The log of one node.
pub struct LocalLog {
    folder: PathBuf,
    queue: Arc<Queue>,
    reader: Option<Reader>,
    pool: Arc<Pool>,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    preparer: Option<JoinHandle<()>>,
}

/// What the writer, the reader and the handle share.
#[derive(Debug, Default)]
struct Shared {
    index: Mutex<Index>,
    groups: AtomicU64,
    chunks: AtomicU64,
    bytes: AtomicU64,
    refused_full: AtomicU64,
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index
            .lock()
            .expect("no code panics while it holds the index")
    }
}

impl LocalLog {
    /// Opens the log in `folder`, creating it when it is not there. Reads every segment once; blocks.
    ///
    /// `Corrupt` when a segment is missing or damaged other than by a torn tail; `Full` when there is no room for the
    /// first segment.
    pub fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        if options.segment_bytes < SEGMENT_BYTES_MIN {
            return Err(StoreError::LimitExceeded(format!(
                "segments of {} bytes, the least is {SEGMENT_BYTES_MIN}",
                options.segment_bytes
            )));
        }
        std::fs::create_dir_all(folder)
            .map_err(|error| segment::failed("create", folder, &error))?;
        let scanned = scan::scan(folder, &options)?;
        let shared = Arc::new(Shared {
            index: Mutex::new(scanned.index),
            ..Shared::default()
        });
        let pool = Arc::new(Pool::new(
            folder,
            &options,
            scanned.spares,
            scanned.slot_next,
        ));
        let preparer = Some(pool::spawn(Arc::clone(&pool))?);
        let queue = Arc::new(Queue::default());
        let writer = Writer::new(
            options,
            folder,
            Arc::clone(&shared),
            Arc::clone(&pool),
            scanned.tail,
        );
        let writer = Some(writer::spawn(writer, Arc::clone(&queue))?);
        let reader = Some(Reader::spawn(Arc::clone(&shared))?);
        Ok(Self {
            folder: folder.to_owned(),
            queue,
            reader,
            pool,
            shared,
            writer,
            preparer,
        })
    }

    /// Counters since the log was opened.
    pub fn stats(&self) -> Stats {
        Stats {
            groups: self.shared.groups.load(Ordering::Relaxed),
            chunks: self.shared.chunks.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            segments: self.shared.index().segment_count(),
            refused_full: self.shared.refused_full.load(Ordering::Relaxed),
        }
    }

    /// Partitions of which the log knows, with their last sequences.
    pub fn partitions(&self) -> Vec<(PartitionId, Seq)> {
        self.shared
            .index()
            .states()
            .map(|(partition, state)| (PartitionId(partition), Seq(state.last)))
            .collect()
    }

    /// Makes an unused partition begin after `base`, under `epoch`: a restored backup continues where it was taken.
    /// `Fenced` when the partition was used before.
    pub fn restore(
        &self,
        partition: PartitionId,
        epoch: Epoch,
        base: Seq,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        self.send(|reply| Command::Restore {
            partition,
            epoch,
            base,
            reply,
        })
    }

    /// Queues a command at once; the future only waits for its answer.
    fn send<T: Send + 'static>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue.push(command(reply));
        Box::pin(async move {
            queued?;
            answer.await.unwrap_or_else(|_| Err(closed()))
        })
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the log is closed".to_owned())
}

impl PartitionLog for LocalLog {
    fn acquire(&self, partition: PartitionId) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        self.send(|reply| Command::Acquire { partition, reply })
    }

    fn append(&self, chunks: Vec<Append>) -> BoxFuture<'static, Vec<Result<(), StoreError>>> {
        let count = chunks.len();
        let (reply, answer) = oneshot::channel();
        let queued = self.queue.push(Command::Append { chunks, reply });
        Box::pin(async move {
            if let Err(error) = queued {
                return vec![Err(error); count];
            }
            answer.await.unwrap_or_else(|_| vec![Err(closed()); count])
        })
    }

    fn read_from(
        &self,
        partition: PartitionId,
        seq: Seq,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Chunk>, StoreError>> {
        let answer = self
            .reader
            .as_ref()
            .map(|reader| reader.read(partition, seq, bytes_max));
        Box::pin(async move {
            match answer {
                Some(answer) => answer?.await.unwrap_or_else(|_| Err(closed())),
                None => Err(closed()),
            }
        })
    }

    fn trim(&self, partition: PartitionId, seq: Seq) -> BoxFuture<'static, Result<(), StoreError>> {
        self.send(|reply| Command::Trim {
            partition,
            seq,
            reply,
        })
    }

    fn hand_over(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        self.send(|reply| Command::HandOver {
            partition,
            epoch,
            reply,
        })
    }
}

impl fmt::Debug for LocalLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLog")
            .field("folder", &self.folder)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Drop for LocalLog {
    /// Commits what is queued, then joins the threads.
    fn drop(&mut self) {
        self.queue.close();
        let writer = self.writer.take().map(JoinHandle::join);
        self.pool.close();
        let preparer = self.preparer.take().map(JoinHandle::join);
        drop(self.reader.take());
        if matches!(writer, Some(Err(_))) || matches!(preparer, Some(Err(_))) {
            tracing::error!("a thread of the log panicked");
        }
    }
}
