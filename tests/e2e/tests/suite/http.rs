//! HTTP tasks and functions that are endpoints: requests are made again after a kill, and end before a stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use stepfleet_e2e::{
    Deadline, History, Settings, World, create_machine, outcome, scenario, start, until,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

const EXECUTIONS: usize = 20;
const ARN: &str =
    "arn:aws:events:us-east-1:000000000000:connection/c/00000000-0000-0000-0000-000000000000";
const SECRET: &str = "s3cret-of-the-connection";

/// An endpoint that holds its answers back until it is told to give them.
#[derive(Clone, Default)]
struct Endpoint {
    url: String,
    asked: Arc<AtomicUsize>,
    answers: watch::Sender<bool>,
    heads: Arc<Mutex<Vec<String>>>,
    /// They end with the last of this.
    tasks: Arc<JoinSet<()>>,
}

impl Endpoint {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut endpoint = Self {
            url: format!("http://{}", listener.local_addr()?),
            ..Self::default()
        };
        let serving = endpoint.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let endpoint = serving.clone();
                connections.spawn(async move { endpoint.serve(stream).await });
            }
        });
        endpoint.tasks = Arc::new(tasks);
        Ok(endpoint)
    }

    /// One request of a connection, without a body or with a short one.
    async fn serve(&self, mut stream: TcpStream) -> Result<()> {
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&bytes).into_owned();
        self.heads.lock().await.push(head);
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answers.subscribe().wait_for(|may| *may).await?;
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 8\r\n\r\n{\"ok\":1}";
        stream.write_all(answer.as_bytes()).await?;
        Ok(())
    }

    async fn until_asked(&self, times: usize) -> Result<()> {
        let asked = async || Ok((self.asked.load(Ordering::Relaxed) >= times).then_some(()));
        until("the endpoint is asked", Deadline::seconds(30), asked).await
    }

    fn answer_from_now_on(&self) {
        self.answers.send_replace(true);
    }
}

fn settings(world: &World, endpoint: &Endpoint) -> Settings {
    let secret = r#"{ env = "CONNECTION_SECRET" }"#;
    let connection =
        format!(r#"[{{ name = "c", api_key = {{ name = "x-key", value = {secret} }} }}]"#);
    let function = format!(
        r#"[{{ name = "f", endpoint = "{}/function" }}]"#,
        endpoint.url
    );
    Settings::new(world, "coordinator")
        .with_environment("CONNECTION_SECRET", SECRET)
        .with("http.private_addresses", true)
        .with("http.plain", true)
        .with("connections", connection)
        .with("functions", function)
}

/// Calls the endpoint, then a function.
fn machine(endpoint: &Endpoint) -> Value {
    json!({
        "StartAt": "Call",
        "States": {
            "Call": {
                "Type": "Task",
                "Resource": "arn:aws:states:::http:invoke",
                "Parameters": {
                    "ApiEndpoint": format!("{}/task", endpoint.url),
                    "Method": "GET",
                    "InvocationConfig": {"ConnectionArn": ARN}
                },
                "ResultSelector": {"called.$": "$.ResponseBody"},
                "TimeoutSeconds": 120,
                "Next": "Function"
            },
            "Function": {
                "Type": "Task",
                "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
                "ResultPath": "$.function",
                "End": true
            }
        }
    })
}

#[test]
fn requests_are_made_again_after_a_kill_and_each_task_ends_once() {
    scenario(async |world: &World| {
        let endpoint = Endpoint::start().await?;
        let mut coordinator = settings(world, &endpoint).start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "calls", &machine(&endpoint)).await?;
        let mut arns = Vec::new();
        for n in 0..EXECUTIONS {
            arns.push(start(&client, &machine, &format!("e{n}"), &json!({})).await?);
        }
        endpoint.until_asked(EXECUTIONS).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        endpoint.until_asked(2 * EXECUTIONS).await?;
        endpoint.answer_from_now_on();
        let client = coordinator.client()?;
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(30)).await?;
            let output: Value = serde_json::from_str(ended.output.as_deref().unwrap_or("null"))?;
            let expect = json!({"called": {"ok": 1}, "function": {"ok": 1}});
            ensure!(output == expect, "{ended:?}");
            let history = History::read(&client, arn).await?;
            history.check_closed()?;
            ensure!(history.count("TaskSucceeded") == 1);
            ensure!(history.count("LambdaFunctionSucceeded") == 1);
        }
        let heads = endpoint.heads.lock().await;
        let tasks = heads.iter().filter(|head| head.starts_with("GET /task "));
        ensure!(tasks.clone().count() == 2 * EXECUTIONS);
        ensure!(tasks.clone().all(|head| head.contains(SECRET)));
        let log = coordinator.process().output();
        ensure!(!log.contains(SECRET), "the log tells the secret");
        Ok(())
    });
}

#[test]
fn a_request_that_is_on_its_way_ends_before_the_coordinator_does() {
    scenario(async |world: &World| {
        let endpoint = Endpoint::start().await?;
        let mut coordinator = settings(world, &endpoint).start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "calls", &machine(&endpoint)).await?;
        let arn = start(&client, &machine, "e", &json!({})).await?;
        endpoint.until_asked(1).await?;
        coordinator.process().signal(Signal::SIGTERM)?;
        let drains = async || Ok((!coordinator.is_ready().await).then_some(()));
        until("the coordinator drains", Deadline::seconds(10), drains).await?;
        endpoint.answer_from_now_on();
        let status = coordinator.process().end(Deadline::seconds(20)).await?;
        ensure!(status.success(), "{status}");
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let ended = outcome(&client, &arn, Deadline::seconds(30)).await?;
        ended.output.context("it succeeds")?;
        let heads = endpoint.heads.lock().await;
        let tasks = heads.iter().filter(|head| head.starts_with("GET /task "));
        ensure!(tasks.count() == 1, "the request was made again");
        Ok(())
    });
}
