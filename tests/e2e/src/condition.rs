//! Waiting for a condition of the real world, with a deadline. The only clock of the harness; nothing else waits for time.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, MissedTickBehavior};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long a condition may take to come true.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Duration);

impl Deadline {
    /// Seconds from the start of the wait.
    pub fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// Looks until there is something to see.
///
/// # Errors
/// The condition did not come true in time, or looking failed.
pub async fn until<T>(
    what: &str,
    deadline: Deadline,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if start.elapsed() > deadline.0 {
            bail!("waited {:?} in vain: {what}", start.elapsed());
        }
    }
}
