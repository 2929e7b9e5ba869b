//! `TestState`: one state of a definition, with a mock in the place of its work. Nothing is stored, and nothing waits.
//!
//! Files: `definition` finds the state, `mock` checks what stands for its work, `shapes` what services answer, `context`
//! makes the context object.

mod context;
mod definition;
mod mock;
mod shapes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use stepfleet_asl::{Object, Payload, Value};
use stepfleet_engine::Timestamp;
use stepfleet_engine::event::Failure;
use stepfleet_engine::test_state::{self, Case, Outcome, Refusal, Report};

use super::api::Caller;
use super::error::{ApiError, ErrorCode};
use super::{Service, parse_input};
use crate::arn::ArnSpace;
use crate::partition::going_down;

/// For all expressions of one test.
const TIME_MS_MAX: i64 = 30_000;

/// A checked request.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestState {
    /// One state, or a whole machine with `state_name`.
    pub definition: String,
    pub state_name: Option<String>,
    pub role_arn: Option<String>,
    /// JSON text; absent is `{}`.
    pub input: Option<String>,
    /// JSON text of an object.
    pub variables: Option<String>,
    /// JSON text of an object; its members take the place of those that are made up.
    pub context: Option<String>,
    pub mock: Option<MockText>,
    pub validation: FieldValidation,
    pub reveals_secrets: bool,
    pub configuration: Configuration,
}

/// A mock as it came: one of the two.
#[derive(Clone, Debug, Default)]
pub(crate) struct MockText {
    /// JSON text.
    pub result: Option<String>,
    /// Error and cause.
    pub error: Option<(Option<String>, Option<String>)>,
}

/// How a mocked result is held against what the service answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// Required fields and types.
    #[default]
    Strict,
    /// Types of the fields that are there.
    Present,
    None,
}

/// `stateConfiguration`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    pub retrier_retry_count: u32,
    pub error_caused_by_state: Option<String>,
    pub map_iteration_failure_count: Option<u32>,
    /// JSON text of an array.
    pub map_item_reader_data: Option<String>,
}

/// What a test needs of the installation.
pub(crate) struct Surroundings<'a> {
    pub arns: &'a ArnSpace,
    pub namespace: &'a str,
    /// When the test begins, which is what expressions see.
    pub now: Timestamp,
    pub clock: &'a dyn Fn() -> Timestamp,
    pub entropy: u64,
    /// Names of the execution and of its machine, which do not exist.
    pub execution: String,
    pub machine: String,
    pub payload_bytes_max: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Tested {
    pub input: Payload,
    pub report: Report,
}

/// The outcome as the faces tell it.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub status: Status,
    pub output: Option<&'a str>,
    pub error: Option<&'a str>,
    pub cause: Option<&'a str>,
    pub next_state: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Succeeded,
    Failed,
    Retriable,
    CaughtError,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Retriable => "RETRIABLE",
            Self::CaughtError => "CAUGHT_ERROR",
        }
    }
}

impl Service {
    /// Tests one state. Its expressions may take long, so that it is done on the pool for blocking work, and only so
    /// many at once.
    pub(crate) async fn test_state(
        &self,
        caller: &Caller,
        request: TestState,
    ) -> Result<Tested, ApiError> {
        let shared = self.shared.clone();
        let turn = shared.evaluations.clone().acquire_owned().await;
        let turn = turn.map_err(|_closed| going_down())?;
        let namespace = caller.namespace.clone();
        let test = crate::task::blocking("test a state", move || {
            let _turn = turn;
            run(
                &request,
                Surroundings {
                    arns: &shared.arns,
                    namespace: &namespace,
                    now: shared.clock.now(),
                    clock: &|| shared.clock.now(),
                    entropy: shared.entropy.next_u64(),
                    execution: shared.entropy.uuid(),
                    machine: shared.entropy.uuid(),
                    payload_bytes_max: shared.limits.payload_bytes_max,
                },
            )
        });
        test.await.map_err(|_panic| {
            let message = "the state could not be tested; the coordinator's log tells why";
            ApiError::new(ErrorCode::InternalServerError, message)
        })?
    }
}

