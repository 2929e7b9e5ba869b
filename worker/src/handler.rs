//! One task from its input to its end, by whatever serves its activity.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_sdk::{Task, TaskContext, TaskError};

use crate::config::{Activity, Arguments, Program};
use crate::container::{ContainerCall, ContainerSettings};
use crate::ending::Left;
use crate::environment::Variables;
use crate::gate::Gate;
use crate::process::{Call, Overflow, TimeLimit};
use crate::progress::{self, Progress};
use crate::{http, logs, trace};

/// What all tasks of an activity share.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) activity: Activity,
    pub(crate) kill_after: Duration,
    /// Of the coordinator.
    pub(crate) url: Arc<str>,
    pub(crate) gate: Arc<Gate>,
}

/// Words of a command, and what goes to its standard input.
type Words = (Vec<String>, Option<String>);

/// Does a task.
pub(crate) async fn perform(
    serving: Arc<Serving>,
    task: Task<String>,
) -> Result<String, TaskError> {
    // Starting a process takes long enough to be in the way of other tasks: not on the worker's own thread.
    tokio::task::yield_now().await;
    let (input, task) = task.into_parts();
    // There is room at once, unless a worker that was replaced is still busy.
    let _pass = tokio::select! {
        pass = serving.gate.enter() => pass,
        () = task.cancelled() => return Err(TaskError::new("Cancelled", "the task was over")),
    };
    let activity = &serving.activity;
    let left = match &activity.program {
        Program::Shell(text) => {
            let words = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
            serving.command(&task, (words, Some(input)), true).await?
        }
        Program::Command(arguments) => {
            let words = arguments.words(input)?;
            serving.command(&task, words, false).await?
        }
        Program::Container(settings, arguments) => {
            let words = arguments.words(input)?;
            serving.container(&task, settings, words).await?
        }
        Program::Http(settings) => return http::send(activity, settings, &task, input).await,
    };
    left.outcome(activity.output, activity.output_bytes_max)
}

impl Serving {
    async fn command(
        &self,
        task: &TaskContext,
        (arguments, stdin): Words,
        shell: bool,
    ) -> Result<Left, TaskError> {
        let activity = &self.activity;
        let mut environment = activity.inherit.variables();
        environment.extend(activity.identity.iter().flat_map(|one| one.variables()));
        environment.extend(self.variables(task));
        let (key, value) = progress::VARIABLE;
        environment.insert(key.into(), value.into());
        let call = Call {
            arguments,
            shell,
            stdin,
            directory: activity.directory.clone(),
            environment,
            identity: activity.identity.clone(),
            limit: activity.timeout.map(TimeLimit::new),
            kill_after: self.kill_after,
            output_bytes_max: activity.output_bytes_max,
            overflow: Overflow::Fail,
            log: activity.log.open(task, &logs::file_name(task)).await,
            progress: Some(Progress::of(task)),
        };
        call.run(&task.cancellation_token()).await
    }

    async fn container(
        &self,
        task: &TaskContext,
        settings: &Arc<ContainerSettings>,
        (arguments, stdin): Words,
    ) -> Result<Left, TaskError> {
        let activity = &self.activity;
        let mut environment = activity.inherit.variables();
        environment.extend(self.variables(task));
        let name = logs::file_name(task);
        let call = ContainerCall {
            settings: Arc::clone(settings),
            name: format!("stepfleet-{}", crate::token_hash(task.token())),
            arguments,
            stdin,
            environment,
            limit: activity.timeout.map(TimeLimit::new),
            kill_after: self.kill_after,
            output_bytes_max: activity.output_bytes_max,
            overflow: Overflow::Fail,
            log: activity.log.open(task, &name).await,
        };
        call.run(&task.cancellation_token()).await
    }

    /// What every handler is told of its task, over what the configuration sets.
    fn variables(&self, task: &TaskContext) -> Variables {
        let heartbeat = task
            .heartbeat_interval()
            .map(|interval| interval.as_secs().to_string());
        let own = [
            ("STEPFLEET_TASK_TOKEN", Some(task.token().to_owned())),
            (
                "STEPFLEET_EXECUTION_ARN",
                Some(task.execution_arn().to_owned()),
            ),
            ("STEPFLEET_ACTIVITY", Some(task.activity().to_owned())),
            ("STEPFLEET_ATTEMPT", Some(task.attempt().to_string())),
            ("STEPFLEET_HEARTBEAT_SECONDS", heartbeat),
            ("STEPFLEET_ENDPOINT", Some(self.url.to_string())),
            (
                "STEPFLEET_LAST_PROGRESS",
                task.last_progress_text().map(str::to_owned),
            ),
            ("TRACEPARENT", trace::parent(task)),
        ];
        let own = own
            .into_iter()
            .filter_map(|(key, value)| Some((key.into(), value?.into())));
        let set = self.activity.environment.iter();
        let set = set.map(|(key, value)| (OsString::from(key), OsString::from(value)));
        set.chain(own).collect()
    }
}

impl Arguments {
    fn words(&self, input: String) -> Result<Words, TaskError> {
        match self {
            Self::Literal(words) => Ok((words.clone(), Some(input))),
            Self::Filled(template) => {
                let words = template.fill(&input);
                let words = words.map_err(|cause| TaskError::new("InvalidInput", cause))?;
                Ok((words, None))
            }
        }
    }
}
