//! The data flow of one state: raw input → InputPath → Parameters → work → ResultSelector → ResultPath → OutputPath.
//! A document that passes through unchanged is neither parsed nor printed.

mod fields;
mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::environment::{Environment, EvalError};
use crate::limits::{EVALUATION_BYTES_MAX, JSON_DEPTH_MAX};
use crate::path::Path;
use crate::payload::Payload;
use crate::program::{
    Assign, Catcher, Choice, ChoiceBranch, Condition, Kind, Language, Map, Pass, ResultPath,
    Selection, Selector, State, StateId,
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
    if let Some(arguments) = &state.arguments {
        return payload(query::value(
            arguments,
            "Arguments",
            raw,
            &Given::Input(raw),
            env,
        )?);
    }
    with_parameters(state, selected_input(state, raw, env)?, env)
}

/// The first part of [`effective_input`]: `InputPath` alone.
///
/// # Errors
/// `States.Runtime` when the path finds nothing.
pub fn selected_input(
    state: &State,
    raw: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    select(&state.input_path, raw, env)
}

/// The second part of [`effective_input`]: `Parameters` over what [`selected_input`] gave.
///
/// # Errors
/// `States.Runtime` when a path finds nothing, `States.IntrinsicFailure`.
pub fn with_parameters(
    state: &State,
    selected: Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
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
    if let Some(output) = &state.output {
        let given = match &state.kind {
            Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_) => Given::Result(result),
            Kind::Pass(_) | Kind::Choice(_) | Kind::Wait(_) | Kind::Succeed | Kind::Fail(_) => {
                Given::Input(result)
            }
        };
        return payload(query::value(output, "Output", raw, &given, env)?);
    }
    let selected = selected_result(state, result, env)?;
    selected_output(state, &merged(state, raw, &selected)?, env)
}

/// The first part of a JSONPath state's [`output`]: `ResultSelector` alone.
///
/// # Errors
/// `States.Runtime` when a path finds nothing, `States.IntrinsicFailure`.
pub fn selected_result(
    state: &State,
    result: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    match &state.result_selector {
        None => Ok(result.clone()),
        Some(selector) => payload(selector.eval(result.value(), env)?),
    }
}

/// The second part of a JSONPath state's [`output`]: what [`selected_result`] gave, at `ResultPath` in the raw input.
///
/// # Errors
/// `States.ResultPathMatchFailure`.
pub fn merged(state: &State, raw: &Payload, selected: &Payload) -> Result<Payload, EvalError> {
    match &state.result_path {
        ResultPath::Replace => Ok(selected.clone()),
        ResultPath::Discard => Ok(raw.clone()),
        ResultPath::Insert(path) => payload(path.insert(raw.value(), selected.value().clone())?),
    }
}

/// The last part of a JSONPath state's [`output`]: `OutputPath` over what [`merged`] gave.
///
/// # Errors
/// `States.Runtime` when the path finds nothing.
pub fn selected_output(
    state: &State,
    merged: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    select(&state.output_path, merged, env)
}

/// The input of a Catcher's target: the error output merged into the raw input, or what its `Output` makes of it. The
/// state's own ResultSelector, ResultPath, OutputPath and Output have no part in it.
///
/// # Errors
/// `States.ResultPathMatchFailure`, `States.QueryEvaluationError`.
pub fn caught(
    catcher: &Catcher,
    raw: &Payload,
    error_output: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    if let Some(output) = &catcher.output {
        let given = Given::ErrorOutput(error_output);
        return payload(query::value(output, "Output", raw, &given, env)?);
    }
    match &catcher.result_path {
        ResultPath::Replace => Ok(error_output.clone()),
        ResultPath::Discard => Ok(raw.clone()),
        ResultPath::Insert(path) => {
            payload(path.insert(raw.value(), error_output.value().clone())?)
        }
    }
}

