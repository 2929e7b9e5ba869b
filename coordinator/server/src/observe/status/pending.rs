//! Events that a webhook has not taken. They wait in lanes, one after another, so that those of one execution arrive in
//! order; a checkpoint writes them to a file, so that the next process goes on with them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::Change;
use crate::observe::queue::Losses;

/// Events that may wait.
const EVENTS_MAX: usize = 100_000;
/// Bytes that may wait; one more event is taken while there are fewer.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Requests at once.
const LANES: usize = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pending {
    held: Mutex<Held>,
    lanes: Vec<mpsc::Sender<Delivery>>,
    emptied: Notify,
    losses: Arc<Losses>,
}

#[derive(Debug, Default)]
struct Held {
    by_number: BTreeMap<u64, Arc<Change>>,
    bytes: usize,
    last: u64,
}

/// One event for a lane.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) number: u64,
    pub(super) change: Arc<Change>,
}

impl Pending {
    /// With the ends of its lanes.
    pub(super) fn new(losses: Arc<Losses>) -> (Arc<Self>, Vec<mpsc::Receiver<Delivery>>) {
        // Whatever is held fits one lane.
        let lanes = (0..LANES).map(|_| mpsc::channel(EVENTS_MAX));
        let (lanes, receivers) = lanes.unzip();
        let pending = Self {
            held: Mutex::default(),
            lanes,
            emptied: Notify::new(),
            losses,
        };
        (Arc::new(pending), receivers)
    }

    /// Holds an event until it is done, or loses it when too many are held.
    pub(super) fn put(&self, change: Arc<Change>) {
        let bytes = change.bytes();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let full = held.by_number.len() >= EVENTS_MAX || held.bytes > BYTES_MAX;
        let number = held.last + 1;
        let lane = &self.lanes[usize::try_from(change.key()).unwrap_or(0) % LANES];
        let delivery = Delivery {
            number,
            change: change.clone(),
        };
        if full || lane.try_send(delivery).is_err() {
            drop(held);
            let why = "more events wait for the webhook than may wait";
            return self.losses.lost(1, why);
        }
        held.last = number;
        held.bytes += bytes;
        held.by_number.insert(number, change);
    }

    /// The webhook has taken it, or never will.
    pub(super) fn done(&self, number: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(change) = held.by_number.remove(&number) {
            held.bytes -= change.bytes();
        }
        if held.by_number.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Waits until nothing is held.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn is_empty(&self) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.by_number.is_empty()
    }

    /// Writes what is held to a file, or removes it when nothing is. Durable when it returns.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let changes: Vec<Arc<Change>> = held.by_number.values().cloned().collect();
        drop(held);
        if changes.is_empty() {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let new = path.with_extension("new");
        let mut out = BufWriter::new(File::create(&new)?);
        for change in changes {
            writeln!(out, "{} {}", change.key(), change.text())?;
        }
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        std::fs::rename(&new, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// Holds what an earlier process has written.
    pub(super) fn read(&self, path: &Path) -> io::Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).lines() {
            let line = line?;
            if let Some((key, text)) = line.split_once(' ')
                && let Ok(key) = key.parse()
            {
                let text = text.to_owned();
                self.put(Arc::new(Change::Kept { key, text }));
            }
        }
        Ok(())
    }
}
