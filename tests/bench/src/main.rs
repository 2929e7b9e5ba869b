//! Benchmarks of the real processes: throughput, latency, start-up, memory, bytes and processor time per activity task.
//!
//! Data flow: `suite` runs every `benchmark`; a benchmark starts a `coordinator` and, through `load`, this very program
//! again in the `role` of starter and worker; what it measures becomes a `figure`, and `output` prints them all.
//! The measuring process sleeps while it measures.

mod args;
mod benchmark;
mod clock;
mod control;
mod coordinator;
mod figure;
mod interrupt;
mod load;
mod machine;
mod output;
mod probe;
mod process;
mod profile;
mod role;
mod suite;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Role};

/// As in the coordinator, so that the microbenchmarks see its allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.role {
        Some(Role::Starter(options)) => role::starter::serve(options),
        Some(Role::Worker(options)) => role::worker::serve(options),
        None => suite::measure(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
