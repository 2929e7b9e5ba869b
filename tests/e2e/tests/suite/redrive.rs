//! Redrives: each once or not at all, over kills; and what was kept for them is there after a restart.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Faults, History, Settings, World, create_machine, outcome, refusal,
    scenario, skipped, start, until,
};
use stepfleet_sdk::{Client, Error, api};
use tokio::task::JoinSet;

use crate::machines::callback;

const EXECUTIONS: usize = 60;
const DAY_SECONDS: i64 = 86_400;

async fn stop(client: &Client, arn: &str) -> Result<()> {
    let request = api::StopExecutionRequest {
        execution_arn: arn.to_owned(),
        ..api::StopExecutionRequest::default()
    };
    client.stop_execution(request).await?;
    Ok(())
}

async fn describe(client: &Client, arn: &str) -> Result<api::DescribeExecutionResponse, Error> {
    let execution_arn = arn.to_owned();
    let request = api::DescribeExecutionRequest { execution_arn };
    client.describe_execution(request).await
}

/// Redrives by a token of the execution's own.
async fn redrive(client: &Client, arn: &str) -> Result<api::RedriveExecutionResponse, Error> {
    let request = api::RedriveExecutionRequest {
        execution_arn: arn.to_owned(),
        client_token: format!("of-{}", arn.rsplit(':').next().unwrap_or_default()),
    };
    client.redrive_execution(request).await
}

async fn listed(client: &Client, machine: &str, status: api::ExecutionStatus) -> Result<usize> {
    let request = api::ListExecutionsRequest {
        state_machine_arn: machine.to_owned(),
        status_filter: status.into(),
        page_size: 1000,
        ..api::ListExecutionsRequest::default()
    };
    Ok(client.list_executions(request).await?.executions.len())
}

/// Completes every open callback with its execution's ARN.
async fn complete_all(client: &Client) -> Result<usize> {
    let request = api::ListCallbacksRequest {
        page_size: 1000,
        ..api::ListCallbacksRequest::default()
    };
    let callbacks = client.list_callbacks(request).await?.callbacks;
    for callback in &callbacks {
        let output = json!(callback.execution_arn);
        client.complete(&callback.task_token, &output).await?;
    }
    Ok(callbacks.len())
}

/// Redrives all at once, and kills the coordinator in the midst of that; the answers that came.
async fn redrive_until_killed(
    coordinator: &mut Coordinator,
    arns: &[String],
) -> Result<Vec<(String, api::RedriveExecutionResponse)>> {
    let client = coordinator.client()?;
    let mut requests = JoinSet::new();
    for arn in arns.iter().cloned() {
        let client = client.clone();
        requests.spawn(async move { (redrive(&client, &arn).await, arn) });
    }
    let mut answers = Vec::new();
    while let Some(answered) = requests.join_next().await {
        let (answer, arn) = answered?;
        if let Ok(answer) = answer {
            answers.push((arn, answer));
        }
        if answers.len() == EXECUTIONS / 4 {
            coordinator.kill()?;
        }
    }
    Ok(answers)
}

#[test]
fn a_redrive_that_a_kill_cut_off_happens_once() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "callback", &callback()).await?;
        let mut arns = Vec::new();
        for n in 0..EXECUTIONS {
            let arn = start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?;
            stop(&client, &arn).await?;
            arns.push(arn);
            // Half of them are in the state store alone, the others in the log.
            if n == EXECUTIONS / 2 {
                coordinator.stop().await?;
                coordinator.restart().await?;
            }
        }
        let answers = redrive_until_killed(&mut coordinator, &arns).await?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        for (arn, answer) in &answers {
            let described = describe(&client, arn).await?;
            ensure!(
                described.redrive_date == answer.redrive_date && described.redrive_count == 1,
                "{described:?} was answered with {answer:?}"
            );
        }
        // Asked again, the others are redriven, and those that were give their old answer.
        for arn in &arns {
            let again = redrive(&client, arn).await?;
            let before = answers.iter().find(|(answered, _)| answered == arn);
            ensure!(before.is_none_or(|(_, before)| *before == again), "{arn}");
        }
        for round in 0..2 {
            match round {
                0 => coordinator.kill()?,
                _ => drop(coordinator.stop().await?),
            }
            coordinator.restart().await?;
            let client = coordinator.client()?;
            let running = listed(&client, &machine, api::ExecutionStatus::Running).await?;
            ensure!(running == EXECUTIONS, "{running} run");
            until(
                "none is listed as stopped",
                Deadline::seconds(20),
                async || {
                    let stopped = listed(&client, &machine, api::ExecutionStatus::Aborted).await?;
                    Ok((stopped == 0).then_some(()))
                },
            )
            .await?;
        }
        let client = coordinator.client()?;
        ensure!(complete_all(&client).await? == EXECUTIONS);
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(20)).await?;
            let output: Value = serde_json::from_str(ended.output.as_deref().unwrap_or("null"))?;
            ensure!(
                output == json!(arn) && ended.redrive_count == 1,
                "{ended:?}"
            );
            let history = History::read(&client, arn).await?;
            history.check()?;
            ensure!(history.count("ExecutionRedriven") == 1, "{history:?}");
            ensure!(history.count("TaskScheduled") == 2, "{history:?}");
        }
        Ok(())
    });
}

