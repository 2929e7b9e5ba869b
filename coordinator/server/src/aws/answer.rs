//! Answers in AWS JSON 1.0: bodies, status codes and the headers that SDKs read.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::{Serialize, Serializer};
use stepfleet_engine::Timestamp;

use crate::entropy;
use crate::service::error::{ApiError, ErrorCode};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const REQUEST_ID: &str = "x-amzn-requestid";
const ERROR_TYPE: &str = "x-amzn-errortype";

/// A time as AWS JSON writes it: a number of seconds with a fraction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seconds(pub(super) Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(seconds(self.0))
    }
}

/// Seconds since the epoch, with a fraction.
pub(crate) fn seconds(at: Timestamp) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of any real date are far below 2^53"
    )]
    let ms = at.0 as f64;
    ms / 1000.0
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    __type: &'static str,
    message: &'a str,
}

/// The body of an answer.
pub(super) fn body(output: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(output).map_err(|error| {
        ApiError::new(
            ErrorCode::InternalServerError,
            format!("cannot write the answer: {error}"),
        )
    })
}

/// The body of an operation without output.
pub(super) fn empty() -> Vec<u8> {
    b"{}".to_vec()
}

/// A success.
pub(super) fn success(body: Vec<u8>) -> Response {
    response(StatusCode::OK, body)
}

/// A refusal, with the status that its code has.
pub(crate) fn error_response(error: &ApiError) -> Response {
    error_response_as(status_of(error.code), error)
}

/// A refusal with another status.
pub(super) fn error_response_as(status: StatusCode, error: &ApiError) -> Response {
    let name = error.code.as_str();
    let text = ErrorBody {
        __type: name,
        message: &error.message,
    };
    let mut response = response(status, serde_json::to_vec(&text).unwrap_or_default());
    response
        .headers_mut()
        .insert(ERROR_TYPE, HeaderValue::from_static(name));
    if let Some(ms) = error.retry_after_ms {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
    }
    response
}

fn response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, CONTENT_TYPE);
    if let Ok(id) = HeaderValue::from_str(&request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A random UUID (version 4). People quote it to find a request; nothing depends on it.
fn request_id() -> String {
    let mut bytes = [0_u8; 16];
    // Without entropy the id is the same each time, which is better than no answer.
    let _ = getrandom::fill(&mut bytes);
    entropy::uuid(bytes)
}

/// The HTTP status of a refusal.
pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::AccessDeniedException
        | ErrorCode::IncompleteSignature
        | ErrorCode::InvalidSignatureException
        | ErrorCode::MissingAuthenticationTokenException
        | ErrorCode::UnrecognizedClientException => StatusCode::FORBIDDEN,
        ErrorCode::ServiceQuotaExceededException => StatusCode::PAYMENT_REQUIRED,
        ErrorCode::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ActivityAlreadyExists
        | ErrorCode::ActivityDoesNotExist
        | ErrorCode::ActivityLimitExceeded
        | ErrorCode::ActivityWorkerLimitExceeded
        | ErrorCode::ConflictException
        | ErrorCode::ExecutionAlreadyExists
        | ErrorCode::ExecutionDoesNotExist
        | ErrorCode::ExecutionLimitExceeded
        | ErrorCode::ExecutionNotRedrivable
        | ErrorCode::InvalidArn
        | ErrorCode::InvalidDefinition
        | ErrorCode::InvalidEncryptionConfiguration
        | ErrorCode::InvalidExecutionInput
        | ErrorCode::InvalidLoggingConfiguration
        | ErrorCode::InvalidName
        | ErrorCode::InvalidOutput
        | ErrorCode::InvalidToken
        | ErrorCode::MissingRequiredParameter
        | ErrorCode::ResourceNotFound
        | ErrorCode::SerializationException
        | ErrorCode::StateMachineAlreadyExists
        | ErrorCode::StateMachineDeleting
        | ErrorCode::StateMachineDoesNotExist
        | ErrorCode::StateMachineLimitExceeded
        | ErrorCode::StateMachineTypeNotSupported
        | ErrorCode::TaskDoesNotExist
        | ErrorCode::TaskTimedOut
        | ErrorCode::ThrottlingException
        | ErrorCode::TooManyTags
        | ErrorCode::UnknownOperationException
        | ErrorCode::ValidationException => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_milliseconds() {
        for (ms, text) in [
            (1_700_000_000_123, "1700000000.123"),
            (1_700_000_000_000, "1700000000.0"),
            (5, "0.005"),
        ] {
            assert_eq!(
                serde_json::to_string(&Seconds(Timestamp(ms))).unwrap(),
                text
            );
        }
    }

    #[test]
    fn a_request_id_is_a_random_uuid() {
        let (id, other) = (request_id(), request_id());
        assert_ne!(id, other);
        assert_eq!(
            id.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]),
            "{id}"
        );
    }

    #[test]
    fn an_error_has_its_status_headers_and_retry_hint() {
        for (code, status) in [
            (ErrorCode::InvalidArn, 400),
            (ErrorCode::ThrottlingException, 400),
            (ErrorCode::UnrecognizedClientException, 403),
            (ErrorCode::InternalServerError, 500),
            (ErrorCode::ServiceUnavailable, 503),
        ] {
            let response = error_response(&ApiError::new(code, "m").with_retry_after_ms(1500));
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[ERROR_TYPE], code.as_str());
            assert_eq!(response.headers()[header::RETRY_AFTER], "2");
            assert_eq!(
                response.headers()[header::CONTENT_TYPE],
                "application/x-amz-json-1.0"
            );
        }
    }
}
