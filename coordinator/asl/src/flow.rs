//! The data flow of one state: raw input → InputPath → Parameters → work → ResultSelector → ResultPath → OutputPath.
//! A document that passes through unchanged is neither parsed nor printed.

mod fields;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::environment::{Environment, EvalError};
use crate::limits::JSON_DEPTH_MAX;
use crate::path::Path;
use crate::payload::Payload;
use crate::program::{
    Assign, Choice, ChoiceBranch, Map, Pass, ResultPath, Selection, State, StateId,
};
use crate::value::Value;

pub use fields::{bound, fail_text, wait_until};

/// The effective input: `InputPath`, then `Parameters`. A Map's `ItemSelector` is not applied here; see [`item`].
///
/// # Errors
/// `States.Runtime` when a path finds nothing; `States.IntrinsicFailure`.
pub fn effective_input(
    state: &State,
    raw: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    let selected = select(&state.input_path, raw, env)?;
    match &state.parameters {
        None => Ok(selected),
        Some(parameters) => payload(parameters.eval(selected.value(), env)?),
    }
}

/// The result of a Pass state: the literal `Result`, else the effective input.
///
/// # Errors
/// As [`effective_input`].
pub fn pass_result(
    state: &State,
    pass: &Pass,
    raw: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    let input = effective_input(state, raw, env)?;
    Ok(pass.result.clone().unwrap_or(input))
}

/// The output: `ResultSelector` over the result, `ResultPath` into the raw input, `OutputPath`.
///
/// # Errors
/// `States.Runtime` when a path finds nothing, `States.ResultPathMatchFailure`, `States.IntrinsicFailure`.
pub fn output(
    state: &State,
    raw: &Payload,
    result: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    let result = match &state.result_selector {
        None => result.clone(),
        Some(selector) => payload(selector.eval(result.value(), env)?)?,
    };
    let merged = match &state.result_path {
        ResultPath::Replace => result,
        ResultPath::Discard => raw.clone(),
        ResultPath::Insert(path) => payload(path.insert(raw.value(), result.value().clone())?)?,
    };
    select(&state.output_path, &merged, env)
}

/// The input of a Catcher's target: the error output merged into the raw input. The state's own ResultSelector,
/// ResultPath and OutputPath have no part in it.
///
/// # Errors
/// `States.ResultPathMatchFailure`.
pub fn caught(
    result_path: &ResultPath,
    raw: &Payload,
    error_output: Value,
) -> Result<Payload, EvalError> {
    match result_path {
        ResultPath::Replace => payload(error_output),
        ResultPath::Discard => Ok(raw.clone()),
        ResultPath::Insert(path) => payload(path.insert(raw.value(), error_output)?),
    }
}

/// The items of a Map: what `ItemsPath` (default `$`) finds in the effective input.
///
/// # Errors
/// `States.Runtime` when it finds nothing or no array.
pub fn items(
    map: &Map,
    input: &Payload,
    env: &dyn Environment,
) -> Result<Arc<Vec<Value>>, EvalError> {
    let (found, source) = match &map.items_path {
        None => (input.value().clone(), "$"),
        Some(path) => (find(path, input.value(), env)?, path.source()),
    };
    found.as_array().cloned().ok_or_else(|| {
        EvalError::runtime(format!("Reference path \"{source}\" must point to array."))
    })
}

/// The input of one iteration: `ItemSelector` over the Map's effective input, with `$$.Map.Item` in the surroundings;
/// without one, the item itself.
///
/// # Errors
/// As [`effective_input`].
pub fn item(
    map: &Map,
    input: &Payload,
    item: &Value,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    match &map.item_selector {
        None => payload(item.clone()),
        Some(selector) => payload(selector.eval(input.value(), env)?),
    }
}

/// Where a Choice leads.
#[derive(Clone, Copy, Debug)]
pub enum Chosen<'a> {
    /// The first rule that is true.
    Branch(&'a ChoiceBranch),
    Default(StateId),
}

/// The values of the variables of an `Assign`, in its order. `$` in it is `document`.
///
/// # Errors
/// `States.Runtime` when a path finds nothing, `States.IntrinsicFailure`.
pub fn assigned(
    assign: &Assign,
    document: &Payload,
    env: &dyn Environment,
) -> Result<Vec<(Arc<str>, Payload)>, EvalError> {
    let Assign::JsonPath(template) = assign;
    let values = template.eval(document.value(), env)?;
    let members = values.as_object().into_iter().flat_map(|all| all.iter());
    members
        .map(|(name, value)| Ok((name.clone(), payload(value.clone())?)))
        .collect()
}

/// The target of a Choice: the first rule that is true, else `Default`; none when neither is there.
///
/// # Errors
/// `States.Runtime` when the path of a variable finds nothing.
pub fn choose<'a>(
    choice: &'a Choice,
    input: &Value,
    env: &dyn Environment,
) -> Result<Option<Chosen<'a>>, EvalError> {
    for branch in &choice.branches {
        if branch.rule.eval(input, env)? {
            return Ok(Some(Chosen::Branch(branch)));
        }
    }
    Ok(choice.default.map(Chosen::Default))
}

/// Applies `InputPath` or `OutputPath`.
fn select(
    selection: &Selection,
    document: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    match selection {
        Selection::All => Ok(document.clone()),
        Selection::Nothing => Ok(Payload::empty_object()),
        Selection::Path(path) => payload(find(path, document.value(), env)?),
    }
}

/// Evaluates the path of a field.
fn find(path: &Path, document: &Value, env: &dyn Environment) -> Result<Value, EvalError> {
    path.eval(document, env)
        .map_err(|miss| EvalError::runtime(format!("Invalid path '{path}' : {}", miss.detail)))
}

/// Prints a value that a state made. Its nesting is bounded here, so that its text can be read again.
fn payload(value: Value) -> Result<Payload, EvalError> {
    if value.nests_deeper_than(JSON_DEPTH_MAX) {
        let cause = format!("The document nests deeper than {JSON_DEPTH_MAX} levels.");
        return Err(EvalError::runtime(cause));
    }
    Ok(Payload::from_value(value))
}
