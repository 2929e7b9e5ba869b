//! The flags of `stepfleet dev` and `stepfleet server`: the few settings worth a flag. Everything else is set in the
//! file or the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::LogFormat;

/// Flags; `None` and `false` leave the setting to the other sources.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Args {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "STEPFLEET_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8083]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Data folder
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// AWS access keys (TOML), so that AWS requests must be signed with one of them
    #[arg(long, value_name = "FILE")]
    pub access_keys: Option<PathBuf>,
    /// Connections of HTTP tasks, and what Lambda functions are here (TOML)
    #[arg(long, value_name = "FILE")]
    pub integrations: Option<PathBuf>,
    /// Keep everything in memory and leave nothing behind
    #[arg(long)]
    pub ephemeral: bool,
    /// Partitions of a new data folder, a power of two
    #[arg(long, value_name = "N")]
    pub partitions: Option<u16>,
    /// Log level, or directives such as `warn,stepfleet=debug`
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Form of a log line
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Print the configuration that would be used, and exit
    #[arg(long)]
    pub print_config: bool,
}
