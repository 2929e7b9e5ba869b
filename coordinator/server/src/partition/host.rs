//! The task that owns the executions of its partitions: it drains what is waiting, decides it all, appends once, and
//! goes on deciding while the append is in flight. Nothing leaves before its append has succeeded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stepfleet_engine::{ExecutionId, Timestamp};
use stepfleet_store::StoreError;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::batch::InFlight;
use super::desk::Desk;
use super::message::Message;
use super::orphans::Orphans;
use super::resident::Slot;

/// Messages taken from one mailbox before the batch is looked at again.
const DRAIN_MAX: usize = 256;
/// Bytes of an open batch at which nothing more is decided until it leaves.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Pause before an append that could not be written is sent again.
const RETRY_MS: u64 = 100;
/// How long storage may be unavailable (not: full) before the process gives up.
const UNAVAILABLE_S_MAX: u64 = 30;

/// Where a host's messages wait. Completions come before starts.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub urgent: mpsc::Receiver<Message>,
    pub starts: mpsc::Receiver<Message>,
    /// Payload bytes that wait in both.
    pub bytes: Arc<AtomicUsize>,
}

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(super) slots: HashMap<ExecutionId, Slot>,
    pub(super) desk: Desk,
    pub(super) watchers: BTreeMap<ExecutionId, Arc<Notify>>,
    pub(super) orphans: Orphans,
    pub(super) evict_at: Timestamp,
    /// Executions in memory in the order in which they are looked at for eviction; some may have left.
    pub(super) aging: VecDeque<ExecutionId>,
    /// Looks in a row that found none to evict.
    pub(super) busy_looks: usize,
    /// What wakes until then has been looked for: it is in memory, or on its way.
    pub(super) looked_ahead: Timestamp,
    /// Executions to read from the state store: those of one turn are one call.
    pub(super) to_load: Vec<ExecutionId>,
    mailbox: Mailbox,
    in_flight: Option<InFlight>,
    resend_at: Option<Instant>,
}

impl Host {
    pub(crate) fn new(desk: Desk, mailbox: Mailbox) -> Self {
        Self {
            slots: HashMap::new(),
            desk,
            watchers: BTreeMap::new(),
            orphans: Orphans::default(),
            evict_at: Timestamp(0),
            aging: VecDeque::new(),
            busy_looks: 0,
            looked_ahead: Timestamp(0),
            to_load: Vec::new(),
            mailbox,
            in_flight: None,
            resend_at: None,
        }
    }

    /// Works until shutdown, then finishes what it has accepted.
    pub(crate) async fn serve(mut self, shutdown: CancellationToken) {
        let mut inbox = Vec::with_capacity(DRAIN_MAX);
        while !shutdown.is_cancelled() {
            let wake = self.next_wake();
            let starts = self.admits_starts();
            // A batch that cannot leave is not made larger: messages and timers wait for the disk.
            let open = self.desk.batch.bytes < BATCH_BYTES_MAX;
            let mailbox = &mut self.mailbox;
            tokio::select! {
                biased;
                results = finished(&mut self.in_flight, self.resend_at) => {
                    self.desk.turn();
                    self.appended(results);
                }
                count = take(mailbox, &mut inbox, starts), if open => {
                    // Every handle is gone: only shutdown is left to wait for.
                    if count == 0 {
                        shutdown.cancelled().await;
                    }
                }
                () = sleep_until(wake), if open => {}
                () = shutdown.cancelled() => {}
            }
            for message in inbox.drain(..) {
                self.desk.turn();
                self.mailbox
                    .bytes
                    .fetch_sub(message.bytes(), Ordering::Relaxed);
                self.handle(message);
            }
            self.desk.turn();
            if open {
                self.tick();
            }
            self.maintain();
            self.flush();
        }
        self.finish().await;
    }

    /// Starts wait while the batch in flight is being resent or rows pile up: completions must get through first.
    fn admits_starts(&self) -> bool {
        self.resend_at.is_none() && !self.desk.rows_pile_up()
    }

    fn next_wake(&self) -> Instant {
        let now = self.desk.shared.clock.now();
        let timer = self.desk.timers.first().map(|(at, _)| *at);
        let wakes = [
            timer,
            self.orphans.until,
            self.evicts_at(),
            self.looks_ahead_at(),
        ];
        let next = wakes.into_iter().flatten().min();
        let wait = next.map_or(60_000, |at| {
            u64::try_from(at.0.saturating_sub(now.0))
                .unwrap_or(0)
                .min(60_000)
        });
        let pause = if self.desk.rows_waiting() {
            wait.min(20)
        } else {
            wait
        };
        Instant::now() + Duration::from_millis(pause)
    }

