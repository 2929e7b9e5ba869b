//! Fields in JSONata: what their expressions may read, how long they may take, and the type that a field needs.

use super::Given;
use crate::environment::{Environment, EvalError};
use crate::jsonata::{Evaluation, Inputs, Limits, Template};
use crate::payload::Payload;
use crate::value::Value;

/// Evaluates the template of a field. `raw` is `$states.input`.
pub(super) fn value(
    template: &Template,
    field: &str,
    raw: &Payload,
    given: &Given<'_>,
    env: &dyn Environment,
) -> Result<Value, EvalError> {
    let inputs = Inputs {
        env,
        input: raw.value(),
        result: match given {
            Given::Result(result) => Some(result.value()),
            Given::Input(_) | Given::ErrorOutput(_) => None,
        },
        error_output: match given {
            Given::ErrorOutput(output) => Some(output.value()),
            Given::Input(_) | Given::Result(_) => None,
        },
        now_ms: env.now_ms(),
    };
    let evaluation = Evaluation::new(inputs, Limits::of(env.patience()));
    Ok(template.eval(field, &evaluation)?)
}

/// As [`value`], of a field that reads no more than the state's input and takes one type; `read` gives none for the
/// others.
pub(super) fn typed<T>(
    template: &Template,
    field: &str,
    expected: &'static str,
    raw: &Payload,
    env: &dyn Environment,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, EvalError> {
    let found = value(template, field, raw, &Given::Input(raw), env)?;
    read(&found).ok_or_else(|| match template.as_expression() {
        Some(expression) => expression.unexpected_type(field, expected, &found).into(),
        None => EvalError::query(
            format!(
                "The field '{field}' must be of type '{expected}', but was '{}'",
                found.type_name()
            ),
            field,
        ),
    })
}
