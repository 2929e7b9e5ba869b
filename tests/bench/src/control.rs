//! The few calls that prepare a benchmark: activities and state machines.

use anyhow::Context as _;
use stepfleet_sdk::{Client, api};

/// Name of the one activity.
const ACTIVITY: &str = "bench";

/// Creates the activity and a state machine that may use it; gives their ARNs.
pub(crate) fn prepare(
    endpoint: &str,
    definition: impl FnOnce(&str) -> String,
) -> anyhow::Result<Prepared> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::connect(endpoint).await.context("cannot connect")?;
        let request = api::CreateActivityRequest {
            name: ACTIVITY.to_owned(),
            ..Default::default()
        };
        let activity = client.create_activity(request).await?.activity_arn;
        let machine = machine(&client, "bench", definition(&activity)).await?;
        Ok(Prepared { activity, machine })
    })
}

/// Creates a state machine; gives its ARN.
pub(crate) fn create(endpoint: &str, name: &str, definition: String) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::connect(endpoint).await.context("cannot connect")?;
        machine(&client, name, definition).await
    })
}

/// The same, of type EXPRESS.
pub(crate) fn create_express(
    endpoint: &str,
    name: &str,
    definition: String,
) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::connect(endpoint).await.context("cannot connect")?;
        typed(&client, name, definition, api::StateMachineType::Express).await
    })
}

async fn machine(client: &Client, name: &str, definition: String) -> anyhow::Result<String> {
    typed(client, name, definition, api::StateMachineType::Standard).await
}

async fn typed(
    client: &Client,
    name: &str,
    definition: String,
    machine_type: api::StateMachineType,
) -> anyhow::Result<String> {
    let request = api::CreateStateMachineRequest {
        name: name.to_owned(),
        definition,
        r#type: machine_type.into(),
        ..Default::default()
    };
    let created = client.create_state_machine(request).await?;
    Ok(created.state_machine_arn)
}

/// ARNs.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) activity: String,
    pub(crate) machine: String,
}
