//! Typed readers of the fields of one JSON object. Each returns the value when it is there and right, and reports what
//! is wrong with it otherwise; an absent field is not wrong here, `require` says which must be there.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::value::{Object, Value};

use super::report::Report;

/// One object of the document and its place: empty for the document itself, else `/States/<name>…`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    object: &'a Object,
    at: &'a str,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, which must be an object.
    pub(super) fn of(report: &mut Report, value: &'a Value, at: &'a str) -> Option<Fields<'a>> {
        match value.as_object() {
            Some(object) => Some(Fields { object, at }),
            None => {
                report.schema(
                    if at.is_empty() { "/" } else { at },
                    "Expected value of type Object",
                );
                None
            }
        }
    }

    /// The place as diagnostics print it.
    pub(super) fn here(&self) -> &'a str {
        if self.at.is_empty() { "/" } else { self.at }
    }

    /// The place of a field.
    pub(super) fn location(&self, field: &str) -> String {
        format!("{}/{field}", self.at)
    }

    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field)
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.object.contains_key(field)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.object.keys().map(|key| &**key)
    }

    /// Reports the fields of `required` that are missing, in one finding. True when all are there.
    pub(super) fn require(&self, report: &mut Report, required: &[&str]) -> bool {
        let missing: Vec<&str> = required
            .iter()
            .copied()
            .filter(|field| !self.has(field))
            .collect();
        if !missing.is_empty() {
            let message = format!("These fields are required: [{}]", missing.join(", "));
            report.schema(self.here(), message);
        }
        missing.is_empty()
    }

    /// Reports when more than one of `choices` is there.
    pub(super) fn at_most_one(&self, report: &mut Report, choices: &[&str]) {
        let present: Vec<&str> = choices
            .iter()
            .copied()
            .filter(|field| self.has(field))
            .collect();
        if present.len() > 1 {
            let message = format!(
                "Only one of these fields is allowed: [{}]",
                present.join(", ")
            );
            report.schema(self.here(), message);
        }
    }

    /// Reports unless exactly one of `choices` is there.
    pub(super) fn exactly_one(&self, report: &mut Report, choices: &[&str]) {
        if choices.iter().any(|field| self.has(field)) {
            self.at_most_one(report, choices);
        } else {
            let message = format!("One of these fields is required: [{}]", choices.join(", "));
            report.schema(self.here(), message);
        }
    }

    /// Reports a field that does not belong here.
    pub(super) fn unsupported(&self, report: &mut Report, field: &str) {
        report.schema(self.here(), format!("Field '{field}' is not supported"));
    }

    /// Reports every field that is not in `supported`.
    pub(super) fn only(&self, report: &mut Report, supported: &[&str]) {
        for key in self.keys().filter(|key| !supported.contains(key)) {
            self.unsupported(report, key);
        }
    }

    pub(super) fn string(&self, report: &mut Report, field: &str) -> Option<&'a Arc<str>> {
        let string = |value: &'a Value| match value {
            Value::String(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        };
        self.typed(report, field, "String", string)
    }

    pub(super) fn boolean(&self, report: &mut Report, field: &str) -> Option<bool> {
        self.typed(report, field, "Boolean", Value::as_bool)
    }

    pub(super) fn number(&self, report: &mut Report, field: &str) -> Option<f64> {
        self.typed(report, field, "Number", Value::as_f64)
    }

    pub(super) fn array(&self, report: &mut Report, field: &str) -> Option<&'a [Value]> {
        self.typed(report, field, "Array", |value| {
            value.as_array().map(|items| items.as_slice())
        })
    }

    /// A field that holds an object, still as a value.
    pub(super) fn object(&self, report: &mut Report, field: &str) -> Option<&'a Value> {
        self.typed(report, field, "Object", |value| {
            value.as_object().map(|_| value)
        })
    }

    /// A whole number within `range`.
    pub(super) fn integer(
        &self,
        report: &mut Report,
        field: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let whole = self.typed(report, field, "Integer", |value| {
            let fraction = value.as_f64().is_none_or(|number| number.fract() != 0.0);
            (!fraction).then(|| value.as_i64())
        })?;
        let within = whole
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number));
        if within.is_none() {
            let message = format!(
                "The value for the field '{field}' must be an integer between {} and {}",
                range.start(),
                range.end()
            );
            report.schema(self.location(field), message);
        }
        within
    }

    /// A string that is one of `values`.
    pub(super) fn one_of(
        &self,
        report: &mut Report,
        field: &str,
        values: &[&'static str],
    ) -> Option<&'static str> {
        let text = self.string(report, field)?;
        let found = values.iter().copied().find(|value| *value == &**text);
        if found.is_none() {
            let message = format!(
                "The field '{field}' should have one of these values: [{}]",
                values.join(", ")
            );
            report.schema(self.location(field), message);
        }
        found
    }

    /// The items of an array, each with its place.
    pub(super) fn items(
        &self,
        report: &mut Report,
        field: &str,
    ) -> impl ExactSizeIterator<Item = (String, &'a Value)> + use<'a> {
        let items = self.array(report, field).unwrap_or_default();
        let at = self.location(field);
        // One place at a time: places deep in a document are long, and items are many.
        items
            .iter()
            .enumerate()
            .map(move |(i, item)| (format!("{at}[{i}]"), item))
    }

    /// Like [`Fields::items`], of an array that must not be empty.
    pub(super) fn some_items(
        &self,
        report: &mut Report,
        field: &str,
    ) -> impl ExactSizeIterator<Item = (String, &'a Value)> + use<'a> {
        if self
            .get(field)
            .and_then(Value::as_array)
            .is_some_and(|items| items.is_empty())
        {
            report.schema(self.location(field), "Value cannot be empty");
        }
        self.items(report, field)
    }

    fn typed<T>(
        &self,
        report: &mut Report,
        field: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(field)?;
        let found = read(value);
        if found.is_none() {
            report.schema(
                self.location(field),
                format!("Expected value of type {expected}"),
            );
        }
        found
    }
}
