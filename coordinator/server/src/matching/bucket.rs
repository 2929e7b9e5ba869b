//! A rate of tasks as a bucket of tokens.

use stepfleet_engine::Timestamp;

/// One task, as the bucket counts: a rate in thousandths a second gains that much each millisecond.
const TASK: u64 = 1_000_000;
/// A bucket holds what this time gains, and one task at least.
const BURST_MS: u64 = 100;

/// See the module. It begins with room for one task.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// Tasks in 1000 seconds.
    rate: u64,
    tokens: u64,
    refilled_at: Timestamp,
}

impl Bucket {
    pub(crate) fn new(rate: u64, now: Timestamp) -> Self {
        Self {
            rate: rate.max(1),
            tokens: TASK,
            refilled_at: now,
        }
    }

    /// Tasks in 1000 seconds.
    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// Whether a task may go now, or when one may.
    pub(crate) fn check(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        self.refill(now);
        if self.tokens >= TASK {
            return Ok(());
        }
        let wait = (TASK - self.tokens).div_ceil(self.rate);
        let wait = i64::try_from(wait).unwrap_or(i64::MAX);
        Err(self.refilled_at.plus_ms(wait))
    }

    /// Tasks that may go now.
    pub(crate) fn whole(&mut self, now: Timestamp) -> u64 {
        self.refill(now);
        self.tokens / TASK
    }

    /// A task goes.
    pub(crate) fn take(&mut self) {
        self.tokens = self.tokens.saturating_sub(TASK);
    }

    /// One that was taken did not go.
    pub(crate) fn give_back(&mut self) {
        self.tokens = self.tokens.saturating_add(TASK).min(self.most());
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = u64::try_from(now.0.saturating_sub(self.refilled_at.0)).unwrap_or(0);
        let gained = passed.saturating_mul(self.rate);
        self.tokens = self.tokens.saturating_add(gained).min(self.most());
        // A clock that goes back gains nothing until it is where it was.
        self.refilled_at = self.refilled_at.max(now);
    }

    fn most(&self) -> u64 {
        TASK.max(self.rate.saturating_mul(BURST_MS))
    }
}
