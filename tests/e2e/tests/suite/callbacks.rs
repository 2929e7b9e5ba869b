//! Callback URLs outlive the process that handed them out.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Answer, Deadline, History, Settings, World, create_machine, outcome, request, scenario, start,
    until,
};
use stepfleet_sdk::{Client, api};
use tokio::task::JoinSet;

use crate::machines::callback;

const ADDRESS: &str = "https://flow.example.com";

/// The token and the path of the URL that the one open callback of an execution shows.
async fn open(client: &Client, arn: &str) -> Result<(String, String)> {
    let open = until("the callback waits", Deadline::seconds(20), async || {
        let page = client
            .list_callbacks(api::ListCallbacksRequest::default())
            .await?;
        let mut open = page.callbacks.into_iter();
        Ok(open.find(|callback| callback.execution_arn == arn))
    });
    let open = open.await?;
    let parameters: Value = serde_json::from_str(&open.parameters)?;
    let url = parameters["url"].as_str().context("no URL")?;
    let path = url.strip_prefix(ADDRESS).context("another address")?;
    Ok((open.task_token, path.to_owned()))
}

async fn send(address: &str, line: &str, body: &str) -> Result<Answer> {
    request(address, &format!("{line} HTTP/1.1"), &[], body.as_bytes()).await
}

#[test]
fn a_url_of_a_killed_coordinator_completes_its_task_once() {
    scenario(async |world: &World| {
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!("[callbacks]\nurl = \"{ADDRESS}\"\n");
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let mut definition = callback();
        definition["States"]["Approve"]["Parameters"] = json!({ "url.$": "$$.Task.CallbackUrl" });
        let machine = create_machine(&client, "callback", &definition).await?;
        let arn = start(&client, &machine, "clicked", &json!({})).await?;
        let (_, path) = open(&client, &arn).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let (client, address) = (coordinator.client()?, coordinator.address());
        // A preview of the link, then many clicks at once.
        let page = send(&address, &format!("GET {path}"), "").await?;
        ensure!(page.status == 200, "{page:?}");
        let line = format!("POST {path}/success");
        let mut clicks = JoinSet::new();
        for n in 0..10 {
            let (address, line) = (address.clone(), line.clone());
            clicks.spawn_local(async move { send(&address, &line, &n.to_string()).await });
        }
        let mut taken = 0;
        while let Some(answer) = clicks.join_next().await {
            let status = answer??.status;
            ensure!(status == 200 || status == 410, "{status}");
            taken += u32::from(status == 200);
        }
        ensure!(taken == 1, "{taken} clicks counted");
        let ended = outcome(&client, &arn, Deadline::seconds(10)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
        coordinator.kill()?;
        coordinator.restart().await?;
        let again = send(&coordinator.address(), &line, "3").await?;
        ensure!(again.status == 410, "{again:?}");
        let client = coordinator.client()?;
        History::read(&client, &arn).await?.check_closed()
    });
}

#[test]
fn a_url_that_was_revoked_before_a_kill_counts_no_more() {
    scenario(async |world: &World| {
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!("[callbacks]\nurl = \"{ADDRESS}\"\n");
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let mut definition = callback();
        definition["States"]["Approve"]["Parameters"] = json!({ "url.$": "$$.Task.CallbackUrl" });
        let machine = create_machine(&client, "callback", &definition).await?;
        let arn = start(&client, &machine, "revoked", &json!({})).await?;
        let other = start(&client, &machine, "other", &json!({})).await?;
        let (token, path) = open(&client, &arn).await?;
        let (_, other_path) = open(&client, &other).await?;
        let url = format!("{ADDRESS}{path}");
        client
            .revoke_callback_url(api::RevokeCallbackUrlRequest { url })
            .await?;
        // A second time, when the first start has read the log.
        for _ in 0..2 {
            coordinator.kill()?;
            coordinator.restart().await?;
            let address = coordinator.address();
            for line in [format!("GET {path}"), format!("POST {path}/success")] {
                let answer = send(&address, &line, "").await?;
                ensure!(answer.status == 410, "{line}: {answer:?}");
            }
        }
        let (client, address) = (coordinator.client()?, coordinator.address());
        let line = format!("POST {other_path}/success");
        let answer = send(&address, &line, "1").await?;
        ensure!(answer.status == 200, "{answer:?}");
        client
            .send_task_success(api::SendTaskSuccessRequest {
                task_token: token,
                output: "2".to_owned(),
            })
            .await?;
        for (arn, expect) in [(other, "1"), (arn, "2")] {
            let ended = outcome(&client, &arn, Deadline::seconds(10)).await?;
            ensure!(
                ended.status() == api::ExecutionStatus::Succeeded
                    && ended.output.as_deref() == Some(expect),
                "{ended:?}"
            );
            History::read(&client, &arn).await?.check_closed()?;
        }
        Ok(())
    });
}
