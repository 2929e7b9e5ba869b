//! What a handler sees of its task, and how it says what went wrong.

use std::any::type_name;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connector::Pattern;
use crate::api::Start;
use crate::error::{Error, chain};

/// Longest error name, characters; longer ones are cut with a mark.
pub const ERROR_CHARS_MAX: usize = 256;
/// Longest cause, characters; longer ones are cut with a mark.
pub const CAUSE_CHARS_MAX: usize = 32_768;

/// Longest text of a heartbeat's details, bytes.
pub const PROGRESS_BYTES_MAX: usize = 8192;

const CUT_MARK: &str = "… (cut)";

/// One attempt of an activity, as its handler gets it. The methods are those of [`TaskContext`].
#[derive(Debug)]
pub struct Task<I> {
    /// The task's input.
    pub input: I,
    context: TaskContext,
}

/// Everything about a task but its input. Clones are cheap and mean the same task.
#[derive(Clone)]
pub struct TaskContext(pub(crate) Arc<Shared>);

/// Why a task failed: an error name, by which the state machine's Retry and Catch decide, and an explanation.
///
/// Every `std::error::Error` becomes one with `?`: its type gives the name (`ParseIntError`; `IoError` for
/// `std::io::Error`), its text and those of its sources the cause. Therefore this type is no `std::error::Error` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// At most [`ERROR_CHARS_MAX`] characters.
    pub error: String,
    /// At most [`CAUSE_CHARS_MAX`] characters.
    pub cause: String,
}

/// What handler and session share about a task.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) token: String,
    pub(crate) execution_arn: String,
    pub(crate) attempt: u32,
    /// 0 without HeartbeatSeconds.
    pub(crate) heartbeat_seconds: u32,
    pub(crate) traceparent: String,
    /// Empty when no attempt before said anything.
    last_progress: String,
    pub(crate) origin: Arc<Origin>,
    /// When it is the start of an integration's task.
    start: Option<Start>,
    cancelled: AtomicBool,
    /// Made when somebody first asks: most handlers never look.
    cancellation: OnceLock<CancellationToken>,
    /// Newest progress that has not gone out.
    details: Mutex<Option<String>>,
    /// A heartbeat of this task waits to go out.
    beating: AtomicBool,
    /// Its heartbeats are sent by somebody else.
    left: AtomicBool,
}

/// What all tasks of an activity share.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) activity: String,
    /// Tasks with news. When it is full, the news goes out with the next heartbeat.
    pub(crate) progress: mpsc::Sender<Arc<Shared>>,
}

impl<I> Task<I> {
    pub(crate) fn new(input: I, context: TaskContext) -> Self {
        Self { input, context }
    }

    /// The input and the rest apart, to move the input away.
    pub fn into_parts(self) -> (I, TaskContext) {
        (self.input, self.context)
    }
}

impl<I> Deref for Task<I> {
    type Target = TaskContext;

    fn deref(&self) -> &TaskContext {
        &self.context
    }
}

impl TaskContext {
    /// The task token. It is a secret: whoever has it can complete the task.
    pub fn token(&self) -> &str {
        &self.0.token
    }

    /// The execution that waits for this task.
    pub fn execution_arn(&self) -> &str {
        &self.0.execution_arn
    }

    /// The activity as the worker registered it.
    pub fn activity(&self) -> &str {
        &self.0.origin.activity
    }

    /// The client id and the pattern, when it is the start of an integration's task.
    pub(crate) fn start(&self) -> Option<(String, Pattern)> {
        self.0.start()
    }

    /// Which attempt of the state this is, as the coordinator counts.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// W3C's trace context of the state, for spans of the worker's own; none when the execution is not traced.
    pub fn traceparent(&self) -> Option<&str> {
        Some(&*self.0.traceparent).filter(|context| !context.is_empty())
    }

