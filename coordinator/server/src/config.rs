//! The coordinator's configuration: defaults < TOML file < environment (`STEPFLEET_SECTION__KEY`) < flags.
//! A key that nobody reads is an error that names it; what is refused says what to write instead.

mod args;
mod audit;
mod auth;
mod callbacks;
mod check;
mod check_auth;
mod check_outbound;
mod observe;
pub(crate) mod outbound;
mod sources;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use args::Args;
pub(crate) use audit::{Audit, AuditTasks};
pub(crate) use auth::{AccessKey, ApiKey, Auth, Certificates, Issuer, Rights, Secret};
#[cfg(test)]
pub(crate) use auth::{IssuerRule, Policy};
pub(crate) use callbacks::Callbacks;
pub(crate) use check::is_account;
pub(crate) use check_auth::{NAME_CHARS_MAX, is_policy_name};
pub(crate) use observe::{ExecutionLog, LogTo, Metrics, StatusEvents, Tracing};
use outbound::{Connection, Function, Http};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file that was named cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file of access keys cannot be read, or is none.
    #[error("auth.access_keys_file: {}: {reason}", path.display())]
    AccessKeys { path: PathBuf, reason: String },
    /// The file of connections and functions cannot be read, or is none.
    #[error("integrations_file: {}: {reason}", path.display())]
    Integrations { path: PathBuf, reason: String },
    /// A source has an unknown key or a value of the wrong type.
    #[error("configuration: {0}")]
    Source(String),
    /// The values are well-formed and make no sense, all of them listed.
    #[error("configuration: {}", .0.join("\nconfiguration: "))]
    Invalid(Vec<String>),
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The one port for everything.
    pub listen: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// Keeps everything in memory and leaves nothing behind.
    pub ephemeral: bool,
    /// Partitions of a new data folder, a power of two; fixed once the folder exists.
    pub partitions: u16,
    /// `roleArn` of a state machine that was created over gRPC without one.
    pub role_default: String,
    /// Memory for executions; quiet ones are evicted above it. Express ones may hold a quarter as much beside. Bytes.
    pub memory_budget_bytes: u64,
    /// How long closed executions are kept.
    pub retention_days: u32,
    /// New executions are refused when the disk has less free than this. Bytes.
    pub disk_reserve_bytes: u64,
    /// How long a shutdown waits for requests in flight. Seconds.
    pub shutdown_grace_s: u64,
    /// How long a worker session may be away before its attempts end. Seconds.
    pub session_ttl_s: u64,
    pub arn: Arn,
    pub tls: Tls,
    pub auth: Auth,
    pub audit: Audit,
    pub limits: Limits,
    pub checkpoint: Checkpoint,
    pub log: Log,
    pub execution_log: ExecutionLog,
    pub status_events: StatusEvents,
    pub metrics: Metrics,
    pub tracing: Tracing,
    pub http: Http,
    pub callbacks: Callbacks,
    /// A file with more connections and functions, so that the rest of the configuration need not be secret.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub integrations_file: Option<PathBuf>,
    #[serde(default)]
    pub connections: Vec<Connection>,
    #[serde(default)]
    pub functions: Vec<Function>,
    /// What stood in that file.
    #[serde(skip)]
    pub filed: Filed,
}

/// Connections and functions of a file of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filed {
    #[serde(default)]
    pub connections: Vec<Connection>,
    #[serde(default)]
    pub functions: Vec<Function>,
}

/// The constant parts of our own ARNs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arn {
    pub partition: String,
    pub region: String,
    /// Twelve digits; also the namespace of every caller without one of its own.
    #[serde(deserialize_with = "sources::account")]
    pub account: String,
}

/// TLS of the one port. PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The server's certificate chain, leaf first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<PathBuf>,
    /// Certificates that client certificates must descend from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_ca: Option<PathBuf>,
    #[serde(default)]
    pub client_auth: ClientAuth,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientAuth {
    /// Nobody is asked for one.
    #[default]
    None,
    /// A certificate that is shown must be valid; who shows none needs an API key.
    Optional,
    /// No connection without one.
    Required,
}

