//! The context object of a tested state: made up, and where the request says so, given.

use stepfleet_asl::program::{Kind, State};
use stepfleet_asl::resource::Pattern;
use stepfleet_asl::time::format_timestamp;
use stepfleet_asl::{Object, Payload, Value};

use super::definition::PLACEHOLDER;
use super::{Surroundings, TestState, invalid};
use crate::service::error::ApiError;

/// What a member of the context object may hold.
#[derive(Clone, Copy)]
enum Holds {
    Any,
    Text,
    Number,
}

const EXECUTION: &[(&str, Holds)] = &[
    ("Id", Holds::Text),
    ("Input", Holds::Any),
    ("Name", Holds::Text),
    ("RoleArn", Holds::Text),
    ("StartTime", Holds::Text),
    ("RedriveCount", Holds::Number),
    ("RedriveTime", Holds::Text),
];
const STATE: &[(&str, Holds)] = &[
    ("EnteredTime", Holds::Text),
    ("Name", Holds::Text),
    ("RetryCount", Holds::Number),
];
const MACHINE: &[(&str, Holds)] = &[("Id", Holds::Text), ("Name", Holds::Text)];
const TASK: &[(&str, Holds)] = &[("Token", Holds::Text), ("CallbackUrl", Holds::Text)];

/// The context object, without `Map`.
pub(super) fn build(
    request: &TestState,
    input: &Payload,
    state: &State,
    surroundings: &Surroundings<'_>,
) -> Result<Object, ApiError> {
    let mut context = made_up(request, input, state, surroundings);
    if let Some(text) = &request.context {
        if request.mock.is_none() {
            return Err(invalid(
                "context can be given only when a mock is specified",
            ));
        }
        give(&mut context, text)?;
    }
    Ok(context)
}

fn made_up(
    request: &TestState,
    input: &Payload,
    state: &State,
    surroundings: &Surroundings<'_>,
) -> Object {
    let Surroundings {
        arns,
        namespace,
        now,
        execution,
        machine,
        ..
    } = surroundings;
    let now = format_timestamp(now.0);
    let role = request.role_arn.as_deref().map_or(Value::Null, Value::from);
    let mut members = vec![
        ("Name", Value::from(PLACEHOLDER)),
        ("EnteredTime", now.clone().into()),
    ];
    // Only states that can be retried count retries.
    if matches!(state.kind, Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_)) {
        let retries = i64::from(request.configuration.retrier_retry_count);
        members.push(("RetryCount", retries.into()));
    }
    let mut context = vec![
        (
            "Execution",
            object([
                ("Id", arns.express(namespace, machine, execution).into()),
                ("Input", input.value().clone()),
                ("Name", execution.as_str().into()),
                ("RoleArn", role),
                ("StartTime", now.into()),
            ]),
        ),
        (
            "StateMachine",
            object([
                ("Id", arns.state_machine(namespace, machine).into()),
                ("Name", machine.as_str().into()),
            ]),
        ),
        ("State", object(members)),
    ];
    if let Kind::Task(task) = &state.kind
        && matches!(task.resource.pattern(), Pattern::Callback | Pattern::RunJob)
    {
        let mut members = vec![("Token", Value::from(execution.as_str()))];
        if task.resource.pattern() == Pattern::Callback {
            // Nothing waits there: the state is tested, not run.
            let url = format!("https://stepfleet.invalid/callbacks/{execution}");
            members.push(("CallbackUrl", url.into()));
        }
        context.push(("Task", object(members)));
    }
    collect(context)
}

/// Puts what is given in the place of what was made up.
fn give(context: &mut Object, text: &str) -> Result<(), ApiError> {
    let given = Payload::parse(text).map_err(|error| refuse(&error.to_string()))?;
    let Some(sections) = given.value().as_object() else {
        return Err(refuse("it must be a JSON object"));
    };
    for (section, value) in sections.iter() {
        let allowed = match &**section {
            "Execution" => EXECUTION,
            "State" => STATE,
            "StateMachine" => MACHINE,
            "Task" => TASK,
            "Map" => {
                return Err(refuse(
                    "'Map' field is not supported when mocking a Context object",
                ));
            }
            other => return Err(refuse(&format!("Field '{other}' is not allowed"))),
        };
        let Some(members) = value.as_object() else {
            return Err(refuse(&format!("{section} must be an object")));
        };
        let known = context.get(section).and_then(Value::as_object);
        let mut whole = known.map(|members| (**members).clone()).unwrap_or_default();
        for (name, value) in members.iter() {
            check(section, allowed, name, value)?;
            whole.insert(name.clone(), value.clone());
        }
        context.insert(section.clone(), whole.into());
    }
    Ok(())
}

fn check(
    section: &str,
    allowed: &[(&str, Holds)],
    name: &str,
    value: &Value,
) -> Result<(), ApiError> {
    let found = allowed.iter().find(|(known, _)| *known == name);
    let Some((_, holds)) = found else {
        return Err(refuse(&format!("Field '{name}' is not allowed")));
    };
    match (holds, value) {
        (Holds::Any, _) | (Holds::Text, Value::String(_)) | (Holds::Number, Value::Number(_)) => {
            Ok(())
        }
        (Holds::Text, _) => Err(refuse(&format!("{section}.{name} must be a string"))),
        (Holds::Number, _) => Err(refuse(&format!("{section}.{name} must be a number"))),
    }
}

fn refuse(why: &str) -> ApiError {
    invalid(format!("Invalid Context object provided: {why}"))
}

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    collect(members).into()
}

fn collect(members: impl IntoIterator<Item = (&'static str, Value)>) -> Object {
    members
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect()
}
