//! What this process knows of its partitions, and whose turn it is: the appends of a partition go one after another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stepfleet_engine::PartitionId;
use tokio::sync::oneshot;

use super::protocol::never_acquired;
use super::requests::{Answer, Taken};
use crate::error::StoreError;
use crate::log::admission::{Admission, PartitionState, admit, trimmed};
use crate::log::{Append, Epoch, Seq};

#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Mutex<BTreeMap<u16, Lane>>,
    incarnation: u128,
    acquisitions: AtomicU64,
}

#[derive(Debug, Default)]
struct Lane {
    state: PartitionState,
    /// The newest revision of etcd at which something is known of the partition. A read that is older is stale.
    revision: i64,
    /// An append to here may have taken effect or not.
    unknown: Option<Seq>,
    /// Ends with the newest call that has a turn.
    turn: Option<Before>,
}

/// What is known of a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) epoch: Epoch,
    pub(super) last: Seq,
    pub(super) trimmed: Seq,
    pub(super) revision: i64,
}

/// A place in the lines of some partitions, one in each.
#[derive(Debug)]
pub(super) struct Turn {
    places: Vec<(Option<Before>, oneshot::Sender<Before>)>,
}

/// Over when whoever is before has left; who leaves before it was at the head tells who was before it.
#[derive(Debug)]
struct Before(oneshot::Receiver<Before>);

/// A place at the head of the lines; leaves them when it is dropped.
#[derive(Debug)]
pub(super) struct Come {
    _done: Vec<oneshot::Sender<Before>>,
}

impl Turn {
    /// Waits for all before.
    pub(super) async fn come(mut self) -> Come {
        for (before, _) in &mut self.places {
            // Held here until it is over: should this be dropped meanwhile, the next in line waits for it.
            while let Some(Before(receiver)) = before {
                *before = receiver.await.ok();
            }
        }
        let places = std::mem::take(&mut self.places);
        let done = places.into_iter().map(|(_, done)| done);
        Come {
            _done: done.collect(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        for (before, done) in self.places.drain(..) {
            if let Some(before) = before {
                let _nobody_waits = done.send(before);
            }
        }
    }
}

impl Lanes {
    pub(super) fn new(incarnation: u128) -> Self {
        Self {
            lanes: Mutex::default(),
            incarnation,
            acquisitions: AtomicU64::new(0),
        }
    }

    /// A number that no other change of an owner has.
    pub(super) fn acquisition(&self) -> u128 {
        let count = self.acquisitions.fetch_add(1, Ordering::Relaxed);
        self.incarnation.wrapping_add(u128::from(count))
    }

    /// A place in all these lines at once, so that calls never wait for each other in a circle.
    pub(super) fn turn(&self, partitions: impl Iterator<Item = PartitionId>) -> Turn {
        let mut lanes = self.lock();
        let mut turn = Turn { places: Vec::new() };
        let distinct: std::collections::BTreeSet<u16> = partitions.map(|id| id.0).collect();
        for partition in distinct {
            let (done, over) = oneshot::channel();
            let lane = lanes.entry(partition).or_default();
            turn.places.push((lane.turn.replace(Before(over)), done));
        }
        turn
    }

    pub(super) fn known(&self, partition: PartitionId) -> Known {
        self.lock()
            .get(&partition.0)
            .map_or_else(Known::default, |lane| Known {
                epoch: Epoch(lane.state.epoch),
                last: Seq(lane.state.last),
                trimmed: Seq(lane.state.trimmed),
                revision: lane.revision,
            })
    }

    pub(super) fn acquired(&self, partition: PartitionId, taken: &Taken) {
        let mut lanes = self.lock();
        let lane = lanes.entry(partition.0).or_default();
        // Two acquisitions may end in the other order; the later one counts.
        if taken.acquired.epoch.0 > lane.state.epoch {
            lane.state = PartitionState {
                epoch: taken.acquired.epoch.0,
                last: taken.acquired.last.0,
                trimmed: taken.trimmed.0.max(lane.state.trimmed),
            };
            lane.revision = lane.revision.max(taken.revision);
            lane.unknown = None;
        }
    }

    pub(super) fn gave_up(&self, partition: PartitionId, epoch: Epoch) {
        let mut lanes = self.lock();
        let lane = lanes.entry(partition.0).or_default();
        if lane.state.epoch == epoch.0 {
            lane.state.epoch = 0;
        }
    }

    /// Whether an append may be sent: the next one, or one of before again.
    pub(super) fn admit(&self, append: &Append) -> Result<(), StoreError> {
        let mut lanes = self.lock();
        let lane = lanes.entry(append.partition.0).or_default();
        if lane.unknown.is_some_and(|seq| append.seq > seq) {
            return Err(StoreError::Unavailable(
                "what became of the chunk before is not known".to_owned(),
            ));
        }
        match admit(append, lane.state, |_seq| Some(append.batch)) {
            // Whether what is stored is this batch is for etcd to say.
            Admission::Append | Admission::Stored => Ok(()),
            Admission::Refuse(refusal) => Err(refusal),
        }
    }

    /// Takes note of what became of an append.
    pub(super) fn answered(&self, append: &Append, answer: Answer) -> Result<(), StoreError> {
        let mut lanes = self.lock();
        let lane = lanes.entry(append.partition.0).or_default();
        if lane.state.epoch != append.epoch.0 {
            return Err(never_acquired(append.partition, append.epoch));
        }
        match answer {
            Ok(revision) => {
                lane.revision = lane.revision.max(revision);
                lane.state.last = lane.state.last.max(append.seq.0);
                lane.unknown = lane.unknown.filter(|seq| *seq > append.seq);
                Ok(())
            }
            Err(error) => {
                if error.is_retryable() && append.seq.0 > lane.state.last {
                    lane.unknown = Some(append.seq);
                }
                Err(error)
            }
        }
    }

    /// The epoch under which to trim, or none when nothing changes.
    pub(super) fn to_trim(
        &self,
        partition: PartitionId,
        seq: Seq,
    ) -> Result<Option<(Epoch, Seq)>, StoreError> {
        let lanes = self.lock();
        let state = lanes.get(&partition.0).map(|lane| lane.state);
        let Some(state) = state.filter(|state| state.epoch > 0) else {
            return Err(never_acquired(partition, Epoch(0)));
        };
        let trimmed = trimmed(partition, seq.0, state)?;
        // The newest chunk stays: it says where the log ends.
        Ok(trimmed.map(|seq| {
            (
                Epoch(state.epoch),
                Seq(seq.min(state.last.saturating_sub(1))),
            )
        }))
    }

    pub(super) fn trimmed(&self, partition: PartitionId, seq: Seq) {
        let mut lanes = self.lock();
        let state = &mut lanes.entry(partition.0).or_default().state;
        state.trimmed = state.trimmed.max(seq.0);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
