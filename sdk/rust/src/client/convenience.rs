//! What programs want most often: start with a typed input, wait for the outcome, complete a task token.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Client;
use crate::api::{self, ExecutionStatus};
use crate::backoff::random_id;
use crate::error::Error;

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Never `Running`.
    pub status: ExecutionStatus,
    /// JSON text, of a succeeded execution.
    pub output: Option<String>,
    /// Error name, of one that failed, timed out or was stopped with an error.
    pub error: Option<String>,
    /// Explanation of the error.
    pub cause: Option<String>,
}

impl Outcome {
    /// The output of a succeeded execution as a value of the program.
    ///
    /// # Errors
    /// [`Error::Execution`] when it did not succeed, [`Error::Decode`] when its output does not fit `T`.
    pub fn into_output<T: DeserializeOwned>(self) -> Result<T, Error> {
        let Self {
            status,
            output,
            error,
            cause,
        } = self;
        if status != ExecutionStatus::Succeeded {
            return Err(Error::Execution {
                status,
                error,
                cause,
            });
        }
        serde_json::from_str(output.as_deref().unwrap_or("null")).map_err(Error::Decode)
    }
}

impl Client {
    /// Starts an execution with this input and gives its ARN. The execution gets a random name, so that a repetition
    /// after a lost answer cannot start a second one.
    ///
    /// # Errors
    /// [`Error::Encode`] for an input that is no JSON, else as [`Self::start_execution`].
    pub async fn start<T: Serialize + ?Sized>(
        &self,
        state_machine_arn: &str,
        input: &T,
    ) -> Result<String, Error> {
        let name = random_id();
        let request = api::StartExecutionRequest {
            state_machine_arn: state_machine_arn.to_owned(),
            name: name.clone(),
            input: serde_json::to_string(input).map_err(Error::Encode)?,
            trace_header: String::new(),
        };
        match self.start_execution(request).await {
            Ok(response) => Ok(response.execution_arn),
            // Nobody else has this name: the answer of an earlier attempt got lost, and the execution is over already.
            Err(error) if error.reason() == Some("ExecutionAlreadyExists") => {
                execution_arn(state_machine_arn, &name).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until an execution has ended. Breaks of the connection are bridged as often as
    /// [`Endpoint::retries`](crate::Endpoint::retries) allows in a row.
    ///
    /// # Errors
    /// [`Error::Api`] when the coordinator refuses (`ExecutionDoesNotExist`), [`Error::Transport`] when it stays away.
    pub async fn wait(&self, execution_arn: &str) -> Result<Outcome, Error> {
        let mut after_event_id = 0;
        let mut attempts = self.watch_attempts();
        loop {
            let seen = after_event_id;
            match self.watch_to_end(execution_arn, &mut after_event_id).await {
                Ok(true) => return self.outcome(execution_arn).await,
                Ok(false) => {
                    let error = Error::Transport("the watch ended before the execution".to_owned());
                    tokio::time::sleep(attempts.after(error)?).await;
                }
                Err(error) => {
                    if after_event_id > seen {
                        attempts = self.watch_attempts();
                    }
                    tokio::time::sleep(attempts.after(error)?).await;
                }
            }
        }
    }

    /// Ends a task with an output.
    ///
    /// # Errors
    /// [`Error::Encode`] for an output that is no JSON, else as [`Self::send_task_success`].
    pub async fn complete<T: Serialize + ?Sized>(
        &self,
        task_token: &str,
        output: &T,
    ) -> Result<(), Error> {
        let output = serde_json::to_string(output).map_err(Error::Encode)?;
        let task_token = task_token.to_owned();
        self.send_task_success(api::SendTaskSuccessRequest { task_token, output })
            .await?;
        Ok(())
    }

    /// Ends a task with an error.
    ///
    /// # Errors
    /// As [`Self::send_task_failure`].
    pub async fn fail(&self, task_token: &str, error: &str, cause: &str) -> Result<(), Error> {
        let request = api::SendTaskFailureRequest {
            task_token: task_token.to_owned(),
            error: Some(error.to_owned()),
            cause: Some(cause.to_owned()),
        };
        self.send_task_failure(request).await?;
        Ok(())
    }

    /// Says that a task is still being worked on.
    ///
    /// # Errors
    /// As [`Self::send_task_heartbeat`]; `TaskTimedOut` says that the attempt is over.
    pub async fn heartbeat(&self, task_token: &str) -> Result<(), Error> {
        let task_token = task_token.to_owned();
        self.send_task_heartbeat(api::SendTaskHeartbeatRequest {
            task_token,
            details: String::new(),
        })
        .await?;
        Ok(())
    }

    /// The same with progress, which people see and the next attempt gets.
    ///
    /// # Errors
    /// [`Error::Encode`] for details that are no JSON, else as [`Self::heartbeat`]; `ValidationException` says that they are
    /// too large.
    pub async fn heartbeat_with<T: Serialize + ?Sized>(
        &self,
        task_token: &str,
        details: &T,
    ) -> Result<(), Error> {
        self.send_task_heartbeat(api::SendTaskHeartbeatRequest {
            task_token: task_token.to_owned(),
            details: serde_json::to_string(details).map_err(Error::Encode)?,
        })
        .await?;
        Ok(())
    }

    fn watch_attempts(&self) -> super::retry::Attempts {
        super::retry::Attempts::new(super::retry::Repeat::Safe, self.endpoint.retries)
    }

    /// Follows the history; whether it ended with the execution.
    async fn watch_to_end(&self, arn: &str, after_event_id: &mut i64) -> Result<bool, Error> {
        let request = api::WatchExecutionRequest {
            execution_arn: arn.to_owned(),
            after_event_id: *after_event_id,
        };
        let mut responses = self.watch_execution(request).await?;
        let mut ended = false;
        while let Some(response) = responses.next().await? {
            if let Some(event) = response.events.last() {
                *after_event_id = event.id;
            }
            ended = has_ended(response.status());
        }
        Ok(ended)
    }

    async fn outcome(&self, arn: &str) -> Result<Outcome, Error> {
        let request = api::DescribeExecutionRequest {
            execution_arn: arn.to_owned(),
        };
        let description = self.describe_execution(request).await?;
        Ok(Outcome {
            status: description.status(),
            output: description.output,
            error: description.error,
            cause: description.cause,
        })
    }
}

fn has_ended(status: ExecutionStatus) -> bool {
    match status {
        ExecutionStatus::Unspecified
        | ExecutionStatus::Running
        | ExecutionStatus::PendingRedrive => false,
        ExecutionStatus::Succeeded
        | ExecutionStatus::Failed
        | ExecutionStatus::TimedOut
        | ExecutionStatus::Aborted => true,
    }
}

/// The ARN of an execution by the ARN of its state machine (maybe with a version or alias at its end).
fn execution_arn(state_machine_arn: &str, name: &str) -> Option<String> {
    let (front, machine) = state_machine_arn.split_once(":stateMachine:")?;
    let machine = machine.split(':').next()?;
    Some(format!("{front}:execution:{machine}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_arns_drop_the_version_of_the_state_machine() {
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:orders";
        let expected = "arn:aws:states:us-east-1:000000000000:execution:orders:n1";
        assert_eq!(execution_arn(machine, "n1").as_deref(), Some(expected));
        assert_eq!(
            execution_arn(&format!("{machine}:3"), "n1").as_deref(),
            Some(expected)
        );
        assert_eq!(execution_arn("orders", "n1"), None);
    }

    #[test]
    fn only_success_has_an_output() {
        let failed = Outcome {
            status: ExecutionStatus::Failed,
            output: None,
            error: Some("Boom".to_owned()),
            cause: None,
        };
        let error = failed.into_output::<u32>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "execution ended as EXECUTION_STATUS_FAILED: Boom: no cause"
        );
    }
}
