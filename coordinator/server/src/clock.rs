//! The one place that reads the wall clock.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use stepfleet_engine::Timestamp;

/// Gives the time; injected at the top, so that tests can stand in.
pub(crate) trait Clock: Debug + Send + Sync {
    /// Now, milliseconds since the epoch. Never goes back within a process.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, held still while it is set back.
#[derive(Debug, Default)]
pub(crate) struct SystemClock {
    last: AtomicI64,
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the injected clock")]
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            });
        Timestamp(self.last.fetch_max(now, Ordering::Relaxed).max(now))
    }
}
