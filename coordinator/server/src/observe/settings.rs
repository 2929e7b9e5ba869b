//! What a state machine asks to be told of its executions: `loggingConfiguration` and `tracingConfiguration`, as they were kept.

use std::sync::Arc;

use serde::Deserialize;
use stepfleet_engine::Severity;

/// The settings of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    pub logging: Option<Logging>,
    /// Whether `tracingConfiguration` is enabled.
    pub traced: bool,
}

/// A log that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logging {
    /// The least grave events in it.
    pub from: Severity,
    /// Whether inputs and outputs may stand in it.
    pub include_data: bool,
    /// ARN of the log group that it would be in on AWS.
    pub log_group: Arc<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    level: String,
    include_execution_data: bool,
    #[serde(default)]
    destinations: Vec<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    cloud_watch_logs_log_group: Option<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    log_group_arn: Option<String>,
}

#[derive(Deserialize)]
struct Tracing {
    enabled: bool,
}

impl Watched {
    /// Reads what was kept. It was checked when it came.
    pub(crate) fn of(logging: Option<&str>, tracing: Option<&str>) -> Self {
        let enabled = |text| serde_json::from_str::<Tracing>(text).is_ok_and(|kept| kept.enabled);
        Self {
            logging: logging.and_then(Logging::of),
            traced: tracing.is_some_and(enabled),
        }
    }
}

impl Logging {
    fn of(text: &str) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text).ok()?;
        let from = match kept.level.as_str() {
            "ALL" => Severity::Info,
            "ERROR" => Severity::Error,
            "FATAL" => Severity::Fatal,
            _ => return None,
        };
        let groups = kept.destinations.into_iter();
        let mut groups = groups.filter_map(|one| one.cloud_watch_logs_log_group?.log_group_arn);
        Some(Self {
            from,
            include_data: kept.include_execution_data,
            log_group: Arc::from(groups.next()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESTINATIONS: &str =
        r#""destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"arn:group:*"}}]"#;

    #[test]
    fn a_level_takes_what_is_at_least_as_grave() {
        for (level, from) in [
            ("ALL", Some(Severity::Info)),
            ("ERROR", Some(Severity::Error)),
            ("FATAL", Some(Severity::Fatal)),
            ("OFF", None),
        ] {
            let text =
                format!(r#"{{"level":"{level}","includeExecutionData":true,{DESTINATIONS}}}"#);
            let logging = Watched::of(Some(&text), None).logging;
            assert_eq!(logging.as_ref().map(|logging| logging.from), from);
            if let Some(logging) = logging {
                assert!(logging.include_data);
                assert_eq!(&*logging.log_group, "arn:group:*");
            }
        }
        assert_eq!(Watched::of(None, None), Watched::default());
        assert!(Watched::of(None, Some(r#"{"enabled":true}"#)).traced);
        assert!(!Watched::of(None, Some(r#"{"enabled":false}"#)).traced);
    }
}
