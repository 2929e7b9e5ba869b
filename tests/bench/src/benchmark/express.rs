//! Express executions: starts and transitions per second, and how long a call takes to its answer.
//!
//! The client is this process, on one thread; a closed loop of calls over a few connections. A synchronous execution is
//! answered with its end, and nothing of it is stored. An asynchronous one is answered when its start is durable; a
//! measurement ends when all that were started have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use serde_json::json;
use stepfleet_sdk::{Client, api};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Bench;
use crate::clock::Stopwatch;
use crate::control;
use crate::coordinator::Coordinator;
use crate::figure::Figure;
use crate::interrupt::pause;
use crate::machine;
use crate::output;

/// gRPC connections of the client.
const CONNECTIONS: usize = 4;
/// All executions of the coordinator that have ended.
const CLOSED: &str = "stepfleet_executions_closed_total";
/// Between two looks at how many have ended.
const LOOK: Duration = Duration::from_millis(5);
const MICROSECONDS: f64 = 1e6;

/// How executions are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `StartSyncExecution` over gRPC.
    Sync,
    /// `StartExecution` over gRPC.
    Async,
    /// `StartSyncExecution` as AWS SDKs call it, JSON over HTTP/1.1.
    SyncAws,
}

/// A state machine to run, and the transitions of one execution.
struct Case {
    name: &'static str,
    definition: fn() -> String,
    transitions: u32,
    ways: &'static [Way],
    /// Calls at once.
    concurrency: &'static [usize],
}

const CASES: [Case; 3] = [
    Case {
        name: "five Pass states",
        definition: || machine::pass_states(5),
        transitions: 5,
        ways: &[Way::Sync, Way::Async, Way::SyncAws],
        concurrency: &[1, 64],
    },
    Case {
        name: "a Choice and a Map of ten",
        definition: machine::choice_and_map,
        transitions: 13,
        ways: &[Way::Sync, Way::Async],
        concurrency: &[1, 64],
    },
    Case {
        name: "two thousand Pass states",
        definition: || machine::pass_states(2000),
        transitions: 2000,
        ways: &[Way::Sync],
        concurrency: &[64],
    },
];

/// One measurement.
struct Sample {
    seconds: f64,
    executions: f64,
    coordinator_cpu: f64,
    /// Nanoseconds.
    times: Histogram<u64>,
}

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let coordinator = Coordinator::start(bench.program, &folder.path().join("data"))?;
    let mut figures = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let name = format!("express-{number}");
        let endpoint = coordinator.endpoint();
        let machine = control::create_express(&endpoint, &name, (case.definition)())?;
        for (way, concurrency) in loads(case) {
            let what = format!("{} {concurrency}: {}", way.name(), case.name);
            output::progress(&format!("express {what} …"));
            let load = |seconds| load(&coordinator, way, &machine, concurrency, seconds);
            load(bench.args.warmup)?;
            let samples: Vec<Sample> = (0..bench.args.repeat)
                .map(|_| load(bench.args.seconds))
                .collect::<anyhow::Result<_>>()?;
            figures.extend(figures_of(case, &what, &samples));
        }
    }
    coordinator.stop()?;
    Ok(figures)
}

fn loads(case: &Case) -> impl Iterator<Item = (Way, usize)> {
    let of_way = |way: &'static Way| case.concurrency.iter().map(|count| (*way, *count));
    case.ways.iter().flat_map(of_way)
}

fn figures_of(case: &Case, what: &str, samples: &[Sample]) -> Vec<Figure> {
    let name = format!("express {what}");
    let figure = |what: &str, unit: &'static str, value: &dyn Fn(&Sample) -> f64| {
        let values: Vec<f64> = samples.iter().map(value).collect();
        Figure::new(format!("{name}, {what}"), unit, &values)
    };
    let quantile = |sample: &Sample, at: f64| {
        Duration::from_nanos(sample.times.value_at_quantile(at)).as_secs_f64() * MICROSECONDS
    };
    let transitions = f64::from(case.transitions);
    vec![
        figure("starts", "1/s", &|sample| {
            sample.executions / sample.seconds
        }),
        figure("transitions", "1/s", &|sample| {
            sample.executions * transitions / sample.seconds
        }),
        figure("p50", "µs", &|sample| quantile(sample, 0.5)),
        figure("p99", "µs", &|sample| quantile(sample, 0.99)),
        figure("processor, coordinator", "µs/execution", &|sample| {
            sample.coordinator_cpu * MICROSECONDS / sample.executions
        }),
    ]
}

