//! `Retry`, and the error names that retriers and catchers share.

use std::sync::Arc;

use crate::limits::{RETRY_DELAY_SECONDS_MAX, TIMEOUT_SECONDS_MAX};
use crate::program::{Jitter, Retrier};
use crate::value::Value;

use super::fields::Fields;
use super::report::Report;

const FIELDS: &[&str] = &[
    "BackoffRate",
    "Comment",
    "ErrorEquals",
    "IntervalSeconds",
    "JitterStrategy",
    "MaxAttempts",
    "MaxDelaySeconds",
];

/// The name that stands for every error.
const ALL: &str = "States.ALL";

/// The retriers of a state, in order.
pub(super) fn read(report: &mut Report, state: &Fields<'_>) -> Vec<Retrier> {
    let items = state.items(report, "Retry");
    let last = items.len().saturating_sub(1);
    let mut retriers = Vec::new();
    for (i, (at, value)) in items.enumerate() {
        retriers.extend(Fields::of(report, value, &at).map(|fields| {
            let retrier = retrier(report, &fields);
            check_all(report, &fields, &retrier.error_equals, i == last);
            retrier
        }));
    }
    retriers
}

/// `ErrorEquals`: at least one name.
pub(super) fn error_equals(report: &mut Report, fields: &Fields<'_>) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for (at, value) in fields.some_items(report, "ErrorEquals") {
        match value {
            Value::String(name) => names.push(name.clone()),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => report.schema(at, "Expected value of type String"),
        }
    }
    names
}

/// `States.ALL` stands alone and in the last entry of its list.
pub(super) fn check_all(
    report: &mut Report,
    fields: &Fields<'_>,
    names: &[Arc<str>],
    is_last: bool,
) {
    if !names.iter().any(|name| &**name == ALL) {
        return;
    }
    let at = fields.location("ErrorEquals");
    if names.len() > 1 {
        report.schema(
            at.clone(),
            format!("{ALL} must be the only error name of its list"),
        );
    }
    if !is_last {
        report.schema(at, format!("{ALL} can only be in the last entry"));
    }
}

fn retrier(report: &mut Report, fields: &Fields<'_>) -> Retrier {
    fields.only(report, FIELDS);
    fields.require(report, &["ErrorEquals"]);
    fields.string(report, "Comment");
    let interval = fields.integer(report, "IntervalSeconds", 1..=TIMEOUT_SECONDS_MAX);
    let attempts = fields.integer(report, "MaxAttempts", 0..=TIMEOUT_SECONDS_MAX);
    let retrier = Retrier {
        error_equals: error_equals(report, fields),
        interval_seconds: interval.unwrap_or(1),
        max_attempts: attempts.unwrap_or(3),
        backoff_rate: backoff_rate(report, fields),
        max_delay_seconds: fields.integer(report, "MaxDelaySeconds", 1..=RETRY_DELAY_SECONDS_MAX),
        jitter: match fields.one_of(report, "JitterStrategy", &["FULL", "NONE"]) {
            Some("FULL") => Jitter::Full,
            Some(_) | None => Jitter::None,
        },
    };
    if retrier
        .max_delay_seconds
        .is_some_and(|delay| delay <= retrier.interval_seconds)
    {
        report.schema(
            fields.location("MaxDelaySeconds"),
            "The value for the field 'MaxDelaySeconds' must be greater than 'IntervalSeconds'",
        );
    }
    retrier
}

fn backoff_rate(report: &mut Report, fields: &Fields<'_>) -> f64 {
    let rate = fields.number(report, "BackoffRate").unwrap_or(2.0);
    if !(rate >= 1.0 && rate.is_finite()) {
        report.schema(
            fields.location("BackoffRate"),
            "The value for the field 'BackoffRate' must be greater than or equal to 1.0",
        );
    }
    rate
}
