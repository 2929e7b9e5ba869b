//! One winner per token, one execution per name, whoever races.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Deadline, History, Settings, World, call_aws, create_machine, outcome, refusal, scenario,
    start, until,
};
use stepfleet_sdk::{Client, Error, api};
use tokio::task::JoinSet;

use crate::machines::{callback, pass};

/// The token of the one open callback of an execution.
async fn token(client: &Client, arn: &str) -> Result<String> {
    until("the callback waits", Deadline::seconds(20), async || {
        let page = client
            .list_callbacks(api::ListCallbacksRequest::default())
            .await?;
        let mut open = page
            .callbacks
            .into_iter()
            .filter(|callback| callback.execution_arn == arn);
        Ok(open.next().map(|callback| callback.task_token))
    })
    .await
}

#[test]
fn of_many_concurrent_results_one_counts() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "callback", &callback()).await?;
        for round in 0..10 {
            let arn = start(&client, &machine, &format!("r{round}"), &json!({})).await?;
            let token = token(&client, &arn).await?;
            let mut senders = JoinSet::new();
            for n in 0..20 {
                let (client, token) = (coordinator.client()?, token.clone());
                senders.spawn_local(async move { (n, client.complete(&token, &n).await) });
            }
            let mut winners = Vec::new();
            while let Some(sent) = senders.join_next().await {
                match sent? {
                    (n, Ok(())) => winners.push(n),
                    (_, Err(error)) => {
                        ensure!(error.reason() == Some("TaskTimedOut"), "{error}");
                    }
                }
            }
            let ended = outcome(&client, &arn, Deadline::seconds(10)).await?;
            ensure!(winners.len() == 1, "the winners are {winners:?}");
            ensure!(
                ended.output == Some(winners[0].to_string()),
                "{ended:?}, {winners:?}"
            );
            History::read(&client, &arn).await?.check_closed()?;
        }
        Ok(())
    });
}

#[test]
fn a_result_and_a_stop_that_race_agree_on_the_end() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "callback", &callback()).await?;
        for round in 0..20 {
            let arn = start(&client, &machine, &format!("r{round}"), &json!({})).await?;
            let token = token(&client, &arn).await?;
            let stop = api::StopExecutionRequest {
                execution_arn: arn.clone(),
                error: None,
                cause: None,
            };
            let (other, number) = (coordinator.client()?, json!(round));
            let (sent, _stopped) =
                tokio::join!(client.complete(&token, &number), other.stop_execution(stop));
            let ended = outcome(&client, &arn, Deadline::seconds(10)).await?;
            match sent {
                Ok(()) => ensure!(
                    ended.status() == api::ExecutionStatus::Succeeded,
                    "{ended:?}"
                ),
                Err(error) => {
                    let reason = error.reason().unwrap_or_default().to_owned();
                    ensure!(
                        ["TaskTimedOut", "TaskDoesNotExist"].contains(&&*reason),
                        "{error}"
                    );
                    ensure!(ended.status() == api::ExecutionStatus::Aborted, "{ended:?}");
                }
            }
            History::read(&client, &arn).await?.check()?;
        }
        Ok(())
    });
}

#[test]
fn the_same_success_again_is_fine_over_grpc_and_too_late_over_the_aws_api() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "callback", &callback()).await?;
        let arn = start(&client, &machine, "once", &json!({})).await?;
        let token = token(&client, &arn).await?;
        client.complete(&token, &json!({ "a": 1 })).await?;
        client.complete(&token, &json!({ "a": 1 })).await?;
        let other = refusal(client.complete(&token, &json!({ "a": 2 })).await)?;
        ensure!(other == "TaskTimedOut", "{other}");
        let body = json!({ "taskToken": token, "output": "{\"a\":1}" }).to_string();
        let answer = call_aws(&coordinator.address(), "SendTaskSuccess", &body).await?;
        ensure!(
            answer.status == 400 && answer.error() == "TaskTimedOut",
            "{answer:?}"
        );
        let history = History::read(&client, &arn).await?;
        ensure!(history.count("TaskSucceeded") == 1, "{history:?}");
        Ok(())
    });
}

#[test]
fn a_token_of_an_attempt_that_is_over_is_dead() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let mut definition = callback();
        definition["States"]["Approve"]["Retry"] =
            json!([{ "ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 2 }]);
        let machine = create_machine(&client, "retry", &definition).await?;
        let arn = start(&client, &machine, "retry", &json!({})).await?;
        let first = token(&client, &arn).await?;
        client.fail(&first, "Again", "").await?;
        let second = token(&client, &arn).await?;
        ensure!(first != second, "both attempts have one token");
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        for _ in 0..2 {
            let reason = refusal(client.complete(&first, &json!(1)).await)?;
            ensure!(reason == "TaskTimedOut", "{reason}");
            let reason = refusal(client.heartbeat(&first).await)?;
            ensure!(reason == "TaskTimedOut", "{reason}");
        }
        client.complete(&second, &json!(2)).await?;
        let ended = outcome(&client, &arn, Deadline::seconds(10)).await?;
        ensure!(ended.output.as_deref() == Some("2"), "{ended:?}");
        Ok(())
    });
}

#[test]
fn a_name_that_many_start_at_once_is_one_execution() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "callback", &callback()).await?;
        let mut starters = JoinSet::new();
        for _ in 0..100 {
            let (client, machine) = (client.clone(), machine.clone());
            starters.spawn_local(async move { named(&client, &machine, &json!({ "a": 1 })).await });
        }
        let mut answers = Vec::new();
        while let Some(answer) = starters.join_next().await {
            answers.push(answer??);
        }
        let first = answers[0].clone();
        ensure!(answers.iter().all(|answer| *answer == first), "{answers:?}");
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        ensure!(
            named(&client, &machine, &json!({ "a": 1 })).await? == first,
            "after a kill"
        );
        let reason = refusal(named(&client, &machine, &json!({ "a": 2 })).await)?;
        ensure!(reason == "ExecutionAlreadyExists", "{reason}");
        Ok(())
    });
}

#[test]
fn a_closed_execution_keeps_its_name() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "pass", &pass()).await?;
        let arn = start(&client, &machine, "taken", &json!({ "a": 1 })).await?;
        outcome(&client, &arn, Deadline::seconds(10)).await?;
        let reason = refusal(start(&client, &machine, "taken", &json!({ "a": 1 })).await)?;
        ensure!(reason == "ExecutionAlreadyExists", "{reason}");
        Ok(())
    });
}

async fn named(
    client: &Client,
    machine: &str,
    input: &Value,
) -> Result<(String, Option<(i64, i32)>), Error> {
    let request = api::StartExecutionRequest {
        state_machine_arn: machine.to_owned(),
        name: "the-one".to_owned(),
        input: input.to_string(),
        trace_header: String::new(),
    };
    let answer = client.start_execution(request).await?;
    Ok((
        answer.execution_arn,
        answer.start_date.map(|date| (date.seconds, date.nanos)),
    ))
}
