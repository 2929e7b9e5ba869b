//! The programs on the command line: run to their end, or left running.

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use stepfleet_e2e::{Coordinator, Process, World, binaries};

/// `stepfleet ARGUMENTS…` to its end, with this environment.
pub(crate) async fn stepfleet(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = tokio::process::Command::new(&binaries().stepfleet);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .kill_on_drop(true);
    Ok(command.output().await?)
}

/// What `stepfleet ARGUMENTS…` prints that talks to this coordinator, both outputs; it must succeed.
pub(crate) async fn cli(coordinator: &Coordinator, arguments: &[&str]) -> Result<String> {
    let url = coordinator.url();
    let output = stepfleet(arguments, &[("STEPFLEET_ENDPOINT", &url)]).await?;
    ensure!(output.status.success(), "{arguments:?}: {}", text(&output));
    Ok(text(&output))
}

/// A stock worker, by its configuration file.
pub(crate) fn worker(
    world: &World,
    name: &str,
    config: &str,
    environment: &[(&str, &str)],
) -> Result<Process> {
    let config = world.file(&format!("{name}.toml"), config)?;
    let mut command = Command::new(&binaries().worker);
    command
        .arg("--config")
        .arg(config)
        .envs(environment.iter().copied());
    Process::start(command, &world.path(&format!("{name}.log")))
}

/// Both outputs, for messages.
pub(crate) fn text(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}
