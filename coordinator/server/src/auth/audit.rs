//! The audit log: who asked for what, on what, from where, and what was said to it. One line of JSON each, and each line
//! carries the hash of the one before, so that a line that is changed, taken out or put in shows (`verify`). Neither
//! payloads nor secrets ever come here.

mod chain;
#[cfg(test)]
mod tests;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use stepfleet_engine::Timestamp;
use stepfleet_proto::Action;

use crate::clock::Clock;
use crate::config::{AuditTasks, Config};
use crate::metrics::Metrics;
use crate::observe::queue::{Losses, Queue, Signal, queue};
use crate::observe::rotate::RotatingFile;
use crate::service::error::{ApiError, ErrorCode};

pub(crate) use chain::verify;

/// Where the log is in the data folder unless the configuration names another place.
const FILE: &str = "logs/audit.jsonl";
/// How long the end of the process waits for it.
const FLUSH: Duration = Duration::from_secs(5);
/// Bytes of one record in the queue, about.
const RECORD_BYTES: usize = 512;

/// See the module. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    queue: Queue<Record>,
    reads: bool,
    tasks: AuditTasks,
    required: bool,
    clock: Arc<dyn Clock>,
    health: Arc<Health>,
}

/// What both ends of the queue know.
#[derive(Debug, Default)]
struct Health {
    /// The file cannot be written now.
    failing: AtomicBool,
    /// Records that found no room since the last one that did.
    lost: AtomicU64,
}

/// One question and its answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    #[serde(skip)]
    pub(crate) at: Timestamp,
    /// Empty where nobody could be told.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) principal: Arc<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) namespace: Arc<str>,
    /// By which secret, as it is known; never the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<SocketAddr>,
    /// Absent when it did not come to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    /// Whose task it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) execution: Option<Arc<str>>,
    pub(crate) decision: &'static str,
    /// Of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// What kind of thing an action is, for the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Change,
    Read,
    /// Ends an activity task or a callback.
    Completion,
    /// Polls and heartbeats.
    Traffic,
}

impl Audit {
    /// Opens the log where it is wanted: where callers must say who they are, unless the configuration says otherwise.
    ///
    /// # Errors
    /// Its file cannot be opened, or what stands in it cannot be read.
    pub(crate) fn open(
        config: &Config,
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let settings = &config.audit;
        let Some(path) = file(config) else {
            return Ok(Self::default());
        };
        let health = Arc::new(Health::default());
        let losses = Losses::new(Signal::Audit, metrics.clone(), clock.clone());
        let (queue, receiver) = queue(Arc::new(losses));
        let file = RotatingFile::new(path.clone(), settings.file_bytes_max, settings.files_max);
        writer::start(file, &path, receiver, health.clone(), clock.clone())?;
        Ok(Self {
            inner: Some(Arc::new(Inner {
                queue,
                reads: settings.reads,
                tasks: settings.tasks,
                required: settings.required,
                clock: clock.clone(),
                health,
            })),
        })
    }

    /// Whether an answer to this belongs into the log; refusals always do.
    pub(crate) fn takes(&self, action: Action) -> bool {
        let Some(inner) = &self.inner else {
            return false;
        };
        match kind(action) {
            Kind::Change => true,
            Kind::Read => inner.reads,
            Kind::Completion => inner.tasks != AuditTasks::None,
            Kind::Traffic => inner.tasks == AuditTasks::All,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Writes a record, sooner or later.
    pub(crate) fn write(&self, record: impl FnOnce(Timestamp) -> Record) {
        let Some(inner) = &self.inner else {
            return;
        };
        let record = record(inner.clock.now());
        if !inner.queue.put(record, RECORD_BYTES, 1) {
            inner.health.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Refuses what could not be written, where the configuration wants no unwritten answers.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        match &self.inner {
            Some(inner) if inner.required && inner.health.is_failing() => {
                let message = "the audit log cannot be written now, and nothing is done without it (audit.required)";
                let error = ApiError::new(ErrorCode::ServiceUnavailable, message);
                Err(error.with_retry_after_ms(1000))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Waits until what was written so far is in the file.
    pub(crate) async fn flush(&self) {
        if let Some(inner) = &self.inner {
            let _late = tokio::time::timeout(FLUSH, inner.queue.flush()).await;
        }
    }
}

impl Health {
    fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire) || self.lost.load(Ordering::Relaxed) > 0
    }
}

/// The file of the log; none where nothing is to be written.
fn file(config: &Config) -> Option<PathBuf> {
    let settings = &config.audit;
    let wanted = settings.enabled.unwrap_or(config.authentication());
    let named = settings.file.clone();
    // What is to leave nothing behind has no folder for it.
    let usual = || (!config.ephemeral).then(|| config.data.join(FILE));
    wanted.then(|| named.or_else(usual)).flatten()
}

fn kind(action: Action) -> Kind {
    match action.name {
        "SendTaskSuccess" | "SendTaskFailure" => Kind::Completion,
        "SendTaskHeartbeat" | "GetActivityTask" => Kind::Traffic,
        // They give away what nobody gets back: tokens, tests that call partners, everything.
        "ListCallbacks" | "TestState" | "RevealSecrets" | "Backup" => Kind::Change,
        name if ["Describe", "List", "Get", "Watch", "Validate", "TestPolicy"]
            .iter()
            .any(|read| name.starts_with(read)) =>
        {
            Kind::Read
        }
        _ => Kind::Change,
    }
}
