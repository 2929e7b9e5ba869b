//! `TestState`: one state of a definition, with a mock in the place of its work; HTTP tasks alone do their work when
//! there is none. Nothing is stored.
//!
//! Files: `definition` finds the state, `mock` checks what stands for its work, `shapes` what services answer, `context`
//! makes the context object, `http` carries out HTTP tasks.

mod context;
mod definition;
mod http;
mod mock;
mod shapes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use stepfleet_asl::program::Kind;
use stepfleet_asl::{Object, Payload, Value};
use stepfleet_engine::Timestamp;
use stepfleet_engine::event::Failure;
use stepfleet_engine::test_state::{self, Case, Mock, Outcome, Refusal, Report};
use stepfleet_proto::Subject;

use super::api::Caller;
use super::error::{ApiError, ErrorCode};
use super::{Service, parse_input};
use crate::arn::ArnSpace;
use crate::auth::actions;
use crate::integrations::http::request;
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
    /// The work of an HTTP task, which is still to be done.
    pub work: Option<Work>,
    /// What an HTTP task sent and got.
    pub exchange: Option<Shown>,
}

/// An HTTP request that a tested task is to make.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub parameters: Payload,
    /// The task's own, when it is a number.
    pub timeout_seconds: Option<u32>,
}

/// An exchange as the faces tell of it.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub request: Option<request::Shown>,
    pub answer: Option<ShownAnswer>,
}

#[derive(Debug)]
pub(crate) struct ShownAnswer {
    pub protocol: String,
    pub status_code: String,
    pub status_message: String,
    pub headers: String,
    pub body: Option<String>,
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

/// What is drawn for a test. One that is run twice is the same test.
#[derive(Clone, Debug)]
struct Drawn {
    now: Timestamp,
    entropy: u64,
    execution: String,
    machine: String,
}

impl Service {
    /// Tests one state.
    pub(crate) async fn test_state(
        &self,
        caller: &Caller,
        request: TestState,
    ) -> Result<Tested, ApiError> {
        let shared = &self.shared;
        if request.reveals_secrets && !shared.connections.may_be_revealed() {
            let message = "This installation reveals no secrets: http.reveal_secrets of its configuration is false";
            return Err(ApiError::new(ErrorCode::AccessDeniedException, message));
        }
        if request.reveals_secrets {
            let kind = "stateMachine";
            let subject = Subject::All { kind };
            caller.permit.check(actions::REVEAL, subject)?;
        }
        let drawn = Drawn {
            now: shared.clock.now(),
            entropy: shared.entropy.next_u64(),
            execution: shared.entropy.uuid(),
            machine: shared.entropy.uuid(),
        };
        let request = Arc::new(request);
        // What stands for work that is still to be done lets the test go on to it.
        let nothing = Mock::Result(Payload::from_value(Value::Null));
        let tested = self.test_once(caller, &request, &drawn, nothing).await?;
        let Some(work) = tested.work else {
            return Ok(tested);
        };
        let reveals = request.reveals_secrets;
        let (done, shown) = http::carry_out(shared, &caller.namespace, &work, reveals).await;
        let tested = self.test_once(caller, &request, &drawn, done).await?;
        Ok(Tested {
            work: None,
            exchange: Some(shown),
            ..tested
        })
    }

    /// Expressions may take long, so that this is done on the pool for blocking work, and only so many at once.
    async fn test_once(
        &self,
        caller: &Caller,
        request: &Arc<TestState>,
        drawn: &Drawn,
        work: Mock,
    ) -> Result<Tested, ApiError> {
        let shared = self.shared.clone();
        let turn = shared.evaluations.clone().acquire_owned().await;
        let turn = turn.map_err(|_closed| going_down())?;
        let (namespace, request) = (caller.namespace.clone(), request.clone());
        // The work between two runs has taken its time.
        let (drawn, began) = (drawn.clone(), shared.clock.now());
        let test = crate::task::blocking("test a state", move || {
            let _turn = turn;
            let elapsed = || shared.clock.now().0 - began.0;
            let surroundings = Surroundings {
                arns: &shared.arns,
                namespace: &namespace,
                now: drawn.now,
                clock: &|| Timestamp(drawn.now.0 + elapsed()),
                entropy: drawn.entropy,
                execution: drawn.execution,
                machine: drawn.machine,
                payload_bytes_max: shared.limits.payload_bytes_max,
            };
            run(&request, surroundings, Some(work))
        });
        test.await.map_err(|_panic| {
            let message = "the state could not be tested; the coordinator's log tells why";
            ApiError::new(ErrorCode::InternalServerError, message)
        })?
    }
}

/// Tests one state. `work` stands for the work of a task without a mock, where such a task is carried out.
pub(crate) fn run(
    request: &TestState,
    surroundings: Surroundings<'_>,
    work: Option<Mock>,
) -> Result<Tested, ApiError> {
    let mock = mock::one(request)?;
    let found = definition::find(request)?;
    let input = parse_input(request.input.as_deref().unwrap_or("{}"))?;
    let variables = object(request.variables.as_deref(), "variables")?;
    let context = context::build(request, &input, found.state(), &surroundings)?;
    let mock = mock::check(request, mock, &found)?;
    let task = match &found.state().kind {
        Kind::Task(task) if mock.is_none() => Some(task),
        Kind::Task(_)
        | Kind::Pass(_)
        | Kind::Choice(_)
        | Kind::Wait(_)
        | Kind::Succeed
        | Kind::Fail(_)
        | Kind::Parallel(_)
        | Kind::Map(_) => None,
    };
    let case = Case {
        program: &found.program,
        state: found.id,
        input: input.clone(),
        variables,
        context,
        mock: mock.or(work.filter(|_| task.is_some())),
        retrier_retry_count: request.configuration.retrier_retry_count,
        map_iteration_failure_count: request.configuration.map_iteration_failure_count,
        map_item_reader_data: reader_data(request)?,
        now_ms: surroundings.now.0,
        entropy: surroundings.entropy,
        payload_bytes_max: surroundings.payload_bytes_max,
        expired: &|| (surroundings.clock)().0 - surroundings.now.0 > TIME_MS_MAX,
    };
    let report = test_state::run(&case).map_err(|refusal| refused(&refusal))?;
    let work = task.and_then(|task| http::work(task, &report));
    Ok(Tested {
        input,
        report,
        work,
        exchange: None,
    })
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
