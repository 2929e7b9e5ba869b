//! Executions that tasks start: each once, over kills, and each parent ends.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Deadline, History, Settings, World, create_machine, outcome, scenario, start, until,
    wait_for_event,
};
use stepfleet_sdk::{Client, api};

use crate::machines::{pass, wait};

const PARENTS: usize = 40;

/// Starts one child and waits for it, then starts another and goes on.
fn parent(waited_for: &str, started: &str) -> Value {
    json!({
        "StartAt": "Wait",
        "States": {
            "Wait": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution.sync:2",
                "Parameters": {"StateMachineArn": waited_for, "Input.$": "$"},
                "ResultSelector": {"status.$": "$.Status", "output.$": "$.Output"},
                "Next": "Start"
            },
            "Start": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution",
                "Parameters": {"StateMachineArn": started},
                "ResultPath": null,
                "End": true
            }
        }
    })
}

async fn executions(client: &Client, machine: &str) -> Result<Vec<api::ExecutionListItem>> {
    let request = api::ListExecutionsRequest {
        state_machine_arn: machine.to_owned(),
        page_size: 1000,
        ..api::ListExecutionsRequest::default()
    };
    Ok(client.list_executions(request).await?.executions)
}

#[test]
fn children_are_started_once_and_found_again_over_kills() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let waited_for = create_machine(&client, "waited-for", &wait(2)).await?;
        let started = create_machine(&client, "started", &pass()).await?;
        let machine = create_machine(&client, "parent", &parent(&waited_for, &started)).await?;
        let mut arns = Vec::new();
        for n in 0..PARENTS {
            arns.push(start(&client, &machine, &format!("p{n}"), &json!({"n": n})).await?);
            // The first kill comes between the starts of children and what is recorded of them.
            if n == PARENTS / 2 {
                coordinator.kill()?;
                coordinator.restart().await?;
            }
        }
        for _ in 0..2 {
            coordinator.kill()?;
            coordinator.restart().await?;
            wait_for_event(
                &coordinator.client()?,
                &arns[PARENTS - 1],
                "TaskSubmitted",
                1,
            )
            .await?;
        }
        let client = coordinator.client()?;
        for (n, arn) in arns.iter().enumerate() {
            let ended = outcome(&client, arn, Deadline::seconds(30)).await?;
            let output: Value = serde_json::from_str(ended.output.as_deref().unwrap_or("null"))?;
            ensure!(
                output == json!({"status": "SUCCEEDED", "output": {"n": n}}),
                "{ended:?}"
            );
            History::read(&client, arn).await?.check_closed()?;
        }
        for machine in [&waited_for, &started] {
            let children = executions(&client, machine).await?;
            ensure!(children.len() == PARENTS, "{} of {machine}", children.len());
        }
        Ok(())
    });
}

#[test]
fn a_child_that_is_waited_for_over_a_restart_is_stopped_with_its_parent() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let waited_for = create_machine(&client, "waited-for", &wait(600)).await?;
        let machine = create_machine(&client, "parent", &parent(&waited_for, &waited_for)).await?;
        let arn = start(&client, &machine, "p", &json!({})).await?;
        wait_for_event(&client, &arn, "TaskSubmitted", 1).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let stop = api::StopExecutionRequest {
            execution_arn: arn,
            ..api::StopExecutionRequest::default()
        };
        client.stop_execution(stop).await?;
        let aborted = async || {
            let children = executions(&client, &waited_for).await?;
            let all = children
                .iter()
                .all(|child| child.status() == api::ExecutionStatus::Aborted);
            Ok((children.len() == 1 && all).then_some(()))
        };
        until("the child is aborted", Deadline::seconds(20), aborted).await
    });
}
