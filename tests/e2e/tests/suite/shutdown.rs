//! SIGTERM: what is in flight is answered, what was acknowledged is there afterwards.

use std::sync::Arc;
use std::sync::Mutex;

use anyhow::{Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Deadline, Settings, activity, call_aws, create_machine, outcome, scenario, start, until,
};
use stepfleet_sdk::api;
use tokio::task::JoinSet;

use crate::machines::{callback, pass};

#[test]
fn a_long_poll_is_answered_and_the_process_ends_with_success() {
    scenario(async |world| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let arn = activity(&client, "idle").await?;
        let mut polls = JoinSet::new();
        let (address, body) = (
            coordinator.address(),
            json!({ "activityArn": arn }).to_string(),
        );
        polls.spawn(async move { call_aws(&address, "GetActivityTask", &body).await });
        waiting_pollers(&client, &arn, 1).await?;

        let status = coordinator.stop().await?;
        ensure!(status.success(), "exit status {status}");
        let answer = polls.join_next().await.expect("one poll")??;
        ensure!(answer.status == 200, "{answer:?}");
        ensure!(
            answer.json()?["taskToken"]
                .as_str()
                .is_none_or(str::is_empty),
            "{answer:?}"
        );
        Ok(())
    });
}

#[test]
fn starts_acknowledged_during_a_shutdown_are_there_afterwards() {
    scenario(async |world| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "pass", &pass()).await?;
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let mut starters = JoinSet::new();
        for lane in 0..8 {
            let (client, machine) = (coordinator.client()?, machine.clone());
            let acknowledged = Arc::clone(&acknowledged);
            starters.spawn_local(async move {
                // Until the coordinator is gone.
                for n in 0.. {
                    let name = format!("lane{lane}-{n}");
                    match start(&client, &machine, &name, &json!({})).await {
                        Ok(arn) => acknowledged.lock().unwrap().push(arn),
                        Err(_) => return,
                    }
                }
            });
        }
        until("some starts", Deadline::seconds(20), async || {
            Ok((acknowledged.lock().unwrap().len() > 100).then_some(()))
        })
        .await?;
        let status = coordinator.stop().await?;
        ensure!(status.success(), "exit status {status}");
        while let Some(ended) = starters.join_next().await {
            ended?;
        }
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let arns = acknowledged.lock().unwrap().clone();
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(10)).await?;
            ensure!(
                ended.status() == api::ExecutionStatus::Succeeded,
                "{ended:?}"
            );
        }
        Ok(())
    });
}

#[test]
fn many_restarts_leave_open_executions_as_they_were() {
    scenario(async |world| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let machine = create_machine(&coordinator.client()?, "callback", &callback()).await?;
        let arn = start(&coordinator.client()?, &machine, "open", &json!({})).await?;
        for _ in 0..3 {
            let status = coordinator.stop().await?;
            ensure!(status.success(), "exit status {status}");
            coordinator.restart().await?;
        }
        let client = coordinator.client()?;
        let page = client
            .list_callbacks(api::ListCallbacksRequest::default())
            .await?;
        ensure!(page.callbacks.len() == 1, "{page:?}");
        client
            .complete(&page.callbacks[0].task_token, &json!("done"))
            .await?;
        let ended = outcome(&client, &arn, Deadline::seconds(10)).await?;
        ensure!(ended.output.as_deref() == Some("\"done\""), "{ended:?}");
        Ok(())
    });
}

async fn waiting_pollers(client: &stepfleet_sdk::Client, arn: &str, count: i64) -> Result<()> {
    until("pollers wait", Deadline::seconds(20), async || {
        let request = api::DescribeActivityRequest {
            activity_arn: arn.to_owned(),
        };
        Ok((client.describe_activity(request).await?.workers >= count).then_some(()))
    })
    .await
}
