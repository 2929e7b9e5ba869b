//! Executions as rows and back: what a host writes when one closes, is evicted or is checkpointed, and what readers
//! find. All functions that touch the state store block, and run on the pool for that.

use std::sync::Arc;

use bytes::BytesMut;
use stepfleet_engine::execution::{Execution, Status};
use stepfleet_engine::{
    Command, Event, EventId, EventSeq, ExecutionId, PayloadId, Timestamp, next_deadline,
    outstanding,
};
use stepfleet_store::records::execution as snapshot;
use stepfleet_store::records::history;
use stepfleet_store::records::listing::{self, Summary};
use stepfleet_store::records::live::{self, Live};
use stepfleet_store::records::record::{RecordHeader, encode_record};
use stepfleet_store::state::Order;
use stepfleet_store::{Row, Table};

use super::message::Loaded;
use super::resident::{Resident, Tail};
use super::tasks;
use crate::catalog::storage_error;
use crate::matching::placement;
use crate::service::api::ExecutionItem;
use crate::service::error::ApiError;
use crate::shared::Shared;

/// A line of a list with its place.
pub(crate) type ListedItem = ((Timestamp, ExecutionId), ExecutionItem);

/// Writes one record into a chunk.
pub(crate) fn encode(
    chunk: &mut BytesMut,
    execution: &Execution,
    at: Timestamp,
    first_seq: u64,
    floor: PayloadId,
    events: &[Event],
) {
    let header = RecordHeader {
        hash: execution.header.hash,
        execution: execution.header.id,
        at,
        first_seq: EventSeq(first_seq),
        count: u32::try_from(events.len()).expect("a decision is bounded"),
    };
    encode_record(chunk, &header, events, floor);
}

impl Tail {
    /// Adds a record as it stands in the log; `before` is the execution's last event and payload without it.
    pub(crate) fn append(
        &mut self,
        record: &[u8],
        before: (EventId, PayloadId),
        execution: &Execution,
    ) {
        if self.header.count == 0 {
            self.header.first_event = EventId(before.0.0 + 1);
            self.header.first_payload = PayloadId(before.1.0 + 1);
        }
        self.records.extend_from_slice(record);
        self.header.count += 1;
        self.header.last_event = execution.last_event;
        self.header.last_payload = execution.last_payload;
    }
}

/// The block of an execution's tail, if there is anything in it. It stays readable until it is written.
fn take_block(resident: &mut Resident) -> Option<Row> {
    if resident.tail.header.count == 0 {
        return None;
    }
    let tail = std::mem::take(&mut resident.tail);
    let row = history::row(resident.id(), &tail.header, &tail.records);
    resident.flushing.push((resident.changes(), tail));
    Some(row)
}

/// Rows of a closed execution.
pub(crate) fn closed(resident: &mut Resident) -> Vec<Row> {
    let id = resident.id();
    let mut rows = vec![snapshot::row(&resident.execution)];
    rows.extend(take_block(resident));
    rows.extend(Summary::of(&resident.execution).put());
    if resident.has_rows {
        rows.push(live::row(id, None));
    }
    rows
}

/// Rows of a live execution: enough to forget it.
pub(crate) fn live(resident: &mut Resident) -> Vec<Row> {
    let id = resident.id();
    let execution = &resident.execution;
    let mut offers = Vec::new();
    // Whether something must be done for it that no row remembers.
    let mut goes_on = false;
    for command in outstanding(execution) {
        match command {
            Command::Offer {
                activity,
                attempt,
                input,
                scheduled_at,
                ..
            } => offers.push(live::Offer {
                activity,
                attempt,
                scheduled_at,
                placement: placement::member(input.payload.text()).map(Arc::from),
            }),
            Command::Continue | Command::StartTask { .. } => goes_on = true,
            Command::Cancel { .. } | Command::Closed => {}
        }
    }
    let live = Live {
        hash: resident.hash(),
        // Not what is armed: a timer that fired may not have been decided yet.
        deadline: next_deadline(execution),
        offers,
        machine_arn: execution.header.machine_arn.clone(),
        runs_since: execution.runs_since(),
        callback_since: resident.callback_since,
        held_by_session: goes_on
            || tasks::submitted(execution).next().is_some()
            || tasks::is_held_by_session(execution)
            || tasks::has_heartbeat(execution),
    };
    let mut rows = vec![snapshot::row(execution), live::row(id, Some(&live))];
    rows.extend(take_block(resident));
    resident.has_rows = true;
    rows
}

