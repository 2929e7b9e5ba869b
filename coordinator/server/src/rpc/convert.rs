//! Conversions between the service's types and the API's messages.

use prost_types::Timestamp as ProtoTimestamp;
use serde::de::DeserializeOwned;
use stepfleet_asl::diagnostic::{Diagnostic, Severity};
use stepfleet_engine::execution::Status;
use stepfleet_engine::{HistoryEvent, NotRedrivable, Timestamp};
use stepfleet_proto::v1;

use crate::aws::input::ListInput;
use crate::fleet::session::Said;
use crate::service::api::{MachineStatus, MachineType, PageRequest};
use crate::service::error::{ApiError, ErrorCode};

/// The JSON text of what was said, empty without.
pub(super) fn details(said: Option<&Said>) -> String {
    said.map(|said| said.details.to_string())
        .unwrap_or_default()
}

/// `google.protobuf.Timestamp` of a time.
pub(super) fn timestamp(at: Timestamp) -> Option<ProtoTimestamp> {
    let nanos = i32::try_from(at.0.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Some(ProtoTimestamp {
        seconds: at.0.div_euclid(1000),
        nanos,
    })
}

/// To the millisecond; what is out of our range is its end.
pub(super) fn instant(at: &ProtoTimestamp) -> Timestamp {
    let ms = at.seconds.saturating_mul(1000);
    Timestamp(ms.saturating_add(i64::from(at.nanos) / 1_000_000))
}

/// proto3 has no absent string: an empty one is absent.
pub(super) fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A setting that the API carries as a JSON text; `member` is its name in AWS's model.
pub(super) fn setting<T: DeserializeOwned>(
    member: &str,
    text: Option<String>,
) -> Result<Option<T>, ApiError> {
    let read = |text: String| {
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("'{member}' is not a JSON object of the AWS API: {error}");
            ApiError::new(ErrorCode::ValidationException, message)
        })
    };
    text.map(read).transpose()
}

/// A count that the API carries as a signed number.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A page request of a list without a filter.
pub(super) fn page(size: i32, token: String) -> Result<PageRequest, ApiError> {
    ListInput {
        max_results: Some(size.into()),
        next_token: present(token),
    }
    .check()
}

/// The AWS word of a machine type; `None` when it is not given.
pub(super) fn machine_type_word(machine_type: i32) -> Result<Option<String>, ApiError> {
    use v1::StateMachineType::{Express, Standard, Unspecified};
    match v1::StateMachineType::try_from(machine_type) {
        Ok(Unspecified) => Ok(None),
        Ok(Standard) => Ok(Some("STANDARD".to_owned())),
        Ok(Express) => Ok(Some("EXPRESS".to_owned())),
        Err(_) => Err(unknown_number("type", machine_type)),
    }
}

/// The AWS word of a status filter; `None` when it is not given.
pub(super) fn status_word(status: i32) -> Result<Option<String>, ApiError> {
    use v1::ExecutionStatus as S;
    let word = match S::try_from(status) {
        Ok(S::Unspecified) => return Ok(None),
        Ok(S::Running) => "RUNNING",
        Ok(S::Succeeded) => "SUCCEEDED",
        Ok(S::Failed) => "FAILED",
        Ok(S::TimedOut) => "TIMED_OUT",
        Ok(S::Aborted) => "ABORTED",
        Ok(S::PendingRedrive) => "PENDING_REDRIVE",
        Err(_) => return Err(unknown_number("status_filter", status)),
    };
    Ok(Some(word.to_owned()))
}

pub(super) fn machine_type(machine_type: MachineType) -> v1::StateMachineType {
    match machine_type {
        MachineType::Standard => v1::StateMachineType::Standard,
        MachineType::Express => v1::StateMachineType::Express,
    }
}

pub(super) fn machine_status(status: MachineStatus) -> v1::StateMachineStatus {
    match status {
        MachineStatus::Active => v1::StateMachineStatus::Active,
        MachineStatus::Deleting => v1::StateMachineStatus::Deleting,
    }
}

pub(super) fn execution_status(status: Status) -> v1::ExecutionStatus {
    match status {
        Status::Running => v1::ExecutionStatus::Running,
        Status::Succeeded => v1::ExecutionStatus::Succeeded,
        Status::Failed => v1::ExecutionStatus::Failed,
        Status::TimedOut => v1::ExecutionStatus::TimedOut,
        Status::Aborted => v1::ExecutionStatus::Aborted,
    }
}

pub(super) fn redrive_status(obstacle: Option<NotRedrivable>) -> v1::ExecutionRedriveStatus {
    match obstacle {
        None => v1::ExecutionRedriveStatus::Redrivable,
        Some(_) => v1::ExecutionRedriveStatus::NotRedrivable,
    }
}

pub(crate) fn diagnostics(found: Vec<Diagnostic>) -> Vec<v1::Diagnostic> {
    found.into_iter().map(diagnostic).collect()
}

fn diagnostic(found: Diagnostic) -> v1::Diagnostic {
    let severity = match found.severity {
        Severity::Error => v1::diagnostic::Severity::Error,
        Severity::Warning => v1::diagnostic::Severity::Warning,
    };
    v1::Diagnostic {
        severity: severity.into(),
        code: found.code.to_owned(),
        message: found.message,
        location: found.location.unwrap_or_default(),
    }
}

/// A history event, its detail object as the text that the AWS endpoint gives.
pub(super) fn history_event(event: &HistoryEvent, include_data: bool) -> v1::HistoryEvent {
    let details = event.kind.details_field().and_then(|field| {
        let json = event.to_json(include_data);
        json.get(field).map(|details| details.to_text())
    });
    v1::HistoryEvent {
        id: count(event.id.0),
        previous_event_id: count(event.previous.0),
        timestamp: timestamp(event.at),
        r#type: event.kind.as_str().to_owned(),
        details: details.unwrap_or_default(),
    }
}

fn unknown_number(field: &str, number: i32) -> ApiError {
    ApiError::new(
        ErrorCode::ValidationException,
        format!("{field} has the unknown number {number}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_keep_nanoseconds_positive() {
        for (ms, seconds, nanos) in [(1_500, 1, 500_000_000), (0, 0, 0), (-1, -1, 999_000_000)] {
            assert_eq!(
                timestamp(Timestamp(ms)),
                Some(ProtoTimestamp { seconds, nanos })
            );
        }
    }

    #[test]
    fn a_number_that_no_enum_has_is_refused() {
        assert_eq!(machine_type_word(0), Ok(None));
        assert_eq!(status_word(3), Ok(Some("FAILED".to_owned())));
        assert_eq!(
            machine_type_word(9).unwrap_err().code,
            ErrorCode::ValidationException
        );
        assert_eq!(
            status_word(-1).unwrap_err().code,
            ErrorCode::ValidationException
        );
    }
}
