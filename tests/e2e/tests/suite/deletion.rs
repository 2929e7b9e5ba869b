//! A state machine is deleted with executions in memory and out of it, and its name is used again.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Deadline, History, Settings, World, create_machine, outcome, scenario, start, until,
    wait_for_event,
};
use stepfleet_sdk::{Client, api};
use tokio::task::JoinSet;

use crate::machines::wait;

const LANES: usize = 8;
const PARKED_PER_LANE: usize = 100;
const RUNNING: usize = 20;
const AFTERWARDS: usize = 30;

/// Waits for its token (`park`), or goes round and round.
fn parked_or_running() -> Value {
    json!({
        "StartAt": "Which",
        "States": {
            "Which": {
                "Type": "Choice",
                "Choices": [{ "Variable": "$.park", "BooleanEquals": true, "Next": "Park" }],
                "Default": "Round",
            },
            "Park": {
                "Type": "Task",
                "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
                "Parameters": { "token.$": "$$.Task.Token", "input.$": "$" },
                "End": true,
            },
            "Round": { "Type": "Wait", "Seconds": 1, "Next": "Which" },
        },
    })
}

async fn start_all(client: &Client, machine: &str) -> Result<Vec<String>> {
    let mut starters = JoinSet::new();
    for lane in 0..LANES {
        let (client, machine) = (client.clone(), machine.to_owned());
        starters.spawn_local(async move {
            let filler = "x".repeat(3000);
            let mut arns = Vec::new();
            for n in 0..PARKED_PER_LANE {
                let input = json!({ "park": true, "filler": filler });
                arns.push(start(&client, &machine, &format!("p{lane}-{n}"), &input).await?);
            }
            anyhow::Ok(arns)
        });
    }
    let mut arns = Vec::new();
    while let Some(started) = starters.join_next().await {
        arns.extend(started??);
    }
    until(
        "executions leave memory",
        Deadline::seconds(60),
        async || {
            let status = client.get_status(api::GetStatusRequest {}).await?;
            Ok((status.resident_executions < status.live_executions).then_some(()))
        },
    )
    .await?;
    for n in 0..RUNNING {
        let input = json!({ "park": false });
        arns.push(start(client, machine, &format!("r{n}"), &input).await?);
    }
    if let Some(last) = arns.last() {
        wait_for_event(client, last, "WaitStateExited", 1).await?;
    }
    Ok(arns)
}

/// Deletes it; of two at once, one may be told to try again.
async fn delete(client: &Client, machine: &str) -> Result<()> {
    until("it is deleted", Deadline::seconds(20), async || {
        let request = api::DeleteStateMachineRequest {
            state_machine_arn: machine.to_owned(),
        };
        match client.delete_state_machine(request).await {
            Ok(_) => Ok(Some(())),
            Err(error) if error.reason() == Some("ConflictException") => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// Creates it as soon as the one before it is gone.
async fn create_again(client: &Client, name: &str, definition: &Value) -> Result<String> {
    until("the name is free", Deadline::seconds(60), async || {
        let request = api::CreateStateMachineRequest {
            name: name.to_owned(),
            definition: definition.to_string(),
            role_arn: "arn:aws:iam::000000000000:role/e2e".to_owned(),
            ..Default::default()
        };
        match client.create_state_machine(request).await {
            Ok(created) => Ok(Some(created.state_machine_arn)),
            Err(error) if error.reason() == Some("StateMachineDeleting") => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

async fn check_afterwards(client: &Client, machine: &str, prefix: &str) -> Result<()> {
    let request = api::DescribeStateMachineRequest {
        state_machine_arn: machine.to_owned(),
    };
    let described = client.describe_state_machine(request).await?;
    ensure!(
        described.status() == api::StateMachineStatus::Active,
        "{described:?}"
    );
    let mut arns = Vec::new();
    for n in 0..AFTERWARDS {
        arns.push(start(client, machine, &format!("{prefix}{n}"), &json!({})).await?);
    }
    for arn in &arns {
        let ended = outcome(client, arn, Deadline::seconds(30)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
    }
    Ok(())
}

#[test]
fn a_machine_deleted_twice_at_once_aborts_its_own_executions_and_none_of_its_successor() {
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("memory_budget_bytes", 1 << 20);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "again", &parked_or_running()).await?;
        let arns = start_all(&client, &machine).await?;

        let other = coordinator.client()?;
        let (first, second) = tokio::join!(delete(&client, &machine), delete(&other, &machine));
        first?;
        second?;
        let successor = create_again(&client, "again", &wait(1)).await?;
        ensure!(successor == machine, "{successor}");
        check_afterwards(&client, &machine, "new").await?;
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(30)).await?;
            ensure!(ended.status() == api::ExecutionStatus::Aborted, "{ended:?}");
            let history = History::read(&client, arn).await?;
            history.check()?;
            ensure!(history.count("ExecutionAborted") == 1, "{history:#?}");
        }
        // The deletion is not taken up again by the next process.
        coordinator.kill()?;
        coordinator.restart().await?;
        check_afterwards(&coordinator.client()?, &machine, "later").await
    });
}
