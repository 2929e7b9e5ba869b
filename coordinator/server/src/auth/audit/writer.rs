//! The thread that owns the file and the chain. What it has in hand it never drops: while the file cannot be written, it
//! tries again, and only what finds no room in the queue meanwhile is lost, which a line tells.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;

use super::chain::{End, OfLog};
use super::{Health, Record};
use crate::clock::Clock;
use crate::observe::queue::{Next, Receiver};
use crate::observe::rotate::RotatingFile;

/// Bytes that are written at once, about.
const WRITE_BYTES: usize = 256 * 1024;
/// Between two attempts at a file that cannot be written.
const PAUSE: Duration = Duration::from_secs(1);
/// While there is more to write, the disk is asked for it this often. Milliseconds.
const SYNC_EVERY_MS: i64 = 1000;

pub(super) struct Writer {
    pub(super) file: RotatingFile,
    pub(super) end: End,
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<dyn Clock>,
    synced_at: i64,
}

/// Opens the file and starts the thread, which ends with its queue.
pub(super) fn start(
    file: RotatingFile,
    path: &Path,
    receiver: Receiver<Record>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let what = || format!("the audit log {}", path.display());
    let mut writer = Writer::open(file, path, health, clock).with_context(what)?;
    let thread = std::thread::Builder::new().name("audit-log".into());
    thread.spawn(move || writer.serve(receiver))?;
    Ok(())
}

impl Writer {
    /// Goes on where the file ends, and says so.
    pub(super) fn open(
        mut file: RotatingFile,
        path: &Path,
        health: Arc<Health>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let mut end = End::of(path)?;
        let cut = std::mem::take(&mut end.cut);
        let mut text = String::new();
        end.of_log(clock.now().0, &OfLog::Begun { cut }, &mut text);
        file.append(&text)?;
        Ok(Self {
            file,
            end,
            health,
            synced_at: clock.now().0,
            clock,
        })
    }

    fn serve(&mut self, mut receiver: Receiver<Record>) {
        while let Some(next) = receiver.blocking_next() {
            let (text, flushed) = self.batch(next, &mut receiver);
            while !self.append(&text) {
                std::thread::sleep(PAUSE);
            }
            if let Some(answer) = flushed {
                let _gone = answer.send(());
            }
        }
    }

    /// What is there to write, as lines.
    fn batch(
        &mut self,
        mut next: Next<Record>,
        receiver: &mut Receiver<Record>,
    ) -> (String, Option<oneshot::Sender<()>>) {
        let mut text = String::new();
        let lost = self.health.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let at = self.clock.now().0;
            self.end
                .of_log(at, &OfLog::Lost { records: lost }, &mut text);
        }
        loop {
            match next {
                Next::Value(record) => self.end.record(&record, &mut text),
                Next::Flush(answer) => return (text, Some(answer)),
            }
            if text.len() >= WRITE_BYTES {
                return (text, None);
            }
            match receiver.try_next() {
                Some(more) => next = more,
                None => return (text, None),
            }
        }
    }

    /// Whether lines are in the file.
    pub(super) fn append(&mut self, text: &str) -> bool {
        let now = self.clock.now().0;
        let written = self.file.append(text);
        if written.is_ok() && now - self.synced_at >= SYNC_EVERY_MS {
            self.synced_at = now;
            if let Err(error) = self.file.sync() {
                tracing::error!(%error, "the audit log may not be on the disk");
            }
        }
        let failed = self.health.failing.swap(written.is_err(), Ordering::AcqRel);
        match &written {
            Err(error) if !failed => {
                tracing::error!(%error, "the audit log cannot be written; it is tried again");
            }
            Ok(()) if failed => tracing::info!("the audit log is written again"),
            Ok(()) | Err(_) => {}
        }
        written.is_ok()
    }
}
