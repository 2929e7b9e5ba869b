//! What operators see of executions besides the API: the log that a state machine asks for, changes of status, and traces. A decision is looked at when
//! it is recorded, and told when it is durable. Telling never waits: each destination has a bounded queue, and what finds
//! it full is counted and lost.

mod insist;
mod log;
mod otlp;
pub(crate) mod queue;
pub(crate) mod record;
mod rotate;
pub(crate) mod settings;
mod spans;
mod status;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod trace;

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
use spans::Span;
use status::{Change, StatusEvents};
use trace::Trace;

/// How long the end of the process waits for what is queued.
const FLUSH: Duration = Duration::from_secs(5);

/// What a span takes while it waits, about.
const SPAN_BYTES: usize = 200;

/// Everything that is told, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// Empty when nothing is logged.
    log: OnceLock<Queue<Records>>,
    status: Option<StatusEvents>,
    tracer: Option<Tracer>,
}

/// Where spans go.
#[derive(Debug)]
struct Tracer {
    queue: Queue<Vec<Span>>,
    one_in: u32,
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
    /// The execution before it; none where it begins, or where the decision ends nothing.
    pub before: Option<&'a Execution>,
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
    spans: Vec<Span>,
}

impl Tracer {
    fn open(config: &Config, losses: Arc<Losses>) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = &config.tracing.otlp else {
            return Ok(None);
        };
        let channel = otlp::channel(endpoint)?;
        let (queue, receiver) = queue::queue(losses.clone());
        crate::task::spawn("spans", otlp::serve_spans(receiver, channel, losses));
        let one_in = config.tracing.one_in;
        Ok(Some(Self { queue, one_in }))
    }
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
            tracer: Tracer::open(config, losses(Signal::Spans)).context("[tracing]")?,
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
        let spans = self.trace(decided.revision, decided.execution);
        let spans = spans.map_or_else(Vec::new, |trace| spans::ended(trace, decided));
        let anything = log.is_some() || !changes.is_empty() || !spans.is_empty();
        anything.then(|| {
            Box::new(Observed {
                log,
                changes,
                spans,
            })
        })
    }

    /// The trace of an execution that has one.
    fn trace(&self, revision: &Revision, execution: &Execution) -> Option<Trace> {
        let tracer = self.tracer.as_ref().filter(|_| revision.watched.traced)?;
        let trace = Trace::of(execution, tracer.one_in);
        trace.sampled.then_some(trace)
    }

    /// Whether any execution has a trace.
    pub(crate) fn traces(&self) -> bool {
        self.tracer.is_some()
    }

    /// The trace header for what a state calls, by the event that entered it. An execution that is not traced itself
    /// gives on what it was started with.
    pub(crate) fn header_for(
        &self,
        revision: &Revision,
        execution: &Execution,
        entry: EventId,
    ) -> Option<Arc<str>> {
        let given = &execution.header.trace_header;
        match self.trace(revision, execution) {
            Some(trace) => Some(Arc::from(trace.header(entry))),
            None if self.tracer.is_some() => given.clone(),
            None => None,
        }
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
        self.tell(Observed {
            log: None,
            changes: self.changes(decided),
            spans: Vec::new(),
        });
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
        if let Some(tracer) = &self.tracer
            && !observed.spans.is_empty()
        {
            let count = observed.spans.len();
            let bytes = count * SPAN_BYTES;
            tracer.queue.put(observed.spans, bytes, count as u64);
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
            if let Some(tracer) = &self.tracer {
                tracer.queue.flush().await;
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
