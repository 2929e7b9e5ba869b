//! Records behind the checkpoint whose executions have come to the state store since. Nothing is applied of them again, so
//! it is not seen what ended in them: where that was work of a connector, the history is gone through from its beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use stepfleet_asl::Payload;
use stepfleet_engine::execution::Execution;
use stepfleet_engine::{Data, Event, EventBody, EventSeq, ExecutionId, apply};
use stepfleet_store::Table;
use stepfleet_store::records::history;
use stepfleet_store::records::record::{ChunkRecord, RawRecord, RecordReader};
use stepfleet_store::state::Order;

use crate::integrations::stops::begun_at;
use crate::shared::Shared;

/// Blocks that are read at once.
const BLOCKS: usize = 8;

/// Executions with such records that may have ended work, and the first event of the first of them.
#[derive(Debug, Default)]
pub(super) struct Passed(BTreeMap<ExecutionId, EventSeq>);

impl Passed {
    pub(super) fn note(&mut self, shared: &Shared, record: &RawRecord) -> anyhow::Result<()> {
        let header = record.header;
        if !shared.catalog.has_connectors() || self.0.contains_key(&header.execution) {
            return Ok(());
        }
        let unread = Payload::trusted("");
        let events = record.events(&mut |id| {
            let payload = unread.clone();
            Some(Data { id, payload })
        })?;
        if events.iter().any(|event| may_end_work(&event.body)) {
            self.0.insert(header.execution, header.first_seq);
        }
        Ok(())
    }

    /// Notes the stops that are owed since then. It reads whole histories.
    pub(super) fn find_stops(self, shared: &Arc<Shared>) {
        for (id, from) in self.0 {
            // A history with a hole is told when it is read; here, it costs a stop.
            if let Err(error) = go_through(shared, id, from) {
                tracing::warn!(execution.id = %id, %error, "what a connector has begun may go on: the history cannot be gone through");
            }
        }
    }
}

/// Whether work of a connector may end with it and yet not by itself. Whole histories need not be read for what happens
/// most.
fn may_end_work(body: &EventBody) -> bool {
    use EventBody as E;
    !matches!(
        body,
        E::ExecutionStarted { .. }
            | E::ExecutionSucceeded { .. }
            | E::StateEntered { .. }
            | E::StateExited { .. }
            | E::ActivityScheduled { .. }
            | E::ActivityStarted { .. }
            | E::ActivityReoffered { .. }
            | E::ActivityRestarted { .. }
            | E::ActivitySucceeded { .. }
            | E::TaskScheduled { .. }
            | E::StartOffered { .. }
            | E::TaskStarted { .. }
            | E::HandleGiven { .. }
            | E::TaskSubmitted { .. }
            | E::TaskSucceeded { .. }
            | E::ParallelStateStarted { .. }
            | E::ParallelStateSucceeded { .. }
            | E::MapStateStarted { .. }
            | E::MapStateSucceeded { .. }
            | E::MapIterationStarted { .. }
            | E::MapIterationSucceeded { .. }
            | E::BranchStarted { .. }
            | E::BranchSucceeded { .. }
            | E::WaitScheduled { .. }
            | E::ProgressRecorded { .. }
    )
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

#[cfg(test)]
mod tests {
    use stepfleet_engine::FrameId;

    use super::*;

    #[test]
    fn what_succeeds_ends_no_work_of_others() {
        let (frame, child) = (FrameId(1), FrameId(2));
        assert!(!may_end_work(&EventBody::MapStateSucceeded { frame }));
        assert!(may_end_work(&EventBody::MapStateFailed { frame }));
        assert!(may_end_work(&EventBody::BranchFailed { frame, child }));
    }
}
