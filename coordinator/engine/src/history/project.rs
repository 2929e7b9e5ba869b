//! From what was recorded to what the public history shows.

use crate::event::{Event, EventBody};
use crate::execution::StateKind;
use crate::history::{HistoryDetails, HistoryEvent, HistoryKind};
use crate::ids::{EventId, Timestamp};

/// The history event of a recorded event; none for internal ones, which have no public id. `id` is the execution's
/// last public id after the event, `at` the time of its decision.
pub fn project(event: &Event, id: EventId, at: Timestamp) -> Option<HistoryEvent> {
    let (kind, details) = of_function(parts(&event.body)?);
    Some(HistoryEvent {
        id,
        previous: event.previous,
        at,
        kind,
        details,
    })
}

/// Tasks that name a Lambda function by its ARN have events of their own.
fn of_function(parts: (HistoryKind, HistoryDetails)) -> (HistoryKind, HistoryDetails) {
    use HistoryDetails as D;
    use HistoryKind as K;
    match parts {
        (
            K::TaskScheduled,
            D::TaskScheduled {
                resource,
                parameters,
                timeout_seconds,
                ..
            },
        ) if resource.is_function() => {
            let details = D::ActivityScheduled {
                resource: resource.action,
                input: parameters,
                timeout_seconds,
                heartbeat_seconds: None,
            };
            (K::LambdaFunctionScheduled, details)
        }
        (K::TaskStarted, D::TaskStarted { resource }) if resource.is_function() => {
            (K::LambdaFunctionStarted, D::None)
        }
        (K::TaskSucceeded, D::TaskOutput { resource, output }) if resource.is_function() => {
            (K::LambdaFunctionSucceeded, D::Output { output })
        }
        (K::TaskFailed, D::TaskFailure { resource, failure }) if resource.is_function() => {
            (K::LambdaFunctionFailed, D::Failure(failure))
        }
        (K::TaskTimedOut, D::TaskFailure { resource, failure }) if resource.is_function() => {
            (K::LambdaFunctionTimedOut, D::Failure(failure))
        }
        other => other,
    }
}

