//! Which worker did the last task of an execution, where an activity or a task wants it to have the next one too. In memory, bounded,
//! and a preference only: what is forgotten goes to anybody.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use stepfleet_engine::{ExecutionId, Timestamp};

use super::backlog::Place;
use super::placement::Keeps;
use super::{Offer, Slot};
use crate::fleet::Session;

/// Executions that are remembered by activity; the oldest is forgotten for one more.
const REMEMBERED_MAX: usize = 65_536;
/// Longest time for which a worker is kept to, milliseconds.
pub(crate) const STICKY_MS_MAX: i64 = 86_400_000;
/// Longest time for which a task waits for its worker, milliseconds.
pub(crate) const STICKY_WAIT_MS_MAX: i64 = 3_600_000;

/// How an activity keeps to workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StickySetting {
    /// For so long after the last task, milliseconds.
    pub for_ms: i64,
    /// How long a task waits for the worker when that has no free slot, milliseconds.
    pub wait_ms: i64,
}

/// Tasks whose worker was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StickyCounts {
    /// It had them.
    pub hits: u64,
    /// They went to others.
    pub misses: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    setting: Option<StickySetting>,
    last: HashMap<ExecutionId, Last>,
    /// In the order of their times; some are superseded.
    order: VecDeque<(Timestamp, ExecutionId)>,
    /// Longest time for which somebody is remembered, milliseconds.
    longest_ms: i64,
    /// Tasks that wait for their worker, by the time until which they do.
    waiting: BTreeMap<(Timestamp, Place), (Offer, Weak<Session>)>,
    pub counts: StickyCounts,
}

#[derive(Debug)]
struct Last {
    session: Weak<Session>,
    activity: u32,
    at: Timestamp,
}

/// The worker that an execution keeps to.
#[derive(Debug)]
pub(super) struct Preferred {
    pub session: Arc<Session>,
    pub activity: u32,
}

impl Sticky {
    /// Takes the setting over; tasks that wait for a worker and need not any more.
    pub(super) fn configure(&mut self, setting: Option<StickySetting>) -> Vec<Offer> {
        if self.setting == setting {
            return Vec::new();
        }
        self.setting = setting;
        if setting.is_none() {
            self.last = HashMap::new();
            self.order = VecDeque::new();
            self.longest_ms = 0;
        }
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_values().map(|(offer, _)| offer).collect()
    }

    /// How a task keeps to its worker; none when it does not.
    fn setting_of(&self, offer: &Offer) -> Option<StickySetting> {
        match offer.placement.keeps {
            Keeps::AsActivity => self.setting,
            Keeps::Never => None,
            Keeps::Unless(default) => Some(self.setting.unwrap_or(default)),
            Keeps::So(setting) => Some(setting),
        }
    }

    /// How long this task waits for its worker; none when it keeps to nobody.
    pub(super) fn wait_ms(&self, offer: &Offer) -> Option<i64> {
        self.setting_of(offer).map(|setting| setting.wait_ms)
    }

    /// The worker that had the execution's last task, if it may have this one.
    pub(super) fn preferred(&self, offer: &Offer, now: Timestamp) -> Option<Preferred> {
        let setting = self.setting_of(offer)?;
        let last = self.last.get(&offer.execution)?;
        let session = last.session.upgrade()?;
        let fresh = now.0.saturating_sub(last.at.0) <= setting.for_ms;
        (fresh && session.serves()).then_some(Preferred {
            session,
            activity: last.activity,
        })
    }

    /// A task goes to this worker.
    pub(super) fn note(&mut self, offer: &Offer, slot: &Slot, now: Timestamp) {
        let Some(setting) = self.setting_of(offer) else {
            return;
        };
        let execution = offer.execution;
        let Slot::Session {
            session, activity, ..
        } = slot
        else {
            self.last.remove(&execution);
            return;
        };
        let last = Last {
            session: Arc::downgrade(session),
            activity: *activity,
            at: now,
        };
        self.last.insert(execution, last);
        self.order.push_back((now, execution));
        self.longest_ms = self.longest_ms.max(setting.for_ms);
        self.forget_old(now);
    }

    /// A task waits for its worker.
    pub(super) fn wait(&mut self, offer: Offer, session: &Arc<Session>, until: Timestamp) {
        let key = (until, Place::of(&offer));
        self.waiting.insert(key, (offer, Arc::downgrade(session)));
    }

    /// The first task that waits for this worker.
    pub(super) fn waits_for(&mut self, slot: &Slot) -> Option<Offer> {
        if self.waiting.is_empty() {
            return None;
        }
        let Slot::Session { session, .. } = slot else {
            return None;
        };
        let is_its =
            |(_, wanted): &&(Offer, Weak<Session>)| wanted.as_ptr() == Arc::as_ptr(session);
        let mut waiting = self.waiting.iter();
        let key = waiting
            .find(|(_, waits)| is_its(waits))
            .map(|(key, _)| *key)?;
        self.waiting.remove(&key).map(|(offer, _)| offer)
    }

    /// Tasks that have waited long enough, or for a worker that is gone.
    pub(super) fn expired(&mut self, now: Timestamp) -> Vec<Offer> {
        let is_over = |until: &Timestamp, session: &Weak<Session>| {
            *until <= now || session.upgrade().is_none_or(|session| !session.serves())
        };
        let over: Vec<_> = self
            .waiting
            .iter()
            .filter(|((until, _), (_, session))| is_over(until, session))
            .map(|(key, _)| *key)
            .collect();
        let taken = over.iter().filter_map(|key| self.waiting.remove(key));
        taken.map(|(offer, _)| offer).collect()
    }

    /// Until when the first waits.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((until, _), _)| *until)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Offer> {
        self.waiting.values().map(|(offer, _)| offer)
    }

    /// The worker that each of them waits for.
    pub(super) fn awaited(&self) -> impl Iterator<Item = Arc<Session>> {
        let waiting = self.waiting.values();
        waiting.filter_map(|(_, session)| session.upgrade())
    }

    pub(super) fn withdraw(&mut self, offer: &Offer) -> bool {
        let place = Place::of(offer);
        let key = self.waiting.keys().find(|(_, at)| *at == place).cloned();
        key.is_some_and(|key| self.waiting.remove(&key).is_some())
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some((at, execution)) = self.order.front().copied() {
            let is_old = now.0.saturating_sub(at.0) > self.longest_ms;
            // Superseded entries count as well, so that the order is bounded like what it orders.
            if !is_old && self.order.len() <= REMEMBERED_MAX {
                break;
            }
            self.order.pop_front();
            if self.last.get(&execution).is_some_and(|last| last.at <= at) {
                self.last.remove(&execution);
            }
        }
    }
}
