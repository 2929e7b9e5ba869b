//! Work of a connector that is anywhere, not at a place: a stop that its worker was never told is told to the next one,
//! whatever became of the coordinator meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, activity, create_machine, scenario, start, until,
    wait_for_event,
};
use stepfleet_sdk::{
    CancellationToken, Client, Connector, Endpoint, Standing, Start, Started, TaskError, Work,
    Worker, api,
};
use tokio::task::JoinSet;

/// Begins work that goes on until it is stopped; the handles of what was.
#[derive(Clone, Debug, Default)]
struct Training(Arc<Mutex<Vec<String>>>);

impl Training {
    fn stopped(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Connector for Training {
    async fn start(&self, start: Start) -> Result<Started, TaskError> {
        Ok(Started::Begun {
            handle: start.input,
            output: "{}".to_owned(),
        })
    }

    async fn describe(&self, _: Work) -> Result<Standing, TaskError> {
        Ok(Standing::Going(None))
    }

    async fn stop(&self, work: Work) -> Result<(), TaskError> {
        let mut stopped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.push(work.handle);
        Ok(())
    }
}

/// A worker in this process; dropping it is the end of its connection.
fn worker(coordinator: &Coordinator, training: &Training) -> Result<JoinSet<()>> {
    let client = Client::connect_lazy(Endpoint::new(coordinator.url()))?;
    let worker = Worker::new(client)
        .name("trainer")
        .connector("acme:train", training.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(worker.run(CancellationToken::new()).await) });
    Ok(tasks)
}

async fn nobody_is_connected(client: &Client) -> Result<()> {
    until("the worker is gone", Deadline::seconds(30), async || {
        let workers = client.list_workers(Default::default()).await?.workers;
        let is_open = |worker: &api::WorkerInfo| worker.status() == api::WorkerStatus::Connected;
        Ok((!workers.iter().any(is_open)).then_some(()))
    })
    .await
}

/// `ends` ends the coordinator while nobody could be told of the stop.
async fn check(
    world: &World,
    ends: impl AsyncFnOnce(&mut Coordinator) -> Result<()>,
) -> Result<()> {
    let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
    let client = coordinator.patient_client()?;
    activity(&client, "connector.acme.train").await?;
    let state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::acme:train.sync",
        "Parameters": {"model": 7},
        "End": true,
    });
    let definition = json!({"StartAt": "Train", "States": {"Train": state}});
    let machine = create_machine(&client, "train", &definition).await?;
    let first = worker(&coordinator, &Training::default())?;
    let execution = start(&client, &machine, "e", &json!({})).await?;
    wait_for_event(&client, &execution, "TaskSubmitted", 1).await?;
    drop(first);
    nobody_is_connected(&client).await?;
    let request = api::StopExecutionRequest {
        execution_arn: execution,
        ..Default::default()
    };
    client.stop_execution(request).await?;
    ends(&mut coordinator).await?;
    coordinator.restart().await?;
    let training = Training::default();
    let _second = worker(&coordinator, &training)?;
    until("the work is stopped", Deadline::seconds(60), async || {
        Ok((training.stopped() == [r#"{"model":7}"#]).then_some(()))
    })
    .await
}

#[test]
fn a_stop_that_nobody_heard_survives_a_kill_of_the_coordinator() {
    scenario(async |world: &World| {
        check(world, async |coordinator: &mut Coordinator| {
            coordinator.kill()
        })
        .await
    });
}

#[test]
fn a_stop_that_nobody_heard_survives_a_checkpoint() {
    scenario(async |world: &World| {
        check(world, async |coordinator: &mut Coordinator| {
            coordinator.stop().await.map(drop)
        })
        .await
    });
}
