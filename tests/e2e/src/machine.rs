//! The calls that most tests begin with.

use anyhow::{Context as _, Result};
use serde_json::Value;
use stepfleet_sdk::{Client, Error, api};

use crate::condition::{Deadline, until};
use crate::history::{Event, History};

/// Creates a state machine and gives its ARN.
///
/// # Errors
/// The coordinator refuses or is not reached.
pub async fn create_machine(client: &Client, name: &str, definition: &Value) -> Result<String> {
    create(client, name, definition, api::StateMachineType::Standard).await
}

/// Creates a state machine of type EXPRESS and gives its ARN.
///
/// # Errors
/// The coordinator refuses or is not reached.
pub async fn create_express_machine(
    client: &Client,
    name: &str,
    definition: &Value,
) -> Result<String> {
    create(client, name, definition, api::StateMachineType::Express).await
}

async fn create(
    client: &Client,
    name: &str,
    definition: &Value,
    of: api::StateMachineType,
) -> Result<String> {
    let request = api::CreateStateMachineRequest {
        r#type: of.into(),
        name: name.to_owned(),
        definition: definition.to_string(),
        role_arn: "arn:aws:iam::000000000000:role/e2e".to_owned(),
        ..Default::default()
    };
    Ok(client
        .create_state_machine(request)
        .await?
        .state_machine_arn)
}

/// Creates an activity and gives its ARN.
///
/// # Errors
/// The coordinator refuses or is not reached.
pub async fn activity(client: &Client, name: &str) -> Result<String> {
    let request = api::CreateActivityRequest {
        name: name.to_owned(),
        ..Default::default()
    };
    Ok(client.create_activity(request).await?.activity_arn)
}

/// Starts an execution by name and gives its ARN.
///
/// # Errors
/// The coordinator refuses or is not reached.
pub async fn start(
    client: &Client,
    machine: &str,
    name: &str,
    input: &Value,
) -> Result<String, Error> {
    let request = api::StartExecutionRequest {
        state_machine_arn: machine.to_owned(),
        name: name.to_owned(),
        input: input.to_string(),
        trace_header: String::new(),
    };
    Ok(client.start_execution(request).await?.execution_arn)
}

/// Waits for the end of an execution.
///
/// # Errors
/// It does not end in time, or the coordinator is not reached.
pub async fn outcome(
    client: &Client,
    execution_arn: &str,
    deadline: Deadline,
) -> Result<api::DescribeExecutionResponse> {
    let request = || api::DescribeExecutionRequest {
        execution_arn: execution_arn.to_owned(),
    };
    let what = format!("{execution_arn} ends");
    let ended = until(&what, deadline, async || {
        let description = client.describe_execution(request()).await?;
        Ok((description.status() != api::ExecutionStatus::Running).then_some(description))
    });
    match ended.await {
        Ok(description) => Ok(description),
        Err(error) => {
            let history = History::read(client, execution_arn)
                .await
                .unwrap_or_default();
            Err(error.context(format!("its history is {:#?}", history.events)))
        }
    }
}

/// Waits until the history has the `count`th event of a kind, and gives that event.
///
/// # Errors
/// It does not come in time, or the coordinator is not reached.
pub async fn wait_for_event(
    client: &Client,
    execution_arn: &str,
    kind: &str,
    count: usize,
) -> Result<Event> {
    let what = format!("{execution_arn} has {count} {kind}");
    until(&what, Deadline::seconds(30), async || {
        let history = History::read(client, execution_arn).await?;
        Ok(history.of(kind).nth(count - 1).cloned())
    })
    .await
}

/// The AWS name of a refusal.
///
/// # Errors
/// The call succeeded, or failed by other means.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Result<String> {
    let error = result.err().context("it was not refused")?;
    let reason = error.reason().map(str::to_owned);
    reason.with_context(|| format!("no refusal: {error}"))
}
