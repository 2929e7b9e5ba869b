//! From configuration to a worker at work, and to its end by signal.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use stepfleet_sdk::{CancellationToken, Client, Error, Task, TaskError, Worker};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::config::{Activity, Config, Program};
use crate::process::Call;

/// Beyond the time that a command has to end after SIGTERM.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// What shells use for an end by SIGINT.
const EXIT_INTERRUPTED: u8 = 130;

/// Serves until a signal asks to stop.
pub(crate) async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?;
    let shutdown = CancellationToken::new();
    let mut work = std::pin::pin!(worker(config)?.run(shutdown.clone()));
    loop {
        tokio::select! {
            result = &mut work => return finish(result),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if shutdown.is_cancelled() {
            warn!("second signal: leaving at once");
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
        info!("signal: draining; another one leaves at once");
        shutdown.cancel();
    }
}

fn finish(result: Result<(), Error>) -> anyhow::Result<ExitCode> {
    result?;
    Ok(ExitCode::SUCCESS)
}

fn worker(config: Config) -> anyhow::Result<Worker> {
    let url: Arc<str> = config.endpoint.url().into();
    let client = Client::connect_lazy(config.endpoint)?;
    let mut worker = Worker::new(client)
        .build_id(concat!("stepfleet-worker ", env!("CARGO_PKG_VERSION")))
        .create_activities(config.create)
        .grace(config.drain)
        .stop_timeout(config.kill_after + STOP_MARGIN);
    if let Some(name) = config.name {
        worker = worker.name(name);
    }
    for (key, value) in config.labels {
        worker = worker.label(key, value);
    }
    for activity in config.activities {
        let (name, slots) = (activity.name.clone(), activity.concurrency);
        let serving = Arc::new(Serving {
            activity,
            kill_after: config.kill_after,
            url: url.clone(),
        });
        worker = worker
            .activity_raw(name, move |task| perform(Arc::clone(&serving), task))
            .slots(slots);
    }
    Ok(worker)
}

/// What all tasks of an activity share.
#[derive(Debug)]
struct Serving {
    activity: Activity,
    kill_after: Duration,
    url: Arc<str>,
}

async fn perform(serving: Arc<Serving>, task: Task<String>) -> Result<String, TaskError> {
    // Starting a process takes long enough to be in the way of other tasks: not on the worker's own thread.
    tokio::task::yield_now().await;
    let cancelled = task.cancellation_token();
    let left = serving.call(&task)?.run(&cancelled).await?;
    left.outcome(serving.activity.output)
}

impl Serving {
    fn call(&self, task: &Task<String>) -> Result<Call, TaskError> {
        let (arguments, stdin) = match &self.activity.program {
            Program::Shell(text) => {
                let arguments = vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()];
                (arguments, Some(task.input.clone()))
            }
            Program::Literal(command) => (command.clone(), Some(task.input.clone())),
            Program::Filled(template) => {
                let filled = template.fill(&task.input);
                (
                    filled.map_err(|cause| TaskError::new("InvalidInput", cause))?,
                    None,
                )
            }
        };
        Ok(Call {
            arguments,
            shell: matches!(self.activity.program, Program::Shell(_)),
            stdin,
            directory: self.activity.directory.clone(),
            environment: self.environment(task),
            timeout: self.activity.timeout,
            kill_after: self.kill_after,
        })
    }

    fn environment(&self, task: &Task<String>) -> BTreeMap<String, String> {
        let own = [
            ("STEPFLEET_TASK_TOKEN", task.token().to_owned()),
            ("STEPFLEET_EXECUTION_ARN", task.execution_arn().to_owned()),
            ("STEPFLEET_ACTIVITY", task.activity().to_owned()),
            ("STEPFLEET_ATTEMPT", task.attempt().to_string()),
            ("STEPFLEET_ENDPOINT", self.url.to_string()),
        ];
        let mut environment = self.activity.environment.clone();
        environment.extend(own.map(|(key, value)| (key.to_owned(), value)));
        let traceparent = task.traceparent().map(str::to_owned);
        let progress = task.last_progress_text().map(str::to_owned);
        environment.extend(progress.map(|text| ("STEPFLEET_LAST_PROGRESS".to_owned(), text)));
        environment.extend(traceparent.map(|context| ("TRACEPARENT".to_owned(), context)));
        environment
    }
}
