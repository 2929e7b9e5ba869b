//! The stock worker with a real coordinator: endpoints that complete tasks themselves, traces that go on, and what a
//! service manager is told.

use anyhow::{Context as _, Result, ensure};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use stepfleet_e2e::{
    Collector, Coordinator, Deadline, Settings, World, activity, create_machine, outcome, scenario,
    until,
};
use stepfleet_sdk::{Client, api};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixDatagram};

use crate::programs::worker;

async fn machine(client: &Client, name: &str) -> Result<String> {
    let arn = activity(client, name).await?;
    let state = json!({ "Type": "Task", "Resource": arn, "HeartbeatSeconds": 60, "End": true });
    let definition = json!({ "StartAt": "Work", "States": { "Work": state } });
    create_machine(client, name, &definition).await
}

async fn start(client: &Client, machine: &str, name: &str, trace: &str) -> Result<String> {
    let request = api::StartExecutionRequest {
        state_machine_arn: machine.to_owned(),
        name: name.to_owned(),
        input: "{}".to_owned(),
        trace_header: trace.to_owned(),
    };
    Ok(client.start_execution(request).await?.execution_arn)
}

/// The token of the next task that is posted, which is accepted.
async fn accepted(listener: &TcpListener) -> Result<String> {
    let (mut stream, _) = listener.accept().await?;
    let mut head = String::new();
    while !head.contains("\r\n\r\n{}") {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await?;
        ensure!(count > 0, "the request is not whole: {head}");
        head += std::str::from_utf8(&bytes[..count])?;
    }
    let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await?;
    let token = head
        .lines()
        .find_map(|line| line.strip_prefix("stepfleet-task-token: "));
    Ok(token.context("no token")?.to_owned())
}

#[test]
fn an_endpoint_completes_a_task_itself_and_its_slot_takes_the_next() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = machine(&client, "remote").await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let text = format!(
            "endpoint = \"{}\"\n[[activity]]\nname = \"remote\"\nhttp = {{ url = \"http://{}/\", answer = \"callback\" }}\n",
            coordinator.url(),
            listener.local_addr()?
        );
        let _worker = worker(world, "worker", &text, &[])?;
        for name in ["first", "second"] {
            start(&client, &machine, name, "").await?;
        }
        for output in ["1", "2"] {
            let token = accepted(&listener).await?;
            let beat = api::SendTaskHeartbeatRequest {
                task_token: token.clone(),
                ..Default::default()
            };
            client.send_task_heartbeat(beat).await?;
            let success = api::SendTaskSuccessRequest {
                task_token: token,
                output: output.to_owned(),
            };
            client.send_task_success(success).await?;
        }
        for name in ["first", "second"] {
            let arn = machine.replace(":stateMachine:", ":execution:");
            let ended = outcome(&client, &format!("{arn}:{name}"), Deadline::seconds(20)).await?;
            ensure!(!ended.output().is_empty(), "{ended:?}");
        }
        Ok(())
    });
}

#[test]
fn a_task_continues_the_trace_of_its_execution() {
    scenario(async |world: &World| {
        let mut collector = Collector::start().await?;
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!("[tracing]\notlp = {:?}\n", collector.url);
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let arn = activity(&client, "traced").await?;
        let state = json!({ "Type": "Task", "Resource": arn, "End": true });
        let machine = api::CreateStateMachineRequest {
            name: "traced".to_owned(),
            definition: json!({ "StartAt": "Work", "States": { "Work": state } }).to_string(),
            role_arn: "arn:aws:iam::000000000000:role/e2e".to_owned(),
            tracing_configuration: json!({ "enabled": true }).to_string(),
            ..Default::default()
        };
        let machine = client
            .create_state_machine(machine)
            .await?
            .state_machine_arn;
        let text = format!(
            "endpoint = \"{}\"\n[[activity]]\nname = \"traced\"\nshell = \"echo $TRACEPARENT\"\n",
            coordinator.url()
        );
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ];
        let _worker = worker(world, "worker", &text, &environment)?;
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let execution = start(&client, &machine, "e", trace).await?;
        let ended = outcome(&client, &execution, Deadline::seconds(20)).await?;
        let parent: Value = serde_json::from_str(ended.output())?;
        let (mut work, mut others) = (None, Vec::new());
        // The worker's span hangs below one of the coordinator's, whichever comes first.
        let work = loop {
            let span = collector.next().await?;
            ensure!(
                hex(&span.trace_id) == "5759e988bd862e3fe1be46a994272793",
                "{span:?}"
            );
            match span.kind() {
                SpanKind::Consumer => work = Some(span),
                SpanKind::Unspecified
                | SpanKind::Internal
                | SpanKind::Server
                | SpanKind::Client
                | SpanKind::Producer => others.push(span.span_id),
            }
            if let Some(work) =
                work.take_if(|work: &mut Span| others.contains(&work.parent_span_id))
            {
                break work;
            }
        };
        let expect = format!("00-{}-{}-01", hex(&work.trace_id), hex(&work.span_id));
        ensure!(parent == expect.as_str(), "{parent} is not {expect}");
        ensure!(work.name == "traced", "{work:?}");
        Ok(())
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_coordinator_tells_its_service_manager() {
    scenario(async |world: &World| {
        let path = world.path("notify");
        let socket = UnixDatagram::bind(&path)?;
        let settings = Settings::new(world, "coordinator")
            .with_environment("NOTIFY_SOCKET", path.to_str().context("a path")?)
            .with_environment("WATCHDOG_USEC", "200000");
        let mut coordinator: Coordinator = settings.start(world).await?;
        told(&socket, "READY=1").await?;
        told(&socket, "WATCHDOG=1").await?;
        ensure!(coordinator.stop().await?.success());
        told(&socket, "STOPPING=1").await
    });
}

/// Reads messages until one has this line.
async fn told(socket: &UnixDatagram, line: &str) -> Result<()> {
    until(
        &format!("{line} is told"),
        Deadline::seconds(20),
        async || {
            let mut buffer = [0; 4096];
            let count = socket.recv(&mut buffer).await?;
            let text = std::str::from_utf8(&buffer[..count])?;
            Ok(text.lines().any(|found| found == line).then_some(()))
        },
    )
    .await
}
