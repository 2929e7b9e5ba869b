//! The one place that turns errors into gRPC statuses. `ErrorInfo.reason` is the AWS name of the exception, so that
//! clients of both faces decide by the same word and never by the message.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::service::error::{ApiError, ErrorCode};

/// `ErrorInfo.domain` of every error.
const DOMAIN: &str = "stepfleet";

/// Bytes of a message. It travels twice in the trailers, escaped, and clients take 16 KiB of those at most.
const MESSAGE_BYTES_MAX: usize = 2048;

/// The status of a refused request, with `ErrorInfo` and, where trying again makes sense, `RetryInfo`.
pub(crate) fn status(error: &ApiError) -> Status {
    let mut details = ErrorDetails::with_error_info(error.code.as_str(), DOMAIN, HashMap::new());
    if let Some(ms) = error.retry_after_ms {
        details.set_retry_info(Some(Duration::from_millis(ms)));
    }
    Status::with_error_details(code_of(error.code), shortened(&error.message), details)
}

fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message.to_owned();
    }
    format!(
        "{}…",
        &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
    )
}

fn code_of(code: ErrorCode) -> Code {
    match code {
        ErrorCode::AccessDeniedException => Code::PermissionDenied,
        ErrorCode::IncompleteSignature
        | ErrorCode::InvalidSignatureException
        | ErrorCode::MissingAuthenticationTokenException
        | ErrorCode::UnrecognizedClientException => Code::Unauthenticated,
        ErrorCode::ActivityAlreadyExists
        | ErrorCode::ExecutionAlreadyExists
        | ErrorCode::StateMachineAlreadyExists => Code::AlreadyExists,
        ErrorCode::ActivityDoesNotExist
        | ErrorCode::ExecutionDoesNotExist
        | ErrorCode::ResourceNotFound
        | ErrorCode::StateMachineDoesNotExist
        | ErrorCode::TaskDoesNotExist => Code::NotFound,
        ErrorCode::ActivityLimitExceeded
        | ErrorCode::ActivityWorkerLimitExceeded
        | ErrorCode::ExecutionLimitExceeded
        | ErrorCode::ServiceQuotaExceededException
        | ErrorCode::StateMachineLimitExceeded
        | ErrorCode::ThrottlingException => Code::ResourceExhausted,
        ErrorCode::ConflictException => Code::Aborted,
        ErrorCode::ExecutionNotRedrivable
        | ErrorCode::StateMachineDeleting
        | ErrorCode::StateMachineTypeNotSupported
        | ErrorCode::TaskTimedOut => Code::FailedPrecondition,
        ErrorCode::InternalServerError => Code::Internal,
        ErrorCode::ServiceUnavailable => Code::Unavailable,
        ErrorCode::UnknownOperationException => Code::Unimplemented,
        ErrorCode::InvalidArn
        | ErrorCode::InvalidDefinition
        | ErrorCode::InvalidEncryptionConfiguration
        | ErrorCode::InvalidExecutionInput
        | ErrorCode::InvalidLoggingConfiguration
        | ErrorCode::InvalidName
        | ErrorCode::InvalidOutput
        | ErrorCode::InvalidToken
        | ErrorCode::MissingRequiredParameter
        | ErrorCode::SerializationException
        | ErrorCode::TooManyTags
        | ErrorCode::ValidationException => Code::InvalidArgument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorCode as E;

    const TABLE: [(Code, &[E]); 11] = [
        (Code::PermissionDenied, &[E::AccessDeniedException]),
        (
            Code::Unauthenticated,
            &[
                E::IncompleteSignature,
                E::MissingAuthenticationTokenException,
                E::UnrecognizedClientException,
            ],
        ),
        (
            Code::AlreadyExists,
            &[
                E::ActivityAlreadyExists,
                E::ExecutionAlreadyExists,
                E::StateMachineAlreadyExists,
            ],
        ),
        (
            Code::NotFound,
            &[
                E::ActivityDoesNotExist,
                E::ExecutionDoesNotExist,
                E::ResourceNotFound,
                E::StateMachineDoesNotExist,
                E::TaskDoesNotExist,
            ],
        ),
        (
            Code::ResourceExhausted,
            &[
                E::ActivityLimitExceeded,
                E::ActivityWorkerLimitExceeded,
                E::ExecutionLimitExceeded,
                E::StateMachineLimitExceeded,
                E::ThrottlingException,
            ],
        ),
        (Code::Aborted, &[E::ConflictException]),
        (
            Code::FailedPrecondition,
            &[
                E::ExecutionNotRedrivable,
                E::StateMachineDeleting,
                E::StateMachineTypeNotSupported,
                E::TaskTimedOut,
            ],
        ),
        (Code::Internal, &[E::InternalServerError]),
        (Code::Unavailable, &[E::ServiceUnavailable]),
        (Code::Unimplemented, &[E::UnknownOperationException]),
        (
            Code::InvalidArgument,
            &[
                E::InvalidArn,
                E::InvalidDefinition,
                E::InvalidEncryptionConfiguration,
                E::InvalidExecutionInput,
                E::InvalidLoggingConfiguration,
                E::InvalidName,
                E::InvalidOutput,
                E::InvalidToken,
                E::MissingRequiredParameter,
                E::SerializationException,
                E::TooManyTags,
                E::ValidationException,
            ],
        ),
    ];

    #[test]
    fn every_code_has_its_status() {
        assert_eq!(
            TABLE.iter().map(|(_, codes)| codes.len()).sum::<usize>(),
            37
        );
        for (expect, code) in TABLE
            .iter()
            .flat_map(|(expect, codes)| codes.iter().map(move |code| (*expect, *code)))
        {
            let status = status(&ApiError::new(code, "the message"));
            assert_eq!(
                (status.code(), status.message()),
                (expect, "the message"),
                "{code:?}"
            );
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(
                (info.reason.as_str(), info.domain.as_str()),
                (code.as_str(), DOMAIN)
            );
            assert!(details.retry_info().is_none());
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let status = status(&ApiError::new(
            ErrorCode::InvalidDefinition,
            "é".repeat(2000),
        ));
        assert_eq!(status.message().chars().count(), 1025);
        assert!(status.message().ends_with("é…"));
    }

    #[test]
    fn a_retry_hint_is_passed_on() {
        let error = ApiError::new(ErrorCode::ThrottlingException, "busy").with_retry_after_ms(250);
        let retry = status(&error)
            .get_error_details()
            .retry_info()
            .cloned()
            .unwrap();
        assert_eq!(retry.retry_delay, Some(Duration::from_millis(250)));
    }
}
