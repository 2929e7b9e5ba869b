//! The benchmarks, one file each: a function from the settings to figures.

pub(crate) mod activity;
pub(crate) mod core;
pub(crate) mod express;
pub(crate) mod fleet;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod nested;
pub(crate) mod pass;
pub(crate) mod sessions;
pub(crate) mod startup;
pub(crate) mod waits;

use std::path::Path;

use crate::args::Args;
use crate::figure::Figure;
use crate::load::Sample;

/// What every benchmark gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a Args,
    /// The coordinator's program.
    pub(crate) program: &'a Path,
    /// Folder on the disk to measure.
    pub(crate) folder: &'a Path,
}

impl Bench<'_> {
    /// An empty folder, removed when dropped.
    fn temporary(&self) -> anyhow::Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(self.folder)?)
    }
}

/// Picks the processor seconds of one process out of a sample.
type SecondsOf = fn(&Sample) -> f64;

/// A figure with one sample for each measurement.
fn figure(
    name: String,
    unit: &'static str,
    samples: &[Sample],
    value: impl Fn(&Sample) -> f64,
) -> Figure {
    let values: Vec<f64> = samples.iter().map(value).collect();
    Figure::new(name, unit, &values)
}

/// Processor time of each process for one unit of work, microseconds.
fn processor_figures(
    name: &str,
    unit: &'static str,
    samples: &[Sample],
    work: impl Fn(&Sample) -> f64,
) -> Vec<Figure> {
    let processes: [(&str, SecondsOf); 3] = [
        ("coordinator", |sample| sample.coordinator_cpu),
        ("worker", |sample| sample.worker_cpu),
        ("starter", |sample| sample.starter_cpu),
    ];
    let mut figures = Vec::new();
    for (process, seconds) in processes {
        let name = format!("{name}: processor, {process}");
        let microseconds = |sample: &Sample| seconds(sample) * 1e6 / work(sample);
        let cores: Vec<f64> = samples
            .iter()
            .map(|sample| seconds(sample) / sample.seconds)
            .collect();
        let busy = Figure::new("", "", &cores).median;
        let figure = figure(name, unit, samples, microseconds);
        let factor = busy / figure.median;
        figures.push(figure.compared(factor, "cores busy"));
    }
    figures
}
