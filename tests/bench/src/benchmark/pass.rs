//! Transitions per second of states that do nothing: a hundred Pass states in a row, durable as everything else.
//!
//! One activity at the end tells the starter; it is not counted, but its time is in the figures.

use super::{Bench, figure, processor_figures};
use crate::args::Way;
use crate::figure::Figure;
use crate::load::{self, Fleet, Load, Sample};
use crate::machine::{self, PASS_STATES};
use crate::probe;

/// Enough that the processor is the limit.
const IN_FLIGHT: u32 = 64;

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.temporary()?;
    let disk = probe::disk(folder.path())?;
    let load = Load {
        name: "pass",
        program: bench.program,
        folder: folder.path(),
        definition: machine::passes,
        fleet: Fleet::ONE,
        tasks: 1,
        way: Way::Stream,
        in_flight: IN_FLIGHT,
        slots: IN_FLIGHT,
    };
    let samples = load::run(&load, bench.args)?;
    let transitions = |sample: &Sample| sample.executions * f64::from(PASS_STATES);
    let name = format!("pass {IN_FLIGHT}");
    let rate = figure(format!("{name}: transitions"), "1/s", &samples, |sample| {
        transitions(sample) / sample.seconds
    });
    let mut figures = vec![rate.compared(disk.p50, "per fdatasync")];
    figures.push(figure(
        format!("{name}: executions"),
        "1/s",
        &samples,
        |sample| sample.executions / sample.seconds,
    ));
    figures.extend(processor_figures(
        &name,
        "µs/transition",
        &samples,
        transitions,
    ));
    figures.push(figure(
        format!("{name}: written to disk"),
        "B/transition",
        &samples,
        |sample| sample.disk_bytes.unwrap_or(f64::NAN) / transitions(sample),
    ));
    Ok(figures)
}
