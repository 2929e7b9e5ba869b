//! `Wait`.

use crate::jsonata::Marks;
use crate::limits::TIMEOUT_SECONDS_MAX;
use crate::program::{Bound, Kind, Language, Wait};
use crate::time;
use crate::value::Value;

use super::fields::Fields;
use super::report::Report;
use super::state::Site;
use super::walk::Walk;
use super::{data, query};

pub(super) const FIELDS: &[&str] = &["Seconds", "Timestamp", "SecondsPath", "TimestampPath"];
pub(super) const QUERY_FIELDS: &[&str] = &["Seconds", "Timestamp"];

/// A Wait has exactly one of its four fields.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<Kind> {
    let (report, fields) = (&mut walk.report, &site.fields);
    if site.language == Language::Jsonata {
        return query(report, fields).map(Kind::Wait);
    }
    fields.exactly_one(report, FIELDS);
    let seconds = fields.integer(report, "Seconds", 0..=TIMEOUT_SECONDS_MAX);
    let timestamp = timestamp(report, fields);
    let seconds_path = data::reference_path(report, fields, "SecondsPath");
    let timestamp_path = data::reference_path(report, fields, "TimestampPath");
    let wait = seconds
        .map(|seconds| Wait::Seconds(seconds.into()))
        .or(timestamp.map(Wait::Timestamp))
        .or(seconds_path.map(Wait::SecondsPath))
        .or(timestamp_path.map(Wait::TimestampPath));
    wait.map(Kind::Wait)
}

/// A Wait in JSONata: literals, or expressions in their place.
fn query(report: &mut Report, fields: &Fields<'_>) -> Option<Wait> {
    fields.exactly_one(report, QUERY_FIELDS);
    let is_query = |field| {
        let text = fields.get(field).and_then(Value::as_str);
        text.is_some_and(|text| Marks::of(text) != Marks::Plain)
    };
    if is_query("Timestamp") {
        return query::expression(report, fields, "Timestamp", "String", |_| false)
            .map(Wait::TimestampExpression);
    }
    if fields.has("Timestamp") {
        return timestamp(report, fields).map(Wait::Timestamp);
    }
    match query::bound(report, fields, "Seconds", 0..=TIMEOUT_SECONDS_MAX)? {
        Bound::Literal(seconds) => Some(Wait::Seconds(seconds.into())),
        Bound::Expression(template) => Some(Wait::SecondsExpression(template)),
        Bound::Path(_) => None,
    }
}

fn timestamp(report: &mut Report, fields: &Fields<'_>) -> Option<i64> {
    let text = fields.string(report, "Timestamp")?;
    let timestamp = time::parse_timestamp(text);
    if timestamp.is_none() {
        report.schema(
            fields.location("Timestamp"),
            "String does not match RFC3339 timestamp",
        );
    }
    timestamp
}
