//! Connectors: integrations `arn:aws:states:::<service>:<action>` that a worker serves, in all three patterns. What a
//! connector begins outlives the call that begins it; by its handle it is found again, also by another process.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::registry::{Answered, Ending, Handler};
use super::task::{Task, TaskContext, TaskError};
use crate::api;
use crate::api::TaskPattern;
use crate::api::connector_answer::Answer;
use crate::error::Error;

/// Reports that wait to be looked at.
const REPORTS_MAX: usize = 256;

/// An integration that a worker serves.
///
/// `start` begins the work, or answers at once; it may be called again with the same [`Start::client_id`], in this
/// process or another, and must then find what has begun. `describe` and `stop` are about work that has begun, perhaps
/// by another process or, unless the connector has a place, on another host. All are called in parallel.
pub trait Connector: Send + Sync + 'static {
    /// Begins the work of a task. An error fails the task.
    fn start(&self, start: Start) -> impl Future<Output = Result<Started, TaskError>> + Send;

    /// How the work is. An error says that this cannot be told now: it is asked again.
    fn describe(&self, work: Work) -> impl Future<Output = Result<Standing, TaskError>> + Send;

    /// Ends the work, because nobody waits for it any more; work that has ended is stopped. An error says that this
    /// could not be done now: it is asked for again.
    fn stop(&self, work: Work) -> impl Future<Output = Result<(), TaskError>> + Send;

    /// Where the work is, when only workers of this place can describe and stop it: drawn once per place, and the same
    /// after a restart. Empty when any worker can.
    fn place(&self) -> String {
        String::new()
    }

    /// Called once, when the worker begins: for connectors that tell by themselves when work ends, or that find work
    /// of an earlier process.
    fn attach(&self, reports: Reports) {
        drop(reports);
    }
}

/// How a task waits for what is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The answer to the start ends the task.
    RequestResponse,
    /// `.sync`: the end of the work ends the task.
    Sync,
    /// `.waitForTaskToken`: whoever has the token in the input ends the task.
    WaitForTaskToken,
}

/// A task to begin. Its other methods are those of [`TaskContext`]; its token is that of the start.
#[derive(Debug)]
pub struct Start {
    /// JSON text: the task's Parameters or Arguments.
    pub input: String,
    /// The same whenever this attempt is begun again.
    pub client_id: String,
    /// How the task waits.
    pub pattern: Pattern,
    /// Everything else about the task.
    pub task: TaskContext,
}

/// What came of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// Nothing is to be waited for: JSON text, the task's output. Of a `.waitForTaskToken` task what `TaskSubmitted` tells.
    Answered(String),
    /// The work has begun.
    Begun {
        /// JSON text of at most 8192 bytes, by which the work is found again.
        handle: String,
        /// JSON text for the event `TaskSubmitted`; of a task without pattern its output.
        output: String,
    },
}

/// Work that a connector has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// As in [`Start`].
    pub client_id: String,
    /// As in [`Started::Begun`].
    pub handle: String,
    /// The execution that waits for it.
    pub execution_arn: String,
}

/// How work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on. The time is when to ask again; none leaves it to the coordinator: after a second at first, later
    /// after a minute.
    Going(Option<Duration>),
    /// It has ended well: JSON text.
    Succeeded(String),
    /// It has ended otherwise.
    Failed(TaskError),
}

/// Work of an earlier process.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The token of its start.
    pub token: String,
    /// The work.
    pub work: Work,
    /// How its task waits.
    pub pattern: Pattern,
    /// As in [`Started::Begun`]: the earlier process may have ended before it could tell.
    pub output: String,
}

/// By which a connector tells of work without being asked.
#[derive(Clone)]
pub struct Reports {
    connector: usize,
    sender: mpsc::Sender<Report>,
}

#[derive(Debug)]
pub(crate) enum Report {
    Resumed {
        connector: usize,
        resumed: Resumed,
    },
    Ended {
        token: String,
        ending: Ending,
        settled: oneshot::Sender<()>,
    },
}

/// A connector of any type.
pub(crate) trait Serving: fmt::Debug + Send + Sync {
    fn start(&self, start: Start) -> BoxFuture<'static, Ending>;
    fn describe(&self, work: Work) -> BoxFuture<'static, Answer>;
    fn stop(&self, work: Work) -> BoxFuture<'static, Answer>;
    fn place(&self) -> String;
    fn attach(&self, reports: Reports);
}

struct Serves<C>(Arc<C>);

impl Reports {
    pub(crate) fn new(connector: usize, sender: &mpsc::Sender<Report>) -> Self {
        let sender = sender.clone();
        Self { connector, sender }
    }

