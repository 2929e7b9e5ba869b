//! One worker's session: what was pushed to it, what it holds, and what it is to be told next. A session outlives its
//! connections: a worker that reconnects within the grace period goes on where it was.

mod questions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepfleet_engine::execution::Header;
use stepfleet_engine::{EventId, ExecutionId, SessionId, TaskRef, Timestamp};
use stepfleet_proto::v1::{CoordinatorMessage, Order, Push, RefusedResult};
use tokio::sync::Notify;

use self::questions::Questions;
use super::credits::{Credits, Offered};
use crate::matching::Queue;
use crate::service::api::Caller;
use crate::service::error::ApiError;

/// Bytes of task inputs in one message, so that no client's message limit is met.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// One activity that a session serves.
#[derive(Debug)]
pub(crate) struct Served {
    pub arn: Arc<str>,
    pub queue: Arc<Queue>,
    /// What the worker offers first; its session knows what it offers now.
    pub offered: Offered,
    /// Of a connector: the place of its work, empty when it has none.
    pub connector: Option<Arc<str>>,
}

/// What a worker tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub name: Arc<str>,
    /// Empty when it does not tell.
    pub host: String,
    pub build_id: Arc<str>,
    pub labels: Arc<Labels>,
}

/// Labels of a worker, by key.
pub(crate) type Labels = BTreeMap<String, String>;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Connected,
    /// Connected, and takes no new tasks.
    Draining,
    /// Its connection is gone; it may come back.
    Away,
    Gone,
}

/// A worker's session.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    pub about: About,
    pub caller: Caller,
    pub activities: Vec<Served>,
    /// Number of the current connection.
    connection: AtomicU64,
    /// Slots carry it: those of an earlier one are void.
    pub(super) epoch: AtomicU64,
    open: AtomicBool,
    /// The worker says that it leaves.
    leaving: AtomicBool,
    /// It was told to.
    told_to_drain: AtomicBool,
    /// When the current connection began, and when the worker was heard last; milliseconds.
    connected_at: AtomicI64,
    seen_at: AtomicI64,
    /// Nobody will come back for it.
    gone: AtomicBool,
    inner: Mutex<Inner>,
    wake: Notify,
}

/// The room that an epoch begins with, per activity.
#[derive(Debug)]
pub(crate) struct Free {
    pub epoch: u64,
    pub slots: Vec<u32>,
}

/// Slots that are free because a task left the worker's hands: their activities.
#[derive(Clone, Debug)]
pub(crate) struct Freed {
    pub activities: Vec<u32>,
    pub epoch: u64,
}

/// A connection that begins.
#[derive(Debug)]
pub(crate) struct Connected {
    /// From 1: more than that continues a session.
    pub connection: u64,
    pub confirmed: u64,
    /// What the worker was thought to hold at that moment; later pushes leave over this connection.
    pub held: Vec<TaskRef>,
}

/// A task in a worker's hands. Push number 0 was handed over before a restart.
#[derive(Clone, Debug)]
struct Held {
    task: TaskRef,
    activity: u32,
    push: u64,
    /// Of the task's execution.
    header: Arc<Header>,
    since: Timestamp,
    progress: Option<Said>,
}

/// What a worker said of a task's progress, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub details: Arc<str>,
    pub at: Timestamp,
}

/// A task in a worker's hands, for whoever decides about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldTask {
    pub task: TaskRef,
    pub activity: u32,
    /// The worker has said that it has it.
    pub received: bool,
}

/// A task in a worker's hands, for people.
#[derive(Clone, Debug)]
pub(crate) struct InHand {
    pub activity: u32,
    pub header: Arc<Header>,
    pub since: Timestamp,
    /// In this attempt.
    pub progress: Option<Said>,
}

type HeldKey = (ExecutionId, EventId, u32, u32);

#[derive(Debug, Default)]
pub(super) struct Inner {
    outgoing: CoordinatorMessage,
    pushed: u64,
    /// Whether a result came yet: a session that is new here may go on with a worker's numbering.
    numbered: bool,
    /// Results taken in: resends up to this number are known.
    accepted: u64,
    confirmed: u64,
    /// Results settled out of order, above `confirmed`.
    settled: BTreeSet<u64>,
    held: BTreeMap<HeldKey, Held>,
    pub(super) credits: Credits,
    /// The last push that the worker said it has.
    received: u64,
    /// Why the current connection ends.
    fault: Option<ApiError>,
    questions: Questions,
}

