//! `stepfleet run watch`: follows an execution over `WatchExecution`. `tracker` finds out from the links between history
//! events which state each is about; `lines` makes text of it.

mod lines;
#[cfg(test)]
mod tests;
mod tracker;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use stepfleet_sdk::api;

use self::tracker::Tracker;
use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names::{self, Kind};
use super::super::output::{Output, Tone};
use super::{history, show};

/// A broken watch is taken up again this often without anything new in between, then the command gives up.
const RECONNECTIONS_MAX: u32 = 20;
const RECONNECTION_PAUSE: Duration = Duration::from_millis(500);

#[derive(Args, Clone, Debug)]
pub(crate) struct WatchArgs {
    /// MACHINE:EXECUTION or ARN
    pub(super) execution: String,
}

/// The members of an event's details that people want to see; all of them are optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Details {
    pub(super) name: Option<String>,
    pub(super) index: Option<u64>,
    pub(super) length: Option<u64>,
    pub(super) resource: Option<String>,
    pub(super) worker_name: Option<String>,
    pub(super) redrive_count: Option<u64>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) parameters: Option<String>,
    pub(super) assigned_variables: BTreeMap<String, String>,
}

impl Details {
    /// Details that cannot be read count as absent: a watch goes on without them.
    pub(super) fn of(event: &api::HistoryEvent) -> Self {
        serde_json::from_str(&event.details).unwrap_or_default()
    }
}

pub(super) async fn watch(
    args: &WatchArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::Execution, &args.execution).await?;
    follow(arn, client, output).await
}

/// Shows what happens until the execution is closed, then its result.
pub(super) async fn follow(
    arn: String,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    if !output.is_json() {
        let head = output.paint(Tone::Strong, names::short_execution(&arn));
        output.line(format!("{head}  {arn}"))?;
    }
    let mut tracker = Tracker::default();
    each_event(&arn, client, output, &mut |event, output| {
        if output.is_json() {
            return output.json_line(&history::event_json(event));
        }
        match tracker.observe(event) {
            Some(line) => output.line(lines::render(&line, output)),
            None => Ok(()),
        }
    })
    .await?;
    let request = api::DescribeExecutionRequest { execution_arn: arn };
    let execution = client.describe_execution(request).await?;
    if output.is_json() {
        output.json_line(&show::json(&execution))?;
    } else {
        show::write_result(&execution, output)?;
    }
    Ok(show::outcome(&execution))
}

/// Waits until the execution is closed.
pub(super) async fn until_closed(
    arn: &str,
    client: &Client,
    output: &mut Output,
) -> Result<(), Fault> {
    each_event(arn, client, output, &mut |_, _| Ok(())).await
}

/// Called with every event once, in order.
type Watcher<'a> = &'a mut (dyn FnMut(&api::HistoryEvent, &mut Output) -> Result<(), Fault> + Send);

/// Reads events until the execution is closed; takes the watch up again after breaks of the connection.
async fn each_event(
    arn: &str,
    client: &Client,
    output: &mut Output,
    watcher: Watcher<'_>,
) -> Result<(), Fault> {
    let mut position = Position::default();
    let mut reconnections = 0;
    loop {
        let seen = position.event_id;
        let error = match read(arn, client, &mut position, output, watcher).await {
            Ok(()) | Err(Broken::Stream(_)) if position.closed => return Ok(()),
            Ok(()) => stepfleet_sdk::Error::Transport("the watch ended early".into()),
            Err(Broken::Fault(fault)) => return Err(fault),
            Err(Broken::Stream(error)) => error,
        };
        if position.event_id > seen {
            reconnections = 0;
        }
        if !error.is_retryable() || reconnections == RECONNECTIONS_MAX {
            return Err(client.fault(error));
        }
        // The first time at once and silently: a coordinator that restarts or moves closes its streams.
        if reconnections == 1 {
            output.remark("the connection broke; trying to take the watch up again");
        }
        if reconnections > 0 {
            tokio::time::sleep(error.retry_after().unwrap_or(RECONNECTION_PAUSE)).await;
        }
        reconnections += 1;
    }
}

#[derive(Debug, Default)]
struct Position {
    event_id: i64,
    closed: bool,
}

enum Broken {
    Stream(stepfleet_sdk::Error),
    Fault(Fault),
}

async fn read(
    arn: &str,
    client: &Client,
    position: &mut Position,
    output: &mut Output,
    watcher: Watcher<'_>,
) -> Result<(), Broken> {
    let request = api::WatchExecutionRequest {
        execution_arn: arn.to_owned(),
        after_event_id: position.event_id,
    };
    let mut responses = client
        .watch_execution(request)
        .await
        .map_err(Broken::Stream)?;
    while let Some(response) = responses.next().await.map_err(Broken::Stream)? {
        for event in &response.events {
            // A watch that was taken up again may begin a little early.
            if event.id > position.event_id {
                watcher(event, output).map_err(Broken::Fault)?;
                position.event_id = event.id;
            }
        }
        position.closed = match response.status() {
            api::ExecutionStatus::Succeeded
            | api::ExecutionStatus::Failed
            | api::ExecutionStatus::TimedOut
            | api::ExecutionStatus::Aborted => true,
            api::ExecutionStatus::Unspecified
            | api::ExecutionStatus::Running
            | api::ExecutionStatus::PendingRedrive => false,
        };
    }
    Ok(())
}
