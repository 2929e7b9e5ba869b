//! The workers' sessions: who is connected, who may come back, and what happens to the tasks of those who do not.

pub(crate) mod alarm;
pub(crate) mod away;
pub(crate) mod credits;
mod orders;
pub(crate) mod place;
pub(crate) mod served;
pub(crate) mod session;
mod slots;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use stepfleet_engine::{SessionId, Timestamp};
use stepfleet_proto::v1::connector_answer::Answer;
use stepfleet_proto::v1::{ConnectorQuery, Order};
use tokio::sync::{oneshot, watch};

pub(crate) use session::Session;
use session::{Connected, Free, Freed};
use slots::Change;

use crate::matching::queue::Parked;
use crate::matching::{Offer, Queue, Slot};
use crate::shared::Shared;

/// Slots offered before other tasks of the runtime get their turn.
const SLOTS_AT_ONCE: u32 = 1024;
/// How long a session that is over is shown.
const GONE_MS: i64 = 10 * 60_000;
/// Sessions that are over and still shown; beyond it the oldest goes.
const GONE_MAX: usize = 1000;

/// A session as people see it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub session: Arc<Session>,
    pub gone_at: Option<Timestamp>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    sessions: Mutex<BTreeMap<SessionId, Arc<Session>>>,
    /// Those that are over, oldest first.
    gone: Mutex<VecDeque<(Timestamp, Arc<Session>)>>,
    pub(crate) alarms: alarm::Alarms,
    /// Whose turn it is to be asked about the work of a connector.
    turn: AtomicUsize,
    /// Changes with every worker that goes away.
    departures: watch::Sender<()>,
    /// The shell that queues and hosts belong to.
    shared: OnceLock<Weak<Shared>>,
}

impl Fleet {
    /// Ties the fleet to the coordinator that it is part of.
    pub(crate) fn attach(&self, shared: &Arc<Shared>) {
        self.shared.get_or_init(|| Arc::downgrade(shared));
    }

    pub(crate) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// The build of a session's worker, also of one that is gone since a few minutes.
    pub(crate) fn build_of(&self, id: SessionId) -> Option<Arc<str>> {
        let known = self.session(id).or_else(|| {
            let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            let mut gone = gone.iter().rev();
            gone.find(|(_, session)| session.id == id)
                .map(|(_, session)| session.clone())
        });
        known.map(|session| session.about.build_id.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter(|s| s.is_open())
            .count()
    }

    /// Begins a connection: of the known session of this id, if it serves the same activities, or of the new one. None
    /// when the id is in use by another caller. In one piece, so that no session ends while its worker comes back.
    pub(crate) fn connect(
        &self,
        fresh: Session,
        now: Timestamp,
        told_to_drain: bool,
        told: Option<Order>,
    ) -> Option<(Arc<Session>, Connected)> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.get(&fresh.id);
        if known.is_some_and(|known| !known.caller.is(&fresh.caller)) {
            return None;
        }
        let same = |known: &&Arc<Session>| known.activity_arns().eq(fresh.activity_arns());
        let session = known.filter(same).cloned();
        let session = session.unwrap_or_else(|| Arc::new(fresh));
        let connected = session.connect(now, told_to_drain, told);
        sessions.insert(session.id, session.clone());
        Some((session, connected))
    }

