//! Places where connectors have work: whether a worker is there that can tell of it, and since when none is.

use std::sync::{Arc, PoisonError};

use stepfleet_engine::Timestamp;
use tokio::sync::watch;

use super::Fleet;
use super::session::{Served, Session};

/// Who serves a connector at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attendance {
    /// A worker that is connected.
    Here,
    /// A worker that is not connected any more.
    Last {
        worker: Arc<str>,
        heard_at: Timestamp,
    },
    /// No worker that is known still.
    Unknown,
}

impl Fleet {
    /// A worker went away.
    pub(super) fn departed(&self) {
        self.departures.send_replace(());
    }

    /// Changes with every worker that goes away.
    pub(crate) fn departures(&self) -> watch::Receiver<()> {
        self.departures.subscribe()
    }

    /// Who serves a connector at a place now, or did last.
    pub(crate) fn attendance(&self, connector: &str, place: &str) -> Attendance {
        let mut known = self.sessions();
        let is_there = |session: &Arc<Session>| serves_at(session, connector, place);
        if known
            .iter()
            .any(|session| session.is_open() && is_there(session))
        {
            return Attendance::Here;
        }
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(gone.iter().map(|(_, session)| session.clone()));
        drop(gone);
        let there = known.into_iter().filter(is_there);
        let last = there.max_by_key(|session| session.seen_at());
        last.map_or(Attendance::Unknown, |session| Attendance::Last {
            worker: session.about.name.clone(),
            heard_at: session.seen_at(),
        })
    }
}

fn serves_at(session: &Session, connector: &str, place: &str) -> bool {
    let mut served = session.activities.iter();
    served.any(|of: &Served| *of.arn == *connector && of.connector.as_deref() == Some(place))
}
