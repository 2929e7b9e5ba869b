//! The operations of the API by name. All are served.

use http::HeaderMap;
use stepfleet_proto::Action;

use crate::auth::actions;
use crate::service::error::{ApiError, ErrorCode};

const TARGET: &str = "x-amz-target";
const SERVICE: &str = "AWSStepFunctions.";

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    CreateActivity,
    CreateStateMachine,
    CreateStateMachineAlias,
    DeleteActivity,
    DeleteStateMachine,
    DeleteStateMachineAlias,
    DeleteStateMachineVersion,
    DescribeActivity,
    DescribeExecution,
    DescribeMapRun,
    DescribeStateMachine,
    DescribeStateMachineAlias,
    DescribeStateMachineForExecution,
    GetActivityTask,
    GetExecutionHistory,
    ListActivities,
    ListExecutions,
    ListMapRuns,
    ListStateMachineAliases,
    ListStateMachineVersions,
    ListStateMachines,
    ListTagsForResource,
    PublishStateMachineVersion,
    RedriveExecution,
    SendTaskFailure,
    SendTaskHeartbeat,
    SendTaskSuccess,
    StartExecution,
    StartSyncExecution,
    StopExecution,
    TagResource,
    TestState,
    UntagResource,
    UpdateMapRun,
    UpdateStateMachine,
    UpdateStateMachineAlias,
    ValidateStateMachineDefinition,
}

pub(super) const SERVED: [(&str, Operation); 37] = [
    ("CreateActivity", Operation::CreateActivity),
    ("CreateStateMachine", Operation::CreateStateMachine),
    (
        "CreateStateMachineAlias",
        Operation::CreateStateMachineAlias,
    ),
    ("DeleteActivity", Operation::DeleteActivity),
    ("DeleteStateMachine", Operation::DeleteStateMachine),
    (
        "DeleteStateMachineAlias",
        Operation::DeleteStateMachineAlias,
    ),
    (
        "DeleteStateMachineVersion",
        Operation::DeleteStateMachineVersion,
    ),
    ("DescribeActivity", Operation::DescribeActivity),
    ("DescribeExecution", Operation::DescribeExecution),
    ("DescribeMapRun", Operation::DescribeMapRun),
    ("DescribeStateMachine", Operation::DescribeStateMachine),
    (
        "DescribeStateMachineAlias",
        Operation::DescribeStateMachineAlias,
    ),
    (
        "DescribeStateMachineForExecution",
        Operation::DescribeStateMachineForExecution,
    ),
    ("GetActivityTask", Operation::GetActivityTask),
    ("GetExecutionHistory", Operation::GetExecutionHistory),
    ("ListActivities", Operation::ListActivities),
    ("ListExecutions", Operation::ListExecutions),
    ("ListMapRuns", Operation::ListMapRuns),
    (
        "ListStateMachineAliases",
        Operation::ListStateMachineAliases,
    ),
    (
        "ListStateMachineVersions",
        Operation::ListStateMachineVersions,
    ),
    ("ListStateMachines", Operation::ListStateMachines),
    ("ListTagsForResource", Operation::ListTagsForResource),
    (
        "PublishStateMachineVersion",
        Operation::PublishStateMachineVersion,
    ),
    ("RedriveExecution", Operation::RedriveExecution),
    ("SendTaskFailure", Operation::SendTaskFailure),
    ("SendTaskHeartbeat", Operation::SendTaskHeartbeat),
    ("SendTaskSuccess", Operation::SendTaskSuccess),
    ("StartExecution", Operation::StartExecution),
    ("StartSyncExecution", Operation::StartSyncExecution),
    ("StopExecution", Operation::StopExecution),
    ("TagResource", Operation::TagResource),
    ("TestState", Operation::TestState),
    ("UntagResource", Operation::UntagResource),
    ("UpdateMapRun", Operation::UpdateMapRun),
    ("UpdateStateMachine", Operation::UpdateStateMachine),
    (
        "UpdateStateMachineAlias",
        Operation::UpdateStateMachineAlias,
    ),
    (
        "ValidateStateMachineDefinition",
        Operation::ValidateStateMachineDefinition,
    ),
];

impl Operation {
    /// The operation that a request's head names.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(target) = headers.get(TARGET) else {
            return Err(unknown(
                "the request has no X-Amz-Target header; an AWS SDK sends one".to_owned(),
            ));
        };
        let target = String::from_utf8_lossy(target.as_bytes());
        let Some(name) = target.strip_prefix(SERVICE) else {
            return Err(unknown(format!(
                "X-Amz-Target '{target}' does not begin with '{SERVICE}'"
            )));
        };
        Self::named(name)
    }

    /// The operation of a name.
    pub(super) fn named(name: &str) -> Result<Self, ApiError> {
        if let Ok(at) = SERVED.binary_search_by_key(&name, |(served, _)| served) {
            return Ok(SERVED[at].1);
        }
        Err(unknown(format!(
            "'{name}' is not an operation of AWS Step Functions"
        )))
    }

    /// What policies call it.
    pub(super) fn action(self) -> Action {
        actions::states(self.name())
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        SERVED
            .iter()
            .find(|(_, operation)| *operation == self)
            .map_or("", |(name, _)| name)
    }
}

fn unknown(message: String) -> ApiError {
    ApiError::new(ErrorCode::UnknownOperationException, message)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use stepfleet_asl::resource;

    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(SERVED.is_sorted_by_key(|(name, _)| *name));
        for (name, operation) in SERVED {
            assert_eq!(operation.name(), name);
            assert_eq!(format!("{operation:?}"), name);
            let mut headers = HeaderMap::new();
            headers.insert(
                TARGET,
                HeaderValue::from_str(&format!("AWSStepFunctions.{name}")).unwrap(),
            );
            assert_eq!(Operation::of(&headers), Ok(operation));
        }
    }

    #[test]
    fn every_operation_can_be_a_task() {
        for (name, _) in SERVED {
            let (first, rest) = name.split_at(1);
            let action = first.to_ascii_lowercase() + rest;
            let arn = format!("arn:aws:states:::aws-sdk:sfn:{action}");
            assert!(resource::Resource::parse(&arn).is_ok(), "{arn}");
        }
    }

    #[test]
    fn other_targets_are_refused_with_the_reason() {
        for (target, part) in [
            ("AWSStepFunctions.Nothing", "'Nothing' is not an operation"),
            ("AWSStepFunctions.", "'' is not an operation"),
            ("DynamoDB_20120810.ListTables", "does not begin with"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TARGET, HeaderValue::from_static(target));
            let error = Operation::of(&headers).unwrap_err();
            assert_eq!(error.code, ErrorCode::UnknownOperationException);
            assert!(error.message.contains(part), "{}", error.message);
        }
        assert!(
            Operation::of(&HeaderMap::new())
                .unwrap_err()
                .message
                .contains("X-Amz-Target")
        );
    }
}
