//! One execution at a time: how long from one task of it to the next, beside the disk's own fdatasync.
//!
//! Measured in the worker, from handler to handler: result sent, decided, appended and synced, next task pushed.

use super::{Bench, figure, processor_figures};
use crate::args::Way;
use crate::figure::Figure;
use crate::load::{self, Fleet, Load, Sample};
use crate::machine::{self, CHAIN_TASKS};
use crate::probe::{self, Disk};

const MICROSECONDS: f64 = 1e6;

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let before = probe::disk(folder.path())?;
    let load = Load {
        name: "latency",
        program: bench.program,
        folder: folder.path(),
        definition: machine::chain,
        fleet: Fleet::ONE,
        tasks: CHAIN_TASKS,
        way: Way::Stream,
        in_flight: 1,
        slots: 1,
    };
    let samples = load::run(&load, bench.args)?;
    let after = probe::disk(folder.path())?;
    let mut figures = disk_figures(&[before, after]);
    let sync = 1.0 / f64::midpoint(before.p50, after.p50) / MICROSECONDS;
    let step = |sample: &Sample, p99: bool| {
        let step = sample
            .step
            .map(|step| if p99 { step.p99 } else { step.p50 });
        step.unwrap_or(f64::NAN) * MICROSECONDS
    };
    for (name, p99) in [("p50", false), ("p99", true)] {
        let name = format!("latency: activity step {name}");
        let figure = figure(name, "µs", &samples, |sample| step(sample, p99));
        figures.push(figure.compared(sync, "fdatasync p50"));
    }
    figures.extend(processor_figures(
        "latency",
        "µs/task",
        &samples,
        |sample| sample.tasks,
    ));
    Ok(figures)
}

fn disk_figures(disks: &[Disk]) -> Vec<Figure> {
    let figure = |name: &str, value: fn(&Disk) -> f64| {
        let values: Vec<f64> = disks
            .iter()
            .map(|disk| value(disk) * MICROSECONDS)
            .collect();
        Figure::new(format!("disk: fdatasync of 4 KiB {name}"), "µs", &values)
    };
    vec![
        figure("p50", |disk| disk.p50),
        figure("p99", |disk| disk.p99),
    ]
}
