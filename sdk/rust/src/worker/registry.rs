//! Handlers of all types behind one type, and how a handler is begun without paying for a task of the runtime.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::FutureExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connector::Serving;
use super::task::{Task, TaskContext, TaskError};
use super::tuner::Targets;
use crate::api::Begun;

/// What a handler gave, or the failure.
pub(crate) type Ending = Result<Answered, TaskError>;

/// What a handler gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answered {
    /// JSON text.
    Output(String),
    /// Of a connector: what is waited for has begun.
    Begun(Begun),
}

/// A handler at work.
pub(crate) type Work = Pin<Box<dyn Future<Output = Ending> + Send>>;

/// Any handler: from JSON text to JSON text.
#[derive(Clone)]
pub(crate) struct Handler(pub(crate) Arc<dyn Fn(String, TaskContext) -> Work + Send + Sync>);

/// An activity as it was registered.
#[derive(Debug)]
pub(crate) struct Activity {
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) targets: Option<Targets>,
    /// Tasks a second; 0 is no bound.
    pub(crate) max_rate: f64,
    pub(crate) handler: Handler,
    /// What the handler begins the work of, when it is no activity.
    pub(crate) connector: Option<Arc<dyn Serving>>,
}

/// A handler from and to types of the program.
pub(crate) fn typed<I, O, E, F, Fut>(handler: F) -> Handler
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + 'static,
    E: Into<TaskError> + 'static,
    F: Fn(Task<I>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Handler(Arc::new(move |input, context| {
        let handler = Arc::clone(&handler);
        Box::pin(async move {
            let decoded = serde_json::from_str(&input).map_err(|error| {
                let activity = context.activity();
                let cause = format!("the input does not fit activity `{activity}`: {error}");
                TaskError::new("InvalidInput", cause)
            });
            drop(input);
            let output = handler(Task::new(decoded?, context))
                .await
                .map_err(Into::into)?;
            serde_json::to_string(&output)
                .map(Answered::Output)
                .map_err(|error| TaskError::new("InvalidOutput", error.to_string()))
        })
    }))
}

/// A handler from JSON text to JSON text.
pub(crate) fn raw<E, F, Fut>(handler: F) -> Handler
where
    E: Into<TaskError> + 'static,
    F: Fn(Task<String>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, E>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Handler(Arc::new(move |input, context| {
        let handler = Arc::clone(&handler);
        Box::pin(async move {
            let output = handler(Task::new(input, context)).await;
            output.map(Answered::Output).map_err(Into::into)
        })
    }))
}

impl Handler {
    pub(crate) fn new(
        handler: impl Fn(String, TaskContext) -> Work + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(handler))
    }

    /// Makes the handler's future; no code of the program has been called yet.
    pub(crate) fn work(&self, input: String, context: TaskContext) -> Work {
        (self.0)(input, context)
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

/// Polls once where it stands. Many handlers are done then, and cost no task. One that is not leaves no waker behind: the
/// next poll, by the runtime, registers the right one.
pub(crate) fn poll_once(work: &mut Work) -> Option<Ending> {
    let mut context = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut context))) {
        Ok(Poll::Ready(ending)) => Some(ending),
        Ok(Poll::Pending) => None,
        Err(panic) => Some(Err(panicked(panic.as_ref()))),
    }
}

/// Works to the end; a panic is a failure.
pub(crate) async fn complete(work: Work) -> Ending {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(ending) => ending,
        Err(panic) => Err(panicked(panic.as_ref())),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> TaskError {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the handler panicked");
    TaskError::new("Panic", text)
}
