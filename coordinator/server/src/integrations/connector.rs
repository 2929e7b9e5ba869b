//! Connectors: integrations that a fleet serves. A worker begins the task, through the queue of an activity; what it has
//! begun for a `.sync` task is asked after here, of any worker that can tell, until it has ended. What nobody waits for
//! any more is stopped.

mod absence;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use stepfleet_asl::Payload;
use stepfleet_asl::resource::Integration;
use stepfleet_engine::event::{Failure, Handle};
use stepfleet_engine::execution::{Header, TaskWork, Work};
use stepfleet_engine::{Served, TaskRef};
use stepfleet_proto::v1::connector_answer::Answer;
use stepfleet_proto::v1::connector_query::Kind;
use stepfleet_proto::v1::{ConnectorQuery, Going, TaskFailure};
use tokio::time::{sleep, timeout};

use super::{Begun, Call, Ended, Serve, child};
use crate::partition::desk::stop_failure;
use crate::partition::message::{Outcome, TaskReply};
use crate::shared::Shared;

/// Between two questions about the same work: at first, and at most. A worker may ask for other times.
pub(super) const PAUSE_FIRST: Duration = Duration::from_secs(1);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest pause that a worker may ask for.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(3600);
/// How soon it is looked again whether a worker that can tell has come.
pub(super) const NOBODY: Duration = Duration::from_secs(2);
/// How long a worker may take to answer a question.
const ANSWER: Duration = Duration::from_secs(60);
/// What a worker has begun for an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    /// The activity whose workers are asked.
    pub connector: Arc<str>,
    pub handle: Handle,
    pub heartbeat_seconds: Option<u32>,
}

/// What workers are asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BegunWork {
    pub client_id: String,
    pub execution_arn: Arc<str>,
    pub connector: Arc<str>,
    pub handle: Arc<str>,
    pub place: Arc<str>,
}

impl BegunWork {
    pub(super) fn new(task: &TaskRef, header: &Header, connected: Connected) -> Self {
        let Connected {
            connector, handle, ..
        } = connected;
        Self {
            client_id: child::unique(task),
            execution_arn: header.execution_arn.clone(),
            connector,
            handle: handle.text,
            place: handle.place,
        }
    }
}

/// The integration.
#[derive(Debug)]
pub(crate) struct Connector;

impl Connected {
    /// Of the task that a stay waits for.
    pub(super) fn of(work: &Work) -> Option<Self> {
        let work = work.task()?;
        let TaskWork { start, handle, .. } = work;
        Some(Self {
            connector: start.as_ref()?.activity.clone(),
            handle: handle.as_deref()?.clone(),
            heartbeat_seconds: work.heartbeat_seconds,
        })
    }

    /// The pause before the next question, within the windows of heartbeats: each answer is one.
    fn pause(&self, own: Duration, asked: Option<Duration>) -> Duration {
        let pause = asked.map_or(own, |asked| asked.clamp(PAUSE_FIRST, PAUSE_ASKED_MAX));
        match self.heartbeat_seconds {
            Some(seconds) => pause.min(Duration::from_secs(u64::from(seconds)) / 3),
            None => pause,
        }
    }
}

impl Serve for Connector {
    /// It is found by what has begun, not by its name.
    fn matches(&self, _: &Integration) -> bool {
        false
    }

    fn served(&self) -> Served {
        Served::No
    }

    /// Workers begin.
    fn begin(&self, _: Call) -> BoxFuture<'static, Begun> {
        Box::pin(ready(Begun::Ended(None)))
    }

    fn finish(&self, call: Call) -> BoxFuture<'static, Ended> {
        Box::pin(async move { finish(&call).await })
    }

    /// Noted at once: a checkpoint that covers the end of the task writes it down.
    fn stop(&self, call: Call) -> BoxFuture<'static, ()> {
        if let Some(connected) = call.connected {
            let work = BegunWork::new(&call.task, &call.header, connected);
            call.shared.stop_work(work);
        }
        Box::pin(ready(()))
    }
}

impl Shared {
    /// The activity whose workers begin tasks of an integration for this account.
    pub(crate) fn connector_of(
        &self,
        namespace: &str,
        integration: &Integration,
    ) -> Option<Arc<str>> {
        let arn = self.arns.activity(namespace, &integration.connector());
        let activity = self.catalog.activity(&arn)?;
        Some(activity.record.arn.clone())
    }
}

/// Waits for the end, which comes by an answer; or for the loss of who could tell it.
async fn finish(call: &Call) -> Ended {
    let connected = call.connected.as_ref()?;
    tokio::select! {
        ended = told(call, connected) => ended,
        cause = absence::lost(call, connected) => {
            tracing::warn!(execution.arn = %call.header.execution_arn, %cause, "a task ends without its work");
            call.report(Outcome::Lost(Some(cause)), TaskReply::None).await;
            None
        }
    }
}

/// Asks until it is told the end.
async fn told(call: &Call, connected: &Connected) -> Ended {
    let work = BegunWork::new(&call.task, &call.header, connected.clone());
    let mut own = PAUSE_FIRST;
    let mut asked = None;
    loop {
        tokio::select! {
            () = sleep(connected.pause(own, asked)) => {}
            () = call.shared.stop.cancelled() => return None,
        }
        own = (own * 2).min(PAUSE_MAX);
        asked = None;
        match ask(&call.shared, &work, Kind::Describe).await {
            Some(Answer::Going(Going { again_after_ms })) => {
                asked = (again_after_ms > 0).then(|| Duration::from_millis(again_after_ms));
                if connected.heartbeat_seconds.is_some() {
                    call.report(Outcome::Heartbeat(None), TaskReply::None).await;
                }
            }
            Some(Answer::Output(output)) => return Some(output_of(call, output)),
            Some(Answer::Failure(TaskFailure { error, cause })) => {
                return Some(Err(stop_failure(error, cause)));
            }
            Some(Answer::Stopped(_)) => {
                let cause = "The connector stopped what it had begun.";
                return Some(Err(failed("States.TaskFailed", cause)));
            }
            Some(Answer::Unknown(why)) => {
                tracing::debug!(%why, execution.arn = %call.header.execution_arn, "a connector cannot tell of its work now");
            }
            None => own = own.min(NOBODY),
        }
    }
}

/// One question. None when nobody could be asked, or did not answer.
pub(super) async fn ask(shared: &Shared, work: &BegunWork, kind: Kind) -> Option<Answer> {
    let query = ConnectorQuery {
        number: 0,
        connector: 0,
        kind: kind.into(),
        client_id: work.client_id.clone(),
        handle: work.handle.to_string(),
        execution_arn: work.execution_arn.to_string(),
    };
    let answer = shared.fleet.ask(&work.connector, &work.place, query)?;
    timeout(ANSWER, answer).await.ok()?.ok()
}

fn output_of(call: &Call, output: String) -> Result<Payload, Failure> {
    if output.len() > call.shared.limits.payload_bytes_max {
        let cause = "The state/task returned a result with a size exceeding the maximum number of bytes service limit.";
        return Err(failed("States.DataLimitExceeded", cause));
    }
    Payload::parse(output).map_err(|error| {
        let cause = format!("the connector's output is not JSON: {error}");
        failed("States.Runtime", &cause)
    })
}

fn failed(error: &str, cause: &str) -> Failure {
    stop_failure(Some(error.to_owned()), Some(cause.to_owned()))
}
