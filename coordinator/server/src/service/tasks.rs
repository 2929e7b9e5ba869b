//! Activity tasks and task tokens, one call at a time.

use std::sync::Arc;
use std::time::Duration;

use stepfleet_asl::Payload;
use stepfleet_engine::TaskRef;
use stepfleet_engine::limits::PROGRESS_BYTES_MAX;
use stepfleet_proto::Action;
use tokio::sync::oneshot;

use super::activities::{activity_missing, check_activity_arn};
use super::api::{ActivityTask, Caller};
use super::error::{ApiError, ErrorCode};
use super::{Place, Service};
use crate::callbacks::revoked;
use crate::matching::{PolledTask, Slot};
use crate::partition::desk::stop_failure;
use crate::partition::message::{Outcome, TaskReply, TaskReport};
use crate::partition::tasks::open_stay;
use crate::partition::{Message, Partitions};
use crate::token::Grant;

/// How long `GetActivityTask` holds.
const POLL_S: u64 = 60;

/// Asked for again where the task is known.
const REVOKE_URL: Action = Action {
    service: "stepfleet",
    name: "RevokeCallbackUrl",
};

/// Gives a polled task back unless its delivery is confirmed: what was handed out and could not be written to the
/// poller must not wait for a timeout.
#[derive(Debug)]
pub(crate) struct Delivery {
    task: Option<TaskRef>,
    partitions: Partitions,
}

impl Delivery {
    /// The answer is on its way.
    pub(crate) fn confirm(mut self) {
        self.task = None;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            self.partitions
                .send_later(task.hash, Message::Task(TaskReport::undelivered(task)));
        }
    }
}

/// Names of what a callback URL completes.
#[derive(Debug)]
pub(crate) struct Waits {
    pub machine: String,
    pub machine_arn: Arc<str>,
    pub execution_arn: Arc<str>,
    pub execution: String,
    pub state: String,
}

impl Service {
    /// Waits up to 60 s for a task of this activity. Dropping the future (the caller went away) loses nothing.
    pub(crate) async fn get_activity_task(
        &self,
        caller: &Caller,
        arn: &str,
        worker_name: Option<&str>,
    ) -> Result<Option<ActivityTask>, ApiError> {
        check_activity_arn(caller, arn)?;
        let activity = self
            .shared
            .catalog
            .activity(arn)
            .ok_or_else(|| activity_missing(arn))?;
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting {
            receiver,
            partitions: self.shared.partitions().clone(),
        };
        let slot = Slot::Poller {
            activity: activity.record.arn.clone(),
            worker: worker_name.map(Arc::from),
            answer,
        };
        let _counted = self.shared.metrics.poller();
        let queue = self.shared.matching.queue(arn);
        let pair = queue.poll(slot, self.pollers_max, self.shared.clock.now())?;
        self.shared.hand_out(pair.into_iter().collect());
        let polled = waiting.wait(&self.shared.stop).await;
        Ok(polled.map(|(polled, delivery)| ActivityTask {
            token: polled.token,
            input: polled.input,
            last_progress: polled.last_progress,
            delivery: Some(delivery),
        }))
    }

    pub(crate) async fn send_task_success(
        &self,
        caller: &Caller,
        token: &str,
        output: &str,
    ) -> Result<(), ApiError> {
        let task = self.open_token(token)?;
        self.check_payload(output, "output")?;
        let output = Payload::parse(output).map_err(|error| {
            ApiError::new(
                ErrorCode::InvalidOutput,
                format!("Invalid Output: '{error}'"),
            )
        })?;
        self.report(caller, task, Outcome::Succeeded(output)).await
    }

