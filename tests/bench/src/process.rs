//! Processes: how they are started on two cores, and what the kernel says that they used.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::Stopwatch;
use crate::interrupt::pause;

/// Cores that all processes share.
pub(crate) const CORES: usize = 2;

/// Kernel clock ticks per second in /proc: fixed for user space on every Linux architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// A command bound to the first two cores when the machine has more.
pub(crate) fn command(program: &std::path::Path) -> Command {
    let cores = std::thread::available_parallelism().map_or(CORES, usize::from);
    if cores <= CORES {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0,1"]).arg(program);
    command
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Fails when the process has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("process {} ended: {status}", self.child.id()),
        }
    }

    /// Asks it to end, and waits at most so long.
    pub(crate) fn terminate(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(patience)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).context("process ids fit in 31 bits")?;
        kill(Pid::from_raw(id), signal).context("cannot signal a process")
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let watch = Stopwatch::start();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if watch.elapsed() > patience {
                bail!(
                    "process {} did not end within {patience:?}",
                    self.child.id()
                );
            }
            pause(Duration::from_millis(2))?;
        }
    }

    /// Processor time used so far, in user and kernel.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(&self.proc("stat")?).context("unexpected form of /proc/PID/stat")
    }

    /// Resident memory now, bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<f64> {
        resident(&self.proc("status")?)
    }

    fn proc(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of this very process, bytes.
pub(crate) fn own_resident_bytes() -> anyhow::Result<f64> {
    resident(&fs::read_to_string("/proc/self/status")?)
}

fn resident(status: &str) -> anyhow::Result<f64> {
    let kib = field(status, "VmRSS:").context("/proc/PID/status has no VmRSS")?;
    Ok(kib * 1024.0)
}

/// User and system time: fields 14 and 15, counted after the parenthesised program name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: Vec<f64> = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// The number behind `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_program_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 4 0 12 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
    }

    #[test]
    fn fields_of_proc_files_are_found_by_name() {
        let status = "Name:\tx\nVmRSS:\t   2048 kB\n";
        assert_eq!(field(status, "VmRSS:"), Some(2048.0));
        assert_eq!(field(status, "write_bytes:"), None);
    }
}
