//! `Wait`.

use crate::limits::TIMEOUT_SECONDS_MAX;
use crate::program::{Kind, Wait};
use crate::time;

use super::data;
use super::fields::Fields;
use super::report::Report;
use super::state::Site;
use super::walk::Walk;

pub(super) const FIELDS: &[&str] = &["Seconds", "Timestamp", "SecondsPath", "TimestampPath"];

/// A Wait has exactly one of its four fields.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<Kind> {
    let (report, fields) = (&mut walk.report, &site.fields);
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
