//! Express executions: those that nobody waits for run at least once, over kills and checkpoints; those that somebody
//! waits for leave nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stepfleet_e2e::{
    Deadline, Settings, World, create_express_machine, create_machine, outcome, refusal, scenario,
    skipped, start, until,
};
use stepfleet_sdk::{Client, api};
use tokio::task::JoinSet;

use crate::disk::{Disk, RESERVE_BYTES, start_until_refused};
use crate::machines::{pass, wait};
use crate::programs::{stepfleet, text};

const EXECUTIONS: usize = 20;
const LANES: usize = 4;
const KILLS: usize = 3;
/// Acknowledged starts before each kill.
const STARTS: usize = 60;

/// A task that starts an execution whose name begins with that of this one.
fn tell(machine: &str) -> Value {
    json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution",
        "Parameters": {
            "StateMachineArn": machine,
            "Name.$": "States.Format('{}.{}', $$.Execution.Name, States.UUID())",
        },
        "ResultPath": null,
    })
}

/// Tells that it has begun, waits, tells that it is done.
fn telling(begun: &str, seconds: u64, done: &str) -> Value {
    let (mut begin, mut end) = (tell(begun), tell(done));
    begin["Next"] = json!("Wait");
    end["End"] = json!(true);
    let wait = json!({"Type": "Wait", "Seconds": seconds, "Next": "End"});
    json!({"StartAt": "Begin", "States": {"Begin": begin, "Wait": wait, "End": end}})
}

fn recording(done: &str) -> Value {
    let mut end = tell(done);
    end["End"] = json!(true);
    json!({"StartAt": "End", "States": {"End": end}})
}

/// How often each execution has told a machine of itself.
async fn told(client: &Client, machine: &str) -> Result<BTreeMap<String, usize>> {
    let mut told = BTreeMap::new();
    let mut page_token = String::new();
    loop {
        let request = api::ListExecutionsRequest {
            state_machine_arn: machine.to_owned(),
            page_size: 1000,
            page_token,
            ..api::ListExecutionsRequest::default()
        };
        let page = client.list_executions(request).await?;
        for execution in page.executions {
            let (name, _) = execution.name.split_once('.').context("a told name")?;
            *told.entry(name.to_owned()).or_default() += 1;
        }
        if page.next_page_token.is_empty() {
            return Ok(told);
        }
        page_token = page.next_page_token;
    }
}

/// Every file below a folder, with its content.
fn digest(folder: &Path) -> Result<Vec<u8>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?.collect::<std::io::Result<_>>()?;
    files.sort_by_key(std::fs::DirEntry::path);
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(file.file_name().as_encoded_bytes());
        if file.file_type()?.is_dir() {
            hasher.update(digest(&file.path())?);
        } else {
            hasher.update(std::fs::read(file.path())?);
        }
    }
    Ok(hasher.finalize().to_vec())
}

async fn run_sync(
    client: &Client,
    machine: &str,
) -> Result<api::StartSyncExecutionResponse, stepfleet_sdk::Error> {
    let request = api::StartSyncExecutionRequest {
        state_machine_arn: machine.to_owned(),
        ..api::StartSyncExecutionRequest::default()
    };
    client.start_sync_execution(request).await
}

