//! `--profile`: where the coordinator spends its time during the first measurement of each load, by `perf`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::load::Load;
use crate::output;
use crate::process::Process;

/// Samples per second: not a multiple of anything that a program does by the clock.
const FREQUENCY: &str = "997";

/// Functions in the printed part of a profile.
const LINES: usize = 60;

/// A `perf record` at work, or nothing where there is no `perf`.
#[derive(Debug)]
pub(crate) struct Recorder {
    process: Option<Process>,
    data: PathBuf,
}

/// Begins to record a process for so many seconds.
pub(crate) fn record(
    folder: &Path,
    load: &Load<'_>,
    process_id: u32,
    seconds: u64,
) -> anyhow::Result<Recorder> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let data = folder.join(format!("{}-{}.perf", load.name, load.in_flight));
    let mut command = Command::new("perf");
    command
        .args([
            "record",
            "--quiet",
            "--freq",
            FREQUENCY,
            "--pid",
            &process_id.to_string(),
        ])
        .arg("--output")
        .arg(&data)
        .args(["--", "sleep", &seconds.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = Process::spawn(&mut command).ok();
    if process.is_none() {
        output::progress(&format!(
            "there is no `perf` (Debian and Ubuntu: apt-get install linux-perf). By hand, while it runs:\n  \
             perf record --freq {FREQUENCY} --pid {process_id} -- sleep {seconds} && perf report\n  \
             valgrind --tool=callgrind stepfleet dev --ephemeral"
        ));
    }
    Ok(Recorder { process, data })
}

impl Recorder {
    /// Waits for the end of the recording and writes the ranked functions beside it.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Some(mut process) = self.process else {
            return Ok(());
        };
        let status = process.wait(Duration::from_secs(60))?;
        if !status.success() {
            output::progress("perf could not record (see /proc/sys/kernel/perf_event_paranoid)");
            return Ok(());
        }
        let report = self.data.with_extension("txt");
        let ended = Command::new("perf")
            .args([
                "report",
                "--stdio",
                "--no-children",
                "--sort",
                "symbol",
                "--input",
            ])
            .arg(&self.data)
            .stdin(Stdio::null())
            .stdout(File::create(&report)?)
            .stderr(Stdio::null())
            .status()?;
        if ended.success() {
            output::progress(&top(&fs::read_to_string(&report)?));
        }
        output::progress(&format!(
            "profile: {} and {}",
            self.data.display(),
            report.display()
        ));
        Ok(())
    }
}

/// The first functions of a report, without its comments.
fn top(report: &str) -> String {
    let lines = report
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .take(LINES)
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_a_report_are_left_out() {
        assert_eq!(
            top("# To display\n\n  5.0%  [.] decide\n"),
            "  5.0%  [.] decide"
        );
    }
}
