//! What the coordinator's last process holds in memory over its life.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use stepfleet_e2e::Coordinator;

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// Generous: the state store fills its tables, the allocator keeps what was freed.
const GROWTH_MAX: f64 = 1.5;
const GROWTH_MIB_MAX: f64 = 48.0;

/// Resident MiB.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    samples: Vec<f64>,
}

impl Memory {
    /// Another process begins.
    pub(crate) fn begin_life(&mut self) {
        self.samples.clear();
    }

    pub(crate) fn look(&mut self, coordinator: &mut Coordinator) -> Result<()> {
        let path = format!("/proc/{}/status", coordinator.process().id());
        let status = std::fs::read_to_string(path)?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        let kib: f64 = kib.context("no VmRSS")?.parse()?;
        self.samples.push(kib / 1024.0);
        Ok(())
    }

    /// At the end of its first quarter, when it is warm, and at its end: medians of a tenth of the samples each.
    fn ends(&self) -> (f64, f64) {
        let count = self.samples.len();
        let tenth = (count / 10).max(1);
        let median = |from: usize| {
            let mut part: Vec<f64> = self.samples[from.min(count)..].to_vec();
            part.truncate(tenth);
            part.sort_by(f64::total_cmp);
            part.get(part.len() / 2).copied().unwrap_or_default()
        };
        (median(count / 4), median(count.saturating_sub(tenth)))
    }

    pub(crate) fn check(&self) -> Result<()> {
        let (warm, last) = self.ends();
        ensure!(
            last <= warm * GROWTH_MAX + GROWTH_MIB_MAX,
            "the coordinator's memory grew from {warm:.1} to {last:.1} MiB"
        );
        Ok(())
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (warm, last) = self.ends();
        let seconds = LOOK.as_secs_f64() * self.samples.len() as f64;
        write!(
            f,
            "memory of the last coordinator process in its {seconds:.0} s: {warm:.1} MiB warm, {last:.1} MiB at the end"
        )
    }
}
