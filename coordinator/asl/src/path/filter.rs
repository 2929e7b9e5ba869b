//! Decides filters, with Jayway's comparisons: a number equals the string of its digits, an absent value equals nothing.

use std::cmp::Ordering;

use super::PathMiss;
use super::evaluate::Evaluation;
use super::syntax::{Filter, Operand, Operator};
use crate::value::Value;

impl Evaluation<'_> {
    /// Whether an element passes a filter.
    pub(super) fn accepts(&self, filter: &Filter, current: &Value) -> Result<bool, PathMiss> {
        self.spend()?;
        match filter {
            Filter::And(filters) => {
                for filter in filters {
                    if !self.accepts(filter, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Or(filters) => {
                for filter in filters {
                    if self.accepts(filter, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::Not(filter) => Ok(!self.accepts(filter, current)?),
            Filter::Exists(query) => {
                let is_definite = super::syntax::is_definite(&query.segments);
                let found = self.query(query, current)?;
                Ok(found.is_some_and(|value| {
                    is_definite || value.as_array().is_some_and(|found| !found.is_empty())
                }))
            }
            Filter::Compare {
                left,
                operator,
                right,
            } => self.compare(left, *operator, right, current),
        }
    }

    fn compare(
        &self,
        left: &Operand,
        operator: Operator,
        right: &Operand,
        current: &Value,
    ) -> Result<bool, PathMiss> {
        let (left, right) = match (left, right) {
            (Operand::Pattern(regex), text) | (text, Operand::Pattern(regex)) => {
                let text = self.operand(text, current)?;
                self.spend_many(text.as_ref().map_or(0, weight))?;
                return Ok(operator == Operator::Matches && matches(regex, text.as_ref()));
            }
            (Operand::Literal(_) | Operand::Query(_), Operand::Literal(_) | Operand::Query(_)) => {
                (self.operand(left, current)?, self.operand(right, current)?)
            }
        };
        for value in [&left, &right].into_iter().flatten() {
            self.spend_many(weight(value))?;
        }
        Ok(decide(left.as_ref(), operator, right.as_ref()))
    }

    /// The value of an operand; none when a path finds nothing.
    pub(super) fn operand(
        &self,
        operand: &Operand,
        current: &Value,
    ) -> Result<Option<Value>, PathMiss> {
        match operand {
            Operand::Literal(value) => Ok(Some(value.clone())),
            Operand::Query(query) => self.query(query, current),
            Operand::Pattern(_) => Ok(None),
        }
    }
}

/// What looking at a whole value costs: a step for everything below it, and one for every so many bytes of text.
pub(super) fn weight(value: &Value) -> usize {
    const STEP_BYTES: usize = 32;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() / STEP_BYTES,
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum(),
        Value::Object(members) => members.values().map(|member| weight(member) + 1).sum(),
    }
}

fn decide(left: Option<&Value>, operator: Operator, right: Option<&Value>) -> bool {
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Same => same(left, right),
        Operator::NotSame => !same(left, right),
        Operator::Less => order(left, right).is_some_and(Ordering::is_lt),
        Operator::LessEqual => order(left, right).is_some_and(Ordering::is_le),
        Operator::Greater => order(left, right).is_some_and(Ordering::is_gt),
        Operator::GreaterEqual => order(left, right).is_some_and(Ordering::is_ge),
        Operator::In => contained(left, right),
        Operator::NotIn => !contained(left, right),
        Operator::Contains => match (left, right) {
            (Some(Value::String(text)), Some(Value::String(part))) => text.contains(&**part),
            (Some(list @ Value::Array(_)), item) => contained(item, Some(list)),
            _ => false,
        },
        Operator::All => every(right, |item| contained(Some(item), left)),
        Operator::SubsetOf => every(left, |item| contained(Some(item), right)),
        Operator::AnyOf => {
            items(left).is_some_and(|list| list.iter().any(|item| contained(Some(item), right)))
        }
        Operator::NoneOf => every(left, |item| !contained(Some(item), right)),
        Operator::Size => {
            let size = left
                .and_then(size)
                .and_then(|size| i64::try_from(size).ok());
            size.is_some() && size == right.and_then(Value::as_i64)
        }
        Operator::Empty => {
            let is_empty = left.and_then(size).map(|size| size == 0);
            is_empty.is_some() && is_empty == right.and_then(Value::as_bool)
        }
        // A pattern is handled by the caller; between two values nothing matches.
        Operator::Matches => false,
    }
}

fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return false;
    };
    match (left, right) {
        (Value::Number(_), Value::String(text)) => {
            Value::parse(text).is_ok_and(|number| number == *left)
        }
        (Value::String(text), Value::Number(_)) => **text == *right.to_text(),
        _ => left == right,
    }
}

/// Equality within one type: a number never is the string of its digits.
fn same(left: Option<&Value>, right: Option<&Value>) -> bool {
    left.zip(right).is_some_and(|(left, right)| left == right)
}

/// Numbers among numbers and strings (by UTF-16 units, as Java orders them) among strings have an order.
fn order(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    match (left?, right?) {
        (Value::Number(left), Value::Number(right)) => left.order(right),
        (Value::String(left), Value::String(right)) => {
            Some(left.encode_utf16().cmp(right.encode_utf16()))
        }
        _ => None,
    }
}

fn contained(item: Option<&Value>, list: Option<&Value>) -> bool {
    items(list).is_some_and(|list| list.iter().any(|other| equal(item, Some(other))))
}

fn every(list: Option<&Value>, test: impl Fn(&Value) -> bool) -> bool {
    items(list).is_some_and(|list| list.iter().all(test))
}

fn items(list: Option<&Value>) -> Option<&[Value]> {
    list.and_then(Value::as_array).map(|items| items.as_slice())
}

fn size(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.encode_utf16().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Whether the text of a value matches, or that of an item of a list. What has no text is empty text, as in Jayway.
fn matches(regex: &regex::Regex, value: Option<&Value>) -> bool {
    let matches_text = |value: &Value| match value {
        Value::String(text) => regex.is_match(text),
        Value::Number(_) | Value::Bool(_) => regex.is_match(&value.to_text()),
        Value::Null | Value::Array(_) | Value::Object(_) => regex.is_match(""),
    };
    match value {
        None => regex.is_match(""),
        Some(Value::Array(items)) => items.iter().any(matches_text),
        Some(
            value @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)),
        ) => matches_text(value),
    }
}
