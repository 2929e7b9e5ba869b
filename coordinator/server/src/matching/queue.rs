//! The queue of one activity: its waiting tasks, its free slots, and what may go now.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepfleet_engine::{Attempt, ExecutionId, Timestamp};
use tokio::sync::Notify;

use super::backlog::{Backlog, key};
use super::gate::{Gate, Shut};
use super::idle::Idle;
use super::placement::satisfies;
use super::{Offer, Slot, TaskKey};
use crate::catalog::records::ActivitySettings;
use crate::fleet::session::Labels;
use crate::service::error::{ApiError, ErrorCode};

/// How long a poller counts as serving after its last call.
const POLLED_MS: i64 = 5 * 60_000;

/// Tasks and the slots that they go to.
pub(crate) type Pairs = Vec<(Offer, Slot)>;

/// The offers and slots of one activity. While nothing holds tasks back, no waiting task could go to an idle slot.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    arn: Arc<str>,
    pace: Arc<Pace>,
    inner: Mutex<QueueInner>,
    /// When `GetActivityTask` was last called; milliseconds.
    polled_at: AtomicI64,
}

#[derive(Debug, Default)]
struct QueueInner {
    backlog: Backlog,
    idle: Idle,
    gate: Gate,
    /// Tasks in workers' hands, or on their way there. After a restart those that were polled before it come in when
    /// something is heard of their execution.
    in_hand: HashSet<TaskKey>,
}

/// Queues that wait for a token of their rate.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waiting: Mutex<BTreeSet<Arc<str>>>,
    notify: Notify,
}

/// What an operator sees of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueReport {
    pub queued: u64,
    pub oldest: Option<Timestamp>,
    pub workers: u64,
    /// Of `workers`: waiting `GetActivityTask` calls.
    pub pollers: u64,
    pub in_hand: u64,
}

impl Pace {
    fn ask(&self, arn: &Arc<str>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.insert(arn.clone()) {
            self.notify.notify_one();
        }
    }

    /// Waits until a queue asks.
    pub(crate) async fn asked(&self) {
        self.notify.notified().await;
    }

