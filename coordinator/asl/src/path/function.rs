//! The functions at the end of a path.

use super::PathMiss;
use super::evaluate::{Evaluation, position};
use super::filter::weight;
use super::syntax::{Function, Operand};
use crate::value::Value;

/// Applies a function to what the path before it selected.
///
/// # Errors
/// When the function has nothing to work on: no numbers, no array, no such index.
pub(super) fn apply(
    evaluation: &Evaluation<'_>,
    function: Function,
    arguments: &[Operand],
    value: &Value,
) -> Result<Value, PathMiss> {
    // Functions copy what they work on, so that it counts again with each of a chain of them.
    evaluation.spend_many(value.as_array().map_or(1, |_| weight(value) + 1))?;
    let mut given = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let argument = evaluation.operand(argument, value)?;
        evaluation.spend_many(argument.as_ref().map_or(1, |value| weight(value) + 1))?;
        given.extend(argument);
    }
    match function {
        Function::Length => Ok(length(given.first().unwrap_or(value))),
        Function::Keys => Ok(value.as_object().map_or(Value::Null, |members| {
            Value::from(
                members
                    .keys()
                    .map(|key| Value::from(key.clone()))
                    .collect::<Vec<_>>(),
            )
        })),
        Function::First => element(value, 0),
        Function::Last => element(value, -1),
        Function::Index => {
            let index = given.first().and_then(Value::as_i64);
            element(
                value,
                index.ok_or_else(|| miss("The function index() needs a whole number."))?,
            )
        }
        Function::Append => {
            let items = value.as_array();
            let items = items.ok_or_else(|| miss("The function append() needs an array."))?;
            Ok(Value::from(
                items.iter().chain(&given).cloned().collect::<Vec<_>>(),
            ))
        }
        Function::Concat => Ok(Value::from(concat(value, &given))),
        Function::Min | Function::Max | Function::Avg | Function::Sum | Function::StdDev => {
            let numbers: Vec<f64> = value
                .as_array()
                .into_iter()
                .flat_map(|items| items.iter())
                .chain(given.iter().flat_map(|given| match given.as_array() {
                    Some(items) => items.iter(),
                    None => std::slice::from_ref(given).iter(),
                }))
                .filter_map(Value::as_f64)
                .collect();
            aggregate(function, &numbers)
        }
    }
}

/// Members of a container. Jayway gives null for anything else, strings included.
fn length(value: &Value) -> Value {
    let length = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Value::Null,
    };
    Value::from(i64::try_from(length).expect("a length in memory fits"))
}

fn element(value: &Value, index: i64) -> Result<Value, PathMiss> {
    let items = value
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(|| {
            miss("Aggregation function attempted to calculate value using empty array")
        })?;
    let found = position(index, items.len()).and_then(|place| items.get(place));
    found.cloned().ok_or_else(|| {
        let count = items.len();
        miss(format!(
            "Target index:{index} larger than object count:{count}"
        ))
    })
}

/// Strings of the array, then the arguments; numbers among the arguments by their digits.
fn concat(value: &Value, given: &[Value]) -> String {
    let mut text = String::new();
    let items = value.as_array().into_iter().flat_map(|items| items.iter());
    items
        .filter_map(Value::as_str)
        .for_each(|part| text.push_str(part));
    for argument in given {
        let parts = argument
            .as_array()
            .map_or(std::slice::from_ref(argument), |items| items);
        for part in parts {
            match part {
                Value::String(part) => text.push_str(part),
                Value::Number(number) => number.write(&mut text),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
    }
    text
}

fn aggregate(function: Function, numbers: &[f64]) -> Result<Value, PathMiss> {
    if numbers.is_empty() {
        return Err(miss(
            "Aggregation function attempted to calculate value using empty array",
        ));
    }
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    Ok(Value::from(match function {
        Function::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
        Function::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Function::Avg => sum / count,
        Function::StdDev => {
            let squares: f64 = numbers.iter().map(|number| number * number).sum();
            (squares / count - (sum / count).powi(2)).max(0.0).sqrt()
        }
        Function::Sum
        | Function::Length
        | Function::Concat
        | Function::Keys
        | Function::First
        | Function::Last
        | Function::Index
        | Function::Append => sum,
    }))
}

fn miss(detail: impl Into<String>) -> PathMiss {
    PathMiss {
        detail: detail.into(),
    }
}
