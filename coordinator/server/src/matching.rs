//! Brings offered activity tasks and free worker slots together. In memory and derived: offers come from the
//! partitions' executions, slots from connections. A slot is reserved synchronously, so that a decision and the start
//! that follows it are one record; and never past an older task of the same activity.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stepfleet_engine::{Attempt, ExecutionId, KeyHash, TaskRef, Timestamp, Worker};
use tokio::sync::oneshot;

use crate::fleet::Session;
use crate::service::error::{ApiError, ErrorCode};

/// Unary polls that one activity may hold open at once when nothing else is set, as on AWS.
#[cfg(test)]
pub(crate) const POLLERS_PER_ACTIVITY_MAX: usize = 1000;

/// How long a poller counts as serving after its last call.
const POLLED_MS: i64 = 5 * 60_000;
/// Idle slots that are not worth looking through.
const PURGE_MIN: usize = 1024;

/// An activity task that waits for a worker. Its input stays with the execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub hash: KeyHash,
    pub execution: ExecutionId,
    pub attempt: Attempt,
    pub scheduled_at: Timestamp,
}

/// What a unary poller is handed.
#[derive(Debug)]
pub(crate) struct PolledTask {
    pub task: TaskRef,
    pub token: String,
    pub input: String,
}

/// Room for one task at a worker.
#[derive(Debug)]
pub(crate) enum Slot {
    /// One credit of a session, valid while the session's epoch lasts.
    Session {
        session: Arc<Session>,
        activity: u32,
        epoch: u64,
    },
    /// A waiting `GetActivityTask`.
    Poller {
        activity: Arc<str>,
        worker: Option<Arc<str>>,
        answer: oneshot::Sender<PolledTask>,
    },
}

impl Slot {
    fn is_valid(&self) -> bool {
        match self {
            Self::Session { session, epoch, .. } => session.takes_tasks(*epoch),
            Self::Poller { answer, .. } => !answer.is_closed(),
        }
    }

    /// Who will hold the task, for history and for reconnections.
    pub(crate) fn worker(&self) -> Worker {
        match self {
            Self::Session { session, .. } => Worker {
                name: Some(session.about.name.clone()),
                session: Some(session.id),
            },
            Self::Poller { worker, .. } => Worker {
                name: worker.clone(),
                session: None,
            },
        }
    }
}

/// The offers and slots of one activity. At most one of both lists is non-empty but for stale entries.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<QueueInner>,
    /// When `GetActivityTask` was last called; milliseconds.
    polled_at: AtomicI64,
}

#[derive(Debug, Default)]
struct QueueInner {
    backlog: VecDeque<Offer>,
    idle: VecDeque<Slot>,
    /// Length of `idle` at which stale slots are looked for: twice what was left the last time.
    purge_at: usize,
}

/// What an operator sees of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueReport {
    pub queued: u64,
    pub oldest: Option<Timestamp>,
    pub workers: u64,
    /// Of `workers`: waiting `GetActivityTask` calls.
    pub pollers: u64,
}

impl Queue {
    /// A free slot for this offer, or the offer's place in the backlog.
    pub(crate) fn reserve_or_enqueue(&self, offer: Offer) -> Option<Slot> {
        let mut inner = self.lock();
        if inner.backlog.is_empty() {
            while let Some(slot) = inner.idle.pop_front() {
                if slot.is_valid() {
                    return Some(slot);
                }
            }
        }
        inner.backlog.push_back(offer);
        None
    }

    /// A slot became free: the oldest offer for it, or its place among the idle.
    pub(crate) fn offer_slot(&self, slot: Slot) -> Option<(Offer, Slot)> {
        if !slot.is_valid() {
            return None;
        }
        let mut inner = self.lock();
        if let Some(offer) = inner.backlog.pop_front() {
            return Some((offer, slot));
        }
        if inner.idle.len() >= inner.purge_at.max(PURGE_MIN) {
            inner.idle.retain(Slot::is_valid);
            inner.purge_at = inner.idle.len() * 2;
        }
        inner.idle.push_back(slot);
        None
    }

    /// Forgets an offer that is over; scanned from the front, where old ones stand.
    pub(crate) fn withdraw(&self, execution: ExecutionId, attempt: Attempt) {
        let mut inner = self.lock();
        let stands = |offer: &Offer| offer.execution == execution && offer.attempt == attempt;
        if let Some(at) = inner.backlog.iter().position(stands) {
            inner.backlog.remove(at);
        }
    }

    /// Registers a unary poller, if fewer than `pollers_max` wait.
    pub(crate) fn poll(
        &self,
        slot: Slot,
        pollers_max: usize,
    ) -> Result<Option<(Offer, Slot)>, ApiError> {
        {
            let mut inner = self.lock();
            if inner.idle.len() >= pollers_max {
                inner.idle.retain(Slot::is_valid);
            }
            let pollers = inner
                .idle
                .iter()
                .filter(|slot| matches!(slot, Slot::Poller { .. }));
            if inner.idle.len() >= pollers_max && pollers.count() >= pollers_max {
                let message = "The maximum number of workers concurrently polling for activity tasks has been reached.";
                return Err(ApiError::new(
                    ErrorCode::ActivityWorkerLimitExceeded,
                    message,
                ));
            }
        }
        Ok(self.offer_slot(slot))
    }

