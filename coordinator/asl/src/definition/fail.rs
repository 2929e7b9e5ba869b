//! `Fail`.

use crate::program::{Fail, Kind, Language, Text};
use crate::template::Expression;
use crate::value::Value;

use super::fields::Fields;
use super::query;
use super::report::Report;
use super::state::Site;
use super::walk::Walk;

pub(super) const FIELDS: &[&str] = &["Error", "Cause", "ErrorPath", "CausePath"];
pub(super) const QUERY_FIELDS: &[&str] = &["Error", "Cause"];

/// The intrinsics that give a string, which is what `ErrorPath` and `CausePath` need.
const INTRINSICS: &[&str] = &[
    "States.ArrayGetItem",
    "States.Base64Decode",
    "States.Base64Encode",
    "States.Format",
    "States.Hash",
    "States.JsonToString",
    "States.UUID",
];

/// Both fields are optional, and either may come from a path or an intrinsic.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Kind {
    let (report, fields) = (&mut walk.report, &site.fields);
    Kind::Fail(Fail {
        error: text(report, fields, site.language, "Error"),
        cause: text(report, fields, site.language, "Cause"),
    })
}

fn text(report: &mut Report, fields: &Fields<'_>, language: Language, field: &str) -> Option<Text> {
    if language == Language::Jsonata {
        let is_text = |value: &Value| value.as_str().is_some();
        return query::expression(report, fields, field, "String", is_text).map(Text::Jsonata);
    }
    let twin = format!("{field}Path");
    fields.at_most_one(report, &[field, &twin]);
    let literal = fields.string(report, field).cloned().map(Text::Literal);
    let expression = expression(report, fields, &twin);
    literal.or(expression)
}

fn expression(report: &mut Report, fields: &Fields<'_>, field: &str) -> Option<Text> {
    let source = fields.string(report, field)?;
    let expression = Expression::parse(source)
        .ok()
        .filter(|expression| match expression {
            Expression::Path(path) => path.is_reference(),
            Expression::Intrinsic(_) => INTRINSICS.iter().any(|name| calls(source, name)),
        });
    if expression.is_none() {
        let message = format!(
            "The value for the field '{field}' must be a valid Reference Path or a valid intrinsic function call that \
             returns a string"
        );
        report.schema(fields.location(field), message);
    }
    expression.map(|expression| Text::Expression {
        source: source.clone(),
        expression,
    })
}

fn calls(source: &str, name: &str) -> bool {
    source
        .trim()
        .strip_prefix(name)
        .is_some_and(|rest| rest.trim_start().starts_with('('))
}
