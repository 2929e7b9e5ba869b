//! Durable activity tasks per second: ten activities in a row, many executions in flight.

use super::{Bench, figure, processor_figures};
use crate::args::Way;
use crate::figure::Figure;
use crate::load::{self, Fleet, Load, Sample};
use crate::machine::{self, CHAIN_TASKS};
use crate::probe;

/// An activity has 1000 pollers at most.
const POLLERS_MAX: u32 = 1000;

/// Name, unit, and value where it is known.
type Written = (&'static str, &'static str, fn(&Sample) -> Option<f64>);

pub(crate) fn measure(bench: &Bench<'_>, way: Way) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for in_flight in &bench.args.in_flight {
        figures.extend(measure_one(bench, way, *in_flight)?);
    }
    Ok(figures)
}

fn measure_one(bench: &Bench<'_>, way: Way, in_flight: u32) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let disk = probe::disk(folder.path())?;
    let load = Load {
        name: way.as_str(),
        program: bench.program,
        folder: folder.path(),
        definition: machine::chain,
        fleet: Fleet::ONE,
        tasks: CHAIN_TASKS,
        way,
        in_flight,
        slots: slots(bench, way, in_flight),
    };
    let samples = load::run(&load, bench.args)?;
    let name = format!("{} {in_flight}", way.as_str());
    let tasks = |sample: &Sample| sample.tasks;
    let rate = figure(
        format!("{name}: activity tasks"),
        "1/s",
        &samples,
        |sample| sample.tasks / sample.seconds,
    );
    let mut figures = vec![rate.compared(disk.p50, "per fdatasync")];
    figures.extend(processor_figures(&name, "µs/task", &samples, tasks));
    figures.extend(written(&name, &samples));
    Ok(figures)
}

/// Never fewer than the executions in flight, except where an activity would have too many pollers.
fn slots(bench: &Bench<'_>, way: Way, in_flight: u32) -> u32 {
    match way {
        Way::Stream => in_flight + bench.args.idle_slots,
        Way::Unary => (in_flight + bench.args.idle_slots).min(POLLERS_MAX),
    }
}

/// Bytes and appends for one activity task, and its share of the start and end of its execution.
fn written(name: &str, samples: &[Sample]) -> Vec<Figure> {
    let parts: [Written; 3] = [
        ("written to disk", "B/task", |sample| {
            Some(sample.disk_bytes? / sample.tasks)
        }),
        ("written to log", "B/task", |sample| {
            Some(sample.log_bytes? / sample.tasks)
        }),
        ("tasks per append", "", |sample| {
            Some(sample.tasks / sample.appends?)
        }),
    ];
    let figures = parts.into_iter().filter_map(|(part, unit, value)| {
        let values: Option<Vec<f64>> = samples.iter().map(value).collect();
        Some(Figure::new(format!("{name}: {part}"), unit, &values?))
    });
    figures.collect()
}
