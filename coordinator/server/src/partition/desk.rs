//! What a host works with besides its executions: its partitions, the open batch, timers and indexes. `step` is the
//! one way in which an execution changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stepfleet_asl::{Patience, Payload, Program};
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{Execution, Header, Status};
use stepfleet_engine::{
    Attempt, Command, Decision, Env, Event, EventId, ExecutionId, Input, PartitionId, PayloadId,
    Rejection, TaskRef, Timestamp, Variables, decide, next_deadline, start,
};
use stepfleet_store::log::CHUNK_BYTES_MAX;
use stepfleet_store::{Row, Seq};

use super::HostHandle;
use super::batch::{Batch, Effect, Given, Outbound, Partition};
use super::ends::Ends;
use super::message::{LiveItem, LiveItems, Message, TaskReport};
use super::record::Before;
use super::resident::{MachineNumber, Machines, Resident};
use super::{offers, rows, tasks};
use crate::integrations::Call;
use crate::matching::{Offer, Slot};
use crate::metrics::{Closed, LastActivity};
use crate::service::api::MachineType;
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// Bytes of payloads and variables of one decision; with room for its events they fit a chunk.
pub(crate) const RECORD_PAYLOAD_BYTES_MAX: usize = CHUNK_BYTES_MAX - 512 * 1024;
/// Bytes of history that a live execution holds before they become a block.
const TAIL_BYTES_MAX: usize = 1024 * 1024;

/// A host's tools.
#[derive(Debug)]
pub(crate) struct Desk {
    pub shared: Arc<Shared>,
    pub host: HostHandle,
    pub partitions: Vec<Partition>,
    /// Partition ids are `first + index`.
    pub first: u16,
    pub batch: Batch,
    pub timers: BTreeSet<(Timestamp, ExecutionId)>,
    /// Live executions by state machine and start or newest redrive, for lists.
    pub running: BTreeSet<(MachineNumber, Timestamp, ExecutionId)>,
    pub callbacks: BTreeSet<(Timestamp, ExecutionId)>,
    pub ends: Ends,
    pub machines: Machines,
    /// Closed executions whose rows are not in the state store yet.
    pub closing: BTreeSet<(MachineNumber, Timestamp, ExecutionId)>,
    /// Executions that run again while the state store still lists them as closed, with the change that takes them out.
    pub reopening: BTreeMap<ExecutionId, u64>,
    /// Bytes of resident executions, about.
    pub resident_bytes: usize,
    /// Executions in memory.
    pub residents: u64,
    /// Executions in memory that leave when their rows are written.
    pub leaving: usize,
    pub(super) last_activity: LastActivity,
    time: Timestamp,
    pub(super) rows: VecDeque<Outbound>,
}

/// Why a step did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StepError {
    Rejected(Rejection),
    /// A broken invariant: the execution is set aside.
    Broken,
    /// An expression takes long: the decision must be made off the host, see `aside`.
    Interrupted,
}

impl From<Rejection> for StepError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Interrupted => Self::Interrupted,
            Rejection::TaskTimedOut
            | Rejection::TaskDoesNotExist
            | Rejection::ExecutionClosed
            | Rejection::NotRedrivable(_)
            | Rejection::RedrivenBefore(_) => Self::Rejected(rejection),
        }
    }
}

impl Desk {
    pub(crate) fn new(shared: Arc<Shared>, host: HostHandle, partitions: Vec<Partition>) -> Self {
        let first = partitions.first().map_or(0, |partition| partition.id.0);
        let seed = shared.entropy.next_u128();
        let time = shared.clock.now();
        Self {
            shared,
            host,
            partitions,
            first,
            batch: Batch::new(seed),
            timers: BTreeSet::new(),
            running: BTreeSet::new(),
            callbacks: BTreeSet::new(),
            ends: Ends::default(),
            machines: Machines::default(),
            closing: BTreeSet::new(),
            reopening: BTreeMap::new(),
            resident_bytes: 0,
            residents: 0,
            leaving: 0,
            last_activity: LastActivity::default(),
            time,
            rows: VecDeque::new(),
        }
    }

    /// The time of this turn: one reading serves a decision and the record of it.
    pub(crate) fn now(&self) -> Timestamp {
        self.time
    }

    /// Goes back to the time of a decision that was made elsewhere, until the next turn.
    pub(super) fn turn_back(&mut self, to: Timestamp) {
        self.time = to;
    }

    /// Begins a turn.
    pub(crate) fn turn(&mut self) {
        self.time = self.shared.clock.now();
    }

    /// Decides one input and records its events; a worker slot that is free for a newly scheduled task is used in the
    /// same record.
    pub(crate) fn step(&mut self, resident: &mut Resident, input: Input) -> Result<(), StepError> {
        let decision = self.decide(resident, input)?;
        self.adopt(resident, decision);
        Ok(())
    }

