//! The queue of one activity: its waiting tasks, its free slots, and what may go now.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepfleet_engine::{Attempt, ExecutionId, Timestamp};
use tokio::sync::Notify;

use super::backlog::{Backlog, key};
use super::gate::{Gate, Shut};
use super::idle::Idle;
use super::kind::{Asked, Kind, Ramp};
use super::placement::satisfies;
use super::sticky::{Sticky, StickyCounts};
use super::{Offer, Slot, TaskKey};
use crate::catalog::records::ActivitySettings;
use crate::fleet::Session;
use crate::fleet::credits::Reserved;
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
    sticky: Sticky,
    /// Tasks in workers' hands, or on their way there. After a restart those that were polled before it come in when
    /// something is heard of their execution.
    in_hand: HashSet<TaskKey>,
}

/// Queues and workers that wait for a token of their rate.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waiting: Mutex<BTreeSet<Arc<str>>>,
    workers: Mutex<Vec<Parked>>,
    notify: Notify,
}

/// An activity of a worker whose rate is used up.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub session: Arc<Session>,
    pub activity: u32,
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
    pub sticky: StickyCounts,
}

impl Pace {
    fn ask(&self, arn: &Arc<str>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.insert(arn.clone()) {
            self.notify.notify_one();
        }
    }

    /// A worker's rate gives its next token later.
    pub(super) fn ask_worker(&self, session: &Arc<Session>, activity: u32) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |it: &Parked| it.activity == activity && Arc::ptr_eq(&it.session, session);
        if !workers.iter().any(is_known) {
            workers.push(Parked {
                session: session.clone(),
                activity,
            });
            self.notify.notify_one();
        }
    }

    /// The workers that asked since the last time.
    pub(crate) fn take_workers(&self) -> Vec<Parked> {
        std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner))
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

/// When, and who is to look again later.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub now: Timestamp,
    pub pace: &'a Pace,
}

/// What there is for a task that comes.
enum Found {
    Slot(Slot),
    /// Its worker is busy, and it may wait for it.
    Worker {
        session: Arc<Session>,
        wait_ms: i64,
    },
    None,
}

impl QueueInner {
    /// A slot of the worker that has done the execution's last task, or any.
    fn slot_for(&mut self, offer: &Offer, at: At<'_>) -> Found {
        let asked = self.backlog.asked_by(offer);
        let settings = self.gate.settings().clone();
        let known = self.sticky.preferred(offer, at.now);
        let wanted = known.filter(|wanted| {
            let kind = Kind::of(&wanted.session);
            satisfies(&kind.labels, &settings.requires)
                && kind.serves(&asked, settings.ramp.as_ref())
        });
        if let Some(wanted) = &wanted {
            let slot = Slot::current(&wanted.session, wanted.activity);
            if slot.reserve(at) == Reserved::Yes {
                self.sticky.counts.hits += 1;
                return Found::Slot(slot);
            }
        }
        let wait_ms = self.sticky.wait_ms(offer).filter(|ms| *ms > 0);
        if let (Some(wanted), Some(wait_ms)) = (&wanted, wait_ms) {
            return Found::Worker {
                session: wanted.session.clone(),
                wait_ms,
            };
        }
        match self.idle.take(&asked, &settings, at) {
            Some(slot) => {
                self.sticky.counts.misses += u64::from(wanted.is_some());
                Found::Slot(slot)
            }
            None => Found::None,
        }
    }

    /// A task that had waited goes.
    fn count_sticky(&mut self, offer: &Offer, slot: &Slot, now: Timestamp) {
        let Some(known) = self.sticky.preferred(offer, now) else {
            return;
        };
        match slot {
            Slot::Session { session, .. } if Arc::ptr_eq(session, &known.session) => {
                self.sticky.counts.hits += 1;
            }
            Slot::Session { .. } | Slot::Poller { .. } => self.sticky.counts.misses += 1,
        }
    }

    fn queued(&self) -> u64 {
        (self.backlog.len() + self.sticky.waiting().count()) as u64
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
        if waits || !self.is_open(&mut inner, now) {
            inner.backlog.push(offer);
            return None;
        }
        match inner.slot_for(&offer, self.at(now)) {
            Found::Slot(slot) => {
                inner.gate.pass();
                inner.in_hand.insert(offer.key());
                inner.sticky.note(&offer, &slot, now);
                Some(slot)
            }
            Found::Worker { session, wait_ms } => {
                inner.sticky.wait(offer, &session, now.plus_ms(wait_ms));
                self.pace.ask(&self.arn);
                None
            }
            Found::None => {
                inner.backlog.push(offer);
                None
            }
        }
    }

