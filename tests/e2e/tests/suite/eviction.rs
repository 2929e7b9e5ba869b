//! A small memory and many executions that wait: they leave memory, and come back when they are needed.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{Deadline, Settings, World, create_machine, outcome, scenario, start, until};
use stepfleet_sdk::{Client, api};
use tokio::task::JoinSet;

use crate::machines::remembering_callback;

const LANES: usize = 10;
const PER_LANE: usize = 200;

#[test]
fn thousands_of_parked_callbacks_leave_memory_and_all_complete() {
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("memory_budget_bytes", 1 << 20);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "callback", &remembering_callback()).await?;
        let mut starters = JoinSet::new();
        for lane in 0..LANES {
            let (client, machine) = (client.clone(), machine.clone());
            starters.spawn_local(async move {
                let filler = "x".repeat(1000);
                let mut arns = Vec::new();
                for n in 0..PER_LANE {
                    let name = format!("p{lane}-{n}");
                    let input = json!({ "name": name, "filler": filler });
                    arns.push(start(&client, &machine, &name, &input).await?);
                }
                anyhow::Ok(arns)
            });
        }
        let mut arns = BTreeSet::new();
        while let Some(started) = starters.join_next().await {
            arns.extend(started??);
        }
        let status = until(
            "executions leave memory",
            Deadline::seconds(60),
            async || {
                let status = client.get_status(api::GetStatusRequest {}).await?;
                let evicted = status.resident_executions < status.live_executions;
                Ok(evicted.then_some(status))
            },
        )
        .await?;
        ensure!(
            status.live_executions == i64::try_from(arns.len())?,
            "{status:?}"
        );

        // Parked executions survive a kill like all others, with their variables.
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let completed = complete_all(&client).await?;
        ensure!(
            completed == arns,
            "{} of {} were listed",
            completed.len(),
            arns.len()
        );
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(30)).await?;
            let output: Value = serde_json::from_str(ended.output.as_deref().unwrap_or_default())?;
            let name = arn.rsplit(':').next();
            let expect = json!({ "name": name, "filler": "x".repeat(1000), "approved": true });
            ensure!(output == expect, "{arn}: {output}");
        }
        Ok(())
    });
}

/// Completes every open callback, page by page, and gives their executions.
async fn complete_all(client: &Client) -> Result<BTreeSet<String>> {
    let mut arns = BTreeSet::new();
    let mut request = api::ListCallbacksRequest {
        page_size: 500,
        ..api::ListCallbacksRequest::default()
    };
    loop {
        let page = client.list_callbacks(request.clone()).await?;
        let mut senders = JoinSet::new();
        for callback in page.callbacks {
            ensure!(
                arns.insert(callback.execution_arn),
                "a callback is listed twice"
            );
            let client = client.clone();
            senders.spawn_local(async move { client.complete(&callback.task_token, &true).await });
        }
        while let Some(sent) = senders.join_next().await {
            sent??;
        }
        if page.next_page_token.is_empty() {
            return Ok(arns);
        }
        request.page_token = page.next_page_token;
    }
}