    /// Takes a decision over: events are recorded, commands carried out or queued.
    pub(crate) fn adopt(&mut self, resident: &mut Resident, decision: Decision) {
        if new_bytes(&decision, resident.execution.last_payload) > RECORD_PAYLOAD_BYTES_MAX {
            return self.too_large(resident);
        }
        let before = std::mem::replace(&mut resident.execution, decision.execution);
        let mut events = decision.events;
        let mut goes_on = false;
        for command in decision.commands {
            match command {
                Command::Offer {
                    activity,
                    attempt,
                    input,
                    scheduled_at,
                    ..
                } => {
                    let execution = &resident.execution;
                    match offers::offer(execution, attempt, scheduled_at, &input.payload) {
                        Ok(offer) => self.offer(resident, &activity, offer, &mut events),
                        Err(refused) => self.host.send_later(Message::Withdraw(refused)),
                    }
                }
                Command::Cancel { attempt } => self.cancel(&before, attempt),
                Command::StartTask {
                    resource,
                    attempt,
                    parameters,
                } => {
                    let execution = &resident.execution;
                    let call = Call::of(&self.shared, execution, attempt, resource, parameters);
                    let start = Effect::Run(Box::new(move || call.start()));
                    self.batch.effects.push(start);
                }
                Command::Continue => goes_on = true,
                Command::Closed => {}
            }
        }
        if !events.is_empty() {
            self.record(resident, Before::decided(&before), &events);
        }
        self.reindex(resident, before.status);
        if resident.tail.records.len() > TAIL_BYTES_MAX && resident.execution.is_running() {
            let rows = rows::live(resident);
            self.write_rows(resident, rows);
        }
        if goes_on {
            self.host
                .send_later(Message::Task(TaskReport::continuation(&resident.execution)));
        }
    }

    /// A decision that no chunk could take is not taken; its execution ends instead of the process.
    fn too_large(&mut self, resident: &mut Resident) {
        let cause =
            format!("One transition would record more than {RECORD_PAYLOAD_BYTES_MAX} bytes.");
        let failure = stop_failure(Some("States.DataLimitExceeded".to_owned()), Some(cause));
        if let Ok(decision) = self.decide(resident, Input::Stop(failure)) {
            self.adopt(resident, decision);
        }
    }

    /// The decision that begins an execution, unless its state machine was deleted since it was looked up.
    pub(crate) fn first_decision(
        &self,
        program: &Program,
        header: &Arc<Header>,
        input: Payload,
    ) -> Result<Decision, ApiError> {
        let machine = self
            .shared
            .catalog
            .machine(&header.namespace, &header.machine_name);
        if machine.is_none_or(|machine| machine.record.deleting) {
            let message = format!("State Machine is being deleted: '{}'", header.machine_arn);
            return Err(ApiError::new(ErrorCode::StateMachineDeleting, message));
        }
        let env = self.env();
        let attempt = AssertUnwindSafe(|| start(program, header.clone(), input, &env));
        let Ok(decision) = catch_unwind(attempt) else {
            self.shared.metrics.quarantined();
            return Err(super::handle::broken());
        };
        if new_bytes(&decision, PayloadId(0)) > RECORD_PAYLOAD_BYTES_MAX {
            let message = format!(
                "the first transitions would record more than {RECORD_PAYLOAD_BYTES_MAX} bytes"
            );
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        }
        Ok(decision)
    }

    pub(super) fn decide(
        &self,
        resident: &mut Resident,
        input: Input,
    ) -> Result<Decision, StepError> {
        if resident.quarantined {
            return Err(StepError::Broken);
        }
        if let Some(made) = resident.prepared.take() {
            return made;
        }
        let env = self.env();
        let attempt = AssertUnwindSafe(|| {
            decide(&resident.revision.program, &resident.execution, &env, input)
        });
        match catch_unwind(attempt) {
            Ok(result) => result.map_err(StepError::from),
            Err(_panic) => {
                self.quarantine(resident);
                Err(StepError::Broken)
            }
        }
    }

    /// A broken invariant was found in an execution: it is kept, and refuses everything.
    pub(super) fn quarantine(&self, resident: &mut Resident) {
        resident.quarantined = true;
        self.shared.metrics.quarantined();
        let execution = &resident.execution.header.execution_arn;
        tracing::error!(execution.id = %execution, "a broken invariant was found; the execution is set aside");
    }

