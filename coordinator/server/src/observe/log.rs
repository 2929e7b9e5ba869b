//! The execution log's destinations: a file or standard output by a thread of its own, which may block as it likes, or
//! an OpenTelemetry collector.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use super::otlp;
use super::queue::{Losses, Next, Queue, Receiver, queue};
use super::record::Records;
use super::rotate::RotatingFile;
use crate::config::{Config, LogTo};

/// Bytes that are written at once, about.
const WRITE_BYTES: usize = 256 * 1024;
/// Where the log is in the data folder unless the configuration names another place.
const FILE: &str = "logs/executions.jsonl";

/// Where lines go.
#[derive(Debug)]
enum Lines {
    File(RotatingFile),
    Stdout,
}

/// Opens the destination that is configured; none when nothing is to be logged.
pub(super) fn open(config: &Config, losses: Arc<Losses>) -> anyhow::Result<Option<Queue<Records>>> {
    let settings = &config.execution_log;
    let (queue, receiver) = queue(losses.clone());
    match settings.to {
        LogTo::None => return Ok(None),
        LogTo::Otlp => {
            let endpoint = settings.otlp.as_deref().context("otlp is missing")?;
            let channel = otlp::channel(endpoint)?;
            let serve = otlp::serve_logs(receiver, channel, losses);
            crate::task::spawn("execution log", serve);
        }
        LogTo::Stdout => thread(receiver, Lines::Stdout, losses)?,
        // What is to leave nothing behind has no folder for it.
        LogTo::File if config.ephemeral && settings.file.is_none() => {
            thread(receiver, Lines::Stdout, losses)?;
        }
        LogTo::File => {
            let path = file(config);
            let mut file =
                RotatingFile::new(path.clone(), settings.file_bytes_max, settings.files_max);
            if settings.file.is_some() {
                let shown = path.display();
                file.open()
                    .with_context(|| format!("cannot open the file {shown}"))?;
            }
            thread(receiver, Lines::File(file), losses)?;
        }
    }
    Ok(Some(queue))
}

fn file(config: &Config) -> PathBuf {
    let named = config.execution_log.file.clone();
    named.unwrap_or_else(|| config.data.join(FILE))
}

fn thread(receiver: Receiver<Records>, lines: Lines, losses: Arc<Losses>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("execution-log".into());
    // It ends with its queue; the end of the process does not wait for a destination that blocks.
    thread.spawn(move || serve(receiver, lines, &losses))?;
    Ok(())
}

fn serve(mut receiver: Receiver<Records>, mut lines: Lines, losses: &Losses) {
    let mut text = String::new();
    while let Some(mut next) = receiver.blocking_next() {
        let mut count = 0;
        let flushed = loop {
            match next {
                Next::Value(records) => {
                    records.write_lines(&mut text);
                    count += records.count();
                }
                Next::Flush(answer) => break Some(answer),
            }
            if text.len() >= WRITE_BYTES {
                break None;
            }
            match receiver.try_next() {
                Some(more) => next = more,
                None => break None,
            }
        };
        if count > 0 {
            match lines.append(&text) {
                Ok(()) => losses.delivered(count),
                Err(error) => losses.lost(count, &error.to_string()),
            }
        }
        text.clear();
        text.shrink_to(2 * WRITE_BYTES);
        if let Some(answer) = flushed {
            let _gone = answer.send(());
        }
    }
}

impl Lines {
    fn append(&mut self, lines: &str) -> io::Result<()> {
        match self {
            Self::File(file) => file.append(lines),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines.as_bytes())?;
                out.flush()
            }
        }
    }
}
