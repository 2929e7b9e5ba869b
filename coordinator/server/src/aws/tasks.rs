//! The task operations: what workers and callback partners call. The hot ones, so bodies are read once.

use serde::Serialize;

use super::answer::{body, empty};
use super::input::tasks::{FailureInput, GetActivityTaskInput, HeartbeatInput, SuccessInput};
use super::{Answer, Call};
use crate::face::Pending;
use crate::service::error::ApiError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Task<'a> {
    task_token: &'a str,
    input: &'a str,
}

impl Call<'_> {
    /// Holds up to 60 s. Dropping the call (the client hung up) gives a task back to the queue.
    pub(super) async fn get_activity_task(&self) -> Result<Answer, ApiError> {
        let poll = self.read::<GetActivityTaskInput>()?.check()?;
        match self.face.get_activity_task(self.caller, &poll).await? {
            Some(task) => {
                let body = body(&Task {
                    task_token: &task.token,
                    input: &task.input,
                })?;
                Ok(Answer {
                    body,
                    delivery: task.delivery.map(Pending::new),
                })
            }
            None => Ok(Answer {
                body: empty(),
                delivery: None,
            }),
        }
    }

    pub(super) async fn send_task_success(&self) -> Result<Vec<u8>, ApiError> {
        let success = self.read::<SuccessInput>()?.check(self.bounds)?;
        self.service
            .send_task_success(self.caller, &success.token, &success.output)
            .await?;
        Ok(empty())
    }

    pub(super) async fn send_task_failure(&self) -> Result<Vec<u8>, ApiError> {
        let failure = self.read::<FailureInput>()?.check()?;
        self.service
            .send_task_failure(self.caller, &failure.token, failure.error, failure.cause)
            .await?;
        Ok(empty())
    }

    pub(super) async fn send_task_heartbeat(&self) -> Result<Vec<u8>, ApiError> {
        let token = self.read::<HeartbeatInput>()?.check()?;
        self.service
            .send_task_heartbeat(self.caller, &token, "")
            .await?;
        Ok(empty())
    }
}