    /// Time, entropy and look-ups of one decision.
    pub(crate) fn env(&self) -> Env<'_> {
        Env {
            now: self.now(),
            entropy: self.shared.entropy.next_u64(),
            services: self.shared.as_ref(),
            limits: &self.shared.limits,
            patience: Patience::Brief,
        }
    }

    fn offer(
        &mut self,
        resident: &mut Resident,
        activity: &Arc<str>,
        offer: Offer,
        events: &mut Vec<Event>,
    ) {
        let queue = self.shared.matching.queue(activity);
        let (attempt, now) = (offer.attempt, self.now());
        if let Some(slot) = queue.reserve_or_enqueue(offer, now)
            && let Err(slot) = self.start_task(resident, attempt, slot, events)
        {
            let pairs = queue.left(resident.id(), attempt, now);
            let next = slot
                .give_back()
                .and_then(|slot| queue.offer_slot(slot, now));
            let pairs = pairs.into_iter().chain(next);
            self.shared.hand_out(pairs.collect());
        }
    }

    /// Decides that a task is started by the worker of this slot; gives the slot back when the task is over.
    fn start_task(
        &mut self,
        resident: &mut Resident,
        attempt: Attempt,
        slot: Slot,
        events: &mut Vec<Event>,
    ) -> Result<(), Slot> {
        let Ok(decision) = self.decide(
            resident,
            Input::Started {
                attempt,
                worker: slot.worker(),
            },
        ) else {
            return Err(slot);
        };
        resident.execution = decision.execution;
        events.extend(decision.events);
        let Some(given) = given(&resident.execution, attempt.entry) else {
            return Err(slot);
        };
        let header = resident.execution.header.clone();
        let task = task_ref(&resident.execution, attempt);
        let observer = &self.shared.observer;
        let trace_header =
            observer.header_for(&resident.revision, &resident.execution, attempt.entry);
        self.batch.effects.push(Effect::Push {
            slot,
            task,
            header,
            given,
            trace_header,
        });
        Ok(())
    }

    /// A slot came for an offered task.
    pub(crate) fn start_offered(
        &mut self,
        resident: &mut Resident,
        offer: &Offer,
        slot: Slot,
    ) -> Result<(), Slot> {
        let before = Before::start_of_task(&resident.execution);
        let mut events = Vec::new();
        let result = self.start_task(resident, offer.attempt, slot, &mut events);
        if !events.is_empty() {
            self.record(resident, before, &events);
            self.reindex(resident, Status::Running);
        }
        result
    }

    /// Brings timers and indexes in line with the execution.
    pub(crate) fn reindex(&mut self, resident: &mut Resident, status_before: Status) {
        let id = resident.id();
        let deadline = next_deadline(&resident.execution);
        if deadline != resident.armed {
            self.arm(id, resident.armed.take(), deadline);
            resident.armed = deadline;
        }
        let callback = tasks::callback_since(&resident.execution);
        if callback != resident.callback_since {
            if let Some(since) = resident.callback_since {
                self.callbacks.remove(&(since, id));
            }
            if let Some(since) = callback {
                self.callbacks.insert((since, id));
            }
            resident.callback_since = callback;
        }
        if status_before == Status::Running && resident.execution.status != Status::Running {
            let place = (resident.machine, resident.execution.runs_since(), id);
            if self.running.remove(&place) {
                self.shared.counters.live.fetch_sub(1, Ordering::Relaxed);
                let namespace = &resident.execution.header.namespace;
                self.shared.namespaces.closed(namespace);
            }
            let closed = Closed::of(&resident.execution, self.now());
            let meters = &resident.revision.meters;
            let metrics = &self.shared.metrics;
            metrics.closed(MachineType::Standard, meters, closed);
            self.write_closed(resident);
            for answer in self.ends.take(id) {
                let tell = move || {
                    let _gone = answer.send(());
                };
                self.batch.effects.push(Effect::Run(Box::new(tell)));
            }
        }
    }

    /// An execution is live from now on.
    pub(crate) fn enter(
        &mut self,
        namespace: &str,
        place: (MachineNumber, Timestamp, ExecutionId),
    ) {
        if self.running.insert(place) {
            self.shared.namespaces.opened(namespace);
            self.shared.counters.live.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an execution's memory anew.
    pub(crate) fn account(&mut self, resident: &mut Resident) {
        let bytes = resident.bytes();
        self.residents += u64::from(resident.accounted == 0);
        self.resident_bytes = self.resident_bytes - resident.accounted + bytes;
        resident.accounted = bytes;
    }

    /// An execution leaves memory.
    pub(crate) fn forget(&mut self, resident: &mut Resident) {
        self.residents -= u64::from(resident.accounted > 0);
        self.resident_bytes -= resident.accounted;
        resident.accounted = 0;
        self.leaving -= usize::from(std::mem::take(&mut resident.leaving));
        if let Some(closed_at) = resident.execution.closed_at {
            self.closing
                .remove(&(resident.machine, closed_at, resident.id()));
        }
    }

    pub(crate) fn is_over_budget(&self) -> bool {
        self.resident_bytes > self.shared.host_budget_bytes
    }

    pub(crate) fn is_far_over_budget(&self) -> bool {
        self.resident_bytes > self.shared.host_budget_bytes.saturating_mul(2)
    }

    /// Executions of a state machine that only this host knows, newest first, at or after `before` in that order.
    pub(crate) fn list(
        &self,
        machine_arn: &str,
        before: Option<(Timestamp, ExecutionId)>,
        limit: usize,
    ) -> LiveItems {
        let Some(machine) = self.machines.known(machine_arn) else {
            return LiveItems::default();
        };
        let low = (machine, Timestamp(i64::MIN), ExecutionId(0));
        let (at, id) = before.unwrap_or((Timestamp(i64::MAX), ExecutionId(u128::MAX)));
        let high = (machine, at, id);
        let newest = |set: &BTreeSet<(MachineNumber, Timestamp, ExecutionId)>| {
            let items = set.range(low..high).rev().take(limit);
            items
                .map(|(_, sort, execution)| LiveItem {
                    sort: *sort,
                    execution: *execution,
                })
                .collect::<Vec<_>>()
        };
        let mut items = newest(&self.running);
        items.extend(newest(&self.closing));
        LiveItems {
            items,
            reopening: self.reopening.keys().copied().collect(),
        }
    }

    /// Executions with open callbacks, oldest first.
    pub(crate) fn open_callbacks(
        &self,
        after: Option<(Timestamp, ExecutionId)>,
        limit: usize,
    ) -> Vec<(Timestamp, ExecutionId)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.callbacks
            .range((from, Bound::Unbounded))
            .take(limit)
            .copied()
            .collect()
    }

    pub(crate) fn arm(&mut self, id: ExecutionId, old: Option<Timestamp>, new: Option<Timestamp>) {
        if let Some(at) = old {
            self.timers.remove(&(at, id));
        }
        if let Some(at) = new {
            self.timers.insert((at, id));
        }
    }

    /// The rows of a closed execution leave with the batch that closed it.
    pub(crate) fn write_closed(&mut self, resident: &mut Resident) {
        let closed_at = resident.execution.closed_at.unwrap_or(self.now());
        self.closing
            .insert((resident.machine, closed_at, resident.id()));
        let rows = rows::closed(resident);
        self.write_rows(resident, rows);
    }

    /// Rows go to the writer once the batch that they show is durable.
    pub(crate) fn write_rows(&mut self, resident: &Resident, rows: Vec<Row>) {
        self.batch.effects.push(Effect::Rows {
            rows,
            written: (resident.id(), resident.changes()),
        });
    }

    pub(crate) fn committed(&mut self, partition: PartitionId, seq: Seq) {
        let partition = &mut self.partitions[usize::from(partition.0 - self.first)];
        partition.committed = partition.committed.max(seq);
    }
}

