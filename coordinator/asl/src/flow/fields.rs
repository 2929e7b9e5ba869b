//! Single values of fields with a `…Path` twin: bounds, delays, error names and causes.

use super::{find, query};
use crate::environment::{Environment, EvalError};
use crate::jsonata::Template;
use crate::limits::WAIT_SECONDS_END;
use crate::path::Path;
use crate::payload::Payload;
use crate::program::{Bound, Text, Wait};
use crate::time::parse_timestamp;
use crate::value::{Number, Value};

/// The whole number of a field such as `MaxConcurrency` or `TimeoutSeconds`; `field` is the name of its `…Path` twin.
///
/// # Errors
/// `States.Runtime` when the path finds nothing, or no whole number between 0 and 2^32.
pub fn bound(
    bound: &Bound,
    input: &Payload,
    env: &dyn Environment,
    field: &str,
) -> Result<u32, EvalError> {
    let whole = |value: &Value| value.as_i64().and_then(|number| u32::try_from(number).ok());
    let path = match bound {
        Bound::Literal(number) => return Ok(*number),
        Bound::Path(path) => path,
        Bound::Expression(template) => {
            let field = field.strip_suffix("Path").unwrap_or(field);
            let number = query::typed(template, field, "number", input, env, number)?;
            return whole(&number).ok_or_else(|| {
                let cause = format!(
                    "The {field} field must be an integer that is not negative, but was: {}",
                    number.to_text()
                );
                EvalError::query(cause, field)
            });
        }
    };
    let found = find(path, input.value(), env)?;
    let number = whole(&found);
    number.ok_or_else(|| {
        let shown = shown(&found);
        EvalError::runtime(format!(
            "The {field} field refers to value \"{shown}\" which is not a valid integer: {path}"
        ))
    })
}

/// When a Wait ends, in milliseconds since the epoch; it may be past.
///
/// # Errors
/// `States.Runtime` when a path finds nothing or nothing usable, or the delay is 2^31 seconds or more.
pub fn wait_until(
    wait: &Wait,
    input: &Payload,
    env: &dyn Environment,
    now_ms: i64,
) -> Result<i64, EvalError> {
    let until = match wait {
        Wait::Seconds(seconds) => after(i64::try_from(*seconds).unwrap_or(i64::MAX), now_ms),
        Wait::SecondsPath(path) => after(seconds(path, input, env)?, now_ms),
        Wait::Timestamp(until) => *until,
        Wait::TimestampPath(path) => timestamp(path, input, env)?,
        Wait::SecondsExpression(template) => after(queried_seconds(template, input, env)?, now_ms),
        Wait::TimestampExpression(template) => queried_timestamp(template, input, env)?,
    };
    if until.saturating_sub(now_ms) >= WAIT_SECONDS_END * 1000 {
        return Err(EvalError::runtime("Wait state delay is too long."));
    }
    Ok(until)
}

/// `Error` or `Cause` of a Fail state; `field` is `ErrorPath` or `CausePath`.
///
/// # Errors
/// `States.Runtime` when the path finds nothing or no string; `States.IntrinsicFailure`.
pub fn fail_text(
    text: &Text,
    field: &str,
    input: &Payload,
    env: &dyn Environment,
) -> Result<String, EvalError> {
    let (source, expression) = match text {
        Text::Literal(text) => return Ok(text.to_string()),
        Text::Expression { source, expression } => (source, expression),
        Text::Jsonata(template) => {
            let field = field.strip_suffix("Path").unwrap_or(field);
            return query::typed(template, field, "string", input, env, |value| {
                value.as_str().map(String::from)
            });
        }
    };
    let found = expression.eval_field(field, input.value(), env)?;
    found.as_str().map(String::from).ok_or_else(|| {
        EvalError::runtime(format!(
            "The {field} field refers to value \"{}\" which is not a string: {source}",
            shown(&found)
        ))
    })
}

fn after(seconds: i64, now_ms: i64) -> i64 {
    now_ms.saturating_add(seconds.saturating_mul(1000))
}

fn seconds(path: &Path, input: &Payload, env: &dyn Environment) -> Result<i64, EvalError> {
    let refuse = |what: &str| EvalError::runtime(format!("The SecondsPath parameter {what}"));
    let Ok(found) = path.eval(input.value(), env) else {
        return Err(refuse(&format!(
            "does not reference an input value: {path}"
        )));
    };
    let Value::Number(Number::Int(seconds)) = &found else {
        let shown = shown(&found);
        return Err(refuse(&format!(
            "cannot be parsed as a long value: {path} == {shown}"
        )));
    };
    if *seconds < 0 {
        return Err(refuse(&format!(
            "references a negative value: {path} == {seconds}"
        )));
    }
    Ok(*seconds)
}

fn queried_seconds(
    template: &Template,
    input: &Payload,
    env: &dyn Environment,
) -> Result<i64, EvalError> {
    let found = query::typed(template, "Seconds", "number", input, env, number)?;
    found
        .as_i64()
        .filter(|seconds| *seconds >= 0)
        .ok_or_else(|| {
            let cause = format!(
                "The Seconds field must be an integer that is not negative, but was: {}",
                found.to_text()
            );
            EvalError::query(cause, "Seconds")
        })
}

fn queried_timestamp(
    template: &Template,
    input: &Payload,
    env: &dyn Environment,
) -> Result<i64, EvalError> {
    let text = query::typed(template, "Timestamp", "string", input, env, |value| {
        value.as_str().map(String::from)
    })?;
    parse_timestamp(&text).ok_or_else(|| {
        let cause = format!(
            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
        );
        EvalError::query(cause, "Timestamp")
    })
}

fn number(value: &Value) -> Option<Value> {
    matches!(value, Value::Number(_)).then(|| value.clone())
}

fn timestamp(path: &Path, input: &Payload, env: &dyn Environment) -> Result<i64, EvalError> {
    let refuse = |what: &str| EvalError::runtime(format!("The TimestampPath parameter {what}"));
    let Ok(found) = path.eval(input.value(), env) else {
        return Err(refuse(&format!(
            "does not reference an input value: {path}"
        )));
    };
    found.as_str().and_then(parse_timestamp).ok_or_else(|| {
        refuse(&format!(
            "does not reference a valid ISO-8601 extended offset date-time format string: {path} == {}",
            shown(&found)
        ))
    })
}

/// A value in a message: strings without their quotes.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_text(), String::from)
}
