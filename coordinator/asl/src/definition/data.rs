//! Readers of the fields that say how data flows: paths, reference paths, templates, and numbers with a `…Path` twin.

use std::ops::RangeInclusive;

use crate::path::{Path, ReferencePath};
use crate::program::{Bound, ResultPath, Selection};
use crate::template::Template;
use crate::value::Value;

use super::fields::Fields;
use super::report::Report;

/// `InputPath` or `OutputPath`.
pub(super) fn selection(report: &mut Report, fields: &Fields<'_>, field: &str) -> Selection {
    if fields.get(field).is_some_and(Value::is_null) {
        return Selection::Nothing;
    }
    match path(report, fields, field) {
        Some(path) if path.source() != "$" => Selection::Path(path),
        Some(_) | None => Selection::All,
    }
}

/// `ResultPath` of a state or a catcher.
pub(super) fn result_path(report: &mut Report, fields: &Fields<'_>) -> ResultPath {
    const FIELD: &str = "ResultPath";
    if fields.get(FIELD).is_some_and(Value::is_null) {
        return ResultPath::Discard;
    }
    let Some(text) = fields.string(report, FIELD) else {
        return ResultPath::Replace;
    };
    if &**text == "$" {
        return ResultPath::Replace;
    }
    match ReferencePath::parse(text) {
        Ok(path) => ResultPath::Insert(path),
        Err(error) => {
            refuse_reference(report, fields, FIELD, &error.message);
            ResultPath::Replace
        }
    }
}

/// A path that names exactly one place, of the state's data, the context object or a variable.
pub(super) fn reference_path(
    report: &mut Report,
    fields: &Fields<'_>,
    field: &str,
) -> Option<Path> {
    let text = fields.string(report, field)?;
    match Path::parse(text) {
        Ok(path) if path.is_reference() => return Some(path),
        Ok(_) => refuse_reference(report, fields, field, "it may name more than one place"),
        Err(error) => refuse_reference(report, fields, field, &error.message),
    }
    None
}

/// A payload template.
pub(super) fn template(report: &mut Report, fields: &Fields<'_>, field: &str) -> Option<Template> {
    let value = fields.object(report, field)?;
    match Template::compile(value) {
        Ok(template) => Some(template),
        Err(problems) => {
            for problem in problems {
                report.schema(fields.location(field), problem.message);
            }
            None
        }
    }
}

/// A number, or the path of its `…Path` twin; not both.
pub(super) fn bound(
    report: &mut Report,
    fields: &Fields<'_>,
    field: &str,
    range: RangeInclusive<u32>,
) -> Option<Bound> {
    let twin = format!("{field}Path");
    fields.at_most_one(report, &[field, &twin]);
    let literal = fields.integer(report, field, range).map(Bound::Literal);
    let path = reference_path(report, fields, &twin).map(Bound::Path);
    literal.or(path)
}

/// A path that may name many places.
fn path(report: &mut Report, fields: &Fields<'_>, field: &str) -> Option<Path> {
    let text = fields.string(report, field)?;
    match Path::parse(text) {
        Ok(path) => Some(path),
        Err(error) => {
            report.schema(
                fields.location(field),
                format!("Value is not a valid JSONPath: {}", error.message),
            );
            None
        }
    }
}

fn refuse_reference(report: &mut Report, fields: &Fields<'_>, field: &str, why: &str) {
    report.schema(
        fields.location(field),
        format!("Value is not a Reference Path: {why}"),
    );
}