/// Bytes of the payloads and variables that a decision records.
pub(crate) fn new_bytes(decision: &Decision, floor: PayloadId) -> usize {
    let mut last = floor;
    let mut bytes = 0;
    for data in decision.events.iter().filter_map(|event| event.body.data()) {
        if data.id > last {
            last = data.id;
            bytes += data.payload.len();
        }
    }
    let assigned = decision
        .events
        .iter()
        .filter_map(|event| event.body.assigned());
    let progress = decision
        .events
        .iter()
        .map(|event| event.body.progress_bytes());
    bytes + assigned.map(Variables::bytes).sum::<usize>() + progress.sum::<usize>()
}

/// The reference that a token of this attempt stands for.
pub(crate) fn task_ref(execution: &Execution, attempt: Attempt) -> TaskRef {
    let header = &execution.header;
    TaskRef {
        hash: header.hash,
        execution: header.id,
        incarnation: header.incarnation,
        attempt,
    }
}

fn given(execution: &Execution, entry: EventId) -> Option<Given> {
    let mut stays = execution.frames.iter().filter_map(|frame| frame.stay());
    let stay = stays.find(|stay| stay.entry == entry)?;
    let work = tasks::activity_of(stay)?;
    let progress = stay.progress.as_ref();
    let begins = tasks::begins(stay);
    Some(Given {
        input: work.input.payload.clone(),
        heartbeat_seconds: work.heartbeat_seconds.unwrap_or(0),
        last_progress: progress.map(|progress| progress.details.clone()),
        pattern: begins.map(|task| task.resource.pattern()),
    })
}

/// The failure that a stop carries.
pub(crate) fn stop_failure(error: Option<String>, cause: Option<String>) -> Failure {
    Failure {
        error: error.map(Arc::from),
        cause: cause.map(Arc::from),
    }
}
