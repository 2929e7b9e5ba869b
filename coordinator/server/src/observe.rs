//! What operators see of executions besides the API: the log that a state machine asks for, and changes of status. A decision is looked at when
//! it is recorded, and told when it is durable. Telling never waits: each destination has a bounded queue, and what finds
//! it full is counted and lost.

mod log;
mod otlp;
pub(crate) mod queue;
pub(crate) mod record;
mod rotate;
pub(crate) mod settings;
mod status;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{Event, EventId, EventSeq, Execution, Timestamp};

use crate::catalog::Revision;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::service::api::MachineType;
use queue::{Losses, Queue, Signal};
use record::Records;
use status::{Change, StatusEvents};

/// How long the end of the process waits for what is queued.
const FLUSH: Duration = Duration::from_secs(5);

/// Everything that is told, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// Empty when nothing is logged.
    log: OnceLock<Queue<Records>>,
    status: Option<StatusEvents>,
}

/// One decision, as it is recorded.
#[derive(Debug)]
pub(crate) struct Decided<'a> {
    pub revision: &'a Arc<Revision>,
    pub machine_type: MachineType,
    /// Number of the first of its events.
    pub first_seq: EventSeq,
    /// The last public event before it.
    pub last_event: EventId,
    pub events: &'a [Event],
    pub at: Timestamp,
    /// The execution after it.
    pub execution: &'a Execution,
}

/// What is to be told of a decision once it is durable.
#[derive(Debug)]
pub(crate) struct Observed {
    log: Option<Records>,
    changes: Vec<Change>,
}

impl Observer {
    /// Opens the destinations.
    ///
    /// # Errors
    /// One that is named in the configuration cannot be opened.
    pub(crate) fn open(
        config: &Config,
        limits: Limits,
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let losses = |signal| Arc::new(Losses::new(signal, metrics.clone(), clock.clone()));
        let log = log::open(config, losses(Signal::ExecutionLog)).context("[execution_log]")?;
        let status = StatusEvents::open(config, limits, &losses(Signal::StatusEvents))
            .context("[status_events]")?;
        let observer = Self {
            status,
            ..Self::default()
        };
        log.into_iter().for_each(|log| observer.log_to(log));
        Ok(observer)
    }

    /// Sets where execution logs go, once.
    pub(crate) fn log_to(&self, queue: Queue<Records>) {
        let set = self.log.set(queue);
        assert!(set.is_ok(), "an execution log has one destination");
    }

    /// What there is to tell of a decision. Where nobody is to be told of its state machine, this is all that it costs.
    pub(crate) fn observe(&self, decided: &Decided<'_>) -> Option<Box<Observed>> {
        let watched = &decided.revision.watched;
        let logging = watched
            .logging
            .as_ref()
            .filter(|_| self.log.get().is_some());
        let log = logging.and_then(|logging| Records::of(logging, decided));
        let changes = self.changes(decided);
        let anything = log.is_some() || !changes.is_empty();
        anything.then(|| Box::new(Observed { log, changes }))
    }

    /// Express executions are no matter of status events, as on AWS.
    fn changes(&self, decided: &Decided<'_>) -> Vec<Change> {
        match (&self.status, decided.machine_type) {
            (Some(status), MachineType::Standard) => status.maker.changes(decided),
            (None, _) | (Some(_), MachineType::Express) => Vec::new(),
        }
    }

    /// Tells anew what a record of the log tells that no checkpoint covers: whether it was told before is not known.
    pub(crate) fn replayed(&self, decided: &Decided<'_>) {
        let log = None;
        let changes = self.changes(decided);
        self.tell(Observed { log, changes });
    }

    /// Whether replay matters to anybody.
    pub(crate) fn wants_replay(&self) -> bool {
        self.status.is_some()
    }

    /// Tells what is durable.
    pub(crate) fn tell(&self, observed: Observed) {
        if let (Some(queue), Some(records)) = (self.log.get(), observed.log) {
            let (bytes, count) = (records.bytes(), records.count());
            queue.put(records, bytes, count);
        }
        if let Some(status) = &self.status {
            observed
                .changes
                .into_iter()
                .for_each(|change| status.tell(change));
        }
    }

    /// Waits until everything that was told has been delivered, or given up, but not long.
    pub(crate) async fn flush(&self) {
        let queues = async {
            if let Some(queue) = self.log.get() {
                queue.flush().await;
            }
            if let Some(status) = &self.status {
                status.flush().await;
            }
        };
        if tokio::time::timeout(FLUSH, queues).await.is_err() {
            tracing::warn!("some of what executions tell was not delivered before the end");
        }
    }

    /// Makes durable what is told at least once and was not delivered, before a checkpoint covers what tells of it.
    pub(crate) async fn spool(self: Arc<Self>) {
        if self.status.is_none() {
            return;
        }
        let spooled = crate::task::blocking("spool status events", move || {
            self.status.as_ref().map_or(Ok(()), StatusEvents::spool)
        });
        if let Ok(Err(error)) = spooled.await {
            tracing::warn!(%error, "status events that wait cannot be written; a crash would lose them");
        }
    }
}
