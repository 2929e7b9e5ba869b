//! The queue to the writer: commands wait here while a group commit is on its way, and go together in the next one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

use stepfleet_engine::PartitionId;
use tokio::sync::oneshot;

use super::closed;
use crate::error::StoreError;
use crate::log::{Acquired, Append, Epoch, Seq};

/// Bytes of chunks that may wait; beyond, appends are refused as `Unavailable`. A partition has one append in flight,
/// so only a stalled disk gets here.
const QUEUED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes that the writer takes at once, so that no caller waits for an endless group.
const TAKEN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Where the answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Append {
        chunks: Vec<Append>,
        reply: oneshot::Sender<Vec<Result<(), StoreError>>>,
    },
    Acquire {
        partition: PartitionId,
        reply: Reply<Acquired>,
    },
    HandOver {
        partition: PartitionId,
        epoch: Epoch,
        reply: Reply<()>,
    },
    Trim {
        partition: PartitionId,
        seq: Seq,
        reply: Reply<()>,
    },
    Restore {
        partition: PartitionId,
        epoch: Epoch,
        base: Seq,
        reply: Reply<()>,
    },
}

/// Commands in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    commands: VecDeque<Command>,
    bytes: usize,
    closed: bool,
}

impl Command {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { chunks, .. } => chunks.iter().map(|append| append.chunk.len()).sum(),
            Self::Acquire { .. }
            | Self::HandOver { .. }
            | Self::Trim { .. }
            | Self::Restore { .. } => 0,
        }
    }
}

impl Queue {
    pub(super) fn push(&self, command: Command) -> Result<(), StoreError> {
        let bytes = command.bytes();
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(closed());
        }
        // One append of any size is taken when nothing waits: refusing it would refuse it for ever.
        if waiting.bytes > 0 && waiting.bytes.saturating_add(bytes) > QUEUED_BYTES_MAX {
            return Err(StoreError::Unavailable(format!(
                "{} bytes wait for the log already",
                waiting.bytes
            )));
        }
        waiting.bytes += bytes;
        waiting.commands.push_back(command);
        let first = waiting.commands.len() == 1;
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits for commands and takes them; empty when the queue is closed and drained.
    pub(super) fn take(&self) -> Vec<Command> {
        let mut waiting = self.lock();
        while waiting.commands.is_empty() && !waiting.closed {
            waiting = self
                .arrived
                .wait(waiting)
                .expect("no code panics while it holds the queue");
        }
        let mut taken = Vec::with_capacity(waiting.commands.len());
        let mut bytes = 0;
        while bytes < TAKEN_BYTES_MAX
            && let Some(command) = waiting.commands.pop_front()
        {
            bytes += command.bytes();
            taken.push(command);
        }
        waiting.bytes -= bytes;
        taken
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting
            .lock()
            .expect("no code panics while it holds the queue")
    }
}
