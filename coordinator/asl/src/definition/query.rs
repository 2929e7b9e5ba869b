//! Readers of the fields of states in JSONata: templates, and which members of `$states` they may read.

use std::ops::RangeInclusive;

use crate::jsonata::{StatesMember, Template};
use crate::program::Bound;
use crate::value::Value;

use super::fields::Fields;
use super::report::Report;

/// What the expressions of a field find in `$states` beside `input` and `context`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offers {
    Nothing,
    /// `Assign` and `Output` of a Task, Parallel or Map.
    Result,
    /// `Assign` and `Output` of a catcher.
    ErrorOutput,
}

/// A field that may hold any JSON; the strings in it may be expressions.
pub(super) fn template(
    report: &mut Report,
    fields: &Fields<'_>,
    field: &str,
    offers: Offers,
) -> Option<Template> {
    let value = fields.get(field)?;
    let at = fields.location(field);
    match Template::compile(value) {
        Ok(template) => {
            check_reads(report, &template, &at, offers);
            Some(template)
        }
        Err(problems) => {
            for problem in problems {
                report.schema(format!("{at}{}", problem.pointer), problem.message);
            }
            None
        }
    }
}

/// A field that takes either one expression or a literal that `is_literal` accepts.
pub(super) fn expression(
    report: &mut Report,
    fields: &Fields<'_>,
    field: &str,
    expected: &str,
    is_literal: impl FnOnce(&Value) -> bool,
) -> Option<Template> {
    let template = template(report, fields, field, Offers::Nothing)?;
    if template.as_expression().is_some() || fields.get(field).is_some_and(is_literal) {
        return Some(template);
    }
    report.schema(
        fields.location(field),
        format!("Expected value of type {expected} or a JSONata expression"),
    );
    None
}

/// A whole number within `range`, or an expression.
pub(super) fn bound(
    report: &mut Report,
    fields: &Fields<'_>,
    field: &str,
    range: RangeInclusive<u32>,
) -> Option<Bound> {
    if fields.get(field).and_then(Value::as_str).is_none() {
        return fields.integer(report, field, range).map(Bound::Literal);
    }
    expression(report, fields, field, "Integer", |_| false).map(Bound::Expression)
}

fn check_reads(report: &mut Report, template: &Template, at: &str, offers: Offers) {
    for (place, expression) in template.expressions() {
        let reads = expression.reads();
        let missing = [
            (StatesMember::Result, Offers::Result),
            (StatesMember::ErrorOutput, Offers::ErrorOutput),
        ]
        .into_iter()
        .find(|(member, offered)| offers != *offered && reads.states.contains(member));
        if let Some((member, _)) = missing {
            report.schema(
                format!("{at}{place}"),
                format!("$states.{} is not available here", member.name()),
            );
        }
    }
}
