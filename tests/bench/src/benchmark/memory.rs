//! Executions that wait for their task token to be completed by somebody: how fast they start, and what each of them
//! costs in memory.

use std::time::Duration;

use anyhow::bail;

use super::Bench;
use crate::clock::Stopwatch;
use crate::control;
use crate::coordinator::Coordinator;
use crate::figure::Figure;
use crate::interrupt::pause;
use crate::load;
use crate::machine;
use crate::output;
use crate::role::console::Remote;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let count = bench.args.parked;
    output::progress(&format!("memory: {count} waiting executions …"));
    let data = folder.path().join("data");
    let coordinator = Coordinator::start(bench.program, &data)?;
    let before = coordinator.process.resident_bytes()?;
    let seconds = park(&coordinator, count)?;
    let after = coordinator.process.resident_bytes()?;
    let cpu = coordinator.process.cpu_seconds()?;
    coordinator.stop()?;
    let again = Coordinator::start(bench.program, &data)?;
    let executions = f64::from(count);
    let restarted = again.process.resident_bytes()?;
    let startup = again.startup.as_secs_f64();
    again.stop()?;
    let one = |name: &str, unit, value: f64| Figure::new(format!("memory: {name}"), unit, &[value]);
    Ok(vec![
        one("starts of waiting executions", "1/s", executions / seconds),
        one(
            "coordinator's processor per start",
            "µs",
            cpu * 1e6 / executions,
        ),
        one("resident, all waiting", "MiB", after / MEBIBYTE),
        one(
            "resident per waiting execution",
            "B",
            (after - before) / executions,
        ),
        one("start-up with all waiting", "ms", startup * 1e3),
        one("resident after that start-up", "MiB", restarted / MEBIBYTE),
    ])
}

/// Starts so many waiting executions, one connection pool after another; gives the seconds that it took.
pub(crate) fn park(coordinator: &Coordinator, count: u32) -> anyhow::Result<f64> {
    let prepared = control::prepare(&coordinator.endpoint(), 1, |_| machine::parked())?;
    start(coordinator, prepared.machine(), count)
}

/// Starts so many executions of a machine; gives the seconds that it took.
pub(crate) fn start(coordinator: &Coordinator, machine: &str, count: u32) -> anyhow::Result<f64> {
    let mut command = load::role("starter")?;
    let count_text = count.to_string();
    command
        .args([
            "--endpoint",
            &coordinator.endpoint(),
            "--machine",
            machine,
            "--tasks",
            "1",
        ])
        .args(["--in-flight", &count_text, "--limit", &count_text]);
    let watch = Stopwatch::start();
    let mut starter = Remote::start(&mut command)?;
    let (mut started, mut moved) = (0, watch);
    while started < u64::from(count) {
        pause(Duration::from_millis(5))?;
        let report = starter.mark()?;
        if report.started > started {
            (started, moved) = (report.started, Stopwatch::start());
        }
        if moved.elapsed() > Duration::from_secs(30) {
            bail!("{started} of {count} executions started, then no more");
        }
    }
    let seconds = watch.seconds();
    starter.exit()?;
    Ok(seconds)
}