    /// Counts for people.
    pub(crate) fn report(&self) -> QueueReport {
        let inner = self.lock();
        let idle = inner.idle.iter().filter(|slot| slot.is_valid());
        let (mut workers, mut pollers) = (0, 0);
        for slot in idle {
            workers += 1;
            pollers += u64::from(matches!(slot, Slot::Poller { .. }));
        }
        QueueReport {
            queued: inner.backlog.len() as u64,
            oldest: inner.backlog.front().map(|offer| offer.scheduled_at),
            workers,
            pollers,
        }
    }

    /// `GetActivityTask` was called.
    pub(crate) fn polled(&self, now: Timestamp) {
        self.polled_at.store(now.0, Ordering::Relaxed);
    }

    /// Whether somebody polls: a worker that does so is away for as long as it works on a task.
    pub(crate) fn is_polled(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.polled_at.load(Ordering::Relaxed)) <= POLLED_MS
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, QueueInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All queues, by activity ARN.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    queues: RwLock<BTreeMap<Arc<str>, Arc<Queue>>>,
}

impl Matching {
    /// The queue of an activity, made on first use.
    pub(crate) fn queue(&self, activity: &str) -> Arc<Queue> {
        if let Some(queue) = self
            .queues
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(activity)
        {
            return queue.clone();
        }
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        queues.entry(Arc::from(activity)).or_default().clone()
    }

    /// The queue of an activity, if there is one.
    pub(crate) fn known(&self, activity: &str) -> Option<Arc<Queue>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.get(activity).cloned()
    }

    /// Every queue, by activity ARN.
    pub(crate) fn queues(&self) -> Vec<(Arc<str>, Arc<Queue>)> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let pairs = queues
            .iter()
            .map(|(arn, queue)| (arn.clone(), queue.clone()));
        pairs.collect()
    }

    /// Forgets the queue of a deleted activity, unless tasks still wait in it.
    pub(crate) fn forget(&self, activity: &str) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let empty = queues
            .get(activity)
            .is_some_and(|queue| queue.lock().backlog.is_empty());
        if empty {
            queues.remove(activity);
        }
    }

    /// Tasks that wait for a worker, by activity.
    pub(crate) fn depths(&self) -> Vec<(Arc<str>, u64)> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues
            .iter()
            .map(|(arn, queue)| (arn.clone(), queue.report().queued))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use stepfleet_engine::EventId;

    use super::*;

    fn offer(number: u128) -> Offer {
        let attempt = Attempt {
            entry: EventId(2),
            attempt: 0,
            generation: 0,
        };
        Offer {
            hash: KeyHash(0),
            execution: ExecutionId(number),
            attempt,
            scheduled_at: Timestamp(1),
        }
    }

    fn poller() -> (Slot, oneshot::Receiver<PolledTask>) {
        let (answer, receiver) = oneshot::channel();
        (
            Slot::Poller {
                activity: Arc::from("a"),
                worker: None,
                answer,
            },
            receiver,
        )
    }

    #[test]
    fn an_idle_slot_is_reserved_at_once() {
        let queue = Queue::default();
        let (slot, _receiver) = poller();
        assert!(queue.offer_slot(slot).is_none());
        assert!(queue.reserve_or_enqueue(offer(1)).is_some());
        assert!(queue.reserve_or_enqueue(offer(2)).is_none());
    }

    #[test]
    fn a_slot_goes_to_the_oldest_offer() {
        let queue = Queue::default();
        for number in 1..=3 {
            assert!(queue.reserve_or_enqueue(offer(number)).is_none());
        }
        queue.withdraw(ExecutionId(1), offer(1).attempt);
        let (slot, _receiver) = poller();
        assert_eq!(queue.offer_slot(slot).unwrap().0.execution, ExecutionId(2));
        let (slot, _receiver) = poller();
        assert_eq!(queue.offer_slot(slot).unwrap().0.execution, ExecutionId(3));
    }

    #[test]
    fn a_poller_that_went_away_gets_nothing() {
        let queue = Queue::default();
        let (slot, receiver) = poller();
        assert!(queue.offer_slot(slot).is_none());
        drop(receiver);
        assert!(queue.reserve_or_enqueue(offer(1)).is_none());
        assert_eq!(queue.report().queued, 1);
    }

    #[test]
    fn the_thousand_and_first_poller_is_refused() {
        let queue = Queue::default();
        let mut receivers = Vec::new();
        for _ in 0..POLLERS_PER_ACTIVITY_MAX {
            let (slot, receiver) = poller();
            receivers.push(receiver);
            assert!(
                queue
                    .poll(slot, POLLERS_PER_ACTIVITY_MAX)
                    .unwrap()
                    .is_none()
            );
        }
        let error = queue
            .poll(poller().0, POLLERS_PER_ACTIVITY_MAX)
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::ActivityWorkerLimitExceeded);
        receivers.pop();
        assert!(queue.poll(poller().0, POLLERS_PER_ACTIVITY_MAX).is_ok());
    }
}