fn load(
    coordinator: &Coordinator,
    way: Way,
    machine: &str,
    concurrency: usize,
    seconds: u64,
) -> anyhow::Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = coordinator.process.cpu_seconds()?;
    let closed = coordinator.metric(CLOSED)?.unwrap_or(0.0);
    let watch = Stopwatch::start();
    let endpoint = coordinator.endpoint();
    let times = runtime.block_on(calls(&endpoint, way, machine, concurrency, seconds))?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a benchmark makes far less than 2^53 calls"
    )]
    let executions = times.len() as f64;
    while coordinator.metric(CLOSED)?.unwrap_or(0.0) < closed + executions {
        pause(LOOK)?;
    }
    Ok(Sample {
        seconds: watch.elapsed().as_secs_f64(),
        executions,
        coordinator_cpu: coordinator.process.cpu_seconds()? - before,
        times,
    })
}

/// Calls until the time is over; how long each took.
async fn calls(
    endpoint: &str,
    way: Way,
    machine: &str,
    concurrency: usize,
    seconds: u64,
) -> anyhow::Result<Histogram<u64>> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS.min(concurrency) {
        clients.push(Client::connect(endpoint).await.context("cannot connect")?);
    }
    let mut lanes = JoinSet::new();
    for lane in 0..concurrency {
        let caller = match way {
            Way::Sync => Caller::Sync(clients[lane % clients.len()].clone()),
            Way::Async => Caller::Async(clients[lane % clients.len()].clone()),
            // One call at a time on each connection, as AWS SDKs do it.
            Way::SyncAws => Caller::SyncAws(AwsConnection::open(endpoint, machine).await?),
        };
        lanes.spawn(call(caller, machine.to_owned(), Arc::clone(&stop)));
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Histogram::new(3)?;
    while let Some(lane) = lanes.join_next().await {
        times.add(lane??)?;
    }
    Ok(times)
}

async fn call(
    mut caller: Caller,
    machine: String,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    let input = machine::input(1);
    while !stop.load(Ordering::Relaxed) {
        let watch = Stopwatch::start();
        caller.call(&machine, &input).await?;
        times.record(u64::try_from(watch.elapsed().as_nanos())?)?;
    }
    Ok(times)
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
            Self::SyncAws => "sync by AWS JSON",
        }
    }
}

/// Makes one call after the other.
enum Caller {
    Sync(Client),
    Async(Client),
    SyncAws(AwsConnection),
}

impl Caller {
    async fn call(&mut self, machine: &str, input: &str) -> anyhow::Result<()> {
        match self {
            Self::Sync(client) => {
                let request = api::StartSyncExecutionRequest {
                    state_machine_arn: machine.to_owned(),
                    input: input.to_owned(),
                    ..api::StartSyncExecutionRequest::default()
                };
                let ended = client.start_sync_execution(request).await?;
                let (status, cause) = (ended.status(), ended.cause);
                ensure!(
                    status == api::ExecutionStatus::Succeeded,
                    "an execution ended with {status:?}: {cause:?}"
                );
            }
            Self::Async(client) => {
                let request = api::StartExecutionRequest {
                    state_machine_arn: machine.to_owned(),
                    input: input.to_owned(),
                    ..api::StartExecutionRequest::default()
                };
                client.start_execution(request).await?;
            }
            Self::SyncAws(connection) => connection.call().await?,
        }
        Ok(())
    }
}

/// A kept-alive connection that sends the same request again and again.
struct AwsConnection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl AwsConnection {
    async fn open(endpoint: &str, machine: &str) -> anyhow::Result<Self> {
        let address = endpoint.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let body = json!({"stateMachineArn": machine, "input": machine::input(1)}).to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-amz-json-1.0\r\n\
             x-amz-target: AWSStepFunctions.StartSyncExecution\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Ok(Self {
            stream,
            request: (head + &body).into_bytes(),
            answer: Vec::with_capacity(4096),
        })
    }

    async fn call(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await?;
            ensure!(read > 0, "the connection was closed");
            let text = std::str::from_utf8(&self.answer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            if body.len() < content_length(head)? {
                continue;
            }
            if !body.contains(r#""status":"SUCCEEDED""#) {
                bail!("an execution did not succeed: {text}");
            }
            return Ok(());
        }
    }
}

fn content_length(head: &str) -> anyhow::Result<usize> {
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    Ok(length.context("an answer has a length")?.parse()?)
}
