//! How the benchmark talks to its roles: `mark` asks for the counters, `stop` ends new work, the end of the input ends
//! the process. Both ends are here.

use std::io::{self, BufRead, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use stepfleet_sdk::CancellationToken;

use crate::process::Process;

/// Counters of a role since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Executions started.
    pub(crate) started: u64,
    /// Executions whose last activity has been taken.
    pub(crate) ended: u64,
    /// Activity tasks worked on.
    pub(crate) tasks: u64,
    /// Calls that failed for good, and the first error.
    pub(crate) failures: u64,
    pub(crate) failure: Option<String>,
    /// Times from one task of an execution to its next, since the last report; with one execution in flight only.
    pub(crate) step: Option<Step>,
}

/// Times of activity steps, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What the input of a role has asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    pub(crate) stop: CancellationToken,
    pub(crate) exit: CancellationToken,
}

/// Says that the role is ready, and answers from a thread of its own until the input ends.
pub(crate) fn obey(report: impl Fn() -> Report + Send + 'static) -> anyhow::Result<Orders> {
    let orders = Orders::default();
    let heard = orders.clone();
    answer(&report())?;
    std::thread::Builder::new()
        .name("console".to_owned())
        .spawn(move || {
            for line in io::stdin().lines() {
                let done = match line.as_deref() {
                    Ok("mark") => answer(&report()).is_err(),
                    Ok("stop") => {
                        heard.stop.cancel();
                        false
                    }
                    Ok(_) => false,
                    Err(_) => true,
                };
                if done {
                    break;
                }
            }
            heard.stop.cancel();
            heard.exit.cancel();
        })?;
    Ok(orders)
}

fn answer(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, report)?;
    writeln!(out)?;
    out.flush()
}

/// The benchmark's end of a role.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) process: Process,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts a role and waits until it is ready.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut process = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let input = process.child().stdin.take();
        let output = process
            .child()
            .stdout
            .take()
            .context("the output was asked for")?;
        let mut remote = Self {
            process,
            input,
            output: BufReader::new(output),
        };
        remote.read()?;
        Ok(remote)
    }

    /// The counters now. Fails when a call of the role has failed.
    pub(crate) fn mark(&mut self) -> anyhow::Result<Report> {
        self.say("mark")?;
        let report = self.read()?;
        if let Some(failure) = &report.failure {
            bail!(
                "{} calls failed, the first with: {failure}",
                report.failures
            );
        }
        Ok(report)
    }

    /// Ends new work.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.say("stop")
    }

    /// Ends the process in its own time.
    pub(crate) fn exit(mut self) -> anyhow::Result<()> {
        drop(self.input.take());
        let status = self.process.wait(Duration::from_secs(30))?;
        if !status.success() {
            bail!("a benchmark process ended with {status}");
        }
        Ok(())
    }

    fn say(&mut self, order: &str) -> anyhow::Result<()> {
        let input = self
            .input
            .as_mut()
            .context("the input is open until `exit`")?;
        writeln!(input, "{order}").context("a benchmark process is gone")
    }

    fn read(&mut self) -> anyhow::Result<Report> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("a benchmark process ended early");
        }
        Ok(serde_json::from_str(&line)?)
    }
}
