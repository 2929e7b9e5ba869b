//! Tokens that come back before whoever handed them out has drawn breath: over a worker's stream, by a poll, and from a
//! function that completes its task before it answers the call. None is lost, while the coordinator is killed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, History, Settings, World, activity, create_machine, outcome, scenario,
    until,
};
use stepfleet_sdk::{CancellationToken, Client, Task, TaskError, Worker, api};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::scene::one_task;

/// Executions of each kind, and how many of them the coordinator is killed after.
const EXECUTIONS: usize = 300;
const KILLED_AFTER: usize = 100;
const POLLERS: usize = 8;

/// Starts executions, the coordinator being killed among them, and waits for the success of each at its first attempt.
async fn run(coordinator: &mut Coordinator, machines: &[String]) -> Result<()> {
    let client = coordinator.client()?;
    let mut arns = Vec::new();
    for number in 0..EXECUTIONS {
        if number == KILLED_AFTER {
            coordinator.kill()?;
            coordinator.restart().await?;
        }
        for machine in machines {
            let request = api::StartExecutionRequest {
                state_machine_arn: machine.clone(),
                name: format!("e{number}"),
                input: "{}".to_owned(),
                ..Default::default()
            };
            let arn = until(
                "the start is answered",
                Deadline::seconds(60),
                async || match client.start_execution(request.clone()).await {
                    Ok(answer) => Ok(Some(answer.execution_arn)),
                    Err(error) if error.is_retryable() => Ok(None),
                    Err(error) => Err(error.into()),
                },
            );
            arns.push(arn.await?);
        }
    }
    for arn in arns {
        let ended = outcome(&client, &arn, Deadline::seconds(60)).await?;
        let history = History::read(&client, &arn).await?;
        let events = || format!("{arn}: {:#?}", history.events);
        let status = ended.status();
        ensure!(status == api::ExecutionStatus::Succeeded, "{}", events());
        history.check_closed().with_context(events)?;
        let attempts = history.count("ActivityScheduled") + history.count("TaskScheduled");
        // A poll whose answer a kill took along is the only one that is tried again, by its timeout.
        ensure!(attempts <= 2, "{}", events());
    }
    Ok(())
}

#[test]
fn tokens_that_come_back_at_once_over_a_stream_count() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let arn = activity(&coordinator.client()?, "stream").await?;
        let machine = create_machine(&coordinator.client()?, "stream", &one_task(&arn)).await?;
        // It is done before anything waits: its result leaves with the next message.
        let handler = async |task: Task<Value>| Ok::<_, TaskError>(task.into_parts().0);
        let worker = Worker::new(coordinator.patient_client()?)
            .activity("stream", handler)
            .slots(64);
        let stop = CancellationToken::new();
        let mut workers = JoinSet::new();
        workers.spawn(worker.run(stop.clone()));
        run(&mut coordinator, &[machine]).await?;
        stop.cancel();
        workers
            .join_next()
            .await
            .context("one worker")??
            .map_err(Into::into)
    });
}

#[test]
fn tokens_that_come_back_at_once_from_polls_count() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let arn = activity(&client, "poll").await?;
        let mut definition = one_task(&arn);
        definition["States"]["Work"]["TimeoutSeconds"] = json!(5);
        let machine = create_machine(&client, "poll", &definition).await?;
        let mut pollers = JoinSet::new();
        for _ in 0..POLLERS {
            pollers.spawn(poll(coordinator.patient_client()?, arn.clone()));
        }
        run(&mut coordinator, &[machine]).await
    });
}

/// Takes tasks and completes each in the same breath, for as long as the test lasts.
async fn poll(client: Client, activity_arn: String) {
    let request = api::GetActivityTaskRequest {
        activity_arn,
        worker_name: "poller".to_owned(),
    };
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        match client.get_activity_task(request.clone()).await {
            Ok(task) if task.task_token.is_empty() => {}
            Ok(task) => {
                // A refusal says that its time was over: another attempt follows.
                let _ = client.complete(&task.task_token, &json!({})).await;
            }
            Err(_) => {
                pause.tick().await;
            }
        }
    }
}

#[test]
fn tokens_that_come_back_before_the_call_that_brought_them_is_answered_count() {
    scenario(async |world: &World| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}/f", listener.local_addr()?);
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!(
            "\n[http]\nplain = true\nallow_addresses = [\"127.0.0.1/32\"]\n\n[[functions]]\nname = \"eager\"\nendpoint = \"{endpoint}\"\n"
        );
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.patient_client()?;
        let mut server = JoinSet::new();
        server.spawn_local(serve(listener, Arc::new(client)));
        let definition = json!({
            "StartAt": "Call",
            "States": { "Call": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Parameters": { "FunctionName": "eager", "Payload": { "token.$": "$$.Task.Token" } },
                "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1 }],
                "End": true,
            } },
        });
        let machine = create_machine(&coordinator.client()?, "eager", &definition).await?;
        run(&mut coordinator, &[machine]).await
    });
}

/// A function that completes its task and only then answers.
async fn serve(listener: TcpListener, client: Arc<Client>) {
    while let Ok((stream, _)) = listener.accept().await {
        let client = Arc::clone(&client);
        tokio::task::spawn_local(async move {
            // A connection ends as the coordinator likes.
            let _ = answer(stream, &client).await;
        });
    }
}

async fn answer(stream: TcpStream, client: &Client) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim().to_lowercase();
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let payload: Value = serde_json::from_slice(&body)?;
        let token = payload["token"].as_str().context("no token")?;
        // After a restart the call is made again: the same success is fine, any other is too late.
        let _ = client.complete(token, &json!({})).await;
        let answer =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}
