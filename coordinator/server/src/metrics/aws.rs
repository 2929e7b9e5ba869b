//! The same numbers once more under AWS's names, dimensions and units, in the plain Prometheus text format: for
//! dashboards and alarms that were written for CloudWatch.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One metric of AWS and where its number comes from.
#[derive(Debug)]
pub(super) struct Twin {
    pub(super) aws: &'static str,
    /// Without the prefix, `_total` and the unit's suffix of histograms.
    pub(super) ours: &'static str,
    kind: Kind,
    /// A label that a series must have to count.
    only: Option<(&'static str, &'static str)>,
    /// A label that stays, and AWS's name for it.
    dimension: Option<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// Ours in seconds, AWS's in milliseconds.
    Time,
}

use Kind::{Counter, Gauge, Time};

const MACHINE: Option<(&str, &str)> = Some(("state_machine", "StateMachineArn"));
const ACTIVITY: Option<(&str, &str)> = Some(("activity", "ActivityArn"));
const RESOURCE: Option<(&str, &str)> = Some(("resource", "ServiceIntegrationResourceArn"));

type Labels = Option<(&'static str, &'static str)>;

const fn twin(
    aws: &'static str,
    ours: &'static str,
    kind: Kind,
    only: Labels,
    dimension: Labels,
) -> Twin {
    Twin {
        aws,
        ours,
        kind,
        only,
        dimension,
    }
}

const fn status(name: &'static str) -> Labels {
    Some(("status", name))
}

const fn outcome(name: &'static str) -> Labels {
    Some(("outcome", name))
}

/// All of AWS's metrics that this installation has numbers for.
#[rustfmt::skip]
pub(super) const TWINS: [Twin; 35] = [
    twin("ExecutionsStarted", "state_machine_executions_started", Counter, None, MACHINE),
    twin("ExecutionsSucceeded", "state_machine_executions_closed", Counter, status("succeeded"), MACHINE),
    twin("ExecutionsFailed", "state_machine_executions_closed", Counter, status("failed"), MACHINE),
    twin("ExecutionsTimedOut", "state_machine_executions_closed", Counter, status("timed_out"), MACHINE),
    twin("ExecutionsAborted", "state_machine_executions_closed", Counter, status("aborted"), MACHINE),
    twin("ExecutionTime", "state_machine_execution", Time, None, MACHINE),
    twin("ExecutionThrottled", "executions_throttled", Counter, None, None),
    twin("OpenExecutionCount", "executions_live", Gauge, None, None),
    twin("OpenExecutionLimit", "executions_open_limit", Gauge, None, None),
    twin("ExecutionsRedriven", "executions_redriven", Counter, None, None),
    twin("RedrivenExecutionsSucceeded", "redriven_executions_closed", Counter, status("succeeded"), MACHINE),
    twin("RedrivenExecutionsFailed", "redriven_executions_closed", Counter, status("failed"), MACHINE),
    twin("RedrivenExecutionsTimedOut", "redriven_executions_closed", Counter, status("timed_out"), MACHINE),
    twin("RedrivenExecutionsAborted", "redriven_executions_closed", Counter, status("aborted"), MACHINE),
    twin("ActivitiesScheduled", "activity_tasks_scheduled", Counter, None, None),
    twin("ActivitiesStarted", "activity_tasks_started", Counter, None, None),
    twin("ActivitiesSucceeded", "activity_tasks_completed", Counter, outcome("succeeded"), None),
    twin("ActivitiesFailed", "activity_tasks_completed", Counter, outcome("failed"), None),
    twin("ActivitiesTimedOut", "activity_tasks_completed", Counter, outcome("timed_out"), None),
    twin("ActivitiesHeartbeatTimedOut", "activity_task_heartbeats_missed", Counter, None, None),
    twin("ActivityScheduleTime", "activity_task_schedule", Time, None, ACTIVITY),
    twin("ActivityRunTime", "activity_task_run", Time, None, ACTIVITY),
    twin("ActivityTime", "activity_task", Time, None, ACTIVITY),
    twin("ServiceIntegrationsScheduled", "integration_tasks_scheduled", Counter, None, RESOURCE),
    twin("ServiceIntegrationsStarted", "integration_tasks_started", Counter, None, RESOURCE),
    twin("ServiceIntegrationsSucceeded", "integration_tasks_completed", Counter, outcome("succeeded"), RESOURCE),
    twin("ServiceIntegrationsFailed", "integration_tasks_completed", Counter, outcome("failed"), RESOURCE),
    twin("ServiceIntegrationsTimedOut", "integration_tasks_completed", Counter, outcome("timed_out"), RESOURCE),
    twin("ServiceIntegrationScheduleTime", "integration_task_schedule", Time, None, RESOURCE),
    twin("ServiceIntegrationRunTime", "integration_task_run", Time, None, RESOURCE),
    twin("ServiceIntegrationTime", "integration_task", Time, None, RESOURCE),
    twin("AliasCount", "state_machine_aliases", Gauge, None, MACHINE),
    twin("VersionCount", "state_machine_versions", Gauge, None, MACHINE),
    twin("ThrottledEvents", "requests", Counter, Some(("code", "ThrottlingException")), Some(("operation", "APIName"))),
    twin("ConsumedCapacity", "requests", Counter, None, Some(("operation", "APIName"))),
];