    /// The state's HeartbeatSeconds. The worker sends the heartbeats by itself, one every third of this time.
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        (self.0.heartbeat_seconds > 0)
            .then(|| Duration::from_secs(u64::from(self.0.heartbeat_seconds)))
    }

    /// Leaves the heartbeats of this task to whoever has its token by now: from here on the worker sends none but with
    /// [`Self::progress`]. The attempt is over when they do not come, and this task is cancelled then.
    pub fn leave_heartbeats(&self) {
        self.0.left.store(true, Ordering::Release);
    }

    /// Resolves when the attempt is over (timed out, stopped, completed by somebody else, or the worker ends): nobody wants the result any more.
    pub async fn cancelled(&self) {
        self.cancellation_token().cancelled().await;
    }

    /// Whether the attempt is over.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// The same as a token, to be handed on.
    pub fn cancellation_token(&self) -> CancellationToken {
        let token = self.0.cancellation.get_or_init(CancellationToken::new);
        // `Shared::cancel` sets the flag before it looks for a token: one of the two sees the other.
        if self.0.cancelled.load(Ordering::SeqCst) {
            token.cancel();
        }
        token.clone()
    }

    /// Sends a heartbeat with progress: people see it, and the next attempt gets what was said last, see
    /// [`Self::last_progress`]. Details that come faster than they can be sent replace each other; what a task said last
    /// before it failed goes out with its failure.
    ///
    /// # Errors
    /// [`Error::Encode`] when `details` is no JSON, [`Error::TooLarge`] when its text has more than
    /// [`PROGRESS_BYTES_MAX`] bytes.
    pub fn heartbeat<T: Serialize + ?Sized>(&self, details: &T) -> Result<(), Error> {
        let text = serde_json::to_string(details).map_err(Error::Encode)?;
        if text.len() > PROGRESS_BYTES_MAX {
            return Err(Error::TooLarge {
                bytes: text.len(),
                bytes_max: PROGRESS_BYTES_MAX,
            });
        }
        *self
            .0
            .details
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(text);
        // A full channel is no error, see `Origin::progress`.
        let _ = self.0.origin.progress.try_send(Arc::clone(&self.0));
        Ok(())
    }

    /// The same as [`Self::heartbeat`].
    ///
    /// # Errors
    /// As [`Self::heartbeat`].
    pub fn progress<T: Serialize + ?Sized>(&self, details: &T) -> Result<(), Error> {
        self.heartbeat(details)
    }

    /// What an attempt before this one said of its progress last; none when none did. Such an attempt failed or timed
    /// out, lost its worker, or was before a redrive. After a crash of the coordinator it may be ten seconds old.
    ///
    /// # Errors
    /// [`Error::Decode`] when it does not fit `T`.
    pub fn last_progress<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let text = self.last_progress_text();
        text.map(|text| serde_json::from_str(text).map_err(Error::Decode))
            .transpose()
    }

    /// The same as its JSON text.
    pub fn last_progress_text(&self) -> Option<&str> {
        Some(&*self.0.last_progress).filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("token", &format_args!("{}", short_hash(&self.0.token)))
            .field("activity", &self.activity())
            .field("execution_arn", &self.execution_arn())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

impl TaskError {
    /// A failure with this name and explanation; both are cut to their longest.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            error: cut(error.into(), ERROR_CHARS_MAX),
            cause: cut(cause.into(), CAUSE_CHARS_MAX),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.cause)
    }
}

impl<E: std::error::Error> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::new(error_name(type_name::<E>()), chain(&error))
    }
}

impl Shared {
    pub(crate) fn new(push: crate::api::Push, origin: Arc<Origin>) -> (Arc<Self>, String) {
        let shared = Self {
            token: push.task_token,
            execution_arn: push.execution_arn,
            attempt: push.attempt,
            heartbeat_seconds: push.heartbeat_seconds,
            traceparent: push.traceparent,
            start: push.start,
            last_progress: push.last_progress,
            origin,
            cancelled: AtomicBool::new(false),
            cancellation: OnceLock::new(),
            details: Mutex::new(None),
            beating: AtomicBool::new(false),
            left: AtomicBool::new(false),
        };
        (Arc::new(shared), push.input)
    }