/// The items of a Map: what `Items` gives, or `ItemsPath` (default `$`) finds in the effective input.
///
/// # Errors
/// `States.Runtime` when a path finds nothing or no array, `States.QueryEvaluationError`.
pub fn items(
    state: &State,
    map: &Map,
    input: &Payload,
    env: &dyn Environment,
) -> Result<Arc<Vec<Value>>, EvalError> {
    if let Some(items) = &map.items {
        return query::typed(items, "Items", "array", input, env, |value| {
            value.as_array().cloned()
        });
    }
    if state.language == Language::Jsonata {
        return input.value().as_array().cloned().ok_or_else(|| {
            let cause = format!("Map state input must be an array but was: {}", input.text());
            EvalError::query(cause, "Items")
        });
    }
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
        Some(Selector::JsonPath(selector)) => payload(selector.eval(input.value(), env)?),
        Some(Selector::Jsonata(selector)) => {
            let given = Given::Input(input);
            payload(query::value(selector, "ItemSelector", input, &given, env)?)
        }
    }
}

/// Where a Choice leads.
#[derive(Clone, Copy, Debug)]
pub enum Chosen<'a> {
    /// The first rule that is true.
    Branch(&'a ChoiceBranch),
    Default(StateId),
}

/// What a state has in hand when it is left, beside its raw input: `$` of a JSONPath `Assign`.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// The effective input, or the result of a Pass.
    Input(&'a Payload),
    /// The result of a Task, Parallel or Map: `$states.result`.
    Result(&'a Payload),
    /// What was caught: `$states.errorOutput`.
    ErrorOutput(&'a Payload),
}

/// The values of the variables of an `Assign`, in its order. `raw` is the state's raw input.
///
/// # Errors
/// `States.Runtime` when a path finds nothing, `States.IntrinsicFailure`, `States.QueryEvaluationError`.
pub fn assigned(
    assign: &Assign,
    raw: &Payload,
    given: &Given<'_>,
    env: &dyn Environment,
) -> Result<Vec<(Arc<str>, Payload)>, EvalError> {
    let values = match assign {
        Assign::JsonPath(template) => {
            let (Given::Input(document) | Given::Result(document) | Given::ErrorOutput(document)) =
                given;
            template.eval(document.value(), env)?
        }
        Assign::Jsonata(template) => query::value(template, "Assign", raw, given, env)?,
    };
    let members = values.as_object().into_iter().flat_map(|all| all.iter());
    members
        .map(|(name, value)| Ok((name.clone(), payload(value.clone())?)))
        .collect()
}

/// The output of a Choice that takes `chosen`: the rule's own `Output`, or the state's for its default.
///
/// # Errors
/// As [`output`].
pub fn choice_output(
    state: &State,
    chosen: Chosen<'_>,
    raw: &Payload,
    input: &Payload,
    env: &dyn Environment,
) -> Result<Payload, EvalError> {
    let Chosen::Branch(branch) = chosen else {
        return output(state, raw, input, env);
    };
    match &branch.output {
        Some(output) => payload(query::value(
            output,
            "Output",
            raw,
            &Given::Input(input),
            env,
        )?),
        None if state.language == Language::Jsonata => Ok(raw.clone()),
        None => output(state, raw, input, env),
    }
}

/// The target of a Choice: the first rule that is true, else `Default`; none when neither is there.
///
/// # Errors
/// `States.Runtime` when the path of a variable finds nothing, `States.QueryEvaluationError`.
pub fn choose<'a>(
    choice: &'a Choice,
    input: &Payload,
    env: &dyn Environment,
) -> Result<Option<Chosen<'a>>, EvalError> {
    for branch in &choice.branches {
        let holds = match &branch.condition {
            Condition::Rule(rule) => rule.eval(input.value(), env)?,
            Condition::Jsonata {
                location,
                condition,
            } => query::typed(condition, location, "boolean", input, env, Value::as_bool)?,
        };
        if holds {
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

/// Prints a value that a state made. Its nesting is bounded here, so that its text can be read again, and so is its
/// size: a template may name the same large document many times.
fn payload(value: Value) -> Result<Payload, EvalError> {
    if !value.fits(EVALUATION_BYTES_MAX) {
        return Err(EvalError::data_limit(format!(
            "The document is larger than {EVALUATION_BYTES_MAX} bytes."
        )));
    }
    if value.nests_deeper_than(JSON_DEPTH_MAX) {
        let cause = format!("The document nests deeper than {JSON_DEPTH_MAX} levels.");
        return Err(EvalError::runtime(cause));
    }
    Ok(Payload::from_value(value))
}
