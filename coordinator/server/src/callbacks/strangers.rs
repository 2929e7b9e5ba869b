//! Whoever comes with what is no callback URL. Anybody may, as often as they like: the audit log is told of the first and,
//! a minute later, how many followed, so that they push nothing else out of its queue.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::shared::Shared;

/// How long those are counted that follow a first.
const MINUTE: Duration = Duration::from_secs(60);

/// How many followed the first; none before there is one.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<Option<u64>>);

impl Strangers {
    /// One has come: whether it is the first.
    pub(super) fn come(&self) -> bool {
        let mut followed = self.lock();
        let is_first = followed.is_none();
        *followed = followed.map_or(Some(0), |count: u64| Some(count.saturating_add(1)));
        is_first
    }

    /// How many followed the first within its minute, or until the process ends.
    pub(super) async fn followed(&self, shared: &Shared) -> u64 {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => {}
            () = tokio::time::sleep(MINUTE) => {}
        }
        self.lock().take().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
