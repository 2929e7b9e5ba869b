//! The engine: a program with the commands that podman and docker have in common.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use stepfleet_sdk::TaskError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::ending::{Left, OUTPUT_BYTES_MAX, with_stderr};
use crate::environment::{Inherit, Variables};
use crate::logs::TaskLog;
use crate::process::{Call, Overflow, TimeLimit};

/// How long the engine may take for what is no work of the container.
const PATIENCE: Duration = Duration::from_secs(30);
/// Looked for in this order.
const ENGINES: [&str; 2] = ["podman", "docker"];

/// podman, docker, or a program that understands the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Engine(PathBuf);

/// How a command of the engine is run.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) environment: Variables,
    pub(super) stdin: Option<String>,
    pub(super) limit: Option<TimeLimit>,
    pub(super) kill_after: Duration,
    pub(super) output_bytes_max: usize,
    pub(super) overflow: Overflow,
    pub(super) log: TaskLog,
}

/// How a container ended, or did not.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) running: bool,
    pub(super) started: bool,
    pub(super) out_of_memory: bool,
    pub(super) exit_code: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    running: bool,
    #[serde(rename = "OOMKilled", default)]
    out_of_memory: bool,
    exit_code: i32,
    #[serde(default)]
    started_at: String,
}

impl Engine {
    /// The program of this name or path, or the first that is there; an error is a sentence for people.
    pub(crate) fn find(wanted: Option<&str>) -> Result<Self, String> {
        match wanted {
            None => ENGINES
                .iter()
                .find_map(|name| program(name))
                .map(Self)
                .ok_or_else(|| {
                    "there is neither podman nor docker here; name an engine".to_owned()
                }),
            Some(path) if path.contains('/') => {
                let path = PathBuf::from(path);
                let absolute = path.is_absolute() && path.is_file();
                absolute.then_some(Self(path.clone())).ok_or_else(|| {
                    format!("engine {} is no absolute path of a program", path.display())
                })
            }
            Some(name) if ENGINES.contains(&name) => program(name)
                .map(Self)
                .ok_or_else(|| format!("engine `{name}` was not found")),
            Some(name) => Err(format!(
                "engine `{name}` is neither podman nor docker; write its path"
            )),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes a container that may still run.
    pub(crate) async fn end(&self, name: &str) {
        // Without waiting as long as `rm` does for one that runs.
        let _ = self.quick(&["kill", name]).await;
        self.remove(name).await;
    }

    /// Removes a container that has ended.
    pub(crate) async fn remove(&self, name: &str) {
        match self.quick(&["rm", "--force", "--volumes", name]).await {
            Ok(left) if left.status.success() || says_missing(&left) => {}
            Ok(left) => {
                let said = with_stderr(left.status.to_string(), &left.stderr);
                warn!(name, engine = %self.0.display(), "cannot remove a container: {said}");
            }
            Err(error) => {
                warn!(name, engine = %self.0.display(), %error, "cannot remove a container");
            }
        }
    }

    /// Has a container removed by a process that nobody waits for.
    pub(super) fn abandon(&self, name: &str) {
        let removal = Command::new(&self.0)
            .args(["rm", "--force", "--volumes", name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Err(error) = removal {
            warn!(name, engine = %self.0.display(), %error, "cannot remove a container");
        }
    }

    pub(super) async fn has_image(&self, image: &str) -> bool {
        let arguments = ["image", "inspect", "--format={{.Id}}", image];
        let found = self.quick(&arguments).await;
        found.is_ok_and(|left| left.status.success())
    }

    pub(super) async fn state(&self, name: &str) -> Option<State> {
        let arguments = ["container", "inspect", "--format={{json .State}}", name];
        let left = self.quick(&arguments).await.ok()?;
        let inspected: Inspected = serde_json::from_slice(&left.stdout).ok()?;
        Some(State {
            running: inspected.running,
            started: !inspected.started_at.starts_with("0001-"),
            out_of_memory: inspected.out_of_memory,
            exit_code: inspected.exit_code,
        })
    }

    /// A command that is over soon.
    pub(super) async fn quick(&self, arguments: &[&str]) -> Result<Left, TaskError> {
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        let client = Client {
            limit: Some(TimeLimit::new(PATIENCE)),
            ..Client::default()
        };
        self.run(arguments.collect(), client, &CancellationToken::new())
            .await
    }

    pub(super) async fn run(
        &self,
        arguments: Vec<String>,
        client: Client,
        cancelled: &CancellationToken,
    ) -> Result<Left, TaskError> {
        let program = self.0.to_string_lossy().into_owned();
        let call = Call {
            arguments: std::iter::once(program).chain(arguments).collect(),
            shell: false,
            stdin: client.stdin,
            // Some versions leave files where they were started.
            directory: Some(env::temp_dir()).filter(|folder| folder.is_dir()),
            environment: client.environment,
            identity: None,
            limit: client.limit,
            kill_after: client.kill_after,
            output_bytes_max: client.output_bytes_max,
            overflow: client.overflow,
            log: client.log,
            progress: None,
        };
        call.run(cancelled).await
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            environment: Inherit::All.variables(),
            stdin: None,
            limit: None,
            kill_after: Duration::from_secs(1),
            output_bytes_max: OUTPUT_BYTES_MAX,
            overflow: Overflow::Fail,
            log: TaskLog::default(),
        }
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Not all versions say nothing when there is nothing to remove.
fn says_missing(left: &Left) -> bool {
    let said = String::from_utf8_lossy(&left.stderr).to_lowercase();
    said.contains("no such container") || said.contains("no container with")
}
