//! When each running task has to be reported as alive: every third of its HeartbeatSeconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::task::Shared;

/// Running tasks by the time of their next heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    due: BTreeMap<(Instant, u64), Arc<Shared>>,
    /// Tells tasks apart that are due at the same time.
    next: u64,
}

/// Names an entry until it is removed; a heartbeat changes the time and keeps the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    at: Instant,
    number: u64,
}

impl Heartbeats {
    /// Begins to report a task; `None` for one without HeartbeatSeconds.
    pub(crate) fn add(&mut self, task: &Arc<Shared>, now: Instant) -> Option<Beat> {
        let period = period(task)?;
        let beat = Beat {
            at: now + period,
            number: self.next,
        };
        self.next += 1;
        self.due.insert((beat.at, beat.number), Arc::clone(task));
        Some(beat)
    }

    pub(crate) fn remove(&mut self, beat: Beat) {
        self.due.remove(&(beat.at, beat.number));
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next task that is due; [`Self::add`] it again after its heartbeat.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Arc<Shared>> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Every task that is reported.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Arc<Shared>> {
        self.due.values()
    }
}

fn period(task: &Shared) -> Option<Duration> {
    (task.heartbeat_seconds > 0).then(|| Duration::from_secs(u64::from(task.heartbeat_seconds)) / 3)
}
