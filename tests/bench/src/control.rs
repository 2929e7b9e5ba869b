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
        let request = api::CreateStateMachineRequest {
            name: "bench".to_owned(),
            definition: definition(&activity),
            ..Default::default()
        };
        let machine = client
            .create_state_machine(request)
            .await?
            .state_machine_arn;
        Ok(Prepared { activity, machine })
    })
}

/// ARNs.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) activity: String,
    pub(crate) machine: String,
}
