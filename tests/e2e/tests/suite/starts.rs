//! Many starts of one name at once: one execution, one answer.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{Coordinator, History, Settings, World, create_machine, scenario};
use stepfleet_sdk::{Client, Error, api};
use tokio::task::JoinSet;

use crate::machines::callback;

const STARTS: usize = 64;
const CLIENTS: usize = 8;
const NAMES: usize = 10;

type Answer = (Value, Result<api::StartExecutionResponse, Error>);

/// Starts `name` many times at once; the inputs take turns.
async fn race(
    clients: &[Client],
    machine: &str,
    name: &str,
    inputs: &[Value],
) -> Result<Vec<Answer>> {
    let mut starters = JoinSet::new();
    for n in 0..STARTS {
        let client = clients[n % clients.len()].clone();
        let input = inputs[n / clients.len() % inputs.len()].clone();
        let request = api::StartExecutionRequest {
            state_machine_arn: machine.to_owned(),
            name: name.to_owned(),
            input: input.to_string(),
            trace_header: String::new(),
        };
        starters.spawn(async move { (input, client.start_execution(request).await) });
    }
    let mut answers = Vec::new();
    while let Some(answer) = starters.join_next().await {
        answers.push(answer?);
    }
    Ok(answers)
}

fn clients(coordinator: &Coordinator) -> Result<Vec<Client>> {
    (0..CLIENTS).map(|_| coordinator.client()).collect()
}

/// The one execution that all the answers name, as it is described.
async fn only_one(
    client: &Client,
    answers: &[&api::StartExecutionResponse],
) -> Result<api::DescribeExecutionResponse> {
    let first = answers.first().context("none was started")?;
    for answer in answers {
        ensure!(answer == first, "{answer:?} and {first:?}");
    }
    let request = api::DescribeExecutionRequest {
        execution_arn: first.execution_arn.clone(),
    };
    let described = client.describe_execution(request).await?;
    ensure!(
        described.start_date == first.start_date,
        "{described:?} was answered as {first:?}"
    );
    let history = History::read(client, &first.execution_arn).await?;
    history.check()?;
    ensure!(history.count("TaskScheduled") == 1, "{history:#?}");
    Ok(described)
}

async fn listed(client: &Client, machine: &str) -> Result<usize> {
    let request = api::ListExecutionsRequest {
        state_machine_arn: machine.to_owned(),
        page_size: 1000,
        ..Default::default()
    };
    let page = client.list_executions(request).await?;
    let arns: BTreeSet<_> = page
        .executions
        .iter()
        .map(|item| &item.execution_arn)
        .collect();
    ensure!(
        arns.len() == page.executions.len(),
        "an execution is listed twice"
    );
    Ok(arns.len())
}

#[test]
fn concurrent_starts_with_one_input_are_one_execution() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let clients = clients(&coordinator)?;
        let machine = create_machine(&clients[0], "callback", &callback()).await?;
        let mut winners = Vec::new();
        for n in 0..NAMES {
            let name = format!("same{n}");
            let answers = race(&clients, &machine, &name, &[json!({ "n": n })]).await?;
            let mut started = Vec::new();
            for (_, answer) in answers {
                started.push(answer?);
            }
            only_one(&clients[0], &started.iter().collect::<Vec<_>>()).await?;
            winners.push(started.swap_remove(0));
        }
        ensure!(listed(&clients[0], &machine).await? == NAMES);
        // What was recorded is one execution too.
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        for winner in &winners {
            only_one(&client, &[winner]).await?;
        }
        ensure!(listed(&client, &machine).await? == NAMES);
        Ok(())
    });
}

#[test]
fn concurrent_starts_with_two_inputs_are_one_execution_and_refusals() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let clients = clients(&coordinator)?;
        let machine = create_machine(&clients[0], "callback", &callback()).await?;
        let inputs = [json!({ "input": "a" }), json!({ "input": "b" })];
        for n in 0..NAMES {
            let answers = race(&clients, &machine, &format!("two{n}"), &inputs).await?;
            let started: Vec<_> = answers
                .iter()
                .filter_map(|(_, answer)| answer.as_ref().ok())
                .collect();
            ensure!(
                started.len() == STARTS / 2,
                "{} were started",
                started.len()
            );
            let described = only_one(&clients[0], &started).await?;
            for (input, answer) in &answers {
                let text = input.to_string();
                let same = text == described.input;
                match answer {
                    Ok(_) => ensure!(same, "{input} was taken for {described:?}"),
                    Err(error) => ensure!(
                        !same && error.reason() == Some("ExecutionAlreadyExists"),
                        "{input}: {error}; it is {described:?}"
                    ),
                }
            }
        }
        ensure!(listed(&clients[0], &machine).await? == NAMES);
        Ok(())
    });
}
