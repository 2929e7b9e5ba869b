//! When the other end of a connection was heard last. Whatever it sends counts, the answer to a ping included, so that
//! who is merely idle is told from who has vanished.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Of one connection; in the extensions of each of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Heard(Arc<Last>);

#[derive(Debug)]
struct Last {
    connected_at: Instant,
    /// Milliseconds since then.
    after_ms: AtomicU64,
}

impl Default for Heard {
    fn default() -> Self {
        Self(Arc::new(Last {
            connected_at: Instant::now(),
            after_ms: AtomicU64::new(0),
        }))
    }
}

impl Heard {
    /// It is heard now.
    pub(super) fn note(&self) {
        self.0
            .after_ms
            .fetch_max(self.elapsed_ms(), Ordering::Relaxed);
    }

    /// How long nothing has been heard.
    pub(crate) fn silent_for(&self) -> Duration {
        let last = self.0.after_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.elapsed_ms().saturating_sub(last))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.connected_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