#[test]
fn what_has_not_ended_runs_again_after_a_kill_and_what_has_ended_does_not() {
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("checkpoint.interval_s", 1);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let begun = create_machine(&client, "begun", &pass()).await?;
        let done = create_machine(&client, "done", &pass()).await?;
        let clock = create_machine(&client, "clock", &wait(3)).await?;
        let machine =
            create_express_machine(&client, "telling", &telling(&begun, 5, &done)).await?;
        for n in 0..EXECUTIONS {
            start(&client, &machine, &format!("e{n}"), &json!({})).await?;
        }
        until("all have begun", Deadline::seconds(20), async || {
            Ok((told(&client, &begun).await?.len() == EXECUTIONS).then_some(()))
        })
        .await?;
        // Long enough for checkpoints, which trim what the starts were written to at first.
        let passes = start(&client, &clock, "c", &json!({})).await?;
        outcome(&client, &passes, Deadline::seconds(20)).await?;
        ensure!(
            told(&client, &done).await?.is_empty(),
            "too slow for this test"
        );
        coordinator.kill()?;
        coordinator.restart().await?;

        let client = coordinator.client()?;
        until("all are done", Deadline::seconds(40), async || {
            Ok((told(&client, &done).await?.len() == EXECUTIONS).then_some(()))
        })
        .await?;
        let times = told(&client, &begun).await?;
        ensure!(times.values().all(|times| *times == 2), "{times:?}");

        let status = coordinator.stop().await?;
        ensure!(status.success(), "exit status {status}");
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let passes = start(&client, &clock, "again", &json!({})).await?;
        outcome(&client, &passes, Deadline::seconds(20)).await?;
        ensure!(
            told(&client, &begun).await? == times,
            "ended ones ran again"
        );
        Ok(())
    });
}

#[test]
fn no_acknowledged_start_is_lost_over_kills() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let done = create_machine(&client, "done", &pass()).await?;
        let machine = create_express_machine(&client, "recording", &recording(&done)).await?;
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        for kill in 1..=KILLS {
            let mut lanes = JoinSet::new();
            for lane in 0..LANES {
                let (client, machine) = (coordinator.client()?, machine.clone());
                let acknowledged = Arc::clone(&acknowledged);
                lanes.spawn_local(async move {
                    // Until the coordinator is gone.
                    for n in 0.. {
                        let name = format!("kill{kill}-lane{lane}-{n}");
                        match start(&client, &machine, &name, &json!({})).await {
                            Ok(_) => acknowledged.lock().unwrap().insert(name),
                            Err(_) => return,
                        };
                    }
                });
            }
            until("enough starts", Deadline::seconds(30), async || {
                Ok((acknowledged.lock().unwrap().len() >= kill * STARTS).then_some(()))
            })
            .await?;
            coordinator.kill()?;
            while let Some(ended) = lanes.join_next().await {
                ended?;
            }
            coordinator.restart().await?;
        }
        let client = coordinator.client()?;
        let acknowledged = acknowledged.lock().unwrap().clone();
        until("all are done", Deadline::seconds(40), async || {
            let told = told(&client, &done).await?;
            let all = acknowledged.iter().all(|name| told.contains_key(name));
            Ok(all.then_some(()))
        })
        .await
    });
}

#[test]
fn a_synchronous_execution_writes_nothing() {
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("checkpoint.interval_s", 3600);
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_express_machine(&client, "pass", &pass()).await?;
        let data = coordinator.settings().data.clone();
        let mut seen = Vec::new();
        let before = until("the machine is stored", Deadline::seconds(20), async || {
            let before = std::mem::replace(&mut seen, digest(&data)?);
            Ok((before == seen).then_some(before))
        })
        .await?;
        for _ in 0..200 {
            let ended = run_sync(&client, &machine).await?;
            ensure!(
                ended.status() == api::ExecutionStatus::Succeeded,
                "{ended:?}"
            );
        }
        ensure!(digest(&data)? == before, "the data folder changed");
        Ok(())
    });
}

