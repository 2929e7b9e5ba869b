//! Executions that tasks start: how many parents and children end per second, and what parents cost that wait for theirs.
//!
//! The starter gives all parents at once, so that hosts have as much to do as they can take; the time ends when the
//! coordinator has counted every parent and every child as closed.

use std::time::Duration;

use anyhow::{bail, ensure};

use super::{Bench, memory};
use crate::clock::Stopwatch;
use crate::control;
use crate::coordinator::Coordinator;
use crate::figure::Figure;
use crate::interrupt::pause;
use crate::machine;
use crate::output;

const START: &str = "arn:aws:states:::states:startExecution";
const START_AND_WAIT: &str = "arn:aws:states:::states:startExecution.sync:2";
/// How long the children of the parents that wait do, seconds: longer than the measurement.
const LONG_SECONDS: u32 = 864_000;
/// Between two looks at the count of closed executions.
const LOOK: Duration = Duration::from_millis(20);
/// Without a change of that count.
const PATIENCE: Duration = Duration::from_secs(30);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What parents do, and what their children do.
struct Case {
    name: &'static str,
    resource: &'static str,
    child: fn() -> String,
}

const CASES: [Case; 3] = [
    Case {
        name: "request",
        resource: START,
        child: machine::pass,
    },
    Case {
        name: "sync",
        resource: START_AND_WAIT,
        child: machine::pass,
    },
    // All parents wait at the same time.
    Case {
        name: "sync, children of a second",
        resource: START_AND_WAIT,
        child: || machine::wait(1),
    },
];

/// One measurement.
struct Sample {
    seconds: f64,
    coordinator_cpu: f64,
}

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for case in CASES {
        output::progress(&format!("nested: {} …", case.name));
        figures.extend(rates(bench, &case)?);
    }
    output::progress("nested: parents that wait …");
    figures.extend(waiting(bench)?);
    Ok(figures)
}

fn rates(bench: &Bench<'_>, case: &Case) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let coordinator = Coordinator::start(bench.program, &folder.path().join("data"))?;
    let endpoint = coordinator.endpoint();
    let child = control::create(&endpoint, "child", (case.child)())?;
    let parent = machine::parent(case.resource, &child);
    let parent = control::create(&endpoint, "parent", parent)?;
    let parents = bench.args.parents;
    run(&coordinator, &parent, parents / 4)?;
    let samples: Vec<Sample> = (0..bench.args.repeat)
        .map(|_| run(&coordinator, &parent, parents))
        .collect::<anyhow::Result<_>>()?;
    coordinator.stop()?;
    let count = f64::from(parents);
    let figure = |what: &str, unit, value: &dyn Fn(&Sample) -> f64| {
        let values: Vec<f64> = samples.iter().map(value).collect();
        Figure::new(format!("nested {}: {what}", case.name), unit, &values)
    };
    Ok(vec![
        figure("parents with their children", "1/s", &|sample| {
            count / sample.seconds
        }),
        figure("processor, coordinator", "µs/pair", &|sample| {
            sample.coordinator_cpu * 1e6 / count
        }),
    ])
}

/// Starts parents and waits until they and their children have ended.
fn run(coordinator: &Coordinator, parent: &str, parents: u32) -> anyhow::Result<Sample> {
    let before = closed(coordinator)?;
    let cpu = coordinator.process.cpu_seconds()?;
    let watch = Stopwatch::start();
    memory::start(coordinator, parent, parents)?;
    let wanted = before + 2.0 * f64::from(parents);
    let (mut count, mut moved) = (before, Stopwatch::start());
    while count < wanted {
        pause(LOOK)?;
        let now = closed(coordinator)?;
        if now > count {
            (count, moved) = (now, Stopwatch::start());
        }
        if moved.elapsed() > PATIENCE {
            bail!("{count} of {wanted} executions ended, then no more");
        }
    }
    ensure!(count <= wanted, "{count} executions ended, not {wanted}");
    Ok(Sample {
        seconds: watch.seconds(),
        coordinator_cpu: coordinator.process.cpu_seconds()? - cpu,
    })
}

fn closed(coordinator: &Coordinator) -> anyhow::Result<f64> {
    let closed = coordinator.metric("stepfleet_executions_closed_total")?;
    Ok(closed.unwrap_or(0.0))
}

/// Parents that wait for children that wait: memory of a pair, and the start-up with all of them.
fn waiting(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let data = folder.path().join("data");
    let coordinator = Coordinator::start(bench.program, &data)?;
    let endpoint = coordinator.endpoint();
    let child = control::create(&endpoint, "child", machine::wait(LONG_SECONDS))?;
    let parent = machine::parent(START_AND_WAIT, &child);
    let parent = control::create(&endpoint, "parent", parent)?;
    let empty = coordinator.process.resident_bytes()?;
    let parents = bench.args.parents;
    memory::start(&coordinator, &parent, parents)?;
    until_live(&coordinator, 2.0 * f64::from(parents))?;
    let full = coordinator.process.resident_bytes()?;
    coordinator.kill()?;
    let again = Coordinator::start(bench.program, &data)?;
    let startup = again.startup.as_secs_f64();
    let restarted = again.process.resident_bytes()?;
    again.stop()?;
    let one = |name: &str, unit, value: f64| Figure::new(format!("nested: {name}"), unit, &[value]);
    Ok(vec![
        one(
            "resident per parent and child that wait",
            "B",
            (full - empty) / f64::from(parents),
        ),
        one(
            "start-up with all of them after a kill",
            "ms",
            startup * 1e3,
        ),
        one("resident after it", "MiB", restarted / MEBIBYTE),
    ])
}

fn until_live(coordinator: &Coordinator, wanted: f64) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    loop {
        let live = coordinator.metric("stepfleet_executions_live")?;
        if live == Some(wanted) {
            return Ok(());
        }
        if watch.elapsed() > PATIENCE {
            bail!("{live:?} executions are open, not {wanted}");
        }
        pause(LOOK)?;
    }
}