/// Bounds of what clients may do. The defaults are AWS's quotas where AWS has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// An input, output or result. Bytes of UTF-8, at most 16 MiB.
    pub payload_bytes_max: usize,
    /// Events of one history; 0 is unlimited.
    pub history_events_max: u64,
    /// A definition's text. Bytes.
    pub definition_bytes_max: usize,
    /// A whole request body. Bytes.
    pub request_bytes_max: usize,
    /// `GetActivityTask` calls that wait at once, per activity.
    pub pollers_per_activity_max: u32,
    /// Open executions.
    pub executions_open_max: u64,
    /// Open executions of one namespace (account); 0 is no bound but that of all.
    #[serde(default)]
    pub namespace_executions_open_max: u64,
    /// Starts a second of one namespace; 0 is no bound.
    #[serde(default)]
    pub namespace_starts_per_s_max: u64,
    /// Express executions that run at once; more are told to try again.
    pub express_open_max: u64,
    /// Connections; more of them wait in the listen queue.
    pub connections_max: usize,
    /// Requests at once on one HTTP/2 connection; a long poll holds one.
    pub connection_streams_max: u32,
}

/// When the state store is made durable and the log trimmed, whichever comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    pub interval_s: u64,
    /// Log written since the last one. Bytes.
    pub log_bytes: u64,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub format: LogFormat,
    /// A level (`info`) or directives (`warn,stepfleet=debug`).
    pub level: String,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Pretty,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8083)),
            data: PathBuf::from("stepfleet-data"),
            ephemeral: false,
            partitions: 64,
            role_default: "arn:aws:iam::000000000000:role/stepfleet".to_owned(),
            memory_budget_bytes: 1 << 30,
            retention_days: 90,
            disk_reserve_bytes: 1 << 30,
            shutdown_grace_s: 30,
            session_ttl_s: 60,
            arn: Arn::default(),
            tls: Tls::default(),
            auth: Auth::default(),
            audit: Audit::default(),
            limits: Limits::default(),
            checkpoint: Checkpoint {
                interval_s: 60,
                log_bytes: 256 << 20,
            },
            log: Log {
                format: LogFormat::Pretty,
                level: "info".to_owned(),
            },
            http: Http::default(),
            callbacks: Callbacks::default(),
            integrations_file: None,
            connections: Vec::new(),
            functions: Vec::new(),
            filed: Filed::default(),
            execution_log: ExecutionLog::default(),
            status_events: StatusEvents::default(),
            metrics: Metrics::default(),
            tracing: Tracing::default(),
        }
    }
}

impl Default for Arn {
    fn default() -> Self {
        Self {
            partition: "aws".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: stepfleet_engine::limits::PAYLOAD_BYTES_MAX,
            history_events_max: stepfleet_engine::limits::HISTORY_EVENTS_MAX,
            definition_bytes_max: stepfleet_asl::limits::DEFINITION_BYTES_MAX,
            request_bytes_max: 2 << 20,
            pollers_per_activity_max: 1000,
            executions_open_max: 1_000_000,
            namespace_executions_open_max: 0,
            namespace_starts_per_s_max: 0,
            express_open_max: 10_000,
            connections_max: 10_000,
            connection_streams_max: 1000,
        }
    }
}

impl Config {
    /// Reads every source over the defaults, and checks the result.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, a value of the wrong type, or values that make no sense together.
    pub(crate) fn load(args: &Args) -> Result<Self, ConfigError> {
        Self::load_over(Self::default(), args, std::env::vars_os())
    }

    /// The same over other defaults and another environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn load_over(
        defaults: Self,
        args: &Args,
        environment: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut config = sources::read(defaults, args, environment)?;
        sources::read_access_keys(&mut config.auth)?;
        sources::read_integrations(&mut config)?;
        config.check()?;
        Ok(config)
    }

    /// The connections, wherever they were written.
    pub(crate) fn all_connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().chain(&self.filed.connections)
    }

    /// The functions, wherever they were written.
    pub(crate) fn all_functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().chain(&self.filed.functions)
    }

    /// The account of what names none.
    pub(crate) fn namespace_of<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        named.unwrap_or(&self.arn.account)
    }

    /// Whether callers must say who they are.
    pub(crate) fn authentication(&self) -> bool {
        !self.auth.keys.is_empty()
            || !self.auth.issuers.is_empty()
            || self.auth.all_access_keys().next().is_some()
            || self.tls.client_auth != ClientAuth::None
    }

    /// The whole configuration as a TOML file that [`Config::load`] takes (`--print-config`).
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("every value of the configuration has a TOML form")
    }
}
