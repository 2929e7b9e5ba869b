//! Arguments of the commands that do not call a coordinator: `dev`, `server`, `restore`, `completions`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::fault::{Fault, Outcome};
use super::output::Output;

/// `stepfleet dev`: a coordinator on this machine, without a config file.
#[derive(Args, Clone, Debug)]
pub struct DevArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8083")]
    pub listen: SocketAddr,
    /// Folder that holds everything; created when missing
    #[arg(
        long,
        value_name = "DIR",
        default_value = "stepfleet-data",
        conflicts_with = "ephemeral"
    )]
    pub data: PathBuf,
    /// Keep everything in memory and forget it at the end
    #[arg(long)]
    pub ephemeral: bool,
    /// Number of partitions, fixed when the data folder is created [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub partitions: Option<u32>,
    /// Region in the ARNs
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Account id in the ARNs
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// What to log, e.g. `info` or `stepfleet=debug`
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// `stepfleet server`: a coordinator by its config file.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// The config file (TOML)
    #[arg(long, value_name = "FILE")]
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

pub(crate) fn completions(args: &CompletionsArgs, output: &mut Output) -> Result<Outcome, Fault> {
    let mut script = Vec::new();
    let name = super::Cli::command().get_name().to_owned();
    clap_complete::generate(args.shell, &mut super::args::command(), name, &mut script);
    output.bytes(&script)?;
    Ok(Outcome::Done)
}
