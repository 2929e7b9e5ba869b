//! Runs one container for one task, by podman or docker: created, started, looked at when it failed, and removed for sure.
//! A call needs nothing of the rest but [`crate::process`]; `settings` reads and checks what the configuration says,
//! `engine` is the program, `owner` finds what a worker that was killed left behind.

mod engine;
mod owner;
mod settings;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_sdk::TaskError;
use tokio_util::sync::CancellationToken;

pub(crate) use self::engine::Engine;
use self::engine::{Client, State};
pub(crate) use self::owner::sweep;
pub(crate) use self::settings::{ContainerSettings, FileContainer};
use crate::ending::{Left, with_stderr};
use crate::environment::{Inherit, Variables};
use crate::logs::TaskLog;
use crate::process::{Overflow, TimeLimit};

/// What engines and shells report for a process that SIGKILL ended.
const EXIT_KILLED: i32 = 137;
const SIGKILL: i32 = 9;

/// A container to run.
#[derive(Debug)]
pub(crate) struct ContainerCall {
    pub(crate) settings: Arc<ContainerSettings>,
    /// Of the container; nothing else may have it, and [`Engine::end`] takes it.
    pub(crate) name: String,
    /// Command and arguments; none runs what the image says.
    pub(crate) arguments: Vec<String>,
    pub(crate) stdin: Option<String>,
    /// What the container sees beside the variables of its image.
    pub(crate) environment: Variables,
    pub(crate) limit: Option<TimeLimit>,
    /// From SIGTERM to SIGKILL.
    pub(crate) kill_after: Duration,
    pub(crate) output_bytes_max: usize,
    pub(crate) overflow: Overflow,
    pub(crate) log: TaskLog,
}

/// Removes the container of a call that is dropped.
struct Guard<'a> {
    engine: &'a Engine,
    name: &'a str,
    armed: bool,
}

impl ContainerCall {
    /// Runs to the end, or until `cancelled`. The container is gone then.
    pub(crate) async fn run(mut self, cancelled: &CancellationToken) -> Result<Left, TaskError> {
        let (settings, name) = (Arc::clone(&self.settings), self.name.clone());
        let mut guard = Guard {
            engine: &settings.engine,
            name: &name,
            armed: true,
        };
        let result = async {
            self.create(cancelled).await?;
            let left = self.start(cancelled).await?;
            self.judge(left).await
        };
        let result = result.await;
        match &result {
            Ok(_) => settings.engine.remove(&name).await,
            Err(_) => settings.engine.end(&name).await,
        }
        guard.armed = false;
        result
    }

    /// What the engine says here is its own: nothing of the container has run.
    async fn create(&self, cancelled: &CancellationToken) -> Result<(), TaskError> {
        let (settings, engine) = (&self.settings, &self.settings.engine);
        let mut arguments = vec!["create".to_owned(), format!("--name={}", self.name)];
        arguments.extend(owner::labels());
        arguments.extend(settings.options.iter().cloned());
        if self.stdin.is_some() {
            arguments.push("--interactive".to_owned());
        }
        let mut environment = Inherit::All.variables();
        for (key, value) in &self.environment {
            arguments.push(variable(key, value, &mut environment));
        }
        arguments.push(settings.image.clone());
        arguments.extend(self.arguments.iter().cloned());
        let client = Client {
            environment,
            limit: self.limit,
            kill_after: self.kill_after,
            ..Client::default()
        };
        let left = engine.run(arguments, client, cancelled).await?;
        if left.status.success() {
            return Ok(());
        }
        let said = with_stderr(left.status.to_string(), &left.stderr);
        let (error, what) = if engine.has_image(&settings.image).await {
            (
                "ContainerNotCreated",
                "the engine did not create the container",
            )
        } else {
            ("ContainerImageNotFound", "the engine has no image")
        };
        let cause = format!("{what} `{}`: {said}", settings.image);
        Err(TaskError::new(error, cause))
    }

    async fn start(&mut self, cancelled: &CancellationToken) -> Result<Left, TaskError> {
        let mut arguments = vec!["start".to_owned(), "--attach".to_owned()];
        if self.stdin.is_some() {
            arguments.push("--interactive".to_owned());
        }
        arguments.push(self.name.clone());
        let client = Client {
            environment: Inherit::All.variables(),
            stdin: self.stdin.take(),
            limit: self.limit,
            kill_after: self.kill_after,
            output_bytes_max: self.output_bytes_max,
            overflow: self.overflow,
            log: std::mem::take(&mut self.log),
        };
        self.settings.engine.run(arguments, client, cancelled).await
    }

    /// A client that failed says little: the engine knows how the container ended.
    async fn judge(&self, left: Left) -> Result<Left, TaskError> {
        if left.status.success() {
            return Ok(left);
        }
        let Some(state) = self.settings.engine.state(&self.name).await else {
            return Ok(left);
        };
        let fail =
            |error: &str, what: String| Err(TaskError::new(error, with_stderr(what, &left.stderr)));
        let memory = self.settings.memory.as_deref();
        match state {
            State { running: true, .. } => {
                let what = format!(
                    "the engine's client ended before the container: {}",
                    left.status
                );
                fail("ContainerLost", what)
            }
            State { started: false, .. } => fail(
                "ContainerNotStarted",
                "the container did not start".to_owned(),
            ),
            State {
                out_of_memory: true,
                ..
            } => {
                let bound =
                    memory.map_or(String::new(), |bound| format!(" (memory = \"{bound}\")"));
                let what = format!("the container was killed because its memory was full{bound}");
                fail("ContainerOutOfMemory", what)
            }
            State {
                exit_code: EXIT_KILLED,
                ..
            } => match memory {
                // Not every engine tells on every system.
                Some(bound) => {
                    let what = format!(
                        "killed by signal 9 (SIGKILL), as a container beyond its memory of {bound} is"
                    );
                    fail("CommandKilled", what)
                }
                None => Ok(Left {
                    status: ExitStatus::from_raw(SIGKILL),
                    ..left
                }),
            },
            State { exit_code, .. } => Ok(Left {
                status: ExitStatus::from_raw(exit_code << 8),
                ..left
            }),
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.engine.abandon(self.name);
        }
    }
}

/// The option for a variable. Values stay out of the list of processes; those that would change the engine's client do not.
fn variable(key: &OsString, value: &OsString, environment: &mut Variables) -> String {
    let name = key.to_string_lossy();
    let of_client = [
        "DOCKER",
        "BUILDAH",
        "CONTAINER",
        "XDG_",
        "LD_",
        "STORAGE_",
        "REGISTRY_",
    ];
    let known = ["PATH", "HOME", "TMPDIR", "USER", "GODEBUG"];
    if known.contains(&&*name) || of_client.iter().any(|begin| name.starts_with(begin)) {
        return format!("--env={name}={}", value.to_string_lossy());
    }
    environment.insert(key.clone(), value.clone());
    format!("--env={name}")
}
