//! Starts executions at a steady pace, each until its answer is known.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use stepfleet_e2e::{Coordinator, Deadline, Random, until};
use stepfleet_sdk::{CancellationToken, Client, api};
use tokio::time::MissedTickBehavior;

use crate::plan::Plan;

/// Handlers take up to this; every third is done at once.
const WORK_MS_MAX: u64 = 1500;

/// See the module.
pub(crate) struct Load {
    client: Client,
    pub(crate) machine: String,
    pace: Duration,
    seed: u64,
    started: Cell<u64>,
}

impl Load {
    pub(crate) fn new(coordinator: &Coordinator, machine: String, plan: &Plan) -> Result<Rc<Self>> {
        Ok(Rc::new(Self {
            client: coordinator.client()?,
            machine,
            pace: Duration::from_secs(1) / plan.rate,
            seed: plan.seed,
            started: Cell::new(0),
        }))
    }

    pub(crate) async fn start_all(self: Rc<Self>, stop: CancellationToken) -> Result<()> {
        let mut random = Random::new(self.seed.rotate_left(32));
        let mut pace = tokio::time::interval(self.pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !stop.is_cancelled() {
            pace.tick().await;
            let ms = match random.below(3) {
                0 => 0,
                _ => random.below(WORK_MS_MAX),
            };
            self.start(ms).await?;
        }
        Ok(())
    }

    async fn start(&self, ms: u64) -> Result<()> {
        let request = api::StartExecutionRequest {
            state_machine_arn: self.machine.clone(),
            name: self.name(self.started.get()),
            input: json!({ "ms": ms }).to_string(),
            ..Default::default()
        };
        until("the start is answered", Deadline::seconds(60), async || {
            match self.client.start_execution(request.clone()).await {
                Ok(_) => Ok(Some(())),
                // An attempt whose answer was lost began it, and it is over.
                Err(error) if error.reason() == Some("ExecutionAlreadyExists") => Ok(Some(())),
                Err(error) if error.is_retryable() => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        self.started.set(self.started.get() + 1);
        Ok(())
    }

    fn name(&self, number: u64) -> String {
        format!("soak-{number}")
    }

    /// ARNs of what was acknowledged.
    pub(crate) fn executions(&self) -> Vec<String> {
        let arns = self.machine.replace(":stateMachine:", ":execution:");
        (0..self.started.get())
            .map(|number| format!("{arns}:{}", self.name(number)))
            .collect()
    }
}
