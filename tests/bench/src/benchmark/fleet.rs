//! Durable activity tasks per second by the number of workers and of activities: the same load for all, so that what a
//! worker or an activity costs besides its tasks can be seen.

use super::{Bench, figure, processor_figures};
use crate::args::Way;
use crate::figure::Figure;
use crate::load::{self, Fleet, Load, Sample};
use crate::machine::{self, CHAIN_TASKS};

const IN_FLIGHT: u32 = 256;

/// A fleet, and the slots of each worker for each activity.
const CASES: [(&str, Fleet, u32); 4] = [
    ("1 worker", Fleet::ONE, IN_FLIGHT),
    ("10 workers", workers(10), 64),
    ("1000 workers", workers(1000), 4),
    (
        "1000 activities",
        Fleet {
            workers: 1,
            activities: 1000,
        },
        16,
    ),
];

const fn workers(workers: u32) -> Fleet {
    Fleet {
        workers,
        activities: 1,
    }
}

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut first = None;
    for (name, fleet, slots) in CASES {
        let folder = bench.temporary()?;
        let load = Load {
            name,
            program: bench.program,
            folder: folder.path(),
            definition: machine::chain,
            fleet,
            tasks: CHAIN_TASKS,
            way: Way::Stream,
            in_flight: IN_FLIGHT,
            slots,
        };
        let samples = load::run(&load, bench.args)?;
        let rate = figure(
            format!("fleet, {name}: activity tasks"),
            "1/s",
            &samples,
            |sample| sample.tasks / sample.seconds,
        );
        let one = *first.get_or_insert(rate.median);
        figures.push(rate.compared(1.0 / one, "of one worker's"));
        let tasks = |sample: &Sample| sample.tasks;
        let processors = processor_figures(&format!("fleet, {name}"), "µs/task", &samples, tasks);
        figures.extend(processors);
    }
    Ok(figures)
}