#[test]
fn a_shutdown_answers_who_waits_and_leaves_the_others_to_the_next_start() {
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("shutdown_grace_s", 5);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let begun = create_machine(&client, "begun", &pass()).await?;
        let done = create_machine(&client, "done", &pass()).await?;
        let telling = telling(&begun, 12, &done);
        let asynchronous = create_express_machine(&client, "telling", &telling).await?;
        let ends = create_express_machine(&client, "ends", &wait(2)).await?;
        let stays = create_express_machine(&client, "stays", &wait(200)).await?;
        start(&client, &asynchronous, "a", &json!({})).await?;
        let mut calls = JoinSet::new();
        for machine in [&ends, &stays] {
            let (client, machine) = (coordinator.client()?, machine.clone());
            calls.spawn_local(async move { (run_sync(&client, &machine).await, machine) });
        }
        until("it has begun", Deadline::seconds(20), async || {
            Ok((told(&client, &begun).await?.len() == 1).then_some(()))
        })
        .await?;

        let status = coordinator.stop().await?;
        ensure!(status.success(), "exit status {status}");
        while let Some(call) = calls.join_next().await {
            let (answer, machine) = call?;
            if machine == ends {
                let ended = answer?;
                ensure!(
                    ended.status() == api::ExecutionStatus::Succeeded,
                    "{ended:?}"
                );
            } else {
                ensure!(refusal(answer)? == "ServiceUnavailable");
            }
        }
        coordinator.restart().await?;
        let client = coordinator.client()?;
        until("it is done", Deadline::seconds(40), async || {
            Ok((told(&client, &done).await?.len() == 1).then_some(()))
        })
        .await?;
        let times = told(&client, &begun).await?;
        ensure!(times.get("a") == Some(&2), "{times:?}");
        Ok(())
    });
}

#[test]
fn a_backup_takes_along_what_is_open() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "first").start(world).await?;
        let client = coordinator.client()?;
        let begun = create_machine(&client, "begun", &pass()).await?;
        let done = create_machine(&client, "done", &pass()).await?;
        let telling = telling(&begun, 30, &done);
        let machine = create_express_machine(&client, "telling", &telling).await?;
        for name in ["a", "b", "c"] {
            start(&client, &machine, name, &json!({})).await?;
        }
        until("they have begun", Deadline::seconds(20), async || {
            Ok((told(&client, &begun).await?.len() == 3).then_some(()))
        })
        .await?;
        let file = world.path("backup");
        let file = file.to_str().context("a text")?;
        let taken = stepfleet(&["backup", file, "--endpoint", &coordinator.url()], &[]).await?;
        ensure!(taken.status.success(), "{}", text(&taken));
        drop(coordinator);

        let settings = Settings::new(world, "second");
        let data = settings.data.to_str().context("a text")?.to_owned();
        let restored = stepfleet(&["restore", file, "--data", &data], &[]).await?;
        ensure!(restored.status.success(), "{}", text(&restored));
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        until("they begin again", Deadline::seconds(20), async || {
            let times = told(&client, &begun).await?;
            Ok(times.values().all(|times| *times == 2).then_some(()))
        })
        .await
    });
}

#[test]
fn a_full_disk_refuses_starts_that_must_be_stored_and_no_others() {
    scenario(async |world: &World| {
        let Some(disk) = Disk::mount(world.path("disk"))? else {
            skipped("mounting a small disk needs root");
            return Ok(());
        };
        let mut settings = Settings::new(world, "coordinator")
            .with("disk_reserve_bytes", RESERVE_BYTES)
            .with("partitions", 4);
        settings.data = disk.0.join("data");
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_express_machine(&client, "pass", &pass()).await?;
        let filler = disk.fill(RESERVE_BYTES / 2)?;
        start_until_refused(&client, &machine, "full", 100_000).await?;
        let error = start(&client, &machine, "refused", &json!({})).await.err();
        let error = error.context("a start on a full disk")?;
        ensure!(error.to_string().contains("disk"), "{error}");
        let ended = run_sync(&client, &machine).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
        std::fs::remove_file(filler)?;
        until(
            "starts are accepted again",
            Deadline::seconds(30),
            async || match start(&client, &machine, "after", &json!({})).await {
                Ok(_) => Ok(Some(())),
                Err(error) if error.is_retryable() => Ok(None),
                Err(error) => Err(error.into()),
            },
        )
        .await
    });
}