    /// The queues that asked since the last time.
    pub(crate) fn take(&self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Queue {
    pub(super) fn new(arn: Arc<str>, pace: Arc<Pace>) -> Self {
        Self {
            arn,
            pace,
            ..Self::default()
        }
    }

    /// A free slot for this offer, or the offer's place in the backlog.
    pub(crate) fn reserve_or_enqueue(&self, offer: Offer, now: Timestamp) -> Option<Slot> {
        let mut inner = self.lock();
        // What is held back goes first when it may go.
        let waits = inner.gate.holds_back() && !inner.backlog.is_empty();
        if !waits && self.is_open(&mut inner, now) {
            let required = inner.gate.settings().requires.clone();
            if let Some(slot) = inner.idle.take([&required, offer.requires()]) {
                inner.gate.pass();
                inner.in_hand.insert(offer.key());
                return Some(slot);
            }
        }
        inner.backlog.push(offer);
        None
    }

    /// A slot became free: the next task for it, or its place among the idle.
    pub(crate) fn offer_slot(&self, slot: Slot, now: Timestamp) -> Option<(Offer, Slot)> {
        if !slot.is_valid() {
            return None;
        }
        let mut inner = self.lock();
        match self.next_for(&mut inner, &slot.labels(), now) {
            Some(offer) => Some((offer, slot)),
            None => {
                inner.idle.push(slot);
                None
            }
        }
    }

    /// A task that was given away did not start, or is no longer in a worker's hands. What may go now in its stead.
    pub(crate) fn left(&self, execution: ExecutionId, attempt: Attempt, now: Timestamp) -> Pairs {
        let mut inner = self.lock();
        let was = inner.in_hand.remove(&key(execution, attempt));
        if was && inner.gate.holds_back() {
            self.pump_inner(&mut inner, now)
        } else {
            Pairs::new()
        }
    }

    /// A task was found in a worker's hands.
    pub(crate) fn found_in_hand(&self, execution: ExecutionId, attempt: Attempt) {
        self.lock().in_hand.insert(key(execution, attempt));
    }

    /// Everything that may go now.
    pub(crate) fn pump(&self, now: Timestamp) -> Pairs {
        let mut inner = self.lock();
        self.pump_inner(&mut inner, now)
    }

    /// When its rate gives the next token, if tasks wait for one.
    pub(crate) fn next_token_at(&self, now: Timestamp) -> Option<Timestamp> {
        let mut inner = self.lock();
        if inner.backlog.is_empty() || inner.idle.len() == 0 {
            return None;
        }
        let in_hand = inner.in_hand.len();
        match inner.gate.check(in_hand, now) {
            Err(Shut::Until(at)) => Some(at),
            Ok(()) => Some(now),
            Err(Shut::Paused | Shut::Full) => None,
        }
    }

    /// Takes the settings of its activity over; what may go now.
    pub(crate) fn configure(&self, settings: ActivitySettings, now: Timestamp) -> Pairs {
        let mut inner = self.lock();
        inner.gate.configure(settings, now);
        self.pump_inner(&mut inner, now)
    }

    /// Forgets an offer that is over.
    pub(crate) fn withdraw(&self, offer: &Offer) -> bool {
        self.lock().backlog.withdraw(offer)
    }

    /// Takes out some of the tasks that were scheduled by then.
    pub(crate) fn take_older(&self, until: Timestamp, limit: usize) -> Vec<Offer> {
        let mut inner = self.lock();
        let mut taken = inner.backlog.older(until, limit);
        taken.retain(|offer| inner.backlog.withdraw(offer));
        taken
    }

    /// Registers a unary poller, if fewer than `pollers_max` wait.
    pub(crate) fn poll(
        &self,
        slot: Slot,
        pollers_max: usize,
        now: Timestamp,
    ) -> Result<Option<(Offer, Slot)>, ApiError> {
        self.polled_at.store(now.0, Ordering::Relaxed);
        {
            let mut inner = self.lock();
            if inner.idle.len() >= pollers_max {
                inner.idle.purge();
            }
            let pollers = inner.idle.iter().filter(|slot| slot.is_poller());
            if inner.idle.len() >= pollers_max && pollers.count() >= pollers_max {
                let message = "The maximum number of workers concurrently polling for activity tasks has been reached.";
                return Err(ApiError::new(
                    ErrorCode::ActivityWorkerLimitExceeded,
                    message,
                ));
            }
        }
        Ok(self.offer_slot(slot, now))
    }

    /// Whether somebody polls: a worker that does so is away for as long as it works on a task.
    pub(crate) fn is_polled(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.polled_at.load(Ordering::Relaxed)) <= POLLED_MS
    }

    /// Counts for people.
    pub(crate) fn report(&self) -> QueueReport {
        let inner = self.lock();
        let idle = inner.idle.iter().filter(|slot| slot.is_valid());
        let (mut workers, mut pollers) = (0, 0);
        for slot in idle {
            workers += 1;
            pollers += u64::from(slot.is_poller());
        }
        QueueReport {
            queued: inner.backlog.len() as u64,
            oldest: inner.backlog.oldest(),
            workers,
            pollers,
            in_hand: inner.in_hand.len() as u64,
        }
    }

    /// Tasks that wait.
    pub(crate) fn depth(&self) -> u64 {
        self.lock().backlog.len() as u64
    }

    /// Labels that every worker of this activity must have.
    pub(crate) fn required(&self) -> Arc<Labels> {
        self.lock().gate.settings().requires.clone()
    }

    /// What waiting tasks ask for, besides what their activity requires, and how many ask for it.
    pub(crate) fn asked(&self) -> Vec<(Arc<Labels>, u64)> {
        let inner = self.lock();
        let asked = inner.backlog.asked();
        asked.map(|(asked, count)| (asked.clone(), count)).collect()
    }

    fn pump_inner(&self, inner: &mut QueueInner, now: Timestamp) -> Pairs {
        let mut pairs = Pairs::new();
        for labels in inner.idle.labels() {
            while self.may_go(inner, &labels, now)
                && let Some(slot) = inner.idle.take_of(&labels)
            {
                match self.next_for(inner, &labels, now) {
                    Some(offer) => pairs.push((offer, slot)),
                    None => {
                        inner.idle.push(slot);
                        break;
                    }
                }
            }
        }
        pairs
    }

    /// Whether a task may go to a worker with these labels.
    fn may_go(&self, inner: &mut QueueInner, labels: &Labels, now: Timestamp) -> bool {
        satisfies(labels, &inner.gate.settings().requires)
            && inner.backlog.has(labels)
            && self.is_open(inner, now)
    }

    /// The next task for a worker with these labels, if one may go.
    fn next_for(&self, inner: &mut QueueInner, labels: &Labels, now: Timestamp) -> Option<Offer> {
        if !self.may_go(inner, labels, now) {
            return None;
        }
        let offer = inner.backlog.take(labels)?;
        inner.gate.pass();
        inner.in_hand.insert(offer.key());
        Some(offer)
    }

    fn is_open(&self, inner: &mut QueueInner, now: Timestamp) -> bool {
        match inner.gate.check(inner.in_hand.len(), now) {
            Ok(()) => true,
            Err(Shut::Until(_)) => {
                self.pace.ask(&self.arn);
                false
            }
            Err(Shut::Paused | Shut::Full) => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
