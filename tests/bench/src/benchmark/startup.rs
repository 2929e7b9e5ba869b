//! From the start of the process to the first `200` of `/readyz`, and what an idle coordinator costs.

use std::time::Duration;

use super::{Bench, memory};
use crate::coordinator::Coordinator;
use crate::figure::Figure;
use crate::interrupt::pause;
use crate::output;

/// Executions in the folder that is not empty.
const WAITING: u32 = 10_000;

/// After the start-up, until memory is read and while idleness is watched.
const IDLE_SECONDS: f64 = 2.0;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    output::progress("startup …");
    let (mut empty, mut resident, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.args.repeat {
        let folder = bench.temporary()?;
        let coordinator = Coordinator::start(bench.program, &folder.path().join("data"))?;
        empty.push(milliseconds(&coordinator));
        let before = coordinator.process.cpu_seconds()?;
        pause(Duration::from_secs_f64(IDLE_SECONDS))?;
        let used = coordinator.process.cpu_seconds()? - before;
        idle.push(used / IDLE_SECONDS * 1e3);
        resident.push(coordinator.process.resident_bytes()? / MEBIBYTE);
        coordinator.stop()?;
    }
    let mut figures = vec![
        Figure::new("startup: empty folder", "ms", &empty),
        Figure::new("startup: resident when idle", "MiB", &resident),
        Figure::new("startup: processor when idle", "ms/s", &idle),
    ];
    figures.extend(with_data(bench)?);
    Ok(figures)
}

/// The same with executions in the folder, after an orderly end and after a kill.
fn with_data(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let data = folder.path().join("data");
    let (mut stopped, mut killed) = (Vec::new(), Vec::new());
    let mut coordinator = Coordinator::start(bench.program, &data)?;
    memory::park(&coordinator, WAITING)?;
    for _ in 0..bench.args.repeat {
        coordinator.kill()?;
        coordinator = Coordinator::start(bench.program, &data)?;
        killed.push(milliseconds(&coordinator));
    }
    for _ in 0..bench.args.repeat {
        coordinator.stop()?;
        coordinator = Coordinator::start(bench.program, &data)?;
        stopped.push(milliseconds(&coordinator));
    }
    coordinator.stop()?;
    Ok(vec![
        Figure::new(
            format!("startup: {WAITING} waiting, after a kill"),
            "ms",
            &killed,
        ),
        Figure::new(
            format!("startup: {WAITING} waiting, after a stop"),
            "ms",
            &stopped,
        ),
    ])
}

fn milliseconds(coordinator: &Coordinator) -> f64 {
    coordinator.startup.as_secs_f64() * 1e3
}