impl Held {
    fn told(&self, received: u64) -> HeldTask {
        HeldTask {
            task: self.task,
            activity: self.activity,
            received: self.push <= received,
        }
    }
}

fn key(task: &TaskRef) -> HeldKey {
    (
        task.execution,
        task.attempt.entry,
        task.attempt.attempt,
        task.attempt.generation,
    )
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        about: About,
        caller: Caller,
        activities: Vec<Served>,
        tasks_max: Option<u32>,
    ) -> Self {
        let offered: Vec<Offered> = activities.iter().map(|served| served.offered).collect();
        let inner = Inner {
            credits: Credits::new(&offered, tasks_max),
            ..Inner::default()
        };
        Self {
            id,
            about,
            caller,
            activities,
            connection: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            open: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            told_to_drain: AtomicBool::new(false),
            connected_at: AtomicI64::new(0),
            seen_at: AtomicI64::new(0),
            gone: AtomicBool::new(false),
            inner: Mutex::new(inner),
            wake: Notify::new(),
        }
    }

    /// Begins a connection; slots and writers of older ones are void. Answers its number and the confirmed results.
    /// Results that were taken in and are not settled yet stay taken in: their resends are not counted twice. A
    /// cancellation that was not sent is not lost: the inventory of the new connection finds it again.
    ///
    /// A worker that was told to drain by a coordinator that has forgotten it (a restart) still drains; one that this
    /// coordinator knows is told again.
    pub(crate) fn connect(&self, now: Timestamp, told_to_drain: bool) -> Connected {
        self.connected_at.store(now.0, Ordering::Relaxed);
        self.seen(now);
        let mut inner = self.lock();
        inner.outgoing = CoordinatorMessage::default();
        inner.fault = None;
        inner.questions = Questions::default();
        if self.current() == 0 {
            self.told_to_drain.store(told_to_drain, Ordering::Release);
        } else if self.is_told_to_drain() {
            inner.outgoing.set_order(Order::Drain);
        } else if told_to_drain {
            inner.outgoing.set_order(Order::Resume);
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
        let held = inner.held.values().map(|held| held.task).collect();
        let connection = self.connection.fetch_add(1, Ordering::AcqRel) + 1;
        self.open.store(true, Ordering::Release);
        self.leaving.store(false, Ordering::Release);
        self.wake.notify_waiters();
        Connected {
            connection,
            confirmed: inner.confirmed,
            held,
        }
    }

    /// Of what it serves, in the worker's order.
    pub(crate) fn activity_arns(&self) -> impl Iterator<Item = &Arc<str>> {
        self.activities.iter().map(|served| &served.arn)
    }

    /// Ends a connection, unless a newer one has taken over.
    pub(crate) fn disconnect(&self, connection: u64) -> bool {
        let current = self.is_current(connection);
        if current {
            self.open.store(false, Ordering::Release);
            self.lock().questions = Questions::default();
        }
        current
    }

    /// The worker was heard.
    pub(crate) fn seen(&self, now: Timestamp) {
        self.seen_at.store(now.0, Ordering::Relaxed);
    }

    pub(crate) fn seen_at(&self) -> Timestamp {
        Timestamp(self.seen_at.load(Ordering::Relaxed))
    }

    pub(crate) fn connected_at(&self) -> Timestamp {
        Timestamp(self.connected_at.load(Ordering::Relaxed))
    }

    pub(crate) fn standing(&self) -> Standing {
        if self.is_gone() {
            Standing::Gone
        } else if !self.is_open() {
            Standing::Away
        } else if self.is_draining() {
            Standing::Draining
        } else {
            Standing::Connected
        }
    }

    /// Whether tasks of its activities may count on it.
    pub(crate) fn serves(&self) -> bool {
        match self.standing() {
            Standing::Connected | Standing::Away => !self.is_draining(),
            Standing::Draining | Standing::Gone => false,
        }
    }

    /// Number of the current connection.
    pub(crate) fn current(&self) -> u64 {
        self.connection.load(Ordering::Acquire)
    }

    pub(crate) fn is_current(&self, connection: u64) -> bool {
        self.current() == connection
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether a slot of this epoch may still be used.
    pub(crate) fn takes_tasks(&self, epoch: u64) -> bool {
        self.is_open() && self.epoch.load(Ordering::Acquire) == epoch && !self.is_draining()
    }

    /// Tells the worker to drain, or to go on. `false` when that changes nothing, or it has said that it leaves.
    pub(crate) fn order(&self, order: Order) -> bool {
        let drain = match order {
            Order::Drain => true,
            Order::Resume => false,
            Order::Unspecified => return false,
        };
        let mut inner = self.lock();
        if self.leaving.load(Ordering::Acquire) || self.is_told_to_drain() == drain {
            return false;
        }
        self.told_to_drain.store(drain, Ordering::Release);
        inner.outgoing.set_order(order);
        self.wake.notify_one();
        true
    }

    /// Ends the session for good.
    pub(crate) fn end(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Whether a task that is handed over now would reach nobody, ever.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The worker says that it takes no new tasks and leaves.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Hands a started task over: it is held from now on and leaves with the next message.
    pub(crate) fn push(&self, task: TaskRef, in_hand: InHand, mut push: Push) {
        let InHand {
            activity,
            header,
            since,
            progress,
        } = in_hand;
        let mut inner = self.lock();
        inner.pushed += 1;
        push.number = inner.pushed;
        push.activity = activity;
        let held = Held {
            task,
            activity,
            push: inner.pushed,
            header,
            since,
            progress,
        };
        inner.credits.hold(activity);
        inner.held.insert(key(&task), held);
        inner.outgoing.pushes.push(push);
    }

    /// Takes a task out of the worker's hands; answers the slots that are free then, when it was there.
    pub(crate) fn release(&self, task: &TaskRef) -> Option<Freed> {
        let mut inner = self.lock();
        let held = inner.held.remove(&key(task));
        self.freed(&mut inner, held)
    }

    fn freed(&self, inner: &mut Inner, held: Option<Held>) -> Option<Freed> {
        let activities = inner.credits.release(held?.activity);
        let epoch = self.epoch();
        Some(Freed { activities, epoch })
    }

    /// Notes that the worker holds a task from before a restart.
    pub(crate) fn adopt(&self, task: TaskRef, in_hand: InHand) {
        let mut inner = self.lock();
        inner.credits.adopt(in_hand.activity);
        inner.held.insert(
            key(&task),
            Held {
                task,
                activity: in_hand.activity,
                push: 0,
                header: in_hand.header,
                since: in_hand.since,
                progress: in_hand.progress,
            },
        );
    }

    /// Shows what the worker said of a task that it has in hand.
    pub(crate) fn progress(&self, task: &TaskRef, details: &Arc<str>, at: Timestamp) {
        if let Some(held) = self.lock().held.get_mut(&key(task)) {
            let details = details.clone();
            held.progress = Some(Said { details, at });
        }
    }

    /// Tells the worker that details of a heartbeat do not count; the heartbeat does.
    pub(crate) fn refuse_progress(&self, refused: RefusedResult) {
        self.lock().outgoing.refused_progress.push(refused);
        self.wake.notify_one();
    }

    /// Tells the worker that an attempt is over; answers the slot that is free then.
    pub(crate) fn cancel(&self, task: &TaskRef, token: String) -> Option<Freed> {
        let mut inner = self.lock();
        inner.outgoing.cancelled.push(token);
        let held = inner.held.remove(&key(task));
        self.freed(&mut inner, held)
    }

    /// Whether a result of this number is new.
    pub(crate) fn accept(&self, number: u64) -> bool {
        let mut inner = self.lock();
        if !inner.numbered {
            inner.numbered = true;
            inner.accepted = number.saturating_sub(1);
            inner.confirmed = inner.accepted;
        }
        let new = number > inner.accepted;
        inner.accepted = inner.accepted.max(number);
        new
    }

    /// A result is durable, or refused for good with a reason.
    pub(crate) fn settle(&self, number: u64, refusal: Option<RefusedResult>) {
        let mut inner = self.lock();
        inner.outgoing.refused.extend(refusal);
        inner.settled.insert(number);
        loop {
            let next = inner.confirmed.saturating_add(1);
            if !inner.settled.remove(&next) {
                break;
            }
            inner.confirmed = next;
        }
        inner.outgoing.confirmed = inner.confirmed;
    }

    /// The worker has every push up to this one.
    pub(crate) fn received(&self, number: u64) {
        let mut inner = self.lock();
        inner.received = inner.received.max(number);
    }

    /// Takes everything out of the worker's hands.
    pub(crate) fn abandon(&self) -> Vec<HeldTask> {
        let mut inner = self.lock();
        let received = inner.received;
        let held = std::mem::take(&mut inner.held).into_values();
        inner.credits.abandon();
        held.map(|held| held.told(received)).collect()
    }

    /// Takes the tasks of some activities out of the hands of a worker that is away since the end of this connection;
    /// none when it is back.
    pub(crate) fn take_away(&self, connection: u64, activities: &[u32]) -> Vec<TaskRef> {
        let mut inner = self.lock();
        if !self.is_current(connection) || self.is_open() {
            return Vec::new();
        }
        let of_these = inner
            .held
            .extract_if(.., |_, held| activities.contains(&held.activity));
        let of_these: Vec<Held> = of_these.map(|(_, held)| held).collect();
        for held in &of_these {
            // Its slots are offered when the worker is back.
            inner.credits.release(held.activity);
        }
        of_these.into_iter().map(|held| held.task).collect()
    }

    pub(crate) fn held_tasks(&self) -> Vec<HeldTask> {
        let inner = self.lock();
        let held = inner.held.values();
        held.map(|held| held.told(inner.received)).collect()
    }

    pub(crate) fn holds(&self, task: &TaskRef) -> bool {
        self.lock().held.contains_key(&key(task))
    }

    /// Whether the worker has said that it leaves: it will not come back.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    fn is_told_to_drain(&self) -> bool {
        self.told_to_drain.load(Ordering::Acquire)
    }

    /// Whether it takes no new tasks.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_leaving() || self.is_told_to_drain()
    }

    /// What the worker has in hand, longest first.
    pub(crate) fn in_hand(&self, limit: usize) -> Vec<InHand> {
        let mut tasks: Vec<InHand> = {
            let inner = self.lock();
            let tasks = inner.held.values().map(|held| InHand {
                activity: held.activity,
                header: held.header.clone(),
                since: held.since,
                progress: held.progress.clone(),
            });
            tasks.collect()
        };
        tasks.sort_by_key(|task| task.since);
        tasks.truncate(limit);
        tasks
    }

    /// Tasks held per activity index.
    pub(crate) fn held_by_activity(&self) -> BTreeMap<u32, u32> {
        let mut counts = BTreeMap::new();
        for held in self.lock().held.values() {
            *counts.entry(held.activity).or_insert(0) += 1;
        }
        counts
    }

    /// Wakes the writer of the current connection.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The next message for this connection; `None` when another connection has taken over or the session ended.
    pub(crate) async fn next_message(
        &self,
        connection: u64,
    ) -> Option<Result<CoordinatorMessage, ApiError>> {
        loop {
            let woken = self.wake.notified();
            if let Some(fault) = self.take_fault(connection) {
                return Some(Err(fault));
            }
            match self.take_outgoing(connection)? {
                message if message == CoordinatorMessage::default() => woken.await,
                message => return Some(Ok(message)),
            }
        }
    }

    /// Ends the current connection with an error.
    pub(crate) fn refuse(&self, error: ApiError) {
        self.lock().fault = Some(error);
        self.wake.notify_one();
    }

    fn take_fault(&self, connection: u64) -> Option<ApiError> {
        let mut inner = self.lock();
        inner.fault.take().filter(|_| self.is_current(connection))
    }

    /// What is to be said, about [`MESSAGE_BYTES`] of it. `None` for a connection that is over: what comes after it
    /// belongs to the next one.
    fn take_outgoing(&self, connection: u64) -> Option<CoordinatorMessage> {
        let mut inner = self.lock();
        if !self.is_current(connection) || !self.is_open() {
            return None;
        }
        let mut bytes = 0;
        let fits = |push: &&Push| {
            bytes += push.input.len();
            bytes <= MESSAGE_BYTES
        };
        let count = inner.outgoing.pushes.iter().take_while(fits).count().max(1);
        let pushes = &mut inner.outgoing.pushes;
        let rest = pushes.split_off(count.min(pushes.len()));
        if !rest.is_empty() {
            self.wake.notify_one();
        }
        let later = CoordinatorMessage {
            pushes: rest,
            ..CoordinatorMessage::default()
        };
        Some(std::mem::replace(&mut inner.outgoing, later))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
