//! One worker's session: who the worker is, its connections, and where it stands. A session outlives its connections: a
//! worker that reconnects within the grace period goes on where it was.

mod hands;
mod messages;
mod questions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepfleet_engine::{SessionId, TaskRef, Timestamp};
use stepfleet_proto::v1::{CoordinatorMessage, Order};
use tokio::sync::Notify;

pub(crate) use self::hands::{Freed, HeldTask, InHand, Said};
use self::hands::{Held, HeldKey};
use self::questions::Questions;
use super::credits::{Credits, Offered};
use crate::matching::Queue;
use crate::service::api::Caller;
use crate::service::error::ApiError;

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

/// A connection that begins.
#[derive(Debug)]
pub(crate) struct Connected {
    /// From 1: more than that continues a session.
    pub connection: u64,
    pub confirmed: u64,
    /// What the worker was thought to hold at that moment; later pushes leave over this connection.
    pub held: Vec<TaskRef>,
}

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
    /// A worker that missed what it was told is told again; `told` is what is kept of that. When nothing is, a worker that
    /// says that it drains is believed.
    pub(crate) fn connect(
        &self,
        now: Timestamp,
        told_to_drain: bool,
        told: Option<Order>,
    ) -> Connected {
        self.connected_at.store(now.0, Ordering::Relaxed);
        self.seen(now);
        let mut inner = self.lock();
        inner.outgoing = CoordinatorMessage::default();
        inner.fault = None;
        inner.questions = Questions::default();
        if self.current() == 0 {
            let drains = told.map_or(told_to_drain, |told| told == Order::Drain);
            self.told_to_drain.store(drains, Ordering::Release);
        }
        match (self.is_told_to_drain(), told_to_drain) {
            (true, false) => inner.outgoing.set_order(Order::Drain),
            (false, true) => inner.outgoing.set_order(Order::Resume),
            (true, true) | (false, false) => {}
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
        self.seen_at.fetch_max(now.0, Ordering::Relaxed);
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

    /// Whether an order changes anything: a worker that has said that it leaves takes none.
    pub(super) fn heeds(&self, order: Order) -> bool {
        let drains = match order {
            Order::Drain => true,
            Order::Resume => false,
            Order::Unspecified => return false,
        };
        !self.is_leaving() && self.is_told_to_drain() != drains
    }

    /// Tells the worker to drain, or to go on. `false` when that changes nothing.
    pub(super) fn order(&self, order: Order) -> bool {
        let mut inner = self.lock();
        if !self.heeds(order) {
            return false;
        }
        let drains = order == Order::Drain;
        self.told_to_drain.store(drains, Ordering::Release);
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
