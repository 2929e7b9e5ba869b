//! Synchronous Express executions: starts per second, and how long one takes from call to answer.
//!
//! The client is this process, on one thread; a closed loop of calls over a few connections. Nothing of an execution is
//! stored, so the disk has no part in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use stepfleet_sdk::{Client, api};
use tokio::task::JoinSet;

use super::Bench;
use crate::clock::Stopwatch;
use crate::control;
use crate::coordinator::Coordinator;
use crate::figure::Figure;
use crate::machine;
use crate::output;

/// gRPC connections of the client.
const CONNECTIONS: usize = 4;
/// Calls at once.
const CONCURRENCY: [usize; 2] = [1, 64];
const MICROSECONDS: f64 = 1e6;

/// A state machine to run, and the transitions of one execution.
struct Case {
    name: &'static str,
    definition: fn() -> String,
    transitions: u32,
}

const CASES: [Case; 2] = [
    Case {
        name: "five Pass states",
        definition: machine::five_passes,
        transitions: 5,
    },
    Case {
        name: "a Choice and a Map of ten",
        definition: machine::choice_and_map,
        transitions: 13,
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
        for concurrency in CONCURRENCY {
            output::progress(&format!("express: {}, {concurrency} at once …", case.name));
            load(&coordinator, &machine, concurrency, bench.args.warmup)?;
            let samples: Vec<Sample> = (0..bench.args.repeat)
                .map(|_| load(&coordinator, &machine, concurrency, bench.args.seconds))
                .collect::<anyhow::Result<_>>()?;
            figures.extend(figures_of(case, concurrency, &samples));
        }
    }
    coordinator.stop()?;
    Ok(figures)
}

fn figures_of(case: &Case, concurrency: usize, samples: &[Sample]) -> Vec<Figure> {
    let name = format!("express {concurrency}: {}", case.name);
    let figure = |what: &str, unit: &'static str, value: &dyn Fn(&Sample) -> f64| {
        let values: Vec<f64> = samples.iter().map(value).collect();
        Figure::new(format!("{name}, {what}"), unit, &values)
    };
    let quantile = |sample: &Sample, at: f64| {
        Duration::from_nanos(sample.times.value_at_quantile(at)).as_secs_f64() * MICROSECONDS
    };
    let transitions = f64::from(case.transitions);
    vec![
        figure("sync starts", "1/s", &|sample| {
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
    machine: &str,
    concurrency: usize,
    seconds: u64,
) -> anyhow::Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = coordinator.process.cpu_seconds()?;
    let watch = Stopwatch::start();
    let endpoint = coordinator.endpoint();
    let times = runtime.block_on(calls(&endpoint, machine, concurrency, seconds))?;
    let elapsed = watch.elapsed().as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a benchmark makes far less than 2^53 calls"
    )]
    let executions = times.len() as f64;
    Ok(Sample {
        seconds: elapsed,
        executions,
        coordinator_cpu: coordinator.process.cpu_seconds()? - before,
        times,
    })
}

/// Calls until the time is over; how long each took.
async fn calls(
    endpoint: &str,
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
        let client = clients[lane % clients.len()].clone();
        lanes.spawn(call(client, machine.to_owned(), Arc::clone(&stop)));
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
    client: Client,
    machine: String,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    let input = machine::input(1);
    while !stop.load(Ordering::Relaxed) {
        let watch = Stopwatch::start();
        let request = api::StartSyncExecutionRequest {
            state_machine_arn: machine.clone(),
            input: input.clone(),
            ..api::StartSyncExecutionRequest::default()
        };
        let ended = client.start_sync_execution(request).await?;
        if ended.status() != api::ExecutionStatus::Succeeded {
            bail!(
                "an execution ended with {:?}: {:?}",
                ended.status(),
                ended.cause
            );
        }
        times.record(u64::try_from(watch.elapsed().as_nanos())?)?;
    }
    Ok(times)
}