    /// The work that this start has begun, as it is reported from now on: at least in this time.
    pub(crate) fn to_work(&self, seconds: u32) -> Arc<Self> {
        let push = crate::api::Push {
            task_token: self.token.clone(),
            execution_arn: self.execution_arn.clone(),
            attempt: self.attempt,
            heartbeat_seconds: match self.heartbeat_seconds {
                0 => seconds,
                own => own.min(seconds),
            },
            start: self.start.clone(),
            ..crate::api::Push::default()
        };
        Self::new(push, Arc::clone(&self.origin)).0
    }

    /// The client id and the pattern of a start.
    pub(crate) fn start(&self) -> Option<(String, Pattern)> {
        let start = self.start.as_ref()?;
        Some((start.client_id.clone(), start.pattern().into()))
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        if let Some(token) = self.cancellation.get() {
            token.cancel();
        }
    }

    /// Whether somebody else sends the heartbeats.
    pub(crate) fn left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// Marks that a heartbeat waits to go out; false when one did already.
    pub(crate) fn begin_beat(&self) -> bool {
        !self.beating.swap(true, Ordering::AcqRel)
    }

    /// Whether there is progress that has not gone out.
    pub(crate) fn has_news(&self) -> bool {
        self.details
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// The heartbeat goes out: gives the newest details.
    pub(crate) fn end_beat(&self) -> Option<String> {
        self.beating.store(false, Ordering::Release);
        self.details
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Names a token in logs without giving it away.
pub(crate) fn short_hash(token: &str) -> String {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    format!("{:08x}", hasher.finish() >> 32)
}

/// The last part of a type's path; `<Module>Error` for types that are only called `Error`.
fn error_name(path: &str) -> String {
    let path = path.split('<').next().unwrap_or(path);
    let mut parts = path.rsplit("::");
    let last = parts.next().unwrap_or(path).trim_start_matches('&');
    if last != "Error" {
        return last.to_owned();
    }
    let module = parts
        .find(|part| !part.starts_with("err"))
        .unwrap_or_default();
    let camel = module.split('_').map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(letters)
    });
    camel.flatten().chain("Error".chars()).collect()
}

fn cut(text: String, chars_max: usize) -> String {
    if text.len() <= chars_max || text.chars().count() <= chars_max {
        return text;
    }
    let kept = chars_max - CUT_MARK.chars().count();
    text.chars().take(kept).chain(CUT_MARK.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot copy")]
    struct CopyFailed(#[source] std::io::Error);

    #[test]
    fn errors_become_type_name_and_chain() {
        let error = TaskError::from(CopyFailed(std::io::Error::other("disk on fire")));
        assert_eq!(
            error,
            TaskError::new("CopyFailed", "cannot copy: disk on fire")
        );
    }

    #[test]
    fn types_called_error_are_named_after_their_module() {
        for (path, name) in [
            ("std::io::error::Error", "IoError"),
            ("serde_json::error::Error", "SerdeJsonError"),
            ("core::num::error::ParseIntError", "ParseIntError"),
            ("app::Wrapped<std::io::Error>", "Wrapped"),
            ("Error", "Error"),
        ] {
            assert_eq!(error_name(path), name);
        }
    }

    #[test]
    fn work_is_reported_at_least_in_its_time() {
        for (own, expected) in [(0, 300), (60, 60), (86_400, 300)] {
            let push = crate::api::Push {
                heartbeat_seconds: own,
                ..crate::api::Push::default()
            };
            let origin = Origin {
                activity: "a".to_owned(),
                progress: mpsc::channel(1).0,
            };
            let (task, _) = Shared::new(push, Arc::new(origin));
            assert_eq!(task.to_work(300).heartbeat_seconds, expected);
        }
    }

    #[test]
    fn long_texts_are_cut_with_a_mark_between_characters() {
        let error = TaskError::new("ä".repeat(300), "x".repeat(40_000));
        assert_eq!(error.error.chars().count(), ERROR_CHARS_MAX);
        assert_eq!(error.cause.chars().count(), CAUSE_CHARS_MAX);
        assert!(error.error.ends_with(CUT_MARK) && error.cause.ends_with(CUT_MARK));
        assert_eq!(TaskError::new("ä".repeat(256), "").error, "ä".repeat(256));
    }
}
