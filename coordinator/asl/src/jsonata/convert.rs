//! Values to the evaluator's and back. Numbers come back printed as JavaScript prints them.

use std::sync::Arc;

use indexmap::IndexMap;
use jsonata_core::value::JValue;

use super::bounded;
use super::failure::Problem;
use super::functions::MEMORY_EXCEEDED;
use crate::limits::{JSON_DEPTH_MAX, JSONATA_MEMORY_BYTES_MAX};
use crate::value::{Number, Object, Value};

/// The largest whole number that a double holds without gaps.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A value for the evaluator. Numbers become doubles, so integers beyond 2^53 lose digits, as on AWS.
pub(super) fn to_jvalue(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(flag) => JValue::Bool(*flag),
        Value::Number(number) => JValue::Number(number.as_f64()),
        Value::String(text) => JValue::string(&**text),
        Value::Array(items) => JValue::array(items.iter().map(to_jvalue).collect()),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, member)| (key.to_string(), to_jvalue(member)));
            JValue::object(members.collect::<IndexMap<_, _>>())
        }
    }
}

/// The evaluator's result as a value.
pub(super) fn from_jvalue(value: &JValue) -> Result<Value, Problem> {
    // A small graph of shared parts can be a tree that no memory holds.
    let mut left = JSONATA_MEMORY_BYTES_MAX;
    bounded::take(value, &mut left).ok_or_else(|| Problem::Threw(MEMORY_EXCEEDED.to_owned()))?;
    from_nested(value, JSON_DEPTH_MAX)
}

/// `levels` is how deep containers may still nest.
fn from_nested(value: &JValue, levels: usize) -> Result<Value, Problem> {
    match value {
        JValue::Null => Ok(Value::Null),
        JValue::Bool(flag) => Ok(Value::Bool(*flag)),
        JValue::Number(number) => from_double(*number).ok_or(Problem::Unsupported),
        JValue::String(text) => Ok(Value::from(&**text)),
        JValue::Array(items) => {
            let levels = levels.checked_sub(1).ok_or(Problem::Unsupported)?;
            let items: Result<Vec<_>, _> =
                items.iter().map(|item| from_nested(item, levels)).collect();
            items.map(Value::from)
        }
        JValue::Object(members) => {
            let levels = levels.checked_sub(1).ok_or(Problem::Unsupported)?;
            let mut object = Object::with_capacity(members.len());
            for (key, member) in members.iter() {
                object.insert(Arc::from(key.as_str()), from_nested(member, levels)?);
            }
            Ok(Value::from(object))
        }
        JValue::Undefined => Err(Problem::Undefined),
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            Err(Problem::Unsupported)
        }
    }
}

/// The number as JavaScript prints it: whole ones below 1e21 without an exponent, `1e+21` from there on.
fn from_double(double: f64) -> Option<Value> {
    if !double.is_finite() {
        return None;
    }
    if double.abs() <= EXACT_MAX
        && let Some(int) = crate::value::integral(double)
    {
        return Some(Value::from(int));
    }
    let text = javascript_text(double);
    if !text.contains(['.', 'e'])
        && let Ok(int) = text.parse::<i64>()
    {
        return Some(Value::from(int));
    }
    let float = Value::from(double);
    if text == float.to_text() {
        return Some(float);
    }
    // The text differs from that of our own floats, so it is kept as a text.
    Some(Value::Number(Number::Big(text.into())))
}

/// `Number::toString` of ECMAScript (§6.1.6.1.20), from the shortest digits that read back as the same double.
fn javascript_text(double: f64) -> String {
    let scientific = format!("{double:e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("a finite double in scientific form has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a small integer");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).expect("at most seventeen digits");
    let point = exponent + 1;
    if (count..=21).contains(&point) {
        let zeros = "0".repeat(usize::try_from(point - count).unwrap_or_default());
        format!("{sign}{digits}{zeros}")
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
        format!("{sign}{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        let zeros = "0".repeat(usize::try_from(-point).unwrap_or_default());
        format!("{sign}0.{zeros}{digits}")
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{dot}{rest}e{exponent:+}")
    }
}
