//! What of a state machine's executions is logged and traced, as flags: `--log error --log-data --trace`.

use clap::{Args, ValueEnum};
use stepfleet_sdk::api;

use super::super::client::Client;
use super::super::fault::Fault;

#[derive(Args, Clone, Debug)]
pub(super) struct WatchedArgs {
    /// Log its executions: everything, from errors on, fatal errors alone, or nothing
    #[arg(long, value_enum, value_name = "LEVEL")]
    log: Option<Level>,
    /// Log inputs and outputs too
    #[arg(long, requires = "log")]
    log_data: bool,
    /// Trace its executions
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    trace: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    All,
    Error,
    Fatal,
    Off,
}

impl WatchedArgs {
    /// `loggingConfiguration`, if it is told. The log group is named after the state machine: the API wants one.
    pub(super) async fn logging(
        &self,
        client: &Client,
        machine: &str,
    ) -> Result<Option<String>, Fault> {
        let level = match self.log {
            None => return Ok(None),
            Some(Level::Off) => return Ok(Some(serde_json::json!({"level": "OFF"}).to_string())),
            Some(Level::All) => "ALL",
            Some(Level::Error) => "ERROR",
            Some(Level::Fatal) => "FATAL",
        };
        let status = client.get_status(api::GetStatusRequest {}).await?;
        let logs = status.arn_prefix.replacen(":states:", ":logs:", 1);
        let group = format!("{logs}log-group:/stepfleet/{machine}:*");
        let configuration = serde_json::json!({
            "level": level,
            "includeExecutionData": self.log_data,
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
        });
        Ok(Some(configuration.to_string()))
    }

    /// `tracingConfiguration`, if it is told.
    pub(super) fn tracing(&self) -> Option<String> {
        let enabled = self.trace?;
        Some(serde_json::json!({ "enabled": enabled }).to_string())
    }
}

/// What is told of the settings that a state machine has: `error, with data`.
pub(super) fn logging_text(configuration: &str) -> String {
    let configuration: serde_json::Value = serde_json::from_str(configuration).unwrap_or_default();
    let level = configuration["level"].as_str().unwrap_or("OFF");
    let data = configuration["includeExecutionData"] == true && level != "OFF";
    let data = if data { ", with data" } else { "" };
    format!("{}{data}", level.to_lowercase())
}

/// The same of tracing: `on` or `off`.
pub(super) fn tracing_text(configuration: &str) -> &'static str {
    let configuration: serde_json::Value = serde_json::from_str(configuration).unwrap_or_default();
    if configuration["enabled"] == true {
        "on"
    } else {
        "off"
    }
}
