//! Workers of which nothing is heard any more, with no end of their connection: a host that vanished, a process that stands
//! still.

use anyhow::{Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Coordinator, Deadline, History, Process, Settings, Signal, World, activity, create_machine,
    now_ms, outcome, scenario, start, until, wait_for_event,
};
use stepfleet_sdk::{Client, api};

use crate::machines::one_activity;
use crate::programs::{cli, worker};

/// A worker with a task in its hands that ends when the file `gate` is there.
struct Stage {
    coordinator: Coordinator,
    client: Client,
    worker: Process,
    execution: String,
}

impl Stage {
    async fn new(world: &World) -> Result<Self> {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let arn = activity(&client, "work").await?;
        let machine = create_machine(&client, "work", &one_activity(&arn)).await?;
        let gate = world.path("gate").display().to_string();
        let command = format!("while [ ! -e {gate} ]; do sleep 0.05; done; echo 1");
        let config = format!(
            "endpoint = \"{}\"\nname = \"stock\"\n\n[[activity]]\nname = \"work\"\nshell = {command:?}\n",
            coordinator.url()
        );
        let worker = worker(world, "worker", &config, &[])?;
        let execution = start(&client, &machine, "e", &json!({})).await?;
        wait_for_event(&client, &execution, "ActivityStarted", 1).await?;
        Ok(Self {
            coordinator,
            client,
            worker,
            execution,
        })
    }
}

#[test]
fn the_task_of_a_host_that_vanished_ends_its_time_after_the_host_was_heard_last() {
    scenario(async |world: &World| {
        let stage = Stage::new(world).await?;
        cli(
            &stage.coordinator,
            &["activity", "limit", "work", "--away", "25"],
        )
        .await?;
        let stopped_ms = now_ms();
        stage.worker.signal(Signal::SIGSTOP)?;
        let lost = until("the attempt ends", Deadline::seconds(90), async || {
            let history = History::read(&stage.client, &stage.execution).await?;
            Ok(history.of("ActivityTimedOut").next().cloned())
        })
        .await?;
        ensure!(lost.details.contains("lost"), "{lost:?}");
        let after_ms = lost.at / 1_000_000 - i128::from(stopped_ms);
        // It is asked every few seconds whether it is there, so it was heard a little before it stood still.
        ensure!((15_000..45_000).contains(&after_ms), "after {after_ms} ms");
        Ok(())
    });
}

#[test]
fn a_worker_that_stood_still_for_less_than_its_time_keeps_its_task() {
    scenario(async |world: &World| {
        let stage = Stage::new(world).await?;
        stage.worker.signal(Signal::SIGSTOP)?;
        until("it is noticed", Deadline::seconds(30), async || {
            let workers = stage.client.list_workers(Default::default()).await?.workers;
            let is_away = workers
                .iter()
                .any(|worker| worker.status() == api::WorkerStatus::Away);
            Ok(is_away.then_some(()))
        })
        .await?;
        stage.worker.signal(Signal::SIGCONT)?;
        world.file("gate", "")?;
        let ended = outcome(&stage.client, &stage.execution, Deadline::seconds(60)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
        let history = History::read(&stage.client, &stage.execution).await?;
        let started = history.count("ActivityStarted");
        ensure!(started == 1, "{:#?}", history.events);
        Ok(())
    });
}
