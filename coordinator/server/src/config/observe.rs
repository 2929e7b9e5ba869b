//! What is told of executions, and where: the sections for operators' own tools.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where records go that `loggingConfiguration` of a state machine asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecutionLog {
    pub to: LogTo,
    /// Absent is `logs/executions.jsonl` in the data folder; standard output where nothing is to be left behind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<PathBuf>,
    /// Size at which another file is begun.
    pub file_bytes_max: u64,
    /// Files that are kept, the newest included.
    pub files_max: u32,
    /// A collector's address, `http://host:4317`: OpenTelemetry's protocol over gRPC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub otlp: Option<String>,
}

/// Kinds of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogTo {
    /// One line of JSON for each record.
    File,
    /// The same lines.
    Stdout,
    /// An OpenTelemetry collector.
    Otlp,
    /// Nothing is logged, whatever state machines ask for.
    None,
}

impl Default for ExecutionLog {
    fn default() -> Self {
        Self {
            to: LogTo::File,
            file: None,
            file_bytes_max: 64 << 20,
            files_max: 8,
            otlp: None,
        }
    }
}

impl ExecutionLog {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        let otlp = self.to == LogTo::Otlp;
        match &self.otlp {
            None if otlp => faults.push(
                "execution_log.to is \"otlp\", execution_log.otlp (http://host:4317) is missing".to_owned(),
            ),
            Some(url) if otlp => check_url("execution_log.otlp", url, faults),
            Some(_) => faults.push(
                "execution_log.otlp is set, execution_log.to is another destination: write to = \"otlp\"".to_owned(),
            ),
            None => {}
        }
        if self.file.is_some() && self.to != LogTo::File {
            faults.push(
                "execution_log.file is set, execution_log.to is another destination: write to = \"file\""
                    .to_owned(),
            );
        }
        for (name, value) in [
            ("execution_log.file_bytes_max", self.file_bytes_max),
            ("execution_log.files_max", u64::from(self.files_max)),
        ] {
            super::check::at_least_one(name, value, faults);
        }
    }
}

/// Where "Step Functions Execution Status Change" events go: nowhere unless one of these is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusEvents {
    /// URL to which each event is posted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webhook: Option<String>,
    /// Holds a secret that is sent as `Authorization: Bearer …`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bearer_file: Option<PathBuf>,
    /// Certificates that the webhook's may descend from, beside those that the system believes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ca: Option<PathBuf>,
    /// File to which each event is written as a line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<PathBuf>,
    /// As of `execution_log`.
    pub file_bytes_max: u64,
    pub files_max: u32,
}

impl Default for StatusEvents {
    fn default() -> Self {
        let ExecutionLog {
            file_bytes_max,
            files_max,
            ..
        } = ExecutionLog::default();
        Self {
            webhook: None,
            bearer_file: None,
            ca: None,
            file: None,
            file_bytes_max,
            files_max,
        }
    }
}

/// What `/metrics` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    /// State machines, and activities, that have series of their own; the rest are counted together as `other`.
    pub dimensions_max: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            dimensions_max: crate::metrics::DIMENSIONS_MAX,
        }
    }
}

/// Where spans of executions go, of state machines whose `tracingConfiguration` is enabled: nowhere unless `otlp` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tracing {
    /// A collector's address, as of `execution_log`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub otlp: Option<String>,
    /// Of executions whose start does not say whether they are sampled, one in so many is.
    pub one_in: u32,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            otlp: None,
            one_in: 1,
        }
    }
}

impl Tracing {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        if let Some(url) = &self.otlp {
            check_url("tracing.otlp", url, faults);
        }
        super::check::at_least_one("tracing.one_in", u64::from(self.one_in), faults);
    }
}

impl StatusEvents {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        if let Some(url) = &self.webhook {
            check_url("status_events.webhook", url, faults);
        }
        for (name, file) in [("bearer_file", &self.bearer_file), ("ca", &self.ca)] {
            if file.is_some() && self.webhook.is_none() {
                faults.push(format!(
                    "status_events.{name} is set, status_events.webhook is missing"
                ));
            }
        }
        let plain = self
            .webhook
            .as_deref()
            .is_some_and(|url| url.starts_with("http://"));
        if self.ca.is_some() && plain {
            faults.push("status_events.ca is set, status_events.webhook is not https".to_owned());
        }
        for (name, value) in [
            ("status_events.file_bytes_max", self.file_bytes_max),
            ("status_events.files_max", u64::from(self.files_max)),
        ] {
            super::check::at_least_one(name, value, faults);
        }
    }
}

fn check_url(name: &str, url: &str, faults: &mut Vec<String>) {
    let uri = url.parse::<http::Uri>().ok();
    let scheme = uri.as_ref().and_then(http::Uri::scheme_str);
    if !matches!(scheme, Some("http" | "https")) {
        faults.push(format!(
            "{name} `{url}` is no URL: write http://host:port or https://host:port"
        ));
    }
}
