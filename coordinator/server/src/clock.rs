//! The one place that reads the wall clock.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use stepfleet_engine::Timestamp;
use tokio::time::Instant;

/// Gives the time; injected at the top, so that tests can stand in.
pub(crate) trait Clock: Debug + Send + Sync {
    /// Now, milliseconds since the epoch. Never goes back within a process.
    fn now(&self) -> Timestamp;
}

/// The wall clock of the start, carried on by the monotonic one. Follows the wall clock forward, never back: when it is
/// set back, time goes on at its pace, so that no timer stands still and none fires early.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
    /// Wall time minus monotonic time, the greatest seen. Milliseconds.
    offset: AtomicI64,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            offset: AtomicI64::new(wall()),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        let ahead = wall() - elapsed;
        let offset = self.offset.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        Timestamp(elapsed + offset)
    }
}

fn wall() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the injected clock")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}