    /// Forgets a session, if it did not come back; answers whether it is gone.
    pub(crate) fn remove(&self, session: &Arc<Session>, connection: u64, now: Timestamp) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if !session.is_current(connection) || session.is_open() {
            return false;
        }
        if sessions
            .get(&session.id)
            .is_some_and(|known| Arc::ptr_eq(known, session))
        {
            sessions.remove(&session.id);
        }
        session.end();
        drop(sessions);
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut gone, now);
        if gone.len() >= GONE_MAX {
            gone.pop_front();
        }
        gone.push_back((now, session.clone()));
        true
    }

    /// Every session that is not over.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.values().cloned().collect()
    }

    /// The sessions of a namespace, those included that are over since a few minutes.
    pub(crate) fn known(&self, namespace: &str, now: Timestamp) -> Vec<Known> {
        let live = self.sessions().into_iter().map(|session| Known {
            session,
            gone_at: None,
        });
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut gone, now);
        let gone = gone.iter().map(|(at, session)| Known {
            session: session.clone(),
            gone_at: Some(*at),
        });
        live.chain(gone)
            .filter(|known| known.session.caller.namespace.as_ref() == namespace)
            .collect()
    }

    /// Asks a connected worker that serves a connector, of a place when the work is at one. None when there is none.
    pub(crate) fn ask(
        &self,
        connector: &str,
        place: &str,
        query: ConnectorQuery,
    ) -> Option<oneshot::Receiver<Answer>> {
        let able = |served: &session::Served| {
            let at = served.connector.as_deref();
            *served.arn == *connector && at.is_some_and(|at| place.is_empty() || at == place)
        };
        let sessions = self.sessions();
        // Not always the first: each of them may have much to tell. One that can tell nothing is not asked for ever.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut open: Vec<_> = sessions
            .iter()
            .filter(|session| session.is_open())
            .filter_map(|session| Some((session, session.activities.iter().position(able)?)))
            .collect();
        let (session, index) = open.swap_remove(turn.checked_rem(open.len())?);
        let connector = u32::try_from(index).ok()?;
        Some(session.ask(ConnectorQuery { connector, ..query }))
    }

    /// A task left a worker's hands: its slot takes the next one, where the worker still has it.
    pub(crate) fn slot_is_free(&self, session: &Arc<Session>, freed: Freed) {
        let Freed { activities, epoch } = freed;
        for activity in activities {
            self.slot_again(Slot::Session {
                session: session.clone(),
                activity,
                epoch,
            });
        }
    }

    /// A worker changes how many tasks of an activity it takes at once.
    pub(crate) async fn resize(&self, session: &Arc<Session>, activity: u32, slots: u32) {
        match session.resize(activity, slots) {
            Change::None => {}
            Change::More(count) => self.open(session, activity, count),
            Change::Anew => self.offer_slots(session).await,
        }
    }

    /// Opens what a worker's rate gives; when it will give more, if some wait for it.
    pub(crate) fn unpark(&self, parked: &Parked, now: Timestamp) -> Option<Timestamp> {
        let Parked { session, activity } = parked;
        if session.is_gone() {
            return None;
        }
        let unparked = session.unpark(*activity, now);
        self.open(session, *activity, unparked.count);
        unparked.next
    }

    fn open(&self, session: &Arc<Session>, activity: u32, count: u32) {
        let epoch = session.epoch();
        for _ in 0..count {
            self.slot_again(Slot::Session {
                session: session.clone(),
                activity,
                epoch,
            });
        }
    }

    /// The room that is left at a worker takes tasks from now on.
    pub(crate) async fn offer_slots(&self, session: &Arc<Session>) {
        let Free { epoch, slots } = session.open_slots();
        for (activity, free) in (0_u32..).zip(slots) {
            for number in 0..free {
                let session = session.clone();
                self.slot_again(Slot::Session {
                    session,
                    activity,
                    epoch,
                });
                if number % SLOTS_AT_ONCE == SLOTS_AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// A slot that was reserved for a task that did not start.
    pub(crate) fn slot_unused(&self, offer: &Offer, slot: Slot) {
        if let Some(shared) = self.shared.get().and_then(Weak::upgrade) {
            let queue = slot_queue(&shared, &slot);
            let now = shared.clock.now();
            shared.hand_out(queue.left(offer.execution, offer.attempt, now));
        }
        if let Some(slot) = slot.give_back() {
            self.slot_again(slot);
        }
    }

    /// A slot that is free.
    pub(crate) fn slot_again(&self, slot: Slot) {
        let Some(shared) = self.shared.get().and_then(Weak::upgrade) else {
            return;
        };
        let queue = slot_queue(&shared, &slot);
        let pair = queue.offer_slot(slot, shared.clock.now());
        shared.hand_out(pair.into_iter().collect());
    }
}

fn slot_queue(shared: &Shared, slot: &Slot) -> Arc<Queue> {
    match slot {
        Slot::Session {
            session, activity, ..
        } => session.activities[*activity as usize].queue.clone(),
        Slot::Poller { activity, .. } => shared.matching.queue(activity),
    }
}

fn forget_old(gone: &mut VecDeque<(Timestamp, Arc<Session>)>, now: Timestamp) {
    let old = |(at, _): &(Timestamp, _)| now.0.saturating_sub(at.0) > GONE_MS;
    while gone.front().is_some_and(old) {
        gone.pop_front();
    }
}
