//! One coordinator process with its data folder: start, readiness, metrics, end.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::clock::Stopwatch;
use crate::interrupt::pause;
use crate::process::{self, Process};

/// Long enough to replay the log of any benchmark.
const START_PATIENCE: Duration = Duration::from_secs(120);
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// A running coordinator; killed when dropped.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) process: Process,
    /// From the start of the process to its first `200` of `/readyz`.
    pub(crate) startup: Duration,
    port: u16,
}

impl Coordinator {
    /// Starts `program` on a folder, in its default durable mode, and waits until it is ready.
    pub(crate) fn start(program: &Path, data: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let log_path = data.with_extension("log");
        let mut command = process::command(program);
        command
            .args(["dev", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data)
            .env("STEPFLEET_LOG__LEVEL", "warn")
            .env("STEPFLEET_LIMITS__EXECUTIONS_OPEN_MAX", "10000000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log_path)?);
        let watch = Stopwatch::start();
        let process = Process::spawn(&mut command)?;
        let mut coordinator = Self {
            process,
            startup: Duration::ZERO,
            port,
        };
        coordinator
            .wait_until_ready(watch)
            .with_context(|| tail(&log_path))?;
        coordinator.startup = watch.elapsed();
        Ok(coordinator)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The sum over all label values of a metric; `None` when there is no such metric.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<Option<f64>> {
        let (status, text) = get(self.port, "/metrics")?;
        if status != 200 {
            bail!("/metrics answered {status}");
        }
        Ok(sum(&text, name))
    }

    /// An orderly end.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.terminate(STOP_PATIENCE)?;
        if !status.success() {
            bail!("the coordinator ended with {status}");
        }
        Ok(())
    }

    /// A power cut, as far as a process can have one.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    fn wait_until_ready(&mut self, watch: Stopwatch) -> anyhow::Result<()> {
        loop {
            if matches!(get(self.port, "/readyz"), Ok((200, _))) {
                return Ok(());
            }
            self.process
                .check()
                .context("the coordinator did not start")?;
            if watch.elapsed() > START_PATIENCE {
                bail!("the coordinator was not ready after {START_PATIENCE:?}");
            }
            pause(Duration::from_micros(500))?;
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Status and body of a GET request on loopback.
fn get(port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    status.zip(body).context("no HTTP answer")
}

fn sum(text: &str, name: &str) -> Option<f64> {
    text.lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .reduce(|total, value| total + value)
}

/// The end of the coordinator's log, for the error message.
fn tail(path: &PathBuf) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default();
    format!("the coordinator said:\n{}", last.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_over_its_namesakes() {
        let text =
            "a_total{x=\"1\"} 2\na_total{x=\"2\"} 3\na_total_more 7\n# TYPE a_total counter\n";
        assert_eq!(sum(text, "a_total"), Some(5.0));
        assert_eq!(sum(text, "b_total"), None);
    }
}
