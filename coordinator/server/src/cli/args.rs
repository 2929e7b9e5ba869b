//! Flags that every client command takes: which coordinator, who calls, how results look.

use std::path::PathBuf;

use clap::builder::EnumValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser};

use super::output::Format;
use super::{Cli, Command};

/// Heading in `--help`.
const RESULTS: &str = "Results";

/// How to reach the coordinator, and colours.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct GlobalArgs {
    /// URL of the coordinator
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "STEPFLEET_ENDPOINT",
        default_value = "http://127.0.0.1:8083"
    )]
    pub(crate) endpoint: String,
    /// File that holds the API key [env: STEPFLEET_API_KEY gives the key itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the system's, for https endpoints
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Client certificate (PEM), for coordinators that ask for one
    #[arg(long, global = true, value_name = "FILE", requires = "key_pem")]
    pub(crate) cert: Option<PathBuf>,
    /// Private key (PEM) of the client certificate
    #[arg(long, global = true, value_name = "FILE", requires = "cert")]
    pub(crate) key_pem: Option<PathBuf>,
    /// No colours [env: NO_COLOR, CLICOLOR_FORCE]
    #[arg(long, global = true, help_heading = RESULTS)]
    pub(crate) no_color: bool,
    /// Filled from `--output`, which each command defines for itself: see [`Cli`].
    #[arg(skip)]
    pub(crate) format: Format,
}

/// Commands that print no result of the API, or (`task success`) use `--output` for something else.
const WITHOUT_FORMAT: &[&str] = &["dev", "server", "restore", "completions", "success"];
const FORMAT_ID: &str = "result-format";
const FORMAT_VARIABLE: &str = "STEPFLEET_OUTPUT";

/// Durable state machines with a fleet of activity workers, compatible with AWS Step Functions
// The text above is `--help`'s. This is the command line as derived; `Cli` adds `--output` to it.
#[derive(Clone, Debug, Parser)]
#[command(name = "stepfleet", version, max_term_width = 100)]
struct Derived {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

impl Parser for Cli {}

/// `--output table|json` stands before or after the command's name. It is no clap "global" flag because
/// `task success --output JSON` gives the task's output, in the words of Step Functions.
impl CommandFactory for Cli {
    fn command() -> clap::Command {
        with_format(Derived::command().arg(format_arg()))
    }

    fn command_for_update() -> clap::Command {
        Self::command()
    }
}

impl FromArgMatches for Cli {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Derived { global, command } = Derived::from_arg_matches(matches)?;
        let mut cli = Self { global, command };
        cli.read_format(matches)?;
        Ok(cli)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Cli {
    fn read_format(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.global.format = match given_format(matches) {
            Some(format) => format,
            None => format_from_environment()?,
        };
        Ok(())
    }
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
        Some(other) => Err(Cli::command().error(
            clap::error::ErrorKind::InvalidValue,
            format!("{FORMAT_VARIABLE} is '{other}', but it can be `table` or `json` only"),
        )),
    }
}
