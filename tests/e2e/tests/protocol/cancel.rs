//! Handlers hear within a second that their attempts are over, whatever ended them; the command of a stock worker ends with
//! all its children.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Deadline, Deed, Event, History, Process, World, binaries, outcome, scenario, until,
    wait_for_event,
};
use stepfleet_sdk::api;

use crate::scene::{Play, Scene, file, leave, name_of};

/// What is promised, and what a loaded machine may add, milliseconds.
const WITHIN_MS: i64 = 1000 + 1000;

/// Why an attempt ends before its handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Stopped,
    TimedOut,
    HeartbeatMissed,
    SiblingFailed,
}

impl Cause {
    /// A machine in which it happens to the handler of `Work` that its gate holds.
    fn definition(self, name: &str) -> Value {
        let resource = format!("arn:aws:states:us-east-1:000000000000:activity:{name}");
        let mut work = json!({ "Type": "Task", "Resource": resource, "End": true });
        match self {
            Self::Stopped => {}
            Self::TimedOut => work["TimeoutSeconds"] = json!(1),
            // A worker's heartbeats come by themselves, three in this time: it is paused meanwhile.
            Self::HeartbeatMissed => work["HeartbeatSeconds"] = json!(1),
            Self::SiblingFailed => {
                let token = "arn:aws:states:::stepfleet:callback.waitForTaskToken";
                let sibling = json!({
                    "Type": "Task",
                    "Resource": token,
                    "Parameters": { "token.$": "$$.Task.Token" },
                    "End": true,
                });
                return json!({ "StartAt": "Both", "States": { "Both": {
                    "Type": "Parallel",
                    "End": true,
                    "Branches": [
                        { "StartAt": "Work", "States": { "Work": work } },
                        { "StartAt": "Fail", "States": { "Fail": sibling } },
                    ],
                } } });
            }
        }
        json!({ "StartAt": "Work", "States": { "Work": work } })
    }

    /// Makes it happen, and waits until it has; the event that tells.
    async fn happen(self, play: &Play, arn: &str, worker: &Process) -> Result<Event> {
        let client = &play.client;
        match self {
            Self::Stopped => {
                let request = api::StopExecutionRequest {
                    execution_arn: arn.to_owned(),
                    ..Default::default()
                };
                client.stop_execution(request).await?;
                wait_for_event(client, arn, "ExecutionAborted", 1).await
            }
            Self::TimedOut => wait_for_event(client, arn, "ActivityTimedOut", 1).await,
            Self::HeartbeatMissed => {
                worker.signal(stepfleet_e2e::Signal::SIGSTOP)?;
                let event = wait_for_event(client, arn, "ActivityTimedOut", 1).await;
                worker.signal(stepfleet_e2e::Signal::SIGCONT)?;
                event
            }
            Self::SiblingFailed => {
                let request = api::ListCallbacksRequest {
                    execution_arn: arn.to_owned(),
                    ..Default::default()
                };
                let callbacks = client.list_callbacks(request).await?.callbacks;
                let callback = callbacks.first().context("no sibling waits")?;
                let request = api::SendTaskFailureRequest {
                    task_token: callback.task_token.clone(),
                    error: Some("Sibling".to_owned()),
                    cause: None,
                };
                client.send_task_failure(request).await?;
                wait_for_event(client, arn, "ExecutionFailed", 1).await
            }
        }
    }
}

const CAUSES: [Cause; 4] = [
    Cause::Stopped,
    Cause::TimedOut,
    Cause::HeartbeatMissed,
    Cause::SiblingFailed,
];

