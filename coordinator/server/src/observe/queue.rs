//! The queue before a destination: bounded in entries and bytes. Who puts never waits; what finds no room is lost, which
//! is counted, and told in the process log from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::metrics::Metrics;

/// Entries that may wait: each is what one decision tells.
const ENTRIES_MAX: usize = 16_384;
/// Bytes that may wait; one more entry is taken while there are fewer.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Between two lines about losses in the process log, milliseconds.
const TOLD_EVERY_MS: i64 = 10_000;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    ExecutionLog,
    StatusEvents,
    Spans,
    Audit,
}

impl Signal {
    /// Its name in metrics and in the process log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ExecutionLog => "execution_log",
            Self::StatusEvents => "status_events",
            Self::Spans => "spans",
            Self::Audit => "audit",
        }
    }
}

/// Counts what is delivered and what is lost.
#[derive(Debug)]
pub(crate) struct Losses {
    signal: Signal,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    told_at: AtomicI64,
    untold: AtomicU64,
}

/// Puts into a queue.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    sender: mpsc::Sender<Entry<T>>,
    bytes: Arc<AtomicUsize>,
    losses: Arc<Losses>,
}

/// Takes out of it.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    entries: mpsc::Receiver<Entry<T>>,
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Entry<T> {
    Value { value: T, bytes: usize },
    Flush(oneshot::Sender<()>),
}

/// What comes out of a queue.
#[derive(Debug)]
pub(crate) enum Next<T> {
    Value(T),
    /// Everything before this is to be delivered, then this answered.
    Flush(oneshot::Sender<()>),
}

/// A queue and its end.
pub(crate) fn queue<T>(losses: Arc<Losses>) -> (Queue<T>, Receiver<T>) {
    let (sender, entries) = mpsc::channel(ENTRIES_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    let queue = Queue {
        sender,
        bytes: bytes.clone(),
        losses,
    };
    (queue, Receiver { entries, bytes })
}

impl Losses {
    pub(crate) fn new(signal: Signal, metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        Self {
            signal,
            metrics,
            clock,
            told_at: AtomicI64::new(i64::MIN / 2),
            untold: AtomicU64::new(0),
        }
    }

    /// So many were delivered.
    pub(crate) fn delivered(&self, count: u64) {
        self.metrics.exported(self.signal, "delivered", count);
    }

    /// So many never will be.
    pub(crate) fn lost(&self, count: u64, why: &str) {
        self.metrics.exported(self.signal, "dropped", count);
        let count = self.untold.fetch_add(count, Ordering::Relaxed) + count;
        if self.may_tell() {
            self.untold.fetch_sub(count, Ordering::Relaxed);
            let signal = self.signal.as_str();
            tracing::warn!(signal, count, why, "what was to be told was dropped");
        }
    }

    /// A destination did not take something, which is tried again.
    pub(crate) fn refused(&self, why: &str) {
        self.metrics.exported(self.signal, "retried", 1);
        if self.may_tell() {
            let signal = self.signal.as_str();
            tracing::warn!(signal, why, "a destination refuses; it is tried again");
        }
    }

    fn may_tell(&self) -> bool {
        let now = self.clock.now().0;
        let told_at = self.told_at.load(Ordering::Relaxed);
        now - told_at >= TOLD_EVERY_MS
            && self
                .told_at
                .compare_exchange(told_at, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl<T> Queue<T> {
    /// Puts something that counts for so many records and bytes, or loses it; whether it found room.
    pub(crate) fn put(&self, value: T, bytes: usize, count: u64) -> bool {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) > BYTES_MAX
            || self.sender.try_send(Entry::Value { value, bytes }).is_err()
        {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.losses
                .lost(count, "more waits for the destination than may wait");
            return false;
        }
        true
    }

    /// Waits until everything before this was delivered or given up.
    pub(crate) async fn flush(&self) {
        let (answer, flushed) = oneshot::channel();
        if self.sender.send(Entry::Flush(answer)).await.is_ok() {
            let _gone = flushed.await;
        }
    }
}

impl<T> Receiver<T> {
    /// From a thread outside the runtime. None when the queue is gone.
    pub(crate) fn blocking_next(&mut self) -> Option<Next<T>> {
        let entry = self.entries.blocking_recv()?;
        Some(self.taken(entry))
    }

    /// None when the queue is gone.
    pub(crate) async fn next(&mut self) -> Option<Next<T>> {
        let entry = self.entries.recv().await?;
        Some(self.taken(entry))
    }

    /// What is there already.
    pub(crate) fn try_next(&mut self) -> Option<Next<T>> {
        let entry = self.entries.try_recv().ok()?;
        Some(self.taken(entry))
    }

    fn taken(&self, entry: Entry<T>) -> Next<T> {
        match entry {
            Entry::Value { value, bytes } => {
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                Next::Value(value)
            }
            Entry::Flush(answer) => Next::Flush(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn losses(metrics: &Metrics) -> Arc<Losses> {
        let clock = Arc::new(SystemClock::default());
        Arc::new(Losses::new(Signal::ExecutionLog, metrics.clone(), clock))
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nobody_waits() {
        let metrics = Metrics::default();
        let (queue, mut receiver) = queue(losses(&metrics));
        for number in 0..3 {
            queue.put(number, BYTES_MAX / 2 + 1, 5);
        }
        let dropped = r#"stepfleet_exports_total{signal="execution_log",outcome="dropped"} 5"#;
        assert!(metrics.render().contains(dropped), "{}", metrics.render());
        // Room comes back as the destination takes.
        assert!(matches!(receiver.try_next(), Some(Next::Value(0))));
        queue.put(3, 1, 1);
        assert!(matches!(receiver.try_next(), Some(Next::Value(1))));
        assert!(matches!(receiver.try_next(), Some(Next::Value(3))));
        assert!(receiver.try_next().is_none());
        assert!(metrics.render().contains(dropped));
    }

    #[test]
    fn entries_are_bounded_too() {
        let metrics = Metrics::default();
        let (queue, _receiver) = queue(losses(&metrics));
        for number in 0..=ENTRIES_MAX {
            queue.put(number, 1, 1);
        }
        let dropped = r#"{signal="execution_log",outcome="dropped"} 1"#;
        assert!(metrics.render().contains(dropped), "{}", metrics.render());
    }

    #[test]
    fn losses_are_told_from_time_to_time() {
        let losses = losses(&Metrics::default());
        assert!(losses.may_tell());
        assert!(!losses.may_tell());
    }
}