    /// Gives the open batch to the log, if none is in flight.
    fn flush(&mut self) {
        let batch = &mut self.desk.batch;
        if self.in_flight.is_some() || (!batch.changed && batch.effects.is_empty()) {
            return;
        }
        let (number, appends, effects) = batch.close(&mut self.desk.partitions);
        if appends.is_empty() {
            // Nothing to make durable, and nothing uncommitted that the answers could have seen.
            self.desk.batch.committed = number;
            self.desk.release(effects);
            return;
        }
        let bytes: usize = appends.iter().map(|append| append.chunk.len()).sum();
        self.desk.shared.metrics.log_bytes(bytes as u64);
        let future = self.desk.shared.log.append(appends.clone());
        let begun = Instant::now();
        self.in_flight = Some(InFlight {
            number,
            appends,
            effects,
            future,
            begun,
        });
    }

    fn appended(&mut self, results: Option<Vec<Result<(), StoreError>>>) {
        let Some(mut done) = self.in_flight.take() else {
            return;
        };
        let Some(results) = results else {
            // The pause is over: send the same chunks, under the same numbers, again.
            self.resend_at = None;
            done.future = self.desk.shared.log.append(done.appends.clone());
            self.in_flight = Some(done);
            return;
        };
        if let Some(error) = results.into_iter().find_map(Result::err) {
            self.append_failed(error, done);
            return;
        }
        self.desk.shared.pressure.storage_recovered();
        self.desk.batch.committed = done.number;
        for append in &done.appends {
            self.desk.committed(append.partition, append.seq);
        }
        let took_ms = i64::try_from(done.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.desk
            .shared
            .metrics
            .appended(done.appends.len(), took_ms);
        self.desk.release(done.effects);
    }

    fn append_failed(&mut self, error: StoreError, mut done: InFlight) {
        let waited_s = done.begun.elapsed().as_secs();
        let full = matches!(error, StoreError::Full(_));
        if full {
            // A full disk may last; only what is unavailable for other reasons counts.
            done.begun = Instant::now();
        }
        if !error.is_retryable() || (!full && waited_s > UNAVAILABLE_S_MAX) {
            self.desk
                .shared
                .fatal
                .fail(format!("the log cannot be written: {error}"));
        }
        self.desk.shared.pressure.storage_failed(&error);
        self.resend_at = Some(Instant::now() + Duration::from_millis(RETRY_MS));
        done.future = Box::pin(pending());
        self.in_flight = Some(done);
    }

    /// Makes what was accepted durable and lets its answers go.
    async fn finish(mut self) {
        for _ in 0..2 {
            if self.resend_at.is_some() {
                break;
            }
            self.flush();
            let Some(in_flight) = &mut self.in_flight else {
                continue;
            };
            let results = (&mut in_flight.future).await;
            self.appended(Some(results));
        }
        if self.resend_at.is_some() {
            tracing::warn!(
                "storage refuses writes at shutdown; unacknowledged changes are dropped"
            );
            return;
        }
        self.desk.flush_rows().await;
    }
}

/// The append's results, or `None` when the pause before a resend is over.
async fn finished(
    in_flight: &mut Option<InFlight>,
    resend_at: Option<Instant>,
) -> Option<Vec<Result<(), StoreError>>> {
    match (in_flight, resend_at) {
        (_, Some(at)) => {
            sleep_until(at).await;
            None
        }
        (Some(in_flight), None) => Some((&mut in_flight.future).await),
        (None, None) => pending().await,
    }
}

/// Waits for messages: completions and reads first, then as many starts as fit.
async fn take(mailbox: &mut Mailbox, inbox: &mut Vec<Message>, starts: bool) -> usize {
    if !starts {
        return mailbox.urgent.recv_many(inbox, DRAIN_MAX).await;
    }
    let count = tokio::select! {
        biased;
        count = mailbox.urgent.recv_many(inbox, DRAIN_MAX) => count,
        start = mailbox.starts.recv() => {
            inbox.extend(start);
            inbox.len()
        }
    };
    while inbox.len() < DRAIN_MAX {
        let Ok(message) = mailbox.starts.try_recv() else {
            break;
        };
        inbox.push(message);
    }
    count
}
