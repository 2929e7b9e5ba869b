//! A log in memory that keeps every clause of the contract, for tests and simulation, with switches for the failures
//! that a real one shows: refused, lost answer, full, slow.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::future::BoxFuture;
use stepfleet_engine::PartitionId;
use tokio::sync::watch;

use super::admission::{Admission, PartitionState, admit, readable, trimmed};
use super::{Acquired, Append, Chunk, Epoch, PartitionLog, Seq};
use crate::error::StoreError;

/// What happens to one `append` call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is stored; `Unavailable`.
    Refuse,
    /// Everything is stored; `Unavailable` all the same.
    LoseAnswer,
    /// Nothing is stored; `Full`.
    Full,
}

/// The model. Clones share one log, so that it outlives a simulated process.
#[derive(Clone, Debug)]
pub struct ModelLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Whether answers to appends wait.
    held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<u16, Partition>,
    faults: VecDeque<Fault>,
    appends: u64,
}

#[derive(Debug, Default)]
struct Partition {
    state: PartitionState,
    chunks: BTreeMap<u64, Chunk>,
}

impl Default for ModelLog {
    fn default() -> Self {
        Self::new()
    }
}

impl ModelLog {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                held: watch::Sender::new(false),
            }),
        }
    }

    /// Lets the next `append` call that has no fault yet fail.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// From now on chunks are stored, but no append is answered until [`ModelLog::release`].
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Answers what was held.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// Calls of `append` so far.
    pub fn appends(&self) -> u64 {
        self.lock().appends
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .expect("no code panics while it holds the model")
    }

    fn store(&self, chunks: &[Append]) -> Vec<Result<(), StoreError>> {
        let mut state = self.lock();
        state.appends += 1;
        let fault = state.faults.pop_front();
        let refusal = match fault {
            Some(Fault::Refuse) => Some(StoreError::Unavailable(
                "injected before the append".to_owned(),
            )),
            Some(Fault::Full) => Some(StoreError::Full("injected".to_owned())),
            Some(Fault::LoseAnswer) | None => None,
        };
        if let Some(refusal) = refusal {
            return vec![Err(refusal); chunks.len()];
        }
        let results = chunks.iter().map(|append| state.append(append)).collect();
        if fault == Some(Fault::LoseAnswer) {
            return vec![
                Err(StoreError::Unavailable(
                    "injected after the append".to_owned()
                ));
                chunks.len()
            ];
        }
        results
    }
}

impl State {
    fn append(&mut self, append: &Append) -> Result<(), StoreError> {
        let partition = self.partitions.entry(append.partition.0).or_default();
        let stored = |seq| partition.chunks.get(&seq).map(|chunk| chunk.batch);
        match admit(append, partition.state, stored) {
            Admission::Append => {
                let Append {
                    epoch,
                    seq,
                    batch,
                    ref chunk,
                    ..
                } = *append;
                partition.chunks.insert(
                    seq.0,
                    Chunk {
                        epoch,
                        seq,
                        batch,
                        bytes: chunk.clone(),
                    },
                );
                partition.state.last = seq.0;
                Ok(())
            }
            Admission::Stored => Ok(()),
            Admission::Refuse(error) => Err(error),
        }
    }

    fn read(&self, id: PartitionId, seq: Seq, bytes_max: usize) -> Result<Vec<Chunk>, StoreError> {
        let Some(partition) = self.partitions.get(&id.0) else {
            return Ok(Vec::new());
        };
        let seqs = readable(id, seq.0, partition.state)?;
        let mut bytes = 0;
        let mut chunks = Vec::new();
        for chunk in seqs.map_while(|seq| partition.chunks.get(&seq)) {
            bytes += chunk.bytes.len();
            if bytes > bytes_max && !chunks.is_empty() {
                break;
            }
            chunks.push(chunk.clone());
        }
        Ok(chunks)
    }
}

impl PartitionLog for ModelLog {
    fn acquire(&self, partition: PartitionId) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        let mut state = self.lock();
        let state = &mut state.partitions.entry(partition.0).or_default().state;
        state.epoch += 1;
        let acquired = Acquired {
            epoch: Epoch(state.epoch),
            last: Seq(state.last),
        };
        Box::pin(async move { Ok(acquired) })
    }

    fn append(&self, chunks: Vec<Append>) -> BoxFuture<'static, Vec<Result<(), StoreError>>> {
        let results = self.store(&chunks);
        let mut held = self.shared.held.subscribe();
        Box::pin(async move {
            // An error means that the model is gone; then nobody will release the answer.
            drop(held.wait_for(|held| !held).await);
            results
        })
    }

    fn read_from(
        &self,
        partition: PartitionId,
        seq: Seq,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Chunk>, StoreError>> {
        let chunks = self.lock().read(partition, seq, bytes_max);
        Box::pin(async move { chunks })
    }

    fn trim(&self, partition: PartitionId, seq: Seq) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut state = self.lock();
        let entry = state.partitions.entry(partition.0).or_default();
        let result = trimmed(partition, seq.0, entry.state).map(|trimmed| {
            if let Some(trimmed) = trimmed {
                entry.state.trimmed = trimmed;
                entry.chunks = entry.chunks.split_off(&(trimmed + 1));
            }
        });
        Box::pin(async move { result })
    }

    fn hand_over(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut state = self.lock();
        let state = &mut state.partitions.entry(partition.0).or_default().state;
        let result = if epoch.0 > state.epoch {
            Err(StoreError::Fenced(format!(
                "partition {} is at epoch {}",
                partition.0, state.epoch
            )))
        } else {
            state.epoch += u64::from(epoch.0 == state.epoch && state.epoch > 0);
            Ok(())
        };
        Box::pin(async move { result })
    }
}
