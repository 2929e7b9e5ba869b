//! Who works: stream workers by the SDK, unary pollers by hand, and partners that complete callbacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use stepfleet_e2e::Coordinator;
use stepfleet_sdk::{CancellationToken, Client, Error, Task, TaskError, Worker, api};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ledger::Ledger;
use crate::load::is_lost;

const STREAM_WORKERS: usize = 2;
const POLLERS: usize = 6;
const PARTNERS: usize = 2;

/// Starts everyone.
pub(crate) fn spawn(
    tasks: &mut JoinSet<Result<()>>,
    ledger: &Arc<Ledger>,
    coordinator: &Coordinator,
    stop: &CancellationToken,
) -> Result<()> {
    let receipts = Arc::new(AtomicU64::new(0));
    for n in 0..STREAM_WORKERS {
        let worker = stream_worker(coordinator.patient_client()?, n);
        let stop = stop.clone();
        tasks.spawn_local(async move {
            match worker.run(stop).await {
                // What was left unfinished at the very end is nobody's loss: all executions ended before.
                Ok(()) | Err(Error::Abandoned { .. }) => Ok(()),
                Err(error) => Err(error).context("stream worker"),
            }
        });
    }
    for _ in 0..POLLERS {
        let person = Person::new(coordinator.client()?, ledger, &receipts);
        let stop = stop.clone();
        tasks.spawn_local(async move { person.poll(&stop).await.context("poller") });
    }
    for _ in 0..PARTNERS {
        let person = Person::new(coordinator.client()?, ledger, &receipts);
        let stop = stop.clone();
        tasks.spawn_local(async move { person.approve(&stop).await.context("partner") });
    }
    Ok(())
}

/// Numbers doubled and squared; the first attempt of every fifth fails.
fn stream_worker(client: Client, n: usize) -> Worker {
    Worker::new(client)
        .name(format!("stream-{n}"))
        .grace(Duration::from_secs(2))
        .confirm_timeout(Duration::from_secs(2))
        .activity("double", async |task: Task<Value>| {
            let n = number(&task.input)?;
            Ok::<_, TaskError>(json!({ "value": 2 * n, "odd": n % 2 == 1 }))
        })
        .slots(8)
        .activity("square", async |task: Task<Value>| {
            let n = number(&task.input)?;
            if n == 2 && task.attempt() == 0 {
                return Err(TaskError::new("Flaky", "not at the first attempt"));
            }
            Ok(json!({ "value": n * n }))
        })
        .slots(8)
}

fn number(input: &Value) -> Result<u64, TaskError> {
    input["n"]
        .as_u64()
        .ok_or_else(|| TaskError::new("BadInput", input.to_string()))
}

/// Somebody who works by unary calls and keeps a receipt of each result.
struct Person {
    client: Client,
    ledger: Arc<Ledger>,
    receipts: Arc<AtomicU64>,
}

impl Person {
    fn new(client: Client, ledger: &Arc<Ledger>, receipts: &Arc<AtomicU64>) -> Self {
        Self {
            client,
            ledger: Arc::clone(ledger),
            receipts: Arc::clone(receipts),
        }
    }

    /// Takes `label` tasks, fails some, completes the others.
    async fn poll(&self, stop: &CancellationToken) -> Result<()> {
        let activity_arn = "arn:aws:states:us-east-1:000000000000:activity:label".to_owned();
        let request = api::GetActivityTaskRequest {
            activity_arn,
            worker_name: "unary".to_owned(),
        };
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        while !stop.is_cancelled() {
            interval.tick().await;
            let answer = tokio::select! {
                answer = self.client.get_activity_task(request.clone()) => answer,
                () = stop.cancelled() => return Ok(()),
            };
            match answer {
                Ok(task) if task.task_token.is_empty() => {}
                Ok(task) => self.work(&task).await?,
                Err(error) if is_lost(&error) => {}
                Err(error) => bail!("GetActivityTask: {error}"),
            }
        }
        Ok(())
    }

    async fn work(&self, task: &api::GetActivityTaskResponse) -> Result<()> {
        let input: Value = serde_json::from_str(&task.input)?;
        let number = self.receipts.fetch_add(1, Ordering::Relaxed);
        let receipt = format!("receipt-{number}.");
        if number.is_multiple_of(7) {
            let request = api::SendTaskFailureRequest {
                task_token: task.task_token.clone(),
                error: Some("Flaky".to_owned()),
                cause: Some(receipt.clone()),
            };
            return self
                .send(&receipt, async || {
                    self.client
                        .send_task_failure(request.clone())
                        .await
                        .map(drop)
                })
                .await;
        }
        let output = json!({ "label": format!("label-{}", input["n"]), "receipt": receipt });
        self.succeed(&task.task_token, &receipt, &output).await
    }

    /// Completes callbacks, some of them twice with different outputs: only one may count.
    async fn approve(&self, stop: &CancellationToken) -> Result<()> {
        let mut interval = tokio::time::interval(Duration::from_millis(50));
        while !stop.is_cancelled() {
            interval.tick().await;
            let page = match self
                .client
                .list_callbacks(api::ListCallbacksRequest::default())
                .await
            {
                Ok(page) => page,
                Err(error) if is_lost(&error) => continue,
                Err(error) => bail!("ListCallbacks: {error}"),
            };
            for callback in page.callbacks {
                let number = self.receipts.fetch_add(1, Ordering::Relaxed);
                let receipt = format!("receipt-{number}.");
                self.succeed(
                    &callback.task_token,
                    &receipt,
                    &json!({ "receipt": receipt }),
                )
                .await?;
            }
        }
        Ok(())
    }

    async fn succeed(&self, token: &str, receipt: &str, output: &Value) -> Result<()> {
        let request = api::SendTaskSuccessRequest {
            task_token: token.to_owned(),
            output: output.to_string(),
        };
        self.send(receipt, async || {
            self.client
                .send_task_success(request.clone())
                .await
                .map(drop)
        })
        .await
    }

    /// Sends until the answer is known, and notes it.
    async fn send(&self, receipt: &str, call: impl AsyncFn() -> Result<(), Error>) -> Result<()> {
        let mut interval = tokio::time::interval(Duration::from_millis(50));
        let answered = timeout(Duration::from_secs(60), async {
            loop {
                interval.tick().await;
                match call().await {
                    Ok(()) => break self.ledger.acknowledge(receipt),
                    Err(error) if is_lost(&error) => self.ledger.lose(receipt),
                    Err(error) => {
                        let reason = error.reason().unwrap_or_default().to_owned();
                        // Its time ran out, another one was faster, or its execution is over.
                        if !["TaskTimedOut", "TaskDoesNotExist"].contains(&reason.as_str()) {
                            return Err(error);
                        }
                        break self.ledger.refuse(receipt);
                    }
                }
            }
            Ok(())
        });
        Ok(answered.await.context("a result was never answered")??)
    }
}
