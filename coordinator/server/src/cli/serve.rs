//! Arguments of the commands that do not call a coordinator: `dev`, `server`, `restore`, `completions`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::fault::{Fault, Outcome};
use super::output::Output;

/// `stepfleet dev`: a coordinator on this machine, without a config file.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8083")]
    pub(crate) listen: SocketAddr,
    /// Folder that holds everything; created when missing
    #[arg(
        long,
        value_name = "DIR",
        default_value = "stepfleet-data",
        conflicts_with = "ephemeral"
    )]
    pub(crate) data: PathBuf,
    /// Keep everything in memory and forget it at the end
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Number of partitions, fixed when the data folder is created [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) partitions: Option<u32>,
    /// Region in the ARNs
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Account id in the ARNs
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// AWS access keys (TOML), so that AWS requests must be signed with one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) access_keys: Option<PathBuf>,
    /// Connections of HTTP tasks, and what Lambda functions are here (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) integrations: Option<PathBuf>,
    /// What to log, e.g. `info` or `stepfleet=debug`
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// `stepfleet server`: a coordinator by its config file.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArgs {
    /// The config file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Overrides the file's address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Overrides the file's data folder
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// AWS access keys (TOML), so that AWS requests must be signed with one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) access_keys: Option<PathBuf>,
    /// Connections of HTTP tasks, and what Lambda functions are here (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) integrations: Option<PathBuf>,
    /// Print the settings in effect and exit
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// `stepfleet restore`: makes a data folder from a backup.
#[derive(Args, Clone, Debug)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Data folder to make; it must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// `stepfleet completions`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn completions(args: &CompletionsArgs, output: &mut Output) -> Result<Outcome, Fault> {
    let mut script = Vec::new();
    let mut command = super::Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output.bytes(&script)?;
    Ok(Outcome::Done)
}