#[expect(clippy::too_many_lines, reason = "a table of all kinds of events")]
fn parts(body: &EventBody) -> Option<(HistoryKind, HistoryDetails)> {
    use EventBody as E;
    use HistoryDetails as D;
    use HistoryKind as K;
    Some(match body {
        E::ExecutionStarted { header, input, .. } => {
            let details = D::ExecutionStarted {
                input: input.payload.clone(),
                role_arn: header.role_arn.clone(),
                version_arn: header.version_arn.clone(),
                alias_arn: header.alias_arn.clone(),
            };
            (K::ExecutionStarted, details)
        }
        E::ExecutionSucceeded { output } => (
            K::ExecutionSucceeded,
            D::Output {
                output: output.payload.clone(),
            },
        ),
        E::ExecutionFailed(failure) => (K::ExecutionFailed, D::Failure(failure.clone())),
        E::ExecutionAborted(failure) => (K::ExecutionAborted, D::Failure(failure.clone())),
        E::ExecutionTimedOut(failure) => (K::ExecutionTimedOut, D::Failure(failure.clone())),
        E::ExecutionRedriven { count, .. } => {
            (K::ExecutionRedriven, D::ExecutionRedriven { count: *count })
        }
        E::StateEntered {
            kind, name, input, ..
        } => {
            let details = D::StateEntered {
                name: name.clone(),
                input: input.payload.clone(),
            };
            (entered(*kind), details)
        }
        E::StateExited {
            kind,
            name,
            output,
            assigned,
            ..
        } => {
            let details = D::StateExited {
                name: name.clone(),
                output: output.payload.clone(),
                assigned: assigned.clone(),
            };
            (exited(*kind)?, details)
        }
        E::StateAborted { kind, .. } => (aborted(*kind)?, D::None),
        E::ActivityScheduled {
            activity,
            input,
            timeout_seconds,
            heartbeat_seconds,
            ..
        } => {
            let details = D::ActivityScheduled {
                resource: activity.clone(),
                input: input.payload.clone(),
                timeout_seconds: *timeout_seconds,
                heartbeat_seconds: *heartbeat_seconds,
            };
            (K::ActivityScheduled, details)
        }
        E::ActivityScheduleFailed { failure, .. } => {
            (K::ActivityScheduleFailed, D::Failure(failure.clone()))
        }
        E::ActivityStarted { worker, .. } => (
            K::ActivityStarted,
            D::ActivityStarted {
                worker: worker.name.clone(),
            },
        ),
        E::ActivitySucceeded { output, .. } => (
            K::ActivitySucceeded,
            D::Output {
                output: output.payload.clone(),
            },
        ),
        E::ActivityFailed { failure, .. } => (K::ActivityFailed, D::Failure(failure.clone())),
        E::ActivityTimedOut { failure, .. } => (K::ActivityTimedOut, D::Failure(failure.clone())),
        E::TaskScheduled {
            resource,
            region,
            parameters,
            timeout_seconds,
            heartbeat_seconds,
            ..
        } => {
            let details = D::TaskScheduled {
                resource: resource.clone(),
                region: region.clone(),
                parameters: parameters.payload.clone(),
                timeout_seconds: *timeout_seconds,
                heartbeat_seconds: *heartbeat_seconds,
            };
            (K::TaskScheduled, details)
        }
        E::TaskStarted { resource, .. } => (
            K::TaskStarted,
            D::TaskStarted {
                resource: resource.clone(),
            },
        ),
        E::TaskSubmitted {
            resource, output, ..
        } => (
            K::TaskSubmitted,
            D::TaskOutput {
                resource: resource.clone(),
                output: output.payload.clone(),
            },
        ),
        E::TaskSucceeded {
            resource, output, ..
        } => (
            K::TaskSucceeded,
            D::TaskOutput {
                resource: resource.clone(),
                output: output.payload.clone(),
            },
        ),
        E::TaskStartFailed {
            resource, failure, ..
        } => (
            K::TaskStartFailed,
            D::TaskFailure {
                resource: resource.clone(),
                failure: failure.clone(),
            },
        ),
        E::TaskSubmitFailed {
            resource, failure, ..
        } => (
            K::TaskSubmitFailed,
            D::TaskFailure {
                resource: resource.clone(),
                failure: failure.clone(),
            },
        ),
        E::TaskFailed {
            resource, failure, ..
        } => (
            K::TaskFailed,
            D::TaskFailure {
                resource: resource.clone(),
                failure: failure.clone(),
            },
        ),
        E::TaskTimedOut {
            resource, failure, ..
        } => (
            K::TaskTimedOut,
            D::TaskFailure {
                resource: resource.clone(),
                failure: failure.clone(),
            },
        ),
        E::EvaluationFailed {
            name,
            location,
            failure,
            ..
        } => {
            let details = D::EvaluationFailed {
                state: name.clone(),
                location: location.clone(),
                failure: failure.clone(),
            };
            (K::EvaluationFailed, details)
        }
        E::ParallelStateStarted { .. } => (K::ParallelStateStarted, D::None),
        E::ParallelStateSucceeded { .. } => (K::ParallelStateSucceeded, D::None),
        E::ParallelStateFailed { .. } => (K::ParallelStateFailed, D::None),
        E::MapStateStarted { length, .. } => {
            (K::MapStateStarted, D::MapStateStarted { length: *length })
        }
        E::MapStateSucceeded { .. } => (K::MapStateSucceeded, D::None),
        E::MapStateFailed { .. } => (K::MapStateFailed, D::None),
        E::MapIterationStarted { name, index, .. } => (
            K::MapIterationStarted,
            D::MapIteration {
                name: name.clone(),
                index: *index,
            },
        ),
        E::MapIterationSucceeded { name, index, .. } => (
            K::MapIterationSucceeded,
            D::MapIteration {
                name: name.clone(),
                index: *index,
            },
        ),
        E::MapIterationFailed { name, index, .. } => (
            K::MapIterationFailed,
            D::MapIteration {
                name: name.clone(),
                index: *index,
            },
        ),
        E::MapIterationAborted { name, index, .. } => (
            K::MapIterationAborted,
            D::MapIteration {
                name: name.clone(),
                index: *index,
            },
        ),
        E::BranchStarted { .. }
        | E::BranchSucceeded { .. }
        | E::BranchFailed { .. }
        | E::WaitScheduled { .. }
        | E::RetryScheduled { .. }
        | E::ActivityReoffered { .. }
        | E::ProgressRecorded { .. }
        | E::ActivityRestarted { .. }
        | E::StartOffered { .. }
        | E::HandleGiven { .. } => return None,
    })
}

fn entered(kind: StateKind) -> HistoryKind {
    match kind {
        StateKind::Pass => HistoryKind::PassStateEntered,
        StateKind::Task => HistoryKind::TaskStateEntered,
        StateKind::Choice => HistoryKind::ChoiceStateEntered,
        StateKind::Wait => HistoryKind::WaitStateEntered,
        StateKind::Succeed => HistoryKind::SucceedStateEntered,
        StateKind::Fail => HistoryKind::FailStateEntered,
        StateKind::Parallel => HistoryKind::ParallelStateEntered,
        StateKind::Map => HistoryKind::MapStateEntered,
    }
}

/// A Fail state has no exit.
fn exited(kind: StateKind) -> Option<HistoryKind> {
    match kind {
        StateKind::Pass => Some(HistoryKind::PassStateExited),
        StateKind::Task => Some(HistoryKind::TaskStateExited),
        StateKind::Choice => Some(HistoryKind::ChoiceStateExited),
        StateKind::Wait => Some(HistoryKind::WaitStateExited),
        StateKind::Succeed => Some(HistoryKind::SucceedStateExited),
        StateKind::Fail => None,
        StateKind::Parallel => Some(HistoryKind::ParallelStateExited),
        StateKind::Map => Some(HistoryKind::MapStateExited),
    }
}

/// Only states that can stay open have an abort.
fn aborted(kind: StateKind) -> Option<HistoryKind> {
    match kind {
        StateKind::Task => Some(HistoryKind::TaskStateAborted),
        StateKind::Wait => Some(HistoryKind::WaitStateAborted),
        StateKind::Parallel => Some(HistoryKind::ParallelStateAborted),
        StateKind::Map => Some(HistoryKind::MapStateAborted),
        StateKind::Pass | StateKind::Choice | StateKind::Succeed | StateKind::Fail => None,
    }
}
