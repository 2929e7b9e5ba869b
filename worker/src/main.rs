//! The stock worker: serves activities by commands, containers and HTTP endpoints. This file puts the parts together: `cli` and
//! `config` say what to serve, `serve` serves it and takes changes (`watch`, `service`), `handler` does a task (`gate`); `hosted` is work that outlives the worker; `template` makes its arguments, `process`,
//! `container` and `http` have it done, `logs` and `progress` pass on what that says, `ending` reads what it left.

mod cli;
mod config;
mod container;
mod ending;
mod environment;
mod gate;
mod handler;
mod hosted;
mod http;
mod identity;
mod logs;
mod process;
mod progress;
mod serve;
mod service;
mod template;
mod trace;
mod watch;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use self::cli::{Cli, LogFormat};
use self::config::Config;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::read();
    if let Some(folder) = cli.supervise {
        hosted::supervise(folder).await?;
        return Ok(ExitCode::SUCCESS);
    }
    start_log(&cli)?;
    let config = Config::load(&cli)?;
    if cli.check {
        print_summary(&config);
        return Ok(ExitCode::SUCCESS);
    }
    let traces = trace::start()?;
    let ended = serve::serve(&cli, config, traces.is_some()).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}

fn start_log(cli: &Cli) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(&cli.log)
        .with_context(|| format!("--log `{}` is no filter", cli.log))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match cli.log_format {
        LogFormat::Text => log
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of --check")]
fn print_summary(config: &Config) {
    println!(
        "configuration is valid: {} at {}",
        config.name_or_default(),
        config.endpoint.url()
    );
    for activity in &config.activities {
        let (name, slots) = (&activity.name, activity.concurrency);
        println!("  {name}: {} (at most {slots} at once)", activity.program);
    }
    if config.run_command.is_some() {
        println!("  stepfleet:runCommand, with .sync and .waitForTaskToken");
    }
    if config.run_container.is_some() {
        println!("  stepfleet:runContainer, with .sync and .waitForTaskToken");
    }
}

/// Names a task without giving its token away.
fn token_hash(token: &str) -> String {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
