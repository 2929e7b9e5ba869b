//! Clients that start executions by name, see them to their end, and read their histories on the way.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use stepfleet_e2e::{Coordinator, Deadline, History, until};
use stepfleet_sdk::{CancellationToken, Client, Error, api};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::definition::input;
use crate::ledger::{Ledger, Started};

const CLIENTS: u64 = 3;
/// Executions of one client at once.
const WIDTH: u64 = 10;
/// After the last restart, everything that was started ends in this time.
const FINISH_SECONDS: u64 = 120;

/// What all clients share.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) machine: String,
    pub(crate) ledger: Arc<Ledger>,
    /// Start no more.
    pub(crate) stop: CancellationToken,
}

/// Starts all clients.
pub(crate) fn spawn(
    tasks: &mut JoinSet<Result<()>>,
    load: &Load,
    coordinator: &Coordinator,
) -> Result<()> {
    for client in 0..CLIENTS {
        // Clones of one connection share it; each client has its own.
        let connection = coordinator.client()?;
        for lane in 0..WIDTH {
            let (load, connection) = (load.clone(), connection.clone());
            tasks.spawn_local(async move { load.lane(&connection, client * WIDTH + lane).await });
        }
    }
    Ok(())
}

impl Load {
    /// Waits until every client has seen its executions end. Workers go on meanwhile.
    pub(crate) async fn finish(&self, tasks: &mut JoinSet<Result<()>>) -> Result<()> {
        let lanes = CLIENTS * WIDTH;
        let all = async {
            for _ in 0..lanes {
                tasks.join_next().await.context("every lane is there")???;
            }
            anyhow::Ok(())
        };
        let deadline = std::time::Duration::from_secs(FINISH_SECONDS);
        match timeout(deadline, all).await {
            Ok(done) => done,
            Err(_) => {
                bail!("some executions did not end {FINISH_SECONDS} s after the last restart")
            }
        }
    }

    /// One execution after the other.
    async fn lane(&self, client: &Client, lane: u64) -> Result<()> {
        let mut round = 0;
        while !self.stop.is_cancelled() {
            let n = round * CLIENTS * WIDTH + lane;
            let arn = self
                .start(client, n)
                .await
                .with_context(|| format!("start of {n}"))?;
            self.follow(client, &arn)
                .await
                .with_context(|| format!("end of {n}"))?;
            round += 1;
        }
        Ok(())
    }

    /// Repeats the start until its answer is known.
    async fn start(&self, client: &Client, n: u64) -> Result<String> {
        let name = format!("chaos-{n}");
        let request = api::StartExecutionRequest {
            state_machine_arn: self.machine.clone(),
            name: name.clone(),
            input: input(n).to_string(),
            trace_header: String::new(),
        };
        let mut lost = false;
        let answer = until("the start is answered", Deadline::seconds(60), async || {
            match client.start_execution(request.clone()).await {
                Ok(answer) => Ok(Some(Some(answer))),
                // It began by an attempt whose answer was lost, and is over already.
                Err(error) if error.reason() == Some("ExecutionAlreadyExists") && lost => {
                    Ok(Some(None))
                }
                Err(error) if is_lost(&error) => {
                    lost = true;
                    Ok(None)
                }
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        let arn = self.machine.replace(":stateMachine:", ":execution:") + ":" + &name;
        let mut start_date = None;
        if let Some(answer) = answer {
            ensure!(
                answer.execution_arn == arn,
                "{} is not {arn}",
                answer.execution_arn
            );
            start_date = answer.start_date.map(|date| (date.seconds, date.nanos));
        }
        self.ledger.start(
            &name,
            Started {
                arn: arn.clone(),
                n,
                start_date,
            },
        );
        Ok(arn)
    }

    /// Polls until the end, reading histories; lost answers do not count.
    async fn follow(&self, client: &Client, arn: &str) -> Result<()> {
        let request = api::DescribeExecutionRequest {
            execution_arn: arn.to_owned(),
        };
        let mut looks = 0_u64;
        until("the execution ends", Deadline::seconds(600), async || {
            looks += 1;
            if looks.is_multiple_of(17) {
                match History::read(client, arn).await {
                    Ok(history) => {
                        history
                            .check()
                            .with_context(|| format!("{arn} while it runs"))?;
                        self.ledger.see(arn, history);
                    }
                    Err(error) if is_lost(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match client.describe_execution(request.clone()).await {
                // The verification tells whether it had to fail.
                Ok(answer) if answer.status() == api::ExecutionStatus::Failed => {
                    self.redrive(client, arn).await
                }
                Ok(answer) => Ok((answer.status() != api::ExecutionStatus::Running).then_some(())),
                Err(error) if is_lost(&error) => Ok(None),
                // Never: an acknowledged start is gone.
                Err(error) => Err(error.into()),
            }
        })
        .await
    }
}

impl Load {
    /// Makes it go on, once: the request has one name however often it is sent. Done when it fails for good.
    async fn redrive(&self, client: &Client, arn: &str) -> Result<Option<()>> {
        let request = api::RedriveExecutionRequest {
            execution_arn: arn.to_owned(),
            client_token: "once".to_owned(),
        };
        match client.redrive_execution(request).await {
            Ok(_) => {}
            Err(error) if is_lost(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let execution_arn = arn.to_owned();
        let request = api::DescribeExecutionRequest { execution_arn };
        match client.describe_execution(request).await {
            Ok(answer) if answer.redrive_count == 1 => {
                Ok((answer.status() == api::ExecutionStatus::Failed).then_some(()))
            }
            Ok(answer) => bail!("it was redriven: {answer:?}"),
            Err(error) if is_lost(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the answer did not come, or says "later".
pub(crate) fn is_lost(error: &Error) -> bool {
    error.is_retryable()
}
