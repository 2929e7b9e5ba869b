//! Flags that every client command takes: which coordinator, who calls, how results look.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{
    Arg, ArgMatches, Args, CommandFactory as _, FromArgMatches as _, builder::EnumValueParser,
};

use super::Cli;
use super::output::Format;

/// Heading in `--help`.
const RESULTS: &str = "Results";

/// How to reach the coordinator, and colours.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub struct GlobalArgs {
    /// URL of the coordinator
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "STEPFLEET_ENDPOINT",
        default_value = "http://127.0.0.1:8083"
    )]
    pub endpoint: String,
    /// File that holds the API key [env: STEPFLEET_API_KEY gives the key itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the system's, for https endpoints
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Client certificate (PEM), for coordinators that ask for one
    #[arg(long, global = true, value_name = "FILE", requires = "key_pem")]
    pub cert: Option<PathBuf>,
    /// Private key (PEM) of the client certificate
    #[arg(long, global = true, value_name = "FILE", requires = "cert")]
    pub key_pem: Option<PathBuf>,
    /// No colours [env: NO_COLOR, CLICOLOR_FORCE]
    #[arg(long, global = true, help_heading = RESULTS)]
    pub no_color: bool,
    /// Filled from `--output`, which each command defines for itself: see [`command`].
    #[arg(skip)]
    pub format: Format,
}

/// Commands that print no result of the API, or (`task success`) use `--output` for something else.
const WITHOUT_FORMAT: &[&str] = &["dev", "server", "restore", "completions", "success"];
const FORMAT_ID: &str = "result-format";
const FORMAT_VARIABLE: &str = "STEPFLEET_OUTPUT";

/// The whole command line. `--output table|json` stands before or after the command's name. It is no clap "global"
/// flag because `task success --output JSON` gives the task's output, in the words of Step Functions.
pub fn command() -> clap::Command {
    with_format(Cli::command().arg(format_arg()))
}

/// Parses the process' arguments; clap's error knows how to print itself and its exit code.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.global.format = match given_format(&matches) {
        Some(format) => format,
        None => format_from_environment()?,
    };
    Ok(cli)
}

fn with_format(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|sub| {
        if WITHOUT_FORMAT.contains(&sub.get_name()) {
            sub
        } else if sub.has_subcommands() {
            with_format(sub)
        } else {
            sub.arg(format_arg())
        }
    })
}

fn format_arg() -> Arg {
    Arg::new(FORMAT_ID)
        .long("output")
        .value_name("FORMAT")
        .value_parser(EnumValueParser::<Format>::new())
        .help_heading(RESULTS)
        .hide_possible_values(true)
        .help("How results are written: table, or json (one document; JSON lines for `run watch`) [env: STEPFLEET_OUTPUT]")
}

/// The innermost `--output` on the command line.
fn given_format(matches: &ArgMatches) -> Option<Format> {
    let inner = matches
        .subcommand()
        .and_then(|(_, inner)| given_format(inner));
    inner.or_else(|| match matches.try_get_one::<Format>(FORMAT_ID) {
        Ok(Some(format)) if matches.value_source(FORMAT_ID) == Some(ValueSource::CommandLine) => {
            Some(*format)
        }
        Ok(_) | Err(_) => None,
    })
}

fn format_from_environment() -> Result<Format, clap::Error> {
    match std::env::var(FORMAT_VARIABLE).ok().as_deref() {
        None | Some("" | "table") => Ok(Format::Table),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(command().error(
            clap::error::ErrorKind::InvalidValue,
            format!("{FORMAT_VARIABLE} is '{other}', but it can be `table` or `json` only"),
        )),
    }
}