/// Tests one state.
pub(crate) fn run(request: &TestState, surroundings: Surroundings<'_>) -> Result<Tested, ApiError> {
    let mock = mock::one(request)?;
    let found = definition::find(request)?;
    let input = parse_input(request.input.as_deref().unwrap_or("{}"))?;
    let variables = object(request.variables.as_deref(), "variables")?;
    let context = context::build(request, &input, found.state(), &surroundings)?;
    let mock = mock::check(request, mock, &found)?;
    let case = Case {
        program: &found.program,
        state: found.id,
        input: input.clone(),
        variables,
        context,
        mock,
        retrier_retry_count: request.configuration.retrier_retry_count,
        map_iteration_failure_count: request.configuration.map_iteration_failure_count,
        map_item_reader_data: reader_data(request)?,
        now_ms: surroundings.now.0,
        entropy: surroundings.entropy,
        payload_bytes_max: surroundings.payload_bytes_max,
        expired: &|| (surroundings.clock)().0 - surroundings.now.0 > TIME_MS_MAX,
    };
    let report = test_state::run(&case).map_err(|refusal| refused(&refusal))?;
    Ok(Tested { input, report })
}

impl Tested {
    pub(crate) fn told(&self) -> Told<'_> {
        match &self.report.outcome {
            Outcome::Succeeded { output, next } => Told {
                status: Status::Succeeded,
                output: Some(output.text()),
                error: None,
                cause: None,
                next_state: next.as_deref(),
            },
            Outcome::Retriable(failure) => Told::failure(Status::Retriable, failure),
            Outcome::Failed(failure) => Told::failure(Status::Failed, failure),
            Outcome::Caught {
                failure,
                output,
                next,
            } => Told {
                output: Some(output.text()),
                next_state: Some(next),
                ..Told::failure(Status::CaughtError, failure)
            },
        }
    }
}

impl<'a> Told<'a> {
    fn failure(status: Status, failure: &'a Failure) -> Self {
        Self {
            status,
            output: None,
            error: failure.error.as_deref(),
            cause: failure.cause.as_deref(),
            next_state: None,
        }
    }
}

fn refused(refusal: &Refusal) -> ApiError {
    invalid(match refusal {
        Refusal::MoreFailuresThanIterations | Refusal::NoMock => refusal.to_string(),
        Refusal::TooLong => format!("The test takes longer than {} s", TIME_MS_MAX / 1000),
        Refusal::NoItems => {
            "stateConfiguration.mapItemReaderData must be given as a JSON array, since the Map has an ItemReader".to_owned()
        }
    })
}

fn reader_data(request: &TestState) -> Result<Option<Payload>, ApiError> {
    let data = request.configuration.map_item_reader_data.as_deref();
    data.map(|text| {
        json(text, |why| {
            invalid(format!(
                "stateConfiguration.mapItemReaderData is not valid JSON: {why}"
            ))
        })
    })
    .transpose()
}

/// A JSON object that may be absent.
fn object(text: Option<&str>, what: &str) -> Result<Object, ApiError> {
    let Some(text) = text else {
        return Ok(Object::new());
    };
    let refuse = |why: String| invalid(format!("{what} must be a JSON object: {why}"));
    let document = json(text, refuse)?;
    match document.value() {
        Value::Object(members) => Ok(Arc::unwrap_or_clone(members.clone())),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => Err(refuse(format!("it is {}", other.type_name()))),
    }
}

fn json(text: &str, refuse: impl FnOnce(String) -> ApiError) -> Result<Payload, ApiError> {
    Payload::parse(text).map_err(|error| refuse(error.to_string()))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::ValidationException, message)
}
