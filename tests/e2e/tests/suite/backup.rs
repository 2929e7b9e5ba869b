//! Backup while the coordinator works, restore into a new folder.

use anyhow::ensure;
use serde_json::json;
use stepfleet_e2e::{
    Deadline, History, Settings, World, activity, create_machine, outcome, scenario, start, until,
};
use stepfleet_sdk::api;
use tokio::task::JoinSet;

use crate::machines::{callback, one_activity, pass};
use crate::programs::{stepfleet, text};

#[test]
fn a_restored_backup_has_the_same_histories_and_goes_on() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "first").start(world).await?;
        let client = coordinator.client()?;
        let passing = create_machine(&client, "pass", &pass()).await?;
        let waiting = create_machine(&client, "callback", &callback()).await?;
        let work = activity(&client, "work").await?;
        let working = create_machine(&client, "work", &one_activity(&work)).await?;
        let mut arns = Vec::new();
        for n in 0..30 {
            let arn = start(&client, &passing, &format!("p{n}"), &json!({ "n": n })).await?;
            outcome(&client, &arn, Deadline::seconds(10)).await?;
            arns.push(arn);
        }
        let open = start(&client, &waiting, "open", &json!({ "open": true })).await?;
        let queued = start(&client, &working, "queued", &json!({ "queued": true })).await?;
        let mut before = Vec::new();
        for arn in &arns {
            before.push((arn.clone(), History::read(&client, arn).await?));
        }

        let file = world.path("backup");
        let file = file.to_str().expect("a text");
        // Starts go on while the copy is taken.
        let mut starters = JoinSet::new();
        let (busy, machine) = (coordinator.client()?, passing.clone());
        starters.spawn_local(async move {
            for n in 0.. {
                if start(&busy, &machine, &format!("busy{n}"), &json!({}))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        let taken = stepfleet(&["backup", file, "--endpoint", &coordinator.url()], &[]).await?;
        ensure!(taken.status.success(), "{}", text(&taken));
        drop(coordinator);

        let settings = Settings::new(world, "second");
        let data = settings.data.to_str().expect("a text").to_owned();
        let restored = stepfleet(&["restore", file, "--data", &data], &[]).await?;
        ensure!(restored.status.success(), "{}", text(&restored));
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        for (arn, history) in &before {
            let after = History::read(&client, arn).await?;
            ensure!(after == *history, "{arn} was {history:?} and is {after:?}");
        }
        let page = until("the callback waits", Deadline::seconds(10), async || {
            let page = client
                .list_callbacks(api::ListCallbacksRequest::default())
                .await?;
            Ok((!page.callbacks.is_empty()).then_some(page))
        })
        .await?;
        client
            .complete(&page.callbacks[0].task_token, &json!("after"))
            .await?;
        let ended = outcome(&client, &open, Deadline::seconds(10)).await?;
        ensure!(ended.output.as_deref() == Some("\"after\""), "{ended:?}");
        let poll = api::GetActivityTaskRequest {
            activity_arn: work,
            worker_name: "w".to_owned(),
        };
        let task = client.get_activity_task(poll).await?;
        client.complete(&task.task_token, &json!(1)).await?;
        outcome(&client, &queued, Deadline::seconds(10)).await?;
        Ok(())
    });
}

#[test]
fn a_restore_refuses_a_folder_in_use_and_a_damaged_file() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "first").start(world).await?;
        create_machine(&coordinator.client()?, "pass", &pass()).await?;
        let file = world.path("backup");
        let path = file.to_str().expect("a text");
        let taken = stepfleet(&["backup", path, "--endpoint", &coordinator.url()], &[]).await?;
        ensure!(taken.status.success(), "{}", text(&taken));
        coordinator.stop().await?;
        let data = coordinator
            .settings()
            .data
            .to_str()
            .expect("a text")
            .to_owned();
        let refused = stepfleet(&["restore", path, "--data", &data], &[]).await?;
        ensure!(
            !refused.status.success() && text(&refused).contains("not empty"),
            "{}",
            text(&refused)
        );

        let mut bytes = std::fs::read(&file)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let damaged = world.file("damaged", bytes)?;
        let data = world.path("new-data");
        let arguments = [
            "restore",
            damaged.to_str().expect("a text"),
            "--data",
            data.to_str().expect("a text"),
        ];
        let refused = stepfleet(&arguments, &[]).await?;
        ensure!(!refused.status.success(), "{}", text(&refused));
        let mut settings = Settings::new(world, "second");
        settings.data = data;
        if settings.data.join("FORMAT").exists() {
            let (status, output) = settings.refused(world).await?;
            ensure!(
                !status.success(),
                "a half restored folder was used: {output}"
            );
        }
        Ok(())
    });
}
