//! `States.StringToJson`, `States.JsonToString` and `States.JsonMerge`.

use super::{expect_string, too_large};
use crate::limits::EVALUATION_BYTES_MAX;
use crate::value::{Object, Value};

/// A blank text is null, as recorded.
pub(super) fn string_to_json(text: &Value) -> Result<Value, String> {
    let text = expect_string(text)?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    Value::parse(text).map_err(|error| format!("Invalid JSON text: {error}"))
}

pub(super) fn json_to_string(value: &Value) -> Result<Value, String> {
    if !value.fits(EVALUATION_BYTES_MAX) {
        return Err(too_large());
    }
    Ok(Value::from(value.to_text()))
}

/// A shallow merge; members of `right` win. Deep merges are refused, as on AWS.
pub(super) fn merge(left: &Value, right: &Value, deep: &Value) -> Result<Value, String> {
    match deep {
        Value::Bool(false) => {}
        Value::Bool(true) => return Err("Only a shallow merge is supported: pass false".into()),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            return Err(format!("Expected a boolean but found {}", deep.to_text()));
        }
    }
    let mut merged = Object::clone(members(left)?);
    let right = members(right)?;
    merged.extend(
        right
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    Ok(Value::from(merged))
}

fn members(value: &Value) -> Result<&Object, String> {
    match value.as_object() {
        Some(members) => Ok(members),
        None => {
            let found = value.type_name();
            Err(format!(
                "Expected an object but found {found}: {}",
                value.to_text()
            ))
        }
    }
}