/// A branch that ends at once, and items of which each waits for its token.
fn branches() -> Value {
    let mut waiting = callback();
    waiting["States"]["Approve"]["Parameters"]["input.$"] = json!("$");
    json!({
        "StartAt": "Both",
        "States": { "Both": { "Type": "Parallel", "End": true, "Branches": [
            { "StartAt": "Done", "States": { "Done": { "Type": "Pass", "Result": "left", "End": true } } },
            { "StartAt": "Each", "States": { "Each": {
                "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "ItemProcessor": waiting, "End": true,
            } } },
        ] } }
    })
}

#[test]
fn results_are_kept_for_redrives_over_restarts() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "branches", &branches()).await?;
        let arn = start(&client, &machine, "e", &json!({ "items": [0, 1, 2, 3, 4] })).await?;
        for round in 0..5 {
            let client = coordinator.client()?;
            // One item ends, the next fails the execution.
            let done = next_callback(&client).await?;
            client.complete(&done.0, &json!({ "done": done.1 })).await?;
            if round < 4 {
                let (token, _) = next_callback(&client).await?;
                client.fail(&token, "Broken", "by the test").await?;
                outcome(&client, &arn, Deadline::seconds(20)).await?;
                match round % 2 {
                    0 => coordinator.kill()?,
                    _ => drop(coordinator.stop().await?),
                }
                coordinator.restart().await?;
                let request = api::RedriveExecutionRequest {
                    execution_arn: arn.clone(),
                    ..api::RedriveExecutionRequest::default()
                };
                coordinator.client()?.redrive_execution(request).await?;
            }
        }
        let client = coordinator.client()?;
        let ended = outcome(&client, &arn, Deadline::seconds(20)).await?;
        let output: Value = serde_json::from_str(ended.output.as_deref().unwrap_or("null"))?;
        let items: Vec<Value> = (0..5).map(|item| json!({ "done": item })).collect();
        ensure!(output == json!(["left", items]), "{output}");
        let history = History::read(&client, &arn).await?;
        history.check()?;
        ensure!(history.count("MapIterationStarted") == 5, "{history:#?}");
        ensure!(history.count("ExecutionRedriven") == 4, "{history:#?}");
        Ok(())
    });
}

/// The token and the input of the callback with the smallest input.
async fn next_callback(client: &Client) -> Result<(String, Value)> {
    until(
        "a task waits for its token",
        Deadline::seconds(20),
        async || {
            let page = client
                .list_callbacks(api::ListCallbacksRequest::default())
                .await?;
            let mut waiting = Vec::new();
            for callback in page.callbacks {
                let parameters: Value = serde_json::from_str(&callback.parameters)?;
                waiting.push((callback.task_token, parameters["input"].clone()));
            }
            Ok(waiting.into_iter().min_by_key(|(_, input)| input.as_i64()))
        },
    )
    .await
}

#[test]
fn a_redriven_execution_outlives_the_retention_of_its_first_end() {
    scenario(async |world: &World| {
        let Some(faults) = Faults::new(world)? else {
            skipped("there is no C compiler, or this is not Linux");
            return Ok(());
        };
        let settings = Settings::new(world, "coordinator").with("retention_days", 2);
        let mut coordinator = faults.into_settings(settings).start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "callback", &callback()).await?;
        let kept = start(&client, &machine, "kept", &json!({})).await?;
        let gone = start(&client, &machine, "gone", &json!({})).await?;
        for arn in [&kept, &gone] {
            stop(&client, arn).await?;
        }
        coordinator.stop().await?;
        faults.shift_clock(DAY_SECONDS)?;
        coordinator.restart().await?;
        redrive(&coordinator.client()?, &kept).await?;
        coordinator.kill()?;
        faults.shift_clock(3 * DAY_SECONDS)?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let reason = until("the other one goes", Deadline::seconds(20), async || {
            Ok(refusal(describe(&client, &gone).await).ok())
        })
        .await?;
        ensure!(reason == "ExecutionDoesNotExist", "{reason}");
        let described = describe(&client, &kept).await?;
        ensure!(
            described.status() == api::ExecutionStatus::Running,
            "{described:?}"
        );
        ensure!(complete_all(&client).await? == 1);
        let ended = outcome(&client, &kept, Deadline::seconds(20)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
        History::read(&client, &kept).await?.check()
    });
}
