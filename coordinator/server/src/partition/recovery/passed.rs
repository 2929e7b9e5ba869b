//! Records behind the checkpoint whose executions have come to the state store since. Nothing is applied of them again, so
//! it is not seen what ended in them: where that was work of a connector, the history is gone through from its beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use stepfleet_engine::execution::Execution;
use stepfleet_engine::{Event, EventSeq, ExecutionId, apply};
use stepfleet_store::Table;
use stepfleet_store::records::history;
use stepfleet_store::records::record::{ChunkRecord, RawRecord, RecordHeader, RecordReader};
use stepfleet_store::state::Order;

use crate::integrations::stops::begun_at;
use crate::shared::Shared;

/// Blocks that are read at once.
const BLOCKS: usize = 8;

/// Executions with such records, and the first event of the first of them.
#[derive(Debug, Default)]
pub(super) struct Passed(BTreeMap<ExecutionId, EventSeq>);

impl Passed {
    pub(super) fn note(&mut self, header: &RecordHeader) {
        self.0.entry(header.execution).or_insert(header.first_seq);
    }

    /// Notes the stops that are owed since then.
    pub(super) fn find_stops(self, shared: &Arc<Shared>) {
        if !shared.catalog.has_connectors() {
            return;
        }
        for (id, from) in self.0 {
            // A history with a hole is told when it is read; here, it costs a stop.
            if let Err(error) = go_through(shared, id, from) {
                tracing::warn!(execution.id = %id, %error, "what a connector has begun may go on: the history cannot be gone through");
            }
        }
    }
}

fn go_through(shared: &Arc<Shared>, id: ExecutionId, from: EventSeq) -> anyhow::Result<()> {
    let mut execution = None;
    let (mut next, end) = history::range(id);
    loop {
        let page = shared
            .store
            .scan(Table::History, &next, &end, Order::Ascending, BLOCKS)?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        next.clone_from(last);
        next.push(0);
        for (_, value) in &page {
            for record in RecordReader::new(history::decode(value)?.records) {
                if let ChunkRecord::Execution(record) = record? {
                    pass(shared, &mut execution, &record, from)?;
                }
            }
        }
    }
}

fn pass(
    shared: &Arc<Shared>,
    execution: &mut Option<Execution>,
    record: &RawRecord,
    from: EventSeq,
) -> anyhow::Result<()> {
    let header = record.header;
    let last = execution.as_ref().map_or(0, |it| it.last_seq.0);
    // Blocks may overlap.
    if header.first_seq.0 <= last {
        return Ok(());
    }
    ensure!(
        header.first_seq.0 == last + 1,
        "records before event {} are missing",
        header.first_seq.0
    );
    let begun = execution.as_ref().map(begun_at).unwrap_or_default();
    let events: Vec<Event> =
        record.events(&mut |id| execution.as_ref().and_then(|it| it.payload(id)))?;
    for event in &events {
        match execution {
            Some(execution) => apply(execution, header.at, event),
            None => *execution = Execution::from_started(header.at, event),
        }
    }
    let after = execution
        .as_ref()
        .context("a first record that starts nothing")?;
    if header.first_seq >= from {
        shared.stops_of_replay(begun, &events, after, header.at);
    }
    Ok(())
}
