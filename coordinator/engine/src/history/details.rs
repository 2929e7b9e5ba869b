//! The details of a history event, typed, for every face that renders them.

use std::sync::Arc;

use stepfleet_asl::Payload;

use crate::event::{Failure, TaskResource};
use crate::variables::Variables;

/// What a history event tells beside its type. Several types share a shape; the event's kind names the field.
#[derive(Clone, Debug, PartialEq)]
pub enum HistoryDetails {
    /// `ParallelStateStarted`, every `…Aborted` and `…Succeeded` of a state: no detail object.
    None,
    ExecutionStarted {
        input: Payload,
        role_arn: Arc<str>,
        version_arn: Option<Arc<str>>,
        alias_arn: Option<Arc<str>>,
    },
    /// `ExecutionSucceeded`, `ActivitySucceeded`.
    Output {
        output: Payload,
    },
    ExecutionRedriven {
        count: u32,
    },
    /// `ExecutionFailed`, `ActivityFailed` and their kin.
    Failure(Failure),
    StateEntered {
        name: Arc<str>,
        input: Payload,
    },
    StateExited {
        name: Arc<str>,
        output: Payload,
        assigned: Variables,
    },
    /// `ActivityScheduled`, `LambdaFunctionScheduled`.
    ActivityScheduled {
        resource: Arc<str>,
        input: Payload,
        timeout_seconds: Option<u32>,
        heartbeat_seconds: Option<u32>,
    },
    ActivityStarted {
        worker: Option<Arc<str>>,
    },
    TaskScheduled {
        resource: TaskResource,
        region: Arc<str>,
        parameters: Payload,
        timeout_seconds: Option<u32>,
        heartbeat_seconds: Option<u32>,
    },
    TaskStarted {
        resource: TaskResource,
    },
    /// `TaskSubmitted`, `TaskSucceeded`.
    TaskOutput {
        resource: TaskResource,
        output: Payload,
    },
    /// `TaskFailed`, `TaskTimedOut` and their kin.
    TaskFailure {
        resource: TaskResource,
        failure: Failure,
    },
    EvaluationFailed {
        state: Arc<str>,
        location: Arc<str>,
        failure: Failure,
    },
    MapStateStarted {
        length: u32,
    },
    /// `MapIterationStarted` and its ends.
    MapIteration {
        name: Arc<str>,
        index: u32,
    },
}
