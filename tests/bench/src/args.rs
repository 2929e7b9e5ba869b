//! The command line. The roles are for the program itself, which starts its own starter and worker processes.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Measures Stepfleet: a coordinator, a starter and a worker as separate processes on two cores
#[derive(Debug, Parser)]
#[command(name = "stepfleet-bench", version, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// Measure only this; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<Name>,
    /// Length of one measurement, seconds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Warm-up before the measurements of one load, seconds
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) warmup: u64,
    /// Measurements of one load, or start-ups of one kind
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Executions in flight
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "64,256,1024"
    )]
    pub(crate) in_flight: Vec<u32>,
    /// Free slots that the worker has beyond the executions in flight, as fleets have
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) idle_slots: u32,
    /// Executions that wait in the memory benchmark
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) parked: u32,
    /// Executions that start another in the benchmark of nested executions
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub(crate) parents: u32,
    /// Waits that are pending in the benchmark of Waits
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) waits: u32,
    /// Form of the result
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) output: Form,
    /// Profile the coordinator during the measurements (needs `perf`); the profiles stay in this folder
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "bench-profile")]
    pub(crate) profile: Option<PathBuf>,
    /// Folder on the disk to measure [default: the one of this program]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// The coordinator to measure [default: `stepfleet` beside this program, built first under `cargo run`]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) coordinator: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Single functions of the coordinator, without processes
    Core,
    /// Start-up time and idle memory
    Startup,
    /// One activity task at a time
    Latency,
    /// Activity tasks over worker streams
    Stream,
    /// Activity tasks over the streams of 1, 10 and 1000 workers, and of 1000 activities
    Fleet,
    /// Memory of workers that are connected, time to start with idle ones, draining, heartbeats
    Sessions,
    /// Activity tasks over GetActivityTask and SendTaskSuccess
    Unary,
    /// Transitions of Pass states
    Pass,
    /// Express executions
    Express,
    /// Executions that tasks start
    Nested,
    /// Memory of executions that wait for a callback
    Memory,
    /// A million pending Waits: memory, starts, start-up, lateness
    Waits,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Form {
    Table,
    Json,
}

/// What a process started by the benchmark does.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Keeps executions in flight
    #[command(hide = true)]
    Starter(StarterOptions),
    /// Works on activity tasks
    #[command(hide = true)]
    Worker(WorkerOptions),
}

/// What a starter needs to know.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StarterOptions {
    #[arg(long)]
    pub(crate) endpoint: String,
    /// Executions are of each in turn; may be repeated
    #[arg(long, required = true)]
    pub(crate) machine: Vec<String>,
    /// Unix socket on which the worker says how many executions have ended
    #[arg(long)]
    pub(crate) socket: Option<PathBuf>,
    #[arg(long)]
    pub(crate) in_flight: u32,
    /// Activity tasks of one execution
    #[arg(long)]
    pub(crate) tasks: u32,
    /// Starts at most so many
    #[arg(long)]
    pub(crate) limit: Option<u64>,
}

/// What a worker needs to know.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WorkerOptions {
    #[arg(long)]
    pub(crate) endpoint: String,
    /// May be repeated
    #[arg(long, required = true)]
    pub(crate) activity: Vec<String>,
    /// Workers, each with a connection of its own
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: u32,
    /// Unix socket on which it says how many executions have ended
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// Tasks of an activity at once, for each worker
    #[arg(long)]
    pub(crate) slots: u32,
    #[arg(long)]
    pub(crate) way: Way,
}

/// How a worker gets its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    Stream,
    Unary,
}

impl Way {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Unary => "unary",
        }
    }
}
