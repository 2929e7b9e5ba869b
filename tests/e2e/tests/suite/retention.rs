//! Closed executions go when their time is over; open ones stay.

use anyhow::{Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Deadline, Faults, History, Settings, World, create_machine, outcome, refusal, scenario,
    skipped, start, until,
};
use stepfleet_sdk::{Client, api};

use crate::machines::{callback, pass};

const DAY_SECONDS: i64 = 86_400;

#[test]
fn closed_executions_are_deleted_after_the_retention_and_open_ones_are_not() {
    scenario(async |world: &World| {
        let Some(faults) = Faults::new(world)? else {
            skipped("there is no C compiler, or this is not Linux");
            return Ok(());
        };
        let settings = Settings::new(world, "coordinator").with("retention_days", 2);
        let mut coordinator = faults.into_settings(settings).start(world).await?;
        let client = coordinator.client()?;
        let passing = create_machine(&client, "pass", &pass()).await?;
        let waiting = create_machine(&client, "callback", &callback()).await?;
        let mut closed = Vec::new();
        for n in 0..20 {
            let arn = start(&client, &passing, &format!("p{n}"), &json!({})).await?;
            outcome(&client, &arn, Deadline::seconds(10)).await?;
            closed.push(arn);
        }
        let open = start(&client, &waiting, "open", &json!({})).await?;

        // One day later everything is still there, three days later only what is open.
        later(&faults, &mut coordinator, 1).await?;
        for arn in &closed {
            History::read(&coordinator.client()?, arn).await?.check()?;
        }
        later(&faults, &mut coordinator, 3).await?;
        let client = coordinator.client()?;
        until("the closed ones go", Deadline::seconds(20), async || {
            Ok(listed(&client, &passing).await?.is_empty().then_some(()))
        })
        .await?;
        for arn in &closed {
            let request = api::DescribeExecutionRequest {
                execution_arn: arn.clone(),
            };
            let reason = refusal(client.describe_execution(request).await)?;
            ensure!(reason == "ExecutionDoesNotExist", "{reason}");
            let reason = refusal(History::read(&client, arn).await)?;
            ensure!(reason == "ExecutionDoesNotExist", "{reason}");
        }
        ensure!(
            listed(&client, &waiting).await? == ["open"],
            "the open one is gone"
        );
        // The name is free again.
        start(&client, &passing, "p0", &json!({ "again": true })).await?;
        let page = client
            .list_callbacks(api::ListCallbacksRequest::default())
            .await?;
        client
            .complete(&page.callbacks[0].task_token, &json!(1))
            .await?;
        outcome(&client, &open, Deadline::seconds(10)).await?;
        Ok(())
    });
}

/// Restarts it in the future.
async fn later(
    faults: &Faults,
    coordinator: &mut stepfleet_e2e::Coordinator,
    days: i64,
) -> Result<()> {
    coordinator.stop().await?;
    faults.shift_clock(days * DAY_SECONDS)?;
    coordinator.restart().await
}

async fn listed(client: &Client, machine: &str) -> Result<Vec<String>> {
    let request = api::ListExecutionsRequest {
        state_machine_arn: machine.to_owned(),
        ..Default::default()
    };
    let page = client.list_executions(request).await?;
    Ok(page
        .executions
        .into_iter()
        .map(|execution| execution.name)
        .collect())
}
