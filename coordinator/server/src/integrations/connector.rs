//! Connectors: integrations that a fleet serves. A worker begins the task, through the queue of an activity; what it has
//! begun for a `.sync` task is asked after here, of any worker that can tell, until it has ended. What nobody waits for
//! any more is stopped.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use stepfleet_asl::Payload;
use stepfleet_asl::resource::Integration;
use stepfleet_engine::Served;
use stepfleet_engine::event::{Failure, Handle};
use stepfleet_engine::execution::{TaskWork, Work};
use stepfleet_proto::v1::connector_answer::Answer;
use stepfleet_proto::v1::connector_query::Kind;
use stepfleet_proto::v1::{ConnectorQuery, Going, TaskFailure};
use tokio::time::{sleep, timeout};

use super::{Begun, Call, Ended, Serve, child};
use crate::partition::desk::stop_failure;
use crate::partition::message::{Outcome, TaskReply};
use crate::shared::Shared;

/// Between two questions about the same work: at first, and at most. A worker may ask for other times.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest pause that a worker may ask for.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(3600);
/// How soon it is looked again whether a worker that can tell has come.
const NOBODY: Duration = Duration::from_secs(2);
/// How long a worker may take to answer a question.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a stop is tried that no worker answers. Workers that come later ask themselves whether what they do is
/// still waited for.
const STOP: Duration = Duration::from_secs(24 * 3600);

/// What a worker has begun for an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    /// The activity whose workers are asked.
    pub connector: Arc<str>,
    pub handle: Handle,
    pub heartbeat_seconds: Option<u32>,
}

/// The integration.
#[derive(Debug)]
pub(crate) struct Connector;

impl Connected {
    /// Of the task that a stay waits for.
    pub(super) fn of(work: &Work) -> Option<Self> {
        let Work::Task(work) = work else {
            return None;
        };
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

    fn stop(&self, call: Call) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let stopped = timeout(STOP, stop(&call)).await;
            if stopped.is_err() {
                tracing::warn!(execution.arn = %call.header.execution_arn, "no worker stopped what was begun for a task that is over");
            }
        })
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

/// Asks until it is told the end.
async fn finish(call: &Call) -> Ended {
    let connected = call.connected.as_ref()?;
    let mut own = PAUSE_FIRST;
    let mut asked = None;
    loop {
        tokio::select! {
            () = sleep(connected.pause(own, asked)) => {}
            () = call.shared.stop.cancelled() => return None,
        }
        own = (own * 2).min(PAUSE_MAX);
        asked = None;
        match ask(call, connected, Kind::Describe).await {
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

/// Asks to end it until that is answered.
async fn stop(call: &Call) {
    let Some(connected) = &call.connected else {
        return;
    };
    let mut pause = PAUSE_FIRST;
    loop {
        match ask(call, connected, Kind::Stop).await {
            // What has ended needs no stop.
            Some(Answer::Stopped(_) | Answer::Output(_) | Answer::Failure(_)) => return,
            Some(Answer::Going(_) | Answer::Unknown(_)) => {}
            None => pause = pause.min(NOBODY),
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = call.shared.stop.cancelled() => return,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// One question. None when nobody could be asked, or did not answer.
async fn ask(call: &Call, connected: &Connected, kind: Kind) -> Option<Answer> {
    let query = ConnectorQuery {
        number: 0,
        connector: 0,
        kind: kind.into(),
        client_id: child::unique(&call.task),
        handle: connected.handle.text.to_string(),
        execution_arn: call.header.execution_arn.to_string(),
    };
    let (connector, place) = (&connected.connector, &connected.handle.place);
    let answer = call.shared.fleet.ask(connector, place, query)?;
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
