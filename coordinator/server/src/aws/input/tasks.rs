//! Inputs of the task operations. Task tokens are secrets, so what holds one has no `Debug`.

use serde::Deserialize;

use super::Bounds;
use crate::aws::check::{self, Checker};
use crate::service::error::ApiError;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetActivityTaskInput {
    pub(crate) activity_arn: Option<String>,
    pub(crate) worker_name: Option<String>,
}

/// A checked `GetActivityTask`.
#[derive(Debug)]
pub(crate) struct ToPoll {
    pub(crate) arn: String,
    pub(crate) worker_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SuccessInput {
    pub(crate) task_token: Option<String>,
    pub(crate) output: Option<String>,
}

/// A checked `SendTaskSuccess`.
pub(crate) struct Success {
    pub(crate) token: String,
    pub(crate) output: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailureInput {
    pub(crate) task_token: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

/// A checked `SendTaskFailure`.
pub(crate) struct Failure {
    pub(crate) token: String,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeartbeatInput {
    pub(crate) task_token: Option<String>,
}

impl GetActivityTaskInput {
    pub(crate) fn check(self) -> Result<ToPoll, ApiError> {
        let mut checker = Checker::default();
        checker.required("activityArn", self.activity_arn.as_deref(), check::ARN);
        checker.text("workerName", self.worker_name.as_deref(), check::NAME);
        checker.finish()?;
        Ok(ToPoll {
            arn: self.activity_arn.unwrap_or_default(),
            worker_name: self.worker_name,
        })
    }
}

impl SuccessInput {
    pub(crate) fn check(self, bounds: &Bounds) -> Result<Success, ApiError> {
        let mut checker = Checker::default();
        checker.required("taskToken", self.task_token.as_deref(), check::TASK_TOKEN);
        checker.required_bytes("output", self.output.as_deref(), bounds.payload_bytes_max);
        checker.finish()?;
        Ok(Success {
            token: self.task_token.unwrap_or_default(),
            output: self.output.unwrap_or_default(),
        })
    }
}

impl FailureInput {
    pub(crate) fn check(self) -> Result<Failure, ApiError> {
        let mut checker = Checker::default();
        checker.required("taskToken", self.task_token.as_deref(), check::TASK_TOKEN);
        checker.text("error", self.error.as_deref(), check::ERROR);
        checker.text("cause", self.cause.as_deref(), check::CAUSE);
        checker.finish()?;
        Ok(Failure {
            token: self.task_token.unwrap_or_default(),
            error: self.error,
            cause: self.cause,
        })
    }
}

impl HeartbeatInput {
    pub(crate) fn check(self) -> Result<String, ApiError> {
        let mut checker = Checker::default();
        checker.required("taskToken", self.task_token.as_deref(), check::TASK_TOKEN);
        checker.finish()?;
        Ok(self.task_token.unwrap_or_default())
    }
}