#[test]
fn a_handler_hears_within_a_second_that_its_attempt_is_over() {
    scenario(async |world: &World| {
        let scene = Scene::new(world, 60).await?;
        for cause in CAUSES {
            let name = format!("{cause:?}");
            stepfleet_e2e::activity(&scene.client, &name).await?;
            let play = scene.play_of(&name, &cause.definition(&name)).await?;
            let worker = play.worker(&scene.coordinator.url(), "first", 1)?;
            let arn = play.start("one", json!({})).await?;
            play.wait_for(Deed::Start, 1).await?;
            let over = cause.happen(&play, &arn, &worker).await?;
            let cancels = play.wait_for(Deed::Cancel, 1).await?;
            let from = match cause {
                // It slept when it happened.
                Cause::HeartbeatMissed => stepfleet_e2e::now_ms().min(cancels[0].at_ms),
                Cause::Stopped | Cause::TimedOut | Cause::SiblingFailed => {
                    i64::try_from(over.at / 1_000_000)?
                }
            };
            let late = cancels[0].at_ms - from;
            ensure!(
                late <= WITHIN_MS,
                "{cause:?}: the handler heard of it {late} ms later"
            );
            // Its slot takes the next task; what the handler gave changes nothing.
            let before = History::read(&scene.client, &arn).await?;
            let next = play.start("two", json!({})).await?;
            play.wait_for(Deed::Start, 2).await?;
            play.open_gate("first")?;
            if cause == Cause::Stopped {
                play.check_success(&next).await?;
            }
            let after = History::read(&scene.client, &arn).await?;
            ensure!(after == before, "{cause:?}: {:#?}", after.events);
            leave(worker).await?;
        }
        Ok(())
    });
}

/// A command with a child that writes its own process id and waits for ever.
fn config(url: &str, name: &str, folder: &std::path::Path) -> String {
    let (child, parent) = (file(folder, "child"), file(folder, "parent"));
    let shell =
        format!("sh -c 'echo $$ > {child}; sleep 3600' & echo $$ > {parent}; wait; sleep 3600");
    format!(
        "endpoint = \"{url}\"\nname = \"stock\"\n\n[[activity]]\nname = \"{name}\"\nshell = {shell:?}\nconcurrency = 1\n"
    )
}

/// The process whose id is in this file.
async fn written(path: &str) -> Result<i32> {
    until("the command began", Deadline::seconds(30), async || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Ok(text.trim().parse().ok())
    })
    .await
}

#[test]
fn the_command_of_a_stock_worker_ends_with_all_its_children() {
    scenario(async |world: &World| {
        let scene = Scene::new(world, 60).await?;
        for cause in CAUSES {
            let name = format!("{cause:?}");
            stepfleet_e2e::activity(&scene.client, &name).await?;
            let play = scene.play_of(&name, &cause.definition(&name)).await?;
            let text = config(&scene.coordinator.url(), &name, &play.folder);
            let config = world.file(&format!("{name}.toml"), text)?;
            let mut command = Command::new(&binaries().worker);
            command.arg("--config").arg(config);
            let worker = Process::start(command, &world.path(&format!("{name}-stock.log")))?;
            let arn = play.start("one", json!({})).await?;
            let parent = written(&file(&play.folder, "parent")).await?;
            let child = written(&file(&play.folder, "child")).await?;
            let over = cause.happen(&play, &arn, &worker).await?;
            for process in [parent, child] {
                gone(process).await?;
            }
            let late = stepfleet_e2e::now_ms() - i64::try_from(over.at / 1_000_000)?;
            ensure!(
                cause == Cause::HeartbeatMissed || late <= WITHIN_MS,
                "{cause:?}: the command of {} ended {late} ms later",
                name_of(&arn)
            );
            outcome(&scene.client, &arn, Deadline::seconds(30)).await?;
            leave(worker).await?;
        }
        Ok(())
    });
}

async fn gone(process: i32) -> Result<()> {
    let path = format!("/proc/{process}/stat");
    until("a command is gone", Deadline::seconds(30), async || {
        let stat = std::fs::read_to_string(&path).unwrap_or_default();
        // Nobody may have waited for an orphan yet.
        let zombie = stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'));
        Ok((stat.is_empty() || zombie).then_some(()))
    })
    .await
}