    pub(crate) async fn send_task_failure(
        &self,
        caller: &Caller,
        token: &str,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<(), ApiError> {
        let task = self.open_token(token)?;
        self.report(caller, task, Outcome::Failed(stop_failure(error, cause)))
            .await
    }

    pub(crate) async fn send_task_heartbeat(
        &self,
        caller: &Caller,
        token: &str,
        details: &str,
    ) -> Result<(), ApiError> {
        let task = self.open_token(token)?;
        let details = progress(details).map_err(|refusal| {
            ApiError::new(ErrorCode::ValidationException, refusal.to_string())
        })?;
        self.report(caller, task, Outcome::Heartbeat(details)).await
    }

    /// What a callback URL is about, while its task is open.
    pub(crate) async fn waiting_for(&self, grant: &Grant) -> Result<Option<Waits>, ApiError> {
        let task = &grant.task;
        let place = Place {
            id: task.execution,
            hash: task.hash,
        };
        let Some(snapshot) = self.snapshot(place).await? else {
            return Ok(None);
        };
        let (execution, header) = (&snapshot.execution, &snapshot.execution.header);
        if !execution.is_running()
            || header.incarnation != task.incarnation
            || header.namespace != grant.namespace
        {
            return Ok(None);
        }
        Ok(open_stay(execution, task.attempt).map(|stay| Waits {
            machine: header.machine_name.to_string(),
            machine_arn: header.machine_arn.clone(),
            execution_arn: header.execution_arn.clone(),
            execution: header.name.to_string(),
            state: stay.name.to_string(),
        }))
    }

    /// Lets a callback URL count no more; its task goes on waiting. Of a URL that is over already nothing is kept.
    pub(crate) async fn revoke_callback_url(
        &self,
        caller: &Caller,
        url: &str,
    ) -> Result<(), ApiError> {
        let secret = revoked::secret_of(url).unwrap_or_default();
        let opened = self.shared.tokens.open_grant(secret);
        let own = opened.filter(|grant| grant.namespace == caller.namespace);
        let Some(grant) = own else {
            let message = "this is no callback URL that this coordinator has made for your account; \
                           one looks like https://stepfleet.example.com/callbacks/…";
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        };
        if self.shared.clock.now() >= grant.expires_at {
            return Ok(());
        }
        let Some(waits) = self.waiting_for(&grant).await? else {
            return Ok(());
        };
        let (machine, execution) = (&waits.machine_arn, &waits.execution_arn);
        caller.permit.check_task(REVOKE_URL, machine, execution)?;
        self.shared.pressure.check()?;
        let owned = secret.to_owned();
        self.change(move |shared| async move { revoked::revoke(&shared, &owned, &grant).await })
            .await?;
        let (url, by) = (revoked::known_as(secret), &caller.principal);
        tracing::info!(url.hash = %url, execution.arn = %execution, %by, "a callback URL was revoked");
        Ok(())
    }

    /// A token that this cluster sealed.
    pub(crate) fn open_token(&self, token: &str) -> Result<TaskRef, ApiError> {
        self.shared
            .tokens
            .open(token)
            .ok_or_else(|| ApiError::new(ErrorCode::InvalidToken, "Invalid Token: 'Invalid token'"))
    }

    /// Lets a task know. By a callback URL the caller is of the URL's account.
    pub(crate) async fn report(
        &self,
        caller: &Caller,
        task: TaskRef,
        outcome: Outcome,
    ) -> Result<(), ApiError> {
        if !matches!(outcome, Outcome::Heartbeat(_)) {
            self.shared.pressure.check()?;
        }
        let (answer, receiver) = oneshot::channel();
        let (namespace, reply) = (caller.namespace.clone(), TaskReply::Unary(answer));
        let permit = caller.permit.clone();
        let report = TaskReport {
            task,
            namespace,
            permit,
            outcome,
            reply,
        };
        self.shared
            .partitions()
            .host(task.hash)
            .send(Message::Task(report))
            .await?;
        self.answered(receiver).await?
    }
}

/// Why the details of a heartbeat are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProgressRefused {
    #[error("the details of a heartbeat have at most {PROGRESS_BYTES_MAX} bytes, not {0}")]
    TooLarge(usize),
    #[error("the details of a heartbeat must be JSON")]
    Invalid,
}

impl ProgressRefused {
    /// Name on the wire.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::TooLarge(_) => "ProgressTooLarge",
            Self::Invalid => "InvalidProgress",
        }
    }
}

/// What the details of a heartbeat tell; an empty text tells nothing.
pub(crate) fn progress(details: &str) -> Result<Option<Arc<str>>, ProgressRefused> {
    if details.is_empty() {
        return Ok(None);
    }
    if details.len() > PROGRESS_BYTES_MAX {
        return Err(ProgressRefused::TooLarge(details.len()));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(details)
        .map(|_json| Some(Arc::from(details)))
        .map_err(|_error| ProgressRefused::Invalid)
}

/// A poll. What arrives after its caller went away goes back.
struct Waiting {
    receiver: oneshot::Receiver<PolledTask>,
    partitions: Partitions,
}

impl Waiting {
    async fn wait(
        mut self,
        stop: &tokio_util::sync::CancellationToken,
    ) -> Option<(PolledTask, Delivery)> {
        let polled = tokio::select! {
            polled = &mut self.receiver => polled.ok(),
            () = tokio::time::sleep(Duration::from_secs(POLL_S)) => None,
            () = stop.cancelled() => None,
        }?;
        let delivery = Delivery {
            task: Some(polled.task),
            partitions: self.partitions.clone(),
        };
        Some((polled, delivery))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(polled) = self.receiver.try_recv() {
            let report = TaskReport::undelivered(polled.task);
            self.partitions
                .send_later(polled.task.hash, Message::Task(report));
        }
    }
}