/// Reads an execution's snapshot.
pub(crate) fn read(shared: &Shared, id: ExecutionId) -> Result<Option<Execution>, ApiError> {
    let row = shared
        .store
        .get(Table::Execution, &snapshot::key(id))
        .map_err(|error| storage_error(&error))?;
    row.map(|row| snapshot::decode(&row))
        .transpose()
        .map_err(|error| storage_error(&error))
}

/// Reads an execution for its host, with its revision when it is live.
pub(crate) fn load(shared: &Shared, id: ExecutionId) -> Result<Option<Box<Loaded>>, ApiError> {
    let Some(execution) = read(shared, id)? else {
        return Ok(None);
    };
    let header = &execution.header;
    let revision = if execution.status == Status::Running {
        Some(shared.revision_of(header)?)
    } else {
        None
    };
    Ok(Some(Box::new(Loaded {
        execution,
        revision,
    })))
}

/// One line of a list.
pub(crate) fn item(execution: &Execution) -> ExecutionItem {
    item_of(&Summary::of(execution))
}

fn item_of(summary: &Summary) -> ExecutionItem {
    let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
    ExecutionItem {
        arn: summary.execution_arn.to_string(),
        machine_arn: summary.machine_arn.to_string(),
        name: summary.name.to_string(),
        status: summary.status,
        started_at: summary.started_at,
        closed_at: summary.closed_at,
        version_arn: text(&summary.version_arn),
        alias_arn: text(&summary.alias_arn),
        redrive_count: summary.redrive_count,
        redriven_at: summary.redriven_at,
    }
}

/// Closed executions of a state machine, newest first, behind `before`.
pub(crate) fn closed_items(
    shared: &Shared,
    machine: (&str, &str),
    status: Option<Status>,
    before: Option<(Timestamp, ExecutionId)>,
    limit: usize,
) -> Result<Vec<ListedItem>, ApiError> {
    let after = before.map(|(sort, id)| listing::Cursor { sort, id });
    let (from, to) = listing::range(machine.0, machine.1, status, after);
    let rows = shared
        .store
        .scan(Table::Listing, &from, &to, Order::Ascending, limit);
    let mut items = Vec::new();
    for (_, value) in rows.map_err(|error| storage_error(&error))? {
        let summary = listing::decode(&value).map_err(|error| storage_error(&error))?;
        let cursor = summary.cursor();
        items.push(((cursor.sort, cursor.id), item_of(&summary)));
    }
    Ok(items)
}

/// Rows that delete executions which closed before `cutoff`, at most `limit` executions.
pub(crate) fn expired(
    shared: &Shared,
    machine: (&str, &str),
    cutoff: Timestamp,
    limit: usize,
) -> Result<Vec<Row>, ApiError> {
    let failed = |error: stepfleet_store::StoreError| storage_error(&error);
    let newest = listing::Cursor {
        sort: cutoff,
        id: ExecutionId(0),
    };
    let (from, to) = listing::range(machine.0, machine.1, None, Some(newest));
    let mut deletions = Vec::new();
    for (_, value) in shared
        .store
        .scan(Table::Listing, &from, &to, Order::Descending, limit)
        .map_err(failed)?
    {
        let summary = listing::decode(&value).map_err(failed)?;
        let (first, end) = history::range(summary.id);
        for (key, _) in shared
            .store
            .scan(Table::History, &first, &end, Order::Ascending, usize::MAX)
            .map_err(failed)?
        {
            deletions.push(Row {
                table: Table::History,
                key,
                value: None,
            });
        }
        deletions.push(Row {
            table: Table::Execution,
            key: snapshot::key(summary.id),
            value: None,
        });
        deletions.extend(summary.delete());
    }
    Ok(deletions)
}
