//! The programs on the command line: run to their end, or left running.

use std::process::{Command, Output};

use anyhow::Result;
use stepfleet_e2e::{Process, World, binaries};

/// `stepfleet ARGUMENTS…` to its end, with this environment.
pub(crate) async fn stepfleet(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = tokio::process::Command::new(&binaries().stepfleet);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .kill_on_drop(true);
    Ok(command.output().await?)
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
