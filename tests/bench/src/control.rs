//! The few calls that prepare a benchmark: activities and state machines.

use anyhow::Context as _;
use stepfleet_sdk::{Client, api};

/// Names of activities and machines begin with it.
const NAME: &str = "bench";

/// Activities that one machine uses.
const ACTIVITIES_EACH: usize = 10;

/// Creates so many activities, and state machines that use ten of them each; gives their ARNs.
pub(crate) fn prepare(
    endpoint: &str,
    activities: u32,
    definition: impl Fn(&[String]) -> String,
) -> anyhow::Result<Prepared> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::connect(endpoint).await.context("cannot connect")?;
        let mut prepared = Prepared::default();
        for number in 0..activities {
            let request = api::CreateActivityRequest {
                name: format!("{NAME}-{number}"),
                ..Default::default()
            };
            let created = client.create_activity(request).await?;
            prepared.activities.push(created.activity_arn);
        }
        for (number, group) in prepared.activities.chunks(ACTIVITIES_EACH).enumerate() {
            let name = format!("{NAME}-{number}");
            let machine = machine(&client, &name, definition(group)).await?;
            prepared.machines.push(machine);
        }
        Ok(prepared)
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
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) activities: Vec<String>,
    pub(crate) machines: Vec<String>,
}

impl Prepared {
    /// The first state machine.
    pub(crate) fn machine(&self) -> &str {
        self.machines.first().map_or("", String::as_str)
    }
}