/// One series of our own text.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// Translates our own text.
pub(super) fn translate(text: &str) -> String {
    let samples: Vec<Sample<'_>> = text.lines().filter_map(Sample::read).collect();
    let mut out = String::new();
    for twin in &TWINS {
        // Series that differ in labels that AWS does not have are one.
        let mut sums: BTreeMap<(&'static str, usize, String), f64> = BTreeMap::new();
        for (at, sample) in samples.iter().enumerate() {
            if let Some((part, labels, value)) = twin.part_of(sample) {
                // Buckets stay in their order.
                let order = if part == "_bucket" { at } else { 0 };
                *sums.entry((part, order, labels)).or_default() += value;
            }
        }
        if sums.is_empty() {
            continue;
        }
        let kind = match twin.kind {
            Counter => "counter",
            Gauge => "gauge",
            Time => "histogram",
        };
        let _infallible = writeln!(out, "# TYPE {} {kind}", twin.aws);
        for ((part, _, labels), value) in sums {
            let _infallible = writeln!(out, "{}{part}{labels} {value}", twin.aws);
        }
    }
    out
}

impl Twin {
    /// Which part of this metric a series of ours is, with its labels and number in AWS's terms.
    fn part_of(&self, sample: &Sample<'_>) -> Option<(&'static str, String, f64)> {
        let rest = sample.name.strip_prefix("stepfleet_")?;
        let rest = rest.strip_prefix(self.ours)?;
        let part = match (self.kind, rest) {
            (Counter, "_total") | (Gauge, "") => "",
            (Time, "_seconds_bucket") => "_bucket",
            (Time, "_seconds_sum") => "_sum",
            (Time, "_seconds_count") => "_count",
            (Counter | Gauge | Time, _) => return None,
        };
        let label = |name: &str| {
            let mut labels = sample.labels.iter();
            labels
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        if let Some((name, value)) = self.only
            && label(name) != Some(value)
        {
            return None;
        }
        let mut labels = Vec::new();
        if let Some((name, aws)) = self.dimension
            && let Some(value) = label(name)
        {
            labels.push(format!("{aws}=\"{value}\""));
        }
        if let Some(bound) = label("le") {
            let ms = bound
                .parse::<f64>()
                .map_or(f64::INFINITY, |bound| bound * 1000.0);
            let bound = if ms.is_finite() {
                ms.to_string()
            } else {
                "+Inf".to_owned()
            };
            labels.push(format!("le=\"{bound}\""));
        }
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let value = if part == "_sum" {
            sample.value * 1000.0
        } else {
            sample.value
        };
        Some((part, labels, value))
    }
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
            None => (series, ""),
        };
        // Label values are ARNs and fixed words: no quotes, no commas.
        let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
        let labels = pairs.map(|(key, value)| (key, value.trim_matches('"')));
        Some(Self {
            name,
            labels: labels.collect(),
            value: value.parse().ok()?,
        })
    }
}
