//! Flags and their help.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::OutputMode;

const AFTER_HELP: &str = r#"How a command sees a task:
  its input is JSON on standard input, or fills {placeholders} in its arguments (input = "arguments");
  its standard output is the task's output: JSON, or any text, which becomes a JSON string;
  exit status 0 succeeds. Any other fails the task with the error CommandFailed and the end of standard error as cause,
  or with the error it chose: a last line on standard error like {"Error":"NoSuchFile","Cause":"..."}.
  STEPFLEET_TASK_TOKEN, STEPFLEET_EXECUTION_ARN, STEPFLEET_ACTIVITY, STEPFLEET_ATTEMPT and STEPFLEET_ENDPOINT are set,
  and STEPFLEET_LAST_PROGRESS when an attempt before said how far it was.
  Heartbeats are sent while it goes on; a line on descriptor 3 (STEPFLEET_PROGRESS_FD) is progress that goes with them.
  When the task is over early, its process group gets SIGTERM, then SIGKILL.
  What a command leaves behind in its group when it ends is killed.
Other errors: CommandKilled, CommandTimedOut, CommandNotFound, OutputTooLarge (262144 bytes), InvalidOutput, InvalidInput.

Examples:
  stepfleet-worker --activity checksum='sha256sum'
  stepfleet-worker --activity resize='./resize.sh' --activity mail='python3 mail.py' --concurrency 4
  stepfleet-worker check worker.toml

A configuration file:
  endpoint = "http://127.0.0.1:8083"
  name = "host-1"

  [[activity]]
  name = "thumbnail"                                # or an ARN
  command = ["convert", "{source}", "-resize", "{size}", "{target}"]   # or: shell = "..."
  input = "arguments"                               # stdin (default) | arguments
  output = "text"                                   # auto (default) | json | text
  concurrency = 4                                   # default 1
  timeout_seconds = 60
  directory = "/srv"
  user = "nobody"                                   # needs root
  inherit = ["PATH", "LC_*"]                        # of the worker's environment; default: all but its own
  log = "none"                                      # stderr: worker (default) | none | { folder = "/var/log/x" }
  [activity.environment]
  MAGICK_THREAD_LIMIT = "1"

  [[activity]]
  name = "render"
  container = { image = "render:7", command = ["render"], engine = "podman", memory = "512m", network = "none" }

  [[activity]]
  name = "invoice"
  http = { url = "https://billing.example.com/invoice", header_files = { Authorization = "/run/secrets/billing" } }

With input = "arguments": {name} is the member `name` of the input object ({0} the first element of an array), {} the
whole input, {{ and }} are braces. Strings go in as they are, everything else as JSON. A command without placeholders gets
the elements of an array, or a single value, at its end. Values never pass through a shell.

[run_command] and [run_container] serve arn:aws:states:::stepfleet:runCommand and …:runContainer, with .sync and
.waitForTaskToken: tasks choose the command or image, among those that the file allows. What they run outlives the worker.
  [run_command]
  enabled = true
  state = "/var/lib/stepfleet-worker"
  programs = ["/usr/bin/rsync", "/opt/tools/*"]     # shell, directories, variables, users, inherit, slots,
                                                    # timeout_seconds_max, output_bytes_max, keep_seconds
  [run_container]
  enabled = true
  state = "/var/lib/stepfleet-worker"
  images = ["alpine:3.20", "registry.example.com/team/*"]   # mounts, memory, cpus, engine, network, pull, user,
                                                    # read_only, arguments; variables, slots and times as above

SIGTERM or SIGINT drains: no new tasks, running commands may finish. A second one stops at once. SIGHUP (or, with
watch = true, a change of the file) takes another configuration while what runs goes on."#;

/// Serves Stepfleet activities by running commands: any program becomes an activity worker.
#[derive(Debug, Default, Parser)]
#[command(version, after_long_help = AFTER_HELP, after_help = "`--help` shows how a command sees its task, and a configuration file.")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Order>,

    /// Configuration file (TOML).
    #[arg(short, long, value_name = "FILE", env = "STEPFLEET_WORKER_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Serve an activity with a shell command (`/bin/sh -c`); may be repeated, and adds to the file.
    #[arg(short, long = "activity", value_name = "NAME=COMMAND")]
    pub(crate) activities: Vec<String>,

    /// Tasks at once for each --activity [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<u32>,

    /// Longest run of a command for each --activity.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout_seconds: Option<u64>,

    /// What standard output is for each --activity [default: auto].
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) output: Option<OutputMode>,

    /// The coordinator [default: http://127.0.0.1:8083].
    #[arg(short, long, value_name = "URL", env = "STEPFLEET_ENDPOINT")]
    pub(crate) endpoint: Option<String>,

    /// Name in histories and lists, up to 80 characters [default: the host's name].
    #[arg(short, long)]
    pub(crate) name: Option<String>,

    /// A label of this worker; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,

    /// File that holds the API key; the environment may also give it as STEPFLEET_API_KEY or STEPFLEET_API_KEY_FILE.
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,

    /// Certificate authorities to trust (PEM) [default: the system's].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Certificate to show to the coordinator (PEM).
    #[arg(long, value_name = "FILE", requires = "client_key_file")]
    pub(crate) client_certificate_file: Option<PathBuf>,

    /// Key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "client_certificate_file")]
    pub(crate) client_key_file: Option<PathBuf>,

    /// Do not create activities that do not exist yet.
    #[arg(long)]
    pub(crate) no_create: bool,

    /// How long running commands may go on after SIGTERM [default: 30].
    #[arg(long, value_name = "SECONDS")]
    pub(crate) drain_seconds: Option<u64>,

    /// From SIGTERM to SIGKILL for a command whose task is over [default: 5].
    #[arg(long, value_name = "SECONDS")]
    pub(crate) kill_seconds: Option<u64>,

    /// Look after the work of this folder (used by the worker itself).
    #[arg(long, value_name = "FOLDER", hide = true)]
    pub(crate) supervise: Option<PathBuf>,

    /// Check the configuration, show it, and leave.
    #[arg(long)]
    pub(crate) check: bool,

    /// Log filter, such as `debug` or `stepfleet_sdk=debug,info`.
    #[arg(
        long,
        value_name = "FILTER",
        env = "STEPFLEET_LOG",
        default_value = "info"
    )]
    pub(crate) log: String,

    /// How the log is written, to standard error.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Order {
    /// Check a configuration file, show what it says, and leave.
    Check {
        /// Configuration file (TOML).
        file: PathBuf,
    },
}

impl Cli {
    /// Flags, with those that a command stands for.
    pub(crate) fn read() -> Self {
        let mut cli = Self::parse();
        if let Some(Order::Check { file }) = cli.command.take() {
            cli.config = Some(file);
            cli.check = true;
        }
        cli
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}
