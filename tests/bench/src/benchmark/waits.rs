//! Very many executions that wait for a time: what each costs in memory, how fast others start beside them, how long the
//! coordinator takes to start with them, and how late Waits that are not in memory end while nothing else happens.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use stepfleet_sdk::{Client, api};

use super::{Bench, memory};
use crate::clock::Stopwatch;
use crate::control;
use crate::coordinator::Coordinator;
use crate::figure::Figure;
use crate::interrupt::pause;
use crate::machine;
use crate::output;

const MEBIBYTE: f64 = 1024.0 * 1024.0;
/// Starts in each measurement of their rate.
const STARTS: u32 = 50_000;
/// Waits whose end is watched, and how long they wait: longer than the restart before it takes.
const WATCHED: u32 = 1000;
const WATCHED_SECONDS: u32 = 90;
/// Of the others: none ends meanwhile.
const LONG_SECONDS: u32 = 864_000;
/// Until memory is read: what is quiet has left by then, and freed memory is given back.
const SETTLE: Duration = Duration::from_secs(15);

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let data = folder.path().join("data");
    let count = bench.args.waits.max(2 * STARTS);
    output::progress(&format!("waits: {count} pending Waits …"));
    let coordinator = Coordinator::start(bench.program, &data)?;
    let empty = coordinator.process.resident_bytes()?;
    let machines = prepare(&coordinator)?;
    let start = |coordinator: &Coordinator, machine: &str, count: u32| {
        let seconds = memory::start(coordinator, machine, count)?;
        anyhow::Ok(f64::from(count) / seconds)
    };
    let first = start(&coordinator, &machines.long, STARTS)?;
    let middle = start(&coordinator, &machines.long, count - 2 * STARTS)?;
    let last = start(&coordinator, &machines.long, STARTS)?;
    pause(SETTLE)?;
    let started = coordinator.process.resident_bytes()?;

    start(&coordinator, &machines.watched, WATCHED)?;
    let watch = Stopwatch::start();
    coordinator.stop()?;
    let coordinator = Coordinator::start(bench.program, &data)?;
    let startup = coordinator.startup.as_secs_f64();
    ensure!(
        watch.seconds() < f64::from(WATCHED_SECONDS) - 10.0,
        "the restart took {} s: the watched Waits came due meanwhile",
        watch.seconds()
    );
    pause(SETTLE)?;
    let restarted = coordinator.process.resident_bytes()?;
    let due = f64::from(WATCHED_SECONDS) + 5.0 - watch.seconds();
    pause(Duration::from_secs_f64(due.max(0.0)))?;
    let late = lateness(&coordinator, &machines.watched)?;
    let beside = start(&coordinator, &machines.long, STARTS)?;
    coordinator.stop()?;

    let each = |bytes: f64| (bytes - empty) / f64::from(count);
    let one = |name: &str, unit, value: f64| Figure::new(format!("waits: {name}"), unit, &[value]);
    Ok(vec![
        one("starts, none pending", "1/s", first),
        one("starts on the way there", "1/s", middle),
        one("starts, all pending", "1/s", last),
        one("starts, all pending, after a restart", "1/s", beside),
        one("resident, all just started", "MiB", started / MEBIBYTE),
        one("resident per Wait just started", "B", each(started)),
        one("resident after a restart", "MiB", restarted / MEBIBYTE),
        one("resident per Wait after a restart", "B", each(restarted)),
        one("start-up with all pending", "ms", startup * 1e3),
        Figure::new("waits: least lateness, p50 and most", "ms", &late),
    ])
}

struct Machines {
    long: String,
    watched: String,
}

fn prepare(coordinator: &Coordinator) -> anyhow::Result<Machines> {
    let endpoint = coordinator.endpoint();
    Ok(Machines {
        long: control::create(&endpoint, "long", machine::wait(LONG_SECONDS))?,
        watched: control::create(&endpoint, "watched", machine::wait(WATCHED_SECONDS))?,
    })
}

/// How late the watched Waits ended by their histories: least, median, most, milliseconds. None may be early.
fn lateness(coordinator: &Coordinator, machine: &str) -> anyhow::Result<[f64; 3]> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut late = Histogram::<u64>::new(3)?;
    runtime.block_on(async {
        let client = Client::connect(coordinator.endpoint().as_str()).await?;
        let request = api::ListExecutionsRequest {
            state_machine_arn: machine.to_owned(),
            status_filter: api::ExecutionStatus::Succeeded.into(),
            page_size: 1000,
            ..Default::default()
        };
        let ended = client.list_executions(request).await?.executions;
        let (count, wanted) = (ended.len(), WATCHED as usize);
        ensure!(count == wanted, "{count} of {wanted} Waits have ended");
        for execution in ended {
            late.record(milliseconds_late(&client, execution.execution_arn).await?)?;
        }
        anyhow::Ok(())
    })?;
    Ok([late.min(), late.value_at_quantile(0.5), late.max()].map(|ms| ms as f64))
}

async fn milliseconds_late(client: &Client, execution_arn: String) -> anyhow::Result<u64> {
    let request = api::GetExecutionHistoryRequest {
        execution_arn,
        page_size: 10,
        ..Default::default()
    };
    let events = client.get_execution_history(request).await?.events;
    let at = |kind: &str| {
        let event = events.iter().find(|event| event.r#type == kind);
        let at = event.and_then(|event| event.timestamp).context("no Wait")?;
        anyhow::Ok(at.seconds * 1000 + i64::from(at.nanos / 1_000_000))
    };
    let waited = at("WaitStateExited")? - at("WaitStateEntered")?;
    u64::try_from(waited - i64::from(WATCHED_SECONDS) * 1000).context("a Wait ended early")
}
