//! One error type for everything that the library does, and how a gRPC status becomes one.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::api::ExecutionStatus;

/// What went wrong with a call or a worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The coordinator refused the request.
    #[error("{reason}: {message}")]
    Api {
        /// AWS's exception name (`StateMachineDoesNotExist`, …); decide by this one. The name of the gRPC code when the
        /// answer came from something else than a coordinator (a proxy).
        reason: String,
        /// For people.
        message: String,
        /// When the coordinator asks to be called again.
        retry_after: Option<Duration>,
        /// The gRPC status code.
        code: Code,
    },
    /// The coordinator was not reached, or its answer was lost: the request may or may not have had its effect.
    #[error("cannot reach the coordinator: {0}")]
    Transport(String),
    /// A value of the program could not be written as JSON.
    #[error("cannot encode as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// JSON of the coordinator does not fit the type that the program asked for.
    #[error("cannot decode JSON: {0}")]
    Decode(#[source] serde_json::Error),
    /// A value of the program is longer as JSON than the coordinator keeps.
    #[error("the JSON text has {bytes} bytes, of at most {bytes_max}")]
    TooLarge {
        /// Bytes that it has.
        bytes: usize,
        /// Bytes that it may have.
        bytes_max: usize,
    },
    /// Options that cannot work: a malformed URL, an unreadable key file, an activity registered twice, …
    #[error("{0}")]
    Configuration(String),
    /// The execution that was waited for did not succeed.
    #[error("execution ended as {}: {}: {}", .status.as_str_name(), .error.as_deref().unwrap_or("no error name"), .cause.as_deref().unwrap_or("no cause"))]
    Execution {
        /// How it ended.
        status: ExecutionStatus,
        /// Error name, where the execution has one.
        error: Option<String>,
        /// Explanation, where the execution has one.
        cause: Option<String>,
    },
    /// A worker that was asked to stop had to leave before all was done.
    #[error("worker left with {unfinished} tasks unfinished and {unconfirmed} results unconfirmed")]
    Abandoned {
        /// Handlers that went on beyond the grace period and were aborted.
        unfinished: usize,
        /// Results that the coordinator did not confirm in time.
        unconfirmed: usize,
    },
}

impl Error {
    /// AWS's exception name of a refusal.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Api { reason, .. } => Some(reason),
            Self::Transport(_)
            | Self::Encode(_)
            | Self::TooLarge { .. }
            | Self::Decode(_)
            | Self::Configuration(_)
            | Self::Execution { .. }
            | Self::Abandoned { .. } => None,
        }
    }

    /// Whether the same request may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Api {
                code, retry_after, ..
            } => {
                *code == Code::Unavailable
                    || (*code == Code::ResourceExhausted && retry_after.is_some())
            }
            Self::Encode(_)
            | Self::TooLarge { .. }
            | Self::Decode(_)
            | Self::Configuration(_)
            | Self::Execution { .. }
            | Self::Abandoned { .. } => false,
        }
    }

    /// When the coordinator asks to be called again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } => *retry_after,
            Self::Transport(_)
            | Self::Encode(_)
            | Self::TooLarge { .. }
            | Self::Decode(_)
            | Self::Configuration(_)
            | Self::Execution { .. }
            | Self::Abandoned { .. } => None,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let retry_after = status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay);
        let code = status.code();
        if let Some(info) = status.get_details_error_info() {
            let message = status.message().to_owned();
            return Self::Api {
                reason: info.reason,
                message,
                retry_after,
                code,
            };
        }
        let lost = matches!(
            code,
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded
        );
        if lost || status.source().is_some() {
            return Self::Transport(describe(&status));
        }
        let reason = format!("{code:?}");
        Self::Api {
            reason,
            message: status.message().to_owned(),
            retry_after,
            code,
        }
    }
}

impl From<tonic::transport::Error> for Error {
    fn from(error: tonic::transport::Error) -> Self {
        Self::Transport(chain(&error))
    }
}

/// An error and what caused it, joined by colons, without repeating a text that already includes its cause.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn describe(status: &Status) -> String {
    let mut text = match status.message() {
        "" => format!("{:?}", status.code()),
        message => message.to_owned(),
    };
    if let Some(source) = status.source() {
        let cause = chain(source);
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_reason_and_not_by_its_message() {
        let details = ErrorDetails::with_error_info("TaskTimedOut", "stepfleet", HashMap::new());
        let status =
            Status::with_error_details(Code::FailedPrecondition, "Task Timed Out: 'x'", details);
        let error = Error::from(status);
        assert_eq!(error.reason(), Some("TaskTimedOut"));
        assert!(!error.is_retryable());
        assert_eq!(error.to_string(), "TaskTimedOut: Task Timed Out: 'x'");
    }

    #[test]
    fn throttling_is_retryable_only_with_a_hint() {
        let mut details = ErrorDetails::with_error_info("ThrottlingException", "", HashMap::new());
        let refusal = |details: ErrorDetails| {
            Error::from(Status::with_error_details(
                Code::ResourceExhausted,
                "slow down",
                details,
            ))
        };
        assert!(!refusal(details.clone()).is_retryable());
        details.set_retry_info(Some(Duration::from_millis(250)));
        let error = refusal(details);
        assert!(error.is_retryable());
        assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_lost_connection_is_a_transport_error() {
        let error = Error::from(Status::unavailable("connection refused"));
        assert!(matches!(&error, Error::Transport(text) if text == "connection refused"));
        assert!(error.is_retryable());
    }

    #[test]
    fn a_status_of_a_stranger_keeps_its_code_as_reason() {
        let error = Error::from(Status::unimplemented("no such service"));
        assert_eq!(error.reason(), Some("Unimplemented"));
    }
}
