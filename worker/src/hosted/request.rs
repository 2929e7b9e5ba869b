//! What a supervisor runs, as it stands in the folder of the work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepfleet_sdk::{Pattern, TaskError};
use tokio_util::sync::CancellationToken;

use crate::container::{ContainerCall, ContainerSettings, FileContainer};
use crate::ending::Left;
use crate::environment::{Inherit, Variables};
use crate::identity::Identity;
use crate::logs::TaskLog;
use crate::process::{Call, Overflow, TimeLimit};

/// One run, as a task asked for it and as it was allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) execution_arn: String,
    pub(super) pattern: Waits,
    pub(super) run: Run,
    pub(super) input: Option<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) kill_seconds: u64,
    pub(super) output_bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Waits {
    No,
    Sync,
    Callback,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Run {
    Command {
        arguments: Vec<String>,
        shell: bool,
        /// The work's own folder otherwise.
        directory: Option<PathBuf>,
        user: Option<String>,
        /// Variables of the supervisor that are handed on.
        inherit: Vec<String>,
    },
    Container {
        /// As a [`FileContainer`], checked again when it is run.
        container: serde_json::Value,
        arguments: Vec<String>,
    },
}

impl From<Pattern> for Waits {
    fn from(pattern: Pattern) -> Self {
        match pattern {
            Pattern::RequestResponse => Self::No,
            Pattern::Sync => Self::Sync,
            Pattern::WaitForTaskToken => Self::Callback,
        }
    }
}

impl Waits {
    pub(super) fn pattern(self) -> Pattern {
        match self {
            Self::No => Pattern::RequestResponse,
            Self::Sync => Pattern::Sync,
            Self::Callback => Pattern::WaitForTaskToken,
        }
    }
}

impl Request {
    /// Runs it to its end, in `folder` unless it says where.
    pub(super) async fn run(
        self,
        name: &str,
        folder: PathBuf,
        cancelled: &CancellationToken,
    ) -> Result<Left, TaskError> {
        let limit = self.timeout_seconds.map(Duration::from_secs);
        let kill_after = Duration::from_secs(self.kill_seconds);
        let invalid = |cause: String| TaskError::new("InvalidParameters", cause);
        let own = self.environment.into_iter();
        let own = own.map(|(key, value)| (key.into(), value.into()));
        match self.run {
            Run::Command {
                arguments,
                shell,
                directory,
                user,
                inherit,
            } => {
                let identity = user.map(|user| Identity::resolve(Some(&user), None));
                let identity = identity.transpose().map_err(invalid)?;
                let mut environment = Inherit::check(inherit).map_err(invalid)?.variables();
                environment.extend(identity.iter().flat_map(|one| one.variables()));
                environment.extend(own);
                let call = Call {
                    arguments,
                    shell,
                    stdin: self.input,
                    directory: Some(directory.unwrap_or(folder)),
                    environment,
                    identity,
                    limit: limit.map(TimeLimit::new),
                    kill_after,
                    output_bytes_max: self.output_bytes_max,
                    overflow: Overflow::Cut,
                    log: TaskLog::Nowhere,
                    progress: None,
                };
                call.run(cancelled).await
            }
            Run::Container {
                container,
                arguments,
            } => {
                let file: FileContainer = serde_json::from_value(container)
                    .map_err(|error| invalid(error.to_string()))?;
                let settings = ContainerSettings::check(&file)
                    .map_err(|problems| invalid(problems.join("; ")))?;
                let call = ContainerCall {
                    settings: Arc::new(settings),
                    name: format!("stepfleet-{name}"),
                    arguments,
                    stdin: self.input,
                    environment: own.collect::<Variables>(),
                    limit: limit.map(TimeLimit::new),
                    kill_after,
                    output_bytes_max: self.output_bytes_max,
                    overflow: Overflow::Cut,
                    log: TaskLog::Nowhere,
                };
                call.run(cancelled).await
            }
        }
    }
}
