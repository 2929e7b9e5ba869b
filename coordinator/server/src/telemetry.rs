//! The subscriber that prints traces and logs, and the names of fields: `execution.id`, `worker.name`,
//! `resource.service`, `peer.address`; a new one is added here first. Logs go to standard error; a payload, a raw task
//! token or an API key never reaches them.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// The other end of a connection.
pub(crate) const PEER_ADDRESS: &str = "peer.address";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The level is not an `env_logger`-style filter.
    #[error("log.level `{level}` is not a level or filter: {reason}")]
    Filter { level: String, reason: String },
    /// Another subscriber is installed already.
    #[error("logging is set up already: {0}")]
    Installed(String),
}

/// Installs the process-wide subscriber.
///
/// # Errors
/// The level is no filter, or a subscriber was installed before.
pub(crate) fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter = filter(&log.level)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let installed = match log.format {
        LogFormat::Pretty => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    installed.map_err(|error| TelemetryError::Installed(error.to_string()))
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(level).map_err(|error| TelemetryError::Filter {
        level: level.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_a_list_of_directives_is_a_filter() {
        for level in ["info", "warn,stepfleet=debug", "off"] {
            assert!(filter(level).is_ok(), "{level}");
        }
    }

    #[test]
    fn a_level_that_is_none_is_refused_with_its_text() {
        let error = filter("stepfleet=loud").unwrap_err().to_string();
        assert!(error.contains("stepfleet=loud"), "{error}");
    }
}
