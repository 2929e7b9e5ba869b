//! What stands for the work of a state.

use std::sync::Arc;

use stepfleet_asl::program::Kind;
use stepfleet_asl::resource::{Pattern, Resource};
use stepfleet_asl::{Payload, Value};
use stepfleet_engine::event::Failure;
use stepfleet_engine::test_state::Mock;

use super::definition::Found;
use super::{MockText, TestState, invalid, shapes};
use crate::service::error::{ApiError, ErrorCode};

/// The mock, when there is one: of a result or of an error.
pub(super) fn one(request: &TestState) -> Result<Option<&MockText>, ApiError> {
    let Some(mock) = &request.mock else {
        return Ok(None);
    };
    if mock.result.is_some() == mock.error.is_some() {
        let message =
            "A test mock should have only one of the following fields: [result, errorOutput].";
        return Err(invalid(message));
    }
    if request.reveals_secrets {
        let message = "TestState does not support RevealSecrets when a mock is specified.";
        return Err(invalid(message));
    }
    Ok(Some(mock))
}

/// Checks that the state takes a mock, or does without one, and that the mock is one for it.
pub(super) fn check(
    request: &TestState,
    mock: Option<&MockText>,
    found: &Found,
) -> Result<Option<Mock>, ApiError> {
    let kind = &found.state().kind;
    let Some(mock) = mock else {
        return match kind {
            Kind::Map(_) | Kind::Parallel(_) => Err(needs_mock()),
            Kind::Task(_) if request.role_arn.is_none() => Err(invalid(
                "RoleArn must be specified when testing a Task state",
            )),
            Kind::Task(task) if is_carried_out(&task.resource) => Ok(None),
            Kind::Task(_) => Err(invalid(
                "Stepfleet tests a Task state with a mock, but for HTTP tasks: give mock.result or mock.errorOutput",
            )),
            Kind::Pass(_) | Kind::Choice(_) | Kind::Wait(_) | Kind::Succeed | Kind::Fail(_) => {
                Ok(None)
            }
        };
    };
    if let Some(name) = without_mock(kind) {
        let message = format!("State type '{name}' is not supported when a mock is specified");
        return Err(invalid(message));
    }
    match (&mock.result, &mock.error) {
        (Some(text), _) => Ok(Some(Mock::Result(result(request, text, found)?))),
        (None, error) => {
            check_culprit(request, found)?;
            let (error, cause) = error.clone().unwrap_or_default();
            Ok(Some(Mock::Error(Failure {
                error: error.map(Arc::from),
                cause: cause.map(Arc::from),
            })))
        }
    }
}

/// Whether a task is carried out when nothing stands for its work: HTTP requests alone.
fn is_carried_out(resource: &Resource) -> bool {
    match resource {
        Resource::Integration(integration) => integration.service.as_ref() == "http",
        Resource::Activity { .. } | Resource::Lambda { .. } => false,
    }
}

/// The name of a type of state that has no work to stand for.
fn without_mock(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Pass(_) => Some("Pass"),
        Kind::Choice(_) => Some("Choice"),
        Kind::Wait(_) => Some("Wait"),
        Kind::Succeed => Some("Succeed"),
        Kind::Fail(_) => Some("Fail"),
        Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_) => None,
    }
}

fn needs_mock() -> ApiError {
    let message = "TestState API does not support Map or Parallel states. Supported state types include: \
                   [Task, Wait, Pass, Succeed, Fail, Choice]";
    ApiError::new(ErrorCode::InvalidDefinition, message)
}

/// An error of a Map or Parallel comes from a state inside.
fn check_culprit(request: &TestState, found: &Found) -> Result<(), ApiError> {
    let state = found.state();
    let culprit = request.configuration.error_caused_by_state.as_deref();
    match (&state.kind, culprit) {
        (Kind::Map(_) | Kind::Parallel(_), None) => Err(invalid(
            "stateConfiguration.errorCausedByState must name the state inside the Map or Parallel that the mocked \
             error comes from",
        )),
        (Kind::Map(_) | Kind::Parallel(_), Some(culprit)) if !found.contains(culprit) => {
            Err(invalid(format!(
                "stateConfiguration.errorCausedByState: the state '{}' does not contain a state '{culprit}'",
                state.name
            )))
        }
        (_, _) => Ok(()),
    }
}

fn result(request: &TestState, text: &str, found: &Found) -> Result<Payload, ApiError> {
    let result = Payload::parse(text).map_err(|_| invalid("Mocked result must be valid JSON"))?;
    let array = || {
        let items = result.value().as_array();
        items.ok_or_else(|| invalid("Mocked result must be an array."))
    };
    match &found.state().kind {
        Kind::Map(_) => {
            array()?;
        }
        Kind::Parallel(parallel) => {
            if array()?.len() != parallel.branches.len() {
                return Err(invalid(
                    "Mocked result must contain the same number of items as number of Parallel branches.",
                ));
            }
        }
        Kind::Task(task) => check_answer(request, &task.resource, result.value())?,
        Kind::Pass(_) | Kind::Choice(_) | Kind::Wait(_) | Kind::Succeed | Kind::Fail(_) => {}
    }
    Ok(result)
}

/// Activities, functions and callbacks answer what they like; a service answers an object of its own shape.
fn check_answer(request: &TestState, resource: &Resource, result: &Value) -> Result<(), ApiError> {
    let Resource::Integration(integration) = resource else {
        return Ok(());
    };
    match integration.pattern {
        Pattern::Callback => Ok(()),
        Pattern::RequestResponse | Pattern::RunJob => {
            let Some(answer) = result.as_object() else {
                return Err(invalid("Mocked result must be a JSON object."));
            };
            shapes::check(integration, answer, request.validation)
        }
    }
}
