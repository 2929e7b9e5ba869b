//! What services answer, so that a mocked result can be held against it. A resource that is not listed is not checked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use stepfleet_asl::resource::Integration;
use stepfleet_asl::{Object, Value};

use super::{FieldValidation, invalid};
use crate::service::error::ApiError;

/// By `<service>:<action>`. A name that ends with `!` is a required field.
static SHAPES: LazyLock<BTreeMap<String, BTreeMap<String, Shape>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("shapes.json")).expect("the table of shapes is tested")
});

/// A field: the name of a type, the shape of a list's items, or the fields of an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Shape {
    Type(Type),
    List([Box<Shape>; 1]),
    Fields(BTreeMap<String, Shape>),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Any,
    String,
    Number,
    Boolean,
    Object,
}

/// Refuses an answer that the service would not give.
pub(super) fn check(
    integration: &Integration,
    answer: &Object,
    validation: FieldValidation,
) -> Result<(), ApiError> {
    let resource = format!("{}:{}", integration.service, integration.action);
    let strict = match validation {
        FieldValidation::None => return Ok(()),
        FieldValidation::Present => false,
        FieldValidation::Strict => true,
    };
    match SHAPES.get(&resource) {
        None => Ok(()),
        Some(fields) => check_fields(fields, answer, strict)
            .map_err(|why| invalid(format!("Mock result schema validation error: {why}"))),
    }
}

fn check_fields(
    fields: &BTreeMap<String, Shape>,
    answer: &Object,
    strict: bool,
) -> Result<(), String> {
    for (field, shape) in fields {
        let name = field.trim_end_matches('!');
        match answer.get(name) {
            Some(value) => check_value(shape, name, value, strict)?,
            None if strict && name != field => {
                return Err(format!("Required field '{name}' is missing"));
            }
            None => {}
        }
    }
    Ok(())
}

fn check_value(shape: &Shape, field: &str, value: &Value, strict: bool) -> Result<(), String> {
    let must = |what: &str| Err(format!("Field '{field}' must be {what}"));
    match (shape, value) {
        (Shape::Type(Type::Any), _)
        | (Shape::Type(Type::String), Value::String(_))
        | (Shape::Type(Type::Number), Value::Number(_))
        | (Shape::Type(Type::Boolean), Value::Bool(_))
        | (Shape::Type(Type::Object), Value::Object(_)) => Ok(()),
        (Shape::Type(Type::String), _) => must("a string"),
        (Shape::Type(Type::Number), _) => must("a number"),
        (Shape::Type(Type::Boolean), _) => must("a boolean"),
        (Shape::List([item]), Value::Array(items)) => items
            .iter()
            .try_for_each(|value| check_value(item, field, value, strict)),
        (Shape::List(_), _) => must("an array"),
        (Shape::Fields(fields), Value::Object(members)) => check_fields(fields, members, strict),
        (Shape::Type(Type::Object) | Shape::Fields(_), _) => must("an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_resource_is_one_that_a_task_can_name() {
        for resource in SHAPES.keys() {
            let arn = format!("arn:aws:states:::{resource}");
            stepfleet_asl::resource::Resource::parse(&arn).unwrap();
        }
    }
}
