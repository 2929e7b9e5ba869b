//! What clients were told, and what they saw: the truth that histories are held against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use stepfleet_e2e::History;

/// One execution as its client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) arn: String,
    pub(crate) n: u64,
    /// Nanoseconds since 1970, of the answers that carried it.
    pub(crate) start_date: Option<(i64, i32)>,
}

/// Everything that was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    started: Mutex<BTreeMap<String, Started>>,
    /// Receipts in outputs and causes of results that were answered OK.
    acknowledged: Mutex<BTreeSet<String>>,
    /// Receipts of results whose answer was lost.
    unknown: Mutex<BTreeSet<String>>,
    /// Receipts of results that were refused for good.
    refused: Mutex<BTreeSet<String>>,
    /// The longest history read of each execution.
    seen: Mutex<BTreeMap<String, History>>,
}

impl Ledger {
    pub(crate) fn start(&self, name: &str, started: Started) {
        self.started
            .lock()
            .expect("no holder panics")
            .insert(name.to_owned(), started);
    }

    pub(crate) fn started(&self) -> BTreeMap<String, Started> {
        self.started.lock().expect("no holder panics").clone()
    }

    pub(crate) fn acknowledge(&self, receipt: &str) {
        self.acknowledged
            .lock()
            .expect("no holder panics")
            .insert(receipt.to_owned());
    }

    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().expect("no holder panics").clone()
    }

    pub(crate) fn lose(&self, receipt: &str) {
        self.unknown
            .lock()
            .expect("no holder panics")
            .insert(receipt.to_owned());
    }

    /// A refused result must leave no trace, unless an earlier attempt of it may have counted.
    pub(crate) fn refuse(&self, receipt: &str) {
        if !self
            .unknown
            .lock()
            .expect("no holder panics")
            .contains(receipt)
        {
            self.refused
                .lock()
                .expect("no holder panics")
                .insert(receipt.to_owned());
        }
    }

    pub(crate) fn refused(&self) -> BTreeSet<String> {
        self.refused.lock().expect("no holder panics").clone()
    }

    pub(crate) fn see(&self, arn: &str, history: History) {
        let mut seen = self.seen.lock().expect("no holder panics");
        let longest = seen.entry(arn.to_owned()).or_default();
        if history.events.len() > longest.events.len() {
            *longest = history;
        }
    }

    pub(crate) fn seen(&self, arn: &str) -> Option<History> {
        self.seen
            .lock()
            .expect("no holder panics")
            .get(arn)
            .cloned()
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} executions started, {} results acknowledged, {} answers lost, {} results refused, {} histories read on the way",
            self.started.lock().expect("no holder panics").len(),
            self.acknowledged.lock().expect("no holder panics").len(),
            self.unknown.lock().expect("no holder panics").len(),
            self.refused.lock().expect("no holder panics").len(),
            self.seen.lock().expect("no holder panics").len(),
        )
    }
}