    pub(crate) fn channel() -> (mpsc::Sender<Report>, mpsc::Receiver<Report>) {
        mpsc::channel(REPORTS_MAX)
    }

    /// Takes over work of an earlier process: the coordinator is told that it has begun, in case it was not, and of a
    /// `.sync` task the worker asks from now on whether it is still waited for. Work that is not is stopped.
    ///
    /// # Errors
    /// When the worker has ended.
    pub async fn resume(&self, resumed: Resumed) -> Result<(), Error> {
        let connector = self.connector;
        self.send(Report::Resumed { connector, resumed }).await
    }

    /// Tells the end of the work of a `.sync` task, named by the token of its start, and waits until that is durable
    /// with the coordinator, or nobody waits for it.
    ///
    /// # Errors
    /// When the worker ends first: the end is to be told again by the next process.
    pub async fn ended(
        &self,
        token: String,
        ending: Result<String, TaskError>,
    ) -> Result<(), Error> {
        let (settled, receiver) = oneshot::channel();
        let ending = ending.map(Answered::Output);
        self.send(Report::Ended {
            token,
            ending,
            settled,
        })
        .await?;
        receiver.await.map_err(|_gone| gone())
    }

    async fn send(&self, report: Report) -> Result<(), Error> {
        self.sender.send(report).await.map_err(|_gone| gone())
    }
}

fn gone() -> Error {
    Error::Transport("the worker has ended".to_owned())
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Serves<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl From<TaskPattern> for Pattern {
    fn from(pattern: TaskPattern) -> Self {
        match pattern {
            TaskPattern::RequestResponse => Self::RequestResponse,
            TaskPattern::Sync => Self::Sync,
            TaskPattern::WaitForTaskToken => Self::WaitForTaskToken,
        }
    }
}

impl<C: Connector> Serving for Serves<C> {
    fn start(&self, start: Start) -> BoxFuture<'static, Ending> {
        let connector = Arc::clone(&self.0);
        Box::pin(async move {
            let place = connector.place();
            Ok(match connector.start(start).await? {
                Started::Answered(output) => Answered::Output(output),
                Started::Begun { handle, output } => Answered::Begun(api::Begun {
                    handle,
                    output,
                    place,
                }),
            })
        })
    }

    fn describe(&self, work: Work) -> BoxFuture<'static, Answer> {
        let connector = Arc::clone(&self.0);
        Box::pin(async move {
            match connector.describe(work).await {
                Ok(Standing::Going(again)) => Answer::Going(api::Going {
                    again_after_ms: again.map_or(0, |again| {
                        u64::try_from(again.as_millis()).unwrap_or(u64::MAX)
                    }),
                }),
                Ok(Standing::Succeeded(output)) => Answer::Output(output),
                Ok(Standing::Failed(failure)) => Answer::Failure(api::TaskFailure {
                    error: Some(failure.error),
                    cause: Some(failure.cause),
                }),
                Err(why) => Answer::Unknown(why.to_string()),
            }
        })
    }

    fn stop(&self, work: Work) -> BoxFuture<'static, Answer> {
        let connector = Arc::clone(&self.0);
        Box::pin(async move {
            match connector.stop(work).await {
                Ok(()) => Answer::Stopped(api::Stopped {}),
                Err(why) => Answer::Unknown(why.to_string()),
            }
        })
    }

    fn place(&self) -> String {
        self.0.place()
    }

    fn attach(&self, reports: Reports) {
        self.0.attach(reports);
    }
}

pub(crate) fn serve(connector: impl Connector) -> Arc<dyn Serving> {
    Arc::new(Serves(Arc::new(connector)))
}

/// The handler of a connector's starts.
pub(crate) fn starts(connector: &Arc<dyn Serving>) -> Handler {
    let connector = Arc::clone(connector);
    Handler::new(move |input, context: TaskContext| {
        let connector = Arc::clone(&connector);
        Box::pin(async move {
            let (input, task) = Task::new(input, context).into_parts();
            let Some((client_id, pattern)) = task.start() else {
                let cause = "the worker serves this as a connector; it is no activity of its own";
                return Err(TaskError::new("ConnectorOnly", cause));
            };
            let start = Start {
                input,
                client_id,
                pattern,
                task,
            };
            connector.start(start).await
        })
    })
}

/// The activity in whose queue the starts of a connector wait: `service:action`, with dots.
pub(crate) fn activity(name: &str) -> String {
    format!("connector.{}", name.replace(':', "."))
}
