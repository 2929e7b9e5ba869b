//! Arguments of the commands that do not call a coordinator: `dev`, `server`, `restore`, `completions`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::config::{self, LogFormat};

use super::fault::{Fault, Outcome};
use super::output::Output;

/// `stepfleet dev`: a coordinator on this machine, without a config file.
#[derive(Args, Clone, Debug, Default)]
pub struct DevArgs {
    /// Address to listen on [default: 127.0.0.1:8083]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Folder that holds everything; created when missing [default: stepfleet-data]
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub data: Option<PathBuf>,
    /// Keep everything in memory and forget it at the end
    #[arg(long)]
    pub ephemeral: bool,
    /// Partitions of a new data folder, a power of two [default: 64]
    #[arg(long, value_name = "N")]
    pub partitions: Option<u16>,
    #[command(flatten)]
    pub log: LogArgs,
}

/// `stepfleet server`: a coordinator by its config file.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerArgs {
    /// The config file (TOML)
    #[arg(long, value_name = "FILE", env = "STEPFLEET_CONFIG")]
    pub config: PathBuf,
    /// Overrides the file's address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Overrides the file's data folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print the settings in effect and exit
    #[arg(long)]
    pub print_config: bool,
    #[command(flatten)]
    pub log: LogArgs,
}

/// What is logged, and how.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// Log level, or directives such as `warn,stepfleet=debug` [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Form of a log line [default: pretty]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// `stepfleet restore`: makes a data folder from a backup.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Data folder to make; it must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// `stepfleet completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

impl From<DevArgs> for config::Args {
    fn from(args: DevArgs) -> Self {
        Self {
            listen: args.listen,
            data: args.data,
            ephemeral: args.ephemeral,
            partitions: args.partitions,
            log_level: args.log.log_level,
            log_format: args.log.log_format,
            ..Self::default()
        }
    }
}

impl From<ServerArgs> for config::Args {
    fn from(args: ServerArgs) -> Self {
        Self {
            config: Some(args.config),
            listen: args.listen,
            data: args.data,
            print_config: args.print_config,
            log_level: args.log.log_level,
            log_format: args.log.log_format,
            ..Self::default()
        }
    }
}

pub(crate) fn completions(args: &CompletionsArgs, output: &mut Output) -> Result<Outcome, Fault> {
    let mut script = Vec::new();
    let name = super::Cli::command().get_name().to_owned();
    clap_complete::generate(args.shell, &mut super::args::command(), name, &mut script);
    output.bytes(&script)?;
    Ok(Outcome::Done)
}
