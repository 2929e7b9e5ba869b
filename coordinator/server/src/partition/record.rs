//! What becomes of a decision's events: a record in the partition's chunk, and what is counted and told of it.

use std::sync::atomic::Ordering;

use stepfleet_engine::execution::Execution;
use stepfleet_engine::{Event, EventId, EventSeq, PayloadId};

use super::batch::Effect;
use super::desk::Desk;
use super::resident::Resident;
use super::rows;
use crate::observe::Decided;
use crate::service::api::MachineType;

/// Where an execution stood before a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before<'a> {
    seq: u64,
    event: EventId,
    payload: PayloadId,
    /// None where the decision ends nothing.
    execution: Option<&'a Execution>,
}

impl<'a> Before<'a> {
    pub(super) fn decided(execution: &'a Execution) -> Self {
        Self {
            execution: Some(execution),
            ..Before::start_of_task(execution)
        }
    }

    /// Before a decision that does nothing but start a task.
    pub(super) fn start_of_task(execution: &Execution) -> Self {
        Self {
            seq: execution.last_seq.0,
            event: execution.last_event,
            payload: execution.last_payload,
            execution: None,
        }
    }
}

impl Desk {
    /// Puts a record into the partition's chunk and the execution's tail.
    pub(super) fn record(&mut self, resident: &mut Resident, before: Before<'_>, events: &[Event]) {
        let at = self.now();
        let hash = resident.hash();
        let index = usize::from(hash.partition(self.shared.partition_count).0 - self.first);
        let chunk = self.partitions[index].chunk();
        let from = chunk.len();
        rows::encode(
            chunk,
            &resident.execution,
            at,
            before.seq + 1,
            before.payload,
            events,
        );
        let bytes = chunk.len() - from;
        resident.tail.append(
            &chunk[from..],
            (before.event, before.payload),
            &resident.execution,
        );
        resident.changed_in = self.batch.number;
        resident.touched_at = at;
        self.account(resident);
        self.batch.changed = true;
        self.batch.bytes += bytes;
        self.shared
            .counters
            .log_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        let (metrics, after) = (&self.shared.metrics, &resident.execution);
        metrics.recorded(events);
        let last = &mut self.last_activity;
        let fleet = &self.shared.fleet;
        let build_of = |session| fleet.build_of(session);
        metrics.timed(last, at, events, (before.execution, after), &build_of);
        self.tasks_left(events, before.execution);
        self.connected(events, before.execution, &resident.execution);
        let decided = Decided {
            revision: &resident.revision,
            machine_type: MachineType::Standard,
            first_seq: EventSeq(before.seq + 1),
            last_event: before.event,
            before: before.execution,
            events,
            at,
            execution: &resident.execution,
        };
        if let Some(observed) = self.shared.observer.observe(&decided) {
            self.batch.effects.push(Effect::Observed(observed));
        }
    }
}