    /// A slot became free: the next task for it, or its place among the idle.
    pub(crate) fn offer_slot(&self, slot: Slot, now: Timestamp) -> Option<(Offer, Slot)> {
        let mut inner = self.lock();
        match slot.reserve(self.at(now)) {
            Reserved::Yes => {}
            Reserved::Void | Reserved::Parked(_) => return None,
        }
        match self.next_for(&mut inner, &slot, now) {
            Some(offer) => Some((offer, slot)),
            None => {
                if let Some(slot) = slot.give_back() {
                    inner.idle.push(slot);
                }
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
        let kept = inner.sticky.next_at();
        if inner.backlog.is_empty() || inner.idle.len() == 0 {
            return kept;
        }
        let in_hand = inner.in_hand.len();
        let at = match inner.gate.check(in_hand, now) {
            Err(Shut::Until(at)) => Some(at),
            // What may go has gone: the rest waits for a worker.
            Ok(()) | Err(Shut::Paused | Shut::Full) => None,
        };
        [at, kept].into_iter().flatten().min()
    }

    /// Takes the settings of its activity over; what may go now.
    pub(crate) fn configure(&self, settings: ActivitySettings, now: Timestamp) -> Pairs {
        let mut inner = self.lock();
        inner
            .backlog
            .configure(settings.ramp.as_ref(), &settings.weights);
        for offer in inner.sticky.configure(settings.sticky) {
            inner.backlog.push(offer);
        }
        inner.gate.configure(settings, now);
        self.pump_inner(&mut inner, now)
    }

    /// Forgets an offer that is over.
    pub(crate) fn withdraw(&self, offer: &Offer) -> bool {
        let mut inner = self.lock();
        inner.backlog.withdraw(offer) || inner.sticky.withdraw(offer)
    }

    /// Takes out some of the tasks that were scheduled by then.
    pub(crate) fn take_older(&self, until: Timestamp, limit: usize) -> Vec<Offer> {
        let mut inner = self.lock();
        let kept = inner.sticky.waiting();
        let kept = kept.filter(|offer| offer.scheduled_at <= until);
        let mut taken: Vec<Offer> = kept.take(limit).cloned().collect();
        taken.extend(inner.backlog.older(until, limit - taken.len()));
        taken.retain(|offer| inner.backlog.withdraw(offer) || inner.sticky.withdraw(offer));
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
        let (mut workers, mut pollers) = (0, 0);
        for slot in inner.idle.iter() {
            workers += 1;
            pollers += u64::from(slot.is_poller());
        }
        QueueReport {
            queued: inner.queued(),
            oldest: {
                let kept = inner.sticky.waiting().map(|offer| offer.scheduled_at);
                kept.chain(inner.backlog.oldest()).min()
            },
            workers,
            pollers,
            in_hand: inner.in_hand.len() as u64,
            sticky: inner.sticky.counts,
        }
    }

    /// Tasks that wait.
    pub(crate) fn depth(&self) -> u64 {
        self.lock().queued()
    }

    /// Labels that every worker of this activity must have.
    pub(crate) fn required(&self) -> Arc<Labels> {
        self.lock().gate.settings().requires.clone()
    }

    /// Its ramp.
    pub(crate) fn ramp(&self) -> Option<Ramp> {
        self.lock().gate.settings().ramp.clone()
    }

    /// What waiting tasks ask for, besides what their activity requires, and how many ask for it.
    pub(crate) fn asked(&self) -> Vec<(Asked, u64)> {
        let inner = self.lock();
        let asked = inner.backlog.asked();
        asked.map(|(asked, count)| (asked.clone(), count)).collect()
    }

    /// Workers that are away and that tasks wait for, because their executions keep to them, and how many do.
    pub(crate) fn awaited(&self) -> BTreeMap<Arc<str>, u64> {
        let inner = self.lock();
        let mut awaited = BTreeMap::new();
        for session in inner.sticky.awaited().filter(|session| !session.is_open()) {
            *awaited.entry(session.about.name.clone()).or_insert(0) += 1;
        }
        awaited
    }

    fn pump_inner(&self, inner: &mut QueueInner, now: Timestamp) -> Pairs {
        for offer in inner.sticky.expired(now) {
            inner.backlog.push(offer);
        }
        let mut pairs = Pairs::new();
        for kind in inner.idle.kinds() {
            while self.may_go(inner, &kind, now)
                && let Some(slot) = inner.idle.take_of(&kind, self.at(now))
            {
                match self.next_for(inner, &slot, now) {
                    Some(offer) => pairs.push((offer, slot)),
                    None => {
                        if let Some(slot) = slot.give_back() {
                            inner.idle.push(slot);
                        }
                        break;
                    }
                }
            }
        }
        pairs
    }

    /// Whether a task may go to a worker of this kind.
    fn may_go(&self, inner: &mut QueueInner, kind: &Kind, now: Timestamp) -> bool {
        satisfies(&kind.labels, &inner.gate.settings().requires)
            && inner.backlog.has(kind)
            && self.is_open(inner, now)
    }

    /// The next task for the worker of this slot, if one may go.
    fn next_for(&self, inner: &mut QueueInner, slot: &Slot, now: Timestamp) -> Option<Offer> {
        let kind = slot.kind();
        let offer = match self.kept_for(inner, slot, &kind, now) {
            Some(offer) => offer,
            None if self.may_go(inner, &kind, now) => inner.backlog.take(&kind)?,
            None => return None,
        };
        inner.gate.pass();
        inner.in_hand.insert(offer.key());
        inner.count_sticky(&offer, slot, now);
        inner.sticky.note(&offer, slot, now);
        Some(offer)
    }

    /// A task that waits for just this worker.
    fn kept_for(
        &self,
        inner: &mut QueueInner,
        slot: &Slot,
        kind: &Kind,
        now: Timestamp,
    ) -> Option<Offer> {
        let allowed = inner.sticky.next_at().is_some()
            && satisfies(&kind.labels, &inner.gate.settings().requires)
            && self.is_open(inner, now);
        if allowed {
            inner.sticky.waits_for(slot)
        } else {
            None
        }
    }

    fn at(&self, now: Timestamp) -> At<'_> {
        At {
            now,
            pace: &self.pace,
        }
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
