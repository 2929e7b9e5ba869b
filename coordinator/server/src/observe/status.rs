//! "Step Functions Execution Status Change", as EventBridge gets it from AWS: an event whenever a Standard execution
//! begins, runs again or closes.

mod change;
mod pending;
mod webhook;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use stepfleet_engine::limits::Limits;

use super::queue::{Losses, Next, Queue, Receiver, queue};
use super::rotate::RotatingFile;
use crate::config::Config;

pub(super) use change::{Change, Maker};
use pending::Pending;
use webhook::Webhook;

/// Events that the webhook has not taken, in the data folder.
const SPOOL: &str = "status-events.jsonl";

/// To whom changes are told.
#[derive(Debug)]
pub(super) struct StatusEvents {
    pub(super) maker: Maker,
    file: Option<Queue<Arc<Change>>>,
    webhook: Option<Arc<Pending>>,
    spool: Option<PathBuf>,
}

impl StatusEvents {
    /// None when nobody is to be told.
    ///
    /// # Errors
    /// What is configured cannot be used.
    pub(super) fn open(
        config: &Config,
        limits: Limits,
        losses: &Arc<Losses>,
    ) -> anyhow::Result<Option<Self>> {
        let settings = &config.status_events;
        let file = match &settings.file {
            None => None,
            Some(path) => {
                let (bytes_max, files_max) = (settings.file_bytes_max, settings.files_max);
                let mut file = RotatingFile::new(path.clone(), bytes_max, files_max);
                let shown = path.display();
                file.open()
                    .with_context(|| format!("cannot open the file {shown}"))?;
                let (queue, receiver) = queue(losses.clone());
                let losses = losses.clone();
                let thread = std::thread::Builder::new().name("status-events".into());
                thread.spawn(move || write(receiver, file, &losses))?;
                Some(queue)
            }
        };
        let webhook = match &settings.webhook {
            None => None,
            Some(url) => {
                let webhook = Webhook::new(url, settings, losses.clone())?;
                Some(webhook.serve())
            }
        };
        if file.is_none() && webhook.is_none() {
            return Ok(None);
        }
        let spools = webhook.is_some() && !config.ephemeral;
        let events = Self {
            maker: Maker {
                region: Arc::from(&*config.arn.region),
                limits,
            },
            file,
            webhook,
            spool: spools.then(|| config.data.join(SPOOL)),
        };
        events.resume().context("events of before")?;
        Ok(Some(events))
    }

    /// Never waits.
    pub(super) fn tell(&self, change: Change) {
        let change = Arc::new(change);
        if let Some(file) = &self.file {
            file.put(change.clone(), change.bytes(), 1);
        }
        if let Some(webhook) = &self.webhook {
            webhook.put(change);
        }
    }

    pub(super) async fn flush(&self) {
        if let Some(file) = &self.file {
            file.flush().await;
        }
        if let Some(webhook) = &self.webhook {
            webhook.emptied().await;
        }
    }

    /// Makes durable what the webhook has not taken: a checkpoint is about to cover the records that tell of it. Blocks.
    pub(super) fn spool(&self) -> std::io::Result<()> {
        match (&self.webhook, &self.spool) {
            (Some(webhook), Some(path)) => webhook.write(path),
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// Tells what an earlier process could not.
    fn resume(&self) -> std::io::Result<()> {
        match (&self.webhook, &self.spool) {
            (Some(webhook), Some(path)) => webhook.read(path),
            (None, _) | (_, None) => Ok(()),
        }
    }
}

fn write(mut receiver: Receiver<Arc<Change>>, mut file: RotatingFile, losses: &Losses) {
    while let Some(next) = receiver.blocking_next() {
        match next {
            Next::Value(change) => {
                let line = change.text() + "\n";
                match file.append(&line) {
                    Ok(()) => losses.delivered(1),
                    Err(error) => losses.lost(1, &error.to_string()),
                }
            }
            Next::Flush(answer) => {
                let _gone = answer.send(());
            }
        }
    }
}
