//! What the two faces share: the service they speak to, the bounds they check, and what makes them stop holding
//! requests when the coordinator drains.

mod delivery;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use stepfleet_proto::Subject;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::actions;
use crate::aws::input::Bounds;
use crate::aws::input::tasks::ToPoll;
use crate::config;
use crate::metrics::{self, Metrics};
use crate::service::Service;
use crate::service::api::{ActivityTask, Caller};
use crate::service::error::{ApiError, ErrorCode};

pub(crate) use delivery::{Pending, confirm_deliveries};

/// Both faces hold one of these.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    pub(crate) service: Service,
    pub(crate) bounds: Bounds,
    pub(crate) metrics: Metrics,
    pub(crate) drain: CancellationToken,
}

/// The answer of what was allowed when it began, and is not any more.
pub(crate) fn ended() -> ApiError {
    let message = "the credential of this request, or what it may do, has come to an end meanwhile";
    ApiError::new(ErrorCode::AccessDeniedException, message)
}

impl Face {
    /// When `drain` is cancelled, long polls answer that there was no task and watches end as unavailable, so that a
    /// shutdown does not wait for them.
    pub(crate) fn new(
        service: Service,
        limits: &config::Limits,
        metrics: Metrics,
        drain: CancellationToken,
    ) -> Self {
        Self {
            service,
            bounds: Bounds::from(limits),
            metrics,
            drain,
        }
    }

    /// Lets tasks call the API by this face, for as long as it is there.
    pub(crate) fn open_to_tasks(self: &Arc<Self>) {
        // A second face of the same coordinator is as good as the first.
        let _set = self.service.shared.face.set(Arc::downgrade(self));
    }

    /// Counts an answer.
    pub(crate) fn answered(
        &self,
        face: metrics::Face,
        operation: &'static str,
        error: Option<&ApiError>,
        began: Instant,
    ) {
        let code = error.map_or("OK", |error| error.code.as_str());
        self.metrics
            .request(face, operation, code, began.elapsed().as_secs_f64());
        // A retry hint says that the request was sound and the coordinator protects itself.
        if error.is_some_and(|error| error.retry_after_ms.is_some()) {
            self.metrics.refused(code);
        }
        tracing::debug!(operation, code, "answered");
    }

    /// A deletion; its series of the metrics ends with the activity.
    pub(crate) async fn delete_activity(&self, caller: &Caller, arn: &str) -> Result<(), ApiError> {
        self.service.delete_activity(caller, arn).await?;
        self.metrics.activity_forgotten(arn);
        Ok(())
    }

    /// A poll for an activity task. Dropping the future gives a task that was just matched back to the queue.
    pub(crate) async fn get_activity_task(
        &self,
        caller: &Caller,
        poll: &ToPoll,
    ) -> Result<Option<ActivityTask>, ApiError> {
        tokio::select! {
            // A task that is there is handed out even while draining.
            biased;
            task = self.service.get_activity_task(caller, &poll.arn, poll.worker_name.as_deref()) => task,
            () = self.drain.cancelled() => Ok(None),
            () = caller.permit.over(|permit| permit.allows(actions::POLL, Subject::Arn(&poll.arn))) => Err(ended()),
        }
    }
}
