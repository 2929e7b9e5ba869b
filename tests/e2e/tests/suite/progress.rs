//! Progress of tasks outlives the worker that said it, and the coordinator.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, activity, create_machine, outcome, scenario, start,
    until,
};
use stepfleet_sdk::{Client, api};

use crate::machines::one_activity;
use crate::programs::worker;

async fn coordinator(world: &World) -> Result<(Coordinator, Client, String, String)> {
    let settings = Settings::new(world, "coordinator").with("session_ttl_s", 2_u64);
    let coordinator = settings.start(world).await?;
    let client = coordinator.patient_client()?;
    let arn = activity(&client, "work").await?;
    let machine = create_machine(&client, "work", &one_activity(&arn)).await?;
    Ok((coordinator, client, machine, arn))
}

/// Waits until the only open task of the execution has said this, and is of this attempt.
async fn said(client: &Client, execution: &str, attempt: u32, progress: &Value) -> Result<()> {
    let progress = progress.to_string();
    until("the progress is seen", Deadline::seconds(30), async || {
        let request = api::DescribeExecutionRequest {
            execution_arn: execution.to_owned(),
        };
        let tasks = client.describe_execution(request).await?.open_tasks;
        let seen = tasks.first().is_some_and(|task| {
            task.attempt == attempt
                && task.progress.replace(' ', "") == progress
                && task.progress_date.is_some()
        });
        Ok(seen.then_some(()))
    })
    .await
}

async fn poll(client: &Client, arn: &str) -> Result<api::GetActivityTaskResponse> {
    let request = api::GetActivityTaskRequest {
        activity_arn: arn.to_owned(),
        worker_name: "poller".to_owned(),
    };
    Ok(client.get_activity_task(request).await?)
}

#[test]
fn another_worker_goes_on_from_what_a_killed_one_said_last() {
    scenario(async |world: &World| {
        let (coordinator, client, machine, _) = coordinator(world).await?;
        let fifo = world.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU)?;
        let program = stepfleet_e2e::binaries().stepfleet.display().to_string();
        // The first attempt says where it is and hangs; the one after gives what it was told.
        let shell = format!(
            "if [ -n \"$STEPFLEET_LAST_PROGRESS\" ]; then printf %s \"$STEPFLEET_LAST_PROGRESS\"; \
             else {program} task heartbeat \"$STEPFLEET_TASK_TOKEN\" --details '{{\"row\":7}}' >&2; cat {}; fi",
            fifo.display()
        );
        let config = format!(
            "endpoint = \"{}\"\nname = \"stock\"\n\n[[activity]]\nname = \"work\"\nshell = {shell:?}\n",
            coordinator.url()
        );
        let mut first = worker(world, "first", &config, &[])?;
        let arn = start(&client, &machine, "one", &json!({})).await?;
        let row = json!({ "row": 7 });
        said(&client, &arn, 0, &row).await?;
        first.kill()?;
        let _second = worker(world, "second", &config, &[])?;
        let ended = outcome(&client, &arn, Deadline::seconds(30)).await?;
        let output: Value = serde_json::from_str(ended.output.as_deref().unwrap_or("null"))?;
        ensure!(output == row, "{ended:?}");
        // The command that the first one left behind ends when its pipe has a writer.
        let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
        drop(
            OpenOptions::new()
                .write(true)
                .custom_flags(nonblocking)
                .open(&fifo),
        );
        Ok(())
    });
}

#[test]
fn recorded_progress_survives_a_kill_of_the_coordinator() {
    scenario(async |world: &World| {
        let (mut coordinator, client, machine, activity) = coordinator(world).await?;
        let arn = start(&client, &machine, "one", &json!({})).await?;
        let first = poll(&client, &activity).await?;
        ensure!(first.last_progress.is_empty(), "{first:?}");
        let row = json!({ "row": 7 });
        client.heartbeat_with(&first.task_token, &row).await?;
        said(&client, &arn, 0, &row).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.patient_client()?;
        said(&client, &arn, 0, &row).await?;
        client.fail(&first.task_token, "Boom", "").await?;
        let second = poll(&client, &activity).await?;
        ensure!(second.last_progress == r#"{"row":7}"#, "{second:?}");
        // What the end of an attempt recorded survives, too, however short ago.
        let later = json!({ "row": 8 });
        client.heartbeat_with(&second.task_token, &later).await?;
        client.fail(&second.task_token, "Boom", "").await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.patient_client()?;
        let third = poll(&client, &activity).await?;
        ensure!(third.last_progress == r#"{"row":8}"#, "{third:?}");
        client.complete(&third.task_token, &json!("done")).await?;
        let ended = outcome(&client, &arn, Deadline::seconds(30)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
        Ok(())
    });
}
