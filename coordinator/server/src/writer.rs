//! The one thread that writes rows to the state store and takes checkpoints, so that a stall of its compaction never
//! holds a partition. Bounded: hosts feel a full queue as back-pressure on new starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use stepfleet_engine::{ExecutionId, PartitionId};
use stepfleet_store::{Row, Seq, StateStore, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::fatal::Fatal;
use crate::partition::{HostHandle, Message};

/// Writes that may wait; beyond it hosts keep their rows and new starts are refused.
const WRITES_MAX: usize = 4096;
/// Rows that are written at once.
const GROUP_ROWS_MAX: usize = 1024;

/// One write.
#[derive(Debug)]
pub(crate) enum Write {
    /// Rows of executions of one host; the host hears when they are written.
    Rows {
        rows: Vec<Row>,
        host: Option<HostHandle>,
        written: Vec<(ExecutionId, u64)>,
    },
    /// Everything before this write becomes durable and covers these sequences.
    Checkpoint {
        covered: Vec<(PartitionId, Seq)>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Answered when every write before it is done.
    Barrier { answer: oneshot::Sender<()> },
}

/// Hands writes to the writer.
#[derive(Clone, Debug)]
pub(crate) struct WriterHandle {
    writes: mpsc::Sender<Write>,
    failing: Arc<AtomicU64>,
}

impl WriterHandle {
    /// Queues a write, or gives it back when the queue is full.
    pub(crate) fn try_submit(&self, write: Write) -> Result<(), Write> {
        self.writes.try_send(write).map_err(|error| match error {
            mpsc::error::TrySendError::Full(write) | mpsc::error::TrySendError::Closed(write) => {
                write
            }
        })
    }

    /// Queues a write, waiting for room.
    pub(crate) async fn submit(&self, write: Write) {
        // A closed queue means that the process is going down; what is not in rows is in the log.
        let _gone = self.writes.send(write).await;
    }

    /// Whether the last write failed (a full disk): rows wait and are tried again.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed) > 0
    }
}

/// Starts the writer thread. It ends when every handle is gone and the queue is empty.
pub(crate) fn start(
    store: Arc<dyn StateStore>,
    fatal: Fatal,
) -> std::io::Result<(WriterHandle, JoinHandle<()>)> {
    let (writes, receiver) = mpsc::channel(WRITES_MAX);
    let failing = Arc::new(AtomicU64::new(0));
    let thread = std::thread::Builder::new().name("state-writer".into());
    let handle = WriterHandle {
        writes,
        failing: failing.clone(),
    };
    let join = thread.spawn(move || serve(store.as_ref(), receiver, &failing, &fatal))?;
    Ok((handle, join))
}

fn serve(
    store: &dyn StateStore,
    mut writes: mpsc::Receiver<Write>,
    failing: &AtomicU64,
    fatal: &Fatal,
) {
    let mut group = Group::default();
    let mut next = writes.blocking_recv();
    while let Some(write) = next.take() {
        match write {
            Write::Rows {
                rows,
                host,
                written,
            } => group.add(rows, host, written),
            Write::Checkpoint { covered, answer } => {
                let result = store.checkpoint(&covered);
                if let Err(error) = &result {
                    tracing::warn!(%error, "checkpoint failed; the log keeps what it would have covered");
                }
                let _gone = answer.send(result);
            }
            Write::Barrier { answer } => {
                let _gone = answer.send(());
            }
        }
        // Rows that wait behind each other are written at once; anything else first sees them written.
        if group.rows.len() < GROUP_ROWS_MAX {
            next = writes.try_recv().ok();
        }
        if !matches!(next, Some(Write::Rows { .. })) && !group.rows.is_empty() {
            if let Err(error) = write_until_done(store, &group.rows, failing) {
                return fatal.fail(format!("the state store cannot be written: {error}"));
            }
            group.tell();
        }
        if next.is_none() {
            next = writes.blocking_recv();
        }
    }
}

/// Rows on their way, and who hears that they are written.
#[derive(Default)]
struct Group {
    rows: Vec<Row>,
    written: Vec<(HostHandle, Vec<(ExecutionId, u64)>)>,
}

impl Group {
    fn add(&mut self, rows: Vec<Row>, host: Option<HostHandle>, written: Vec<(ExecutionId, u64)>) {
        self.rows.extend(rows);
        let Some(host) = host else {
            return;
        };
        match self.written.iter_mut().find(|(known, _)| known.is(&host)) {
            Some((_, of_host)) => of_host.extend(written),
            None => self.written.push((host, written)),
        }
    }

    fn tell(&mut self) {
        self.rows.clear();
        for (host, written) in self.written.drain(..) {
            host.send_blocking(Message::Written(written));
        }
    }
}

/// Rows are derived from the log, so a failed write is tried again for as long as it takes: nothing is lost meanwhile,
/// only the log cannot be trimmed. What can never be written ends the process: a restart opens the store anew.
fn write_until_done(
    store: &dyn StateStore,
    rows: &[Row],
    failing: &AtomicU64,
) -> Result<(), StoreError> {
    let mut told = false;
    while let Err(error) = store.write(rows.to_vec()) {
        failing.store(1, Ordering::Relaxed);
        if !error.is_retryable() {
            return Err(error);
        }
        if !told {
            tracing::error!(%error, "state store refuses writes; trying again until it takes them");
            told = true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    failing.store(0, Ordering::Relaxed);
    Ok(())
}
