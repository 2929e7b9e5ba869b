//! The workers' sessions: who is connected, who may come back, and what happens to the tasks of those who do not.

pub(crate) mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use stepfleet_engine::SessionId;

pub(crate) use session::Session;

use crate::matching::Slot;
use crate::partition::Message;
use crate::shared::Shared;

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    sessions: Mutex<BTreeMap<SessionId, Arc<Session>>>,
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

    pub(crate) fn count(&self) -> usize {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter(|s| s.is_open())
            .count()
    }

    /// The known session of this id, if it is of the same caller and serves the same activities.
    pub(crate) fn resume(&self, id: SessionId, like: &Session) -> Option<Arc<Session>> {
        let same = |session: &Arc<Session>| {
            let arns = |session: &Session| {
                session
                    .activities
                    .iter()
                    .map(|served| served.arn.clone())
                    .collect::<Vec<_>>()
            };
            session.caller == like.caller && arns(session) == arns(like)
        };
        self.session(id).filter(same)
    }

    /// Takes a session in. `false` when its id is in use by another caller.
    pub(crate) fn add(&self, session: Arc<Session>) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let foreign = sessions
            .get(&session.id)
            .is_some_and(|known| known.caller != session.caller);
        if !foreign {
            sessions.insert(session.id, session);
        }
        !foreign
    }

    /// Forgets a session, if it did not come back; answers whether it is gone.
    pub(crate) fn remove(&self, session: &Arc<Session>, connection: u64) -> bool {
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
        true
    }

    /// A task left a worker's hands: its slot takes the next one.
    pub(crate) fn slot_is_free(&self, session: &Arc<Session>, activity: u32) {
        let connection = session.current();
        self.slot_again(Slot::Session {
            session: session.clone(),
            activity,
            connection,
        });
    }

    /// A slot that was reserved and not used.
    pub(crate) fn slot_again(&self, slot: Slot) {
        let Some(shared) = self.shared.get().and_then(Weak::upgrade) else {
            return;
        };
        let queue = match &slot {
            Slot::Session {
                session, activity, ..
            } => session.activities[*activity as usize].queue.clone(),
            Slot::Poller { activity, .. } => shared.matching.queue(activity),
        };
        if let Some((offer, slot)) = queue.offer_slot(slot) {
            shared
                .partitions()
                .send_later(offer.hash, Message::Slot { offer, slot });
        }
    }
}
