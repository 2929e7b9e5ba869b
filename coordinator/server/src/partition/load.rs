//! Memory: quiet executions leave under a budget and come back on demand. Reading never blocks the host; inputs for an
//! execution on its way in wait in order.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_engine::execution::Status;
use stepfleet_engine::{ExecutionId, PartitionId, Timestamp};
use stepfleet_store::Seq;
use tokio::sync::oneshot;

use super::HostHandle;
use super::batch::Effect;
use super::desk::Desk;
use super::handle::{existing, task_error};
use super::host::Host;
use super::message::{LoadResult, Loaded, Message, ReadRequest, Snapshot};
use super::resident::{Resident, Slot as Place, Stub};
use super::{rows, tasks};
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// Executions looked at for eviction in one turn.
const EVICT_LOOK_MAX: usize = 2000;
/// Time without a change after which an execution counts as quiet, while memory is not twice over its budget.
const QUIET_MS: i64 = 2_000;
/// Pause before a store that could not answer is asked again.
const LOAD_PAUSE: Duration = Duration::from_millis(500);
/// An execution that wakes sooner than this stays.
const WAKES_SOON_MS: i64 = 10_000;

impl Host {
    /// Begins to read an execution; `message` waits for it.
    pub(super) fn load(&mut self, id: ExecutionId, message: Message) {
        self.begin_load(id, vec![message]);
    }

    pub(super) fn load_for_timer(&mut self, id: ExecutionId) {
        self.begin_load(id, Vec::new());
    }

    fn begin_load(&mut self, id: ExecutionId, waiting: Vec<Message>) {
        let stub = match self.slots.remove(&id) {
            Some(Place::Evicted(stub)) => Some(stub),
            Some(place @ (Place::Resident(_) | Place::Loading { .. })) => {
                self.slots.insert(id, place);
                waiting.into_iter().for_each(|message| self.handle(message));
                return;
            }
            None => None,
        };
        self.slots.insert(id, Place::Loading { stub, waiting });
        self.to_load.push(id);
    }

    pub(super) fn loaded(&mut self, id: ExecutionId, result: LoadResult) {
        let Some(Place::Loading { stub, waiting }) = self.slots.remove(&id) else {
            return;
        };
        let loaded = match result {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return self.none_stored(id, waiting),
            Err(error) => return self.load_failed(id, stub, waiting, &error),
        };
        let Loaded { execution, program } = *loaded;
        let Some(program) = program.filter(|_| execution.status == Status::Running) else {
            return waiting
                .into_iter()
                .for_each(|message| self.closed(&execution, message));
        };
        let machine = self.desk.machines.number(&execution.header.machine_arn);
        let mut resident = Box::new(Resident::new(execution, program, machine));
        resident.has_rows = true;
        resident.written = resident.changes();
        resident.touched_at = self.desk.now();
        if let Some(stub) = stub {
            // Its timer may have fired already: it is set anew.
            self.desk.arm(id, stub.armed, None);
            resident.callback_since = stub.callback_since;
        }
        self.desk.reindex(&mut resident, Status::Running);
        self.desk.account(&mut resident);
        self.slots.insert(id, Place::Resident(resident));
        waiting.into_iter().for_each(|message| self.handle(message));
    }

    /// A store that cannot answer now is asked again; timers and tasks of the execution wait with it. What can never be
    /// read is refused, and stays where it is for an operator.
    fn load_failed(
        &mut self,
        id: ExecutionId,
        stub: Option<Stub>,
        waiting: Vec<Message>,
        error: &ApiError,
    ) {
        if error.code == ErrorCode::ServiceUnavailable {
            self.slots.insert(id, Place::Loading { stub, waiting });
            let (shared, host) = (self.desk.shared.clone(), self.desk.host.clone());
            crate::task::spawn("load execution again", async move {
                tokio::time::sleep(LOAD_PAUSE).await;
                read_for_host(shared, host, vec![id]);
            });
            return;
        }
        tracing::error!(execution.id = %id, %error, "an execution cannot be read");
        if let Some(stub) = stub {
            self.slots.insert(id, Place::Evicted(stub));
        }
        for message in waiting {
            self.refuse(message, error);
        }
    }

    /// The first start that waited begins the execution; what waited behind it finds it begun.
    fn none_stored(&mut self, id: ExecutionId, waiting: Vec<Message>) {
        for message in waiting {
            if self.slots.contains_key(&id) {
                self.handle(message);
            } else {
                self.absent(message);
            }
        }
    }

    /// There is no such execution.
    fn absent(&mut self, message: Message) {
        match message {
            Message::Start(start) => self.begin(*start),
            Message::Task(report) => {
                let result = Err(task_error(stepfleet_engine::Rejection::TaskDoesNotExist));
                self.desk.batch.effects.push(Effect::Task {
                    reply: report.reply,
                    task: report.task,
                    result,
                });
            }
            Message::Slot { slot, .. } => self.desk.shared.fleet.slot_again(slot),
            other @ (Message::Tasks(_)
            | Message::Stop { .. }
            | Message::StopMachine { .. }
            | Message::Read(_)
            | Message::Claim { .. }
            | Message::Loaded(_)
            | Message::Decided(_)
            | Message::Written(_)
            | Message::Checkpoint { .. }) => self.refuse(other, &missing()),
        }
    }

    /// The execution closed; its row answers.
    fn closed(&mut self, execution: &stepfleet_engine::Execution, message: Message) {
        match message {
            Message::Start(start) => {
                let result = existing(execution, &start);
                let _gone = start.answer.send(result);
            }
            Message::Task(report) => {
                let result = Err(task_error(stepfleet_engine::Rejection::TaskTimedOut));
                self.desk.batch.effects.push(Effect::Task {
                    reply: report.reply,
                    task: report.task,
                    result,
                });
            }
            Message::Slot { slot, .. } => self.desk.shared.fleet.slot_again(slot),
            Message::Stop {
                answer: Some(answer),
                ..
            } => {
                let _gone = answer.send(Ok(execution.closed_at.unwrap_or(execution.started_at)));
            }
            other @ (Message::Tasks(_)
            | Message::Stop { .. }
            | Message::StopMachine { .. }
            | Message::Read(_)
            | Message::Claim { .. }
            | Message::Loaded(_)
            | Message::Decided(_)
            | Message::Written(_)
            | Message::Checkpoint { .. }) => self.refuse(other, &missing()),
        }
    }

    /// Rows are in the state store: closed executions leave, quiet ones become stubs when memory is short.
    pub(super) fn written(&mut self, written: Vec<(ExecutionId, u64)>) {
        for (id, changes) in written {
            let Some(Place::Resident(resident)) = self.slots.get_mut(&id) else {
                continue;
            };
            resident.written = resident.written.max(changes);
            resident.has_rows = true;
            resident.flushing.retain(|(shown, _)| *shown > changes);
            if resident.written < resident.changes() {
                continue;
            }
            if resident.execution.status != Status::Running {
                self.desk.forget(resident);
                self.slots.remove(&id);
            } else if self.desk.is_over_budget() && is_quiet(resident, &self.desk) {
                let stub = resident.stub();
                self.desk.forget(resident);
                self.slots.insert(id, Place::Evicted(stub));
            }
        }
        self.desk.submit_rows();
    }

    /// Once a turn: what was asked for is read; rows that wait are given to the writer; when memory is short, rows of quiet executions are made, and
    /// they leave when those are written.
    pub(super) fn maintain(&mut self) {
        if !self.to_load.is_empty() {
            let ids = std::mem::take(&mut self.to_load);
            read_for_host(self.desk.shared.clone(), self.desk.host.clone(), ids);
        }
        if self.desk.rows_waiting() {
            self.desk.submit_rows();
        }
        if !self.desk.is_over_budget()
            || self.desk.rows_waiting()
            || self.evict_at > self.desk.now()
        {
            return;
        }
        let from = self.desk.evict_cursor.take();
        let after = from.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.desk.running.range((after, Bound::Unbounded));
        let looked: Vec<_> = range.take(EVICT_LOOK_MAX).copied().collect();
        // At the end of the list the next look begins at its start, after a pause.
        let pause = if looked.len() < EVICT_LOOK_MAX {
            500
        } else {
            5
        };
        self.evict_at = self.desk.now().plus_ms(pause);
        self.desk.evict_cursor = looked
            .last()
            .copied()
            .filter(|_| looked.len() == EVICT_LOOK_MAX);
        for (_, _, id) in looked {
            if let Some(Place::Resident(resident)) = self.slots.get_mut(&id)
                && is_quiet(resident, &self.desk)
            {
                let rows = rows::live(resident);
                self.desk.write_rows(resident, rows);
            }
        }
    }

    /// Makes rows of every live execution that changed since its last ones; the answer leaves after them.
    pub(super) fn checkpoint(&mut self, answer: oneshot::Sender<Vec<(PartitionId, Seq)>>) {
        let covered: Vec<(PartitionId, Seq)> = self
            .desk
            .partitions
            .iter()
            .map(|partition| (partition.id, partition.committed))
            .collect();
        let ids: Vec<ExecutionId> = self.desk.running.iter().map(|(_, _, id)| *id).collect();
        for id in ids {
            if let Some(Place::Resident(resident)) = self.slots.get_mut(&id)
                && resident.changes() > resident.written
            {
                let rows = rows::live(resident);
                self.desk.write_rows(resident, rows);
            }
        }
        self.desk
            .batch
            .effects
            .push(Effect::Covered { covered, answer });
    }

    pub(super) fn read(&mut self, request: ReadRequest) {
        match request {
            ReadRequest::Execution { execution, answer } => self.read_execution(execution, answer),
            ReadRequest::Running {
                machine_arn,
                before,
                limit,
                answer,
            } => {
                let _gone = answer.send(self.desk.list(&machine_arn, before, limit));
            }
            ReadRequest::Callbacks {
                after,
                limit,
                answer,
            } => {
                let _gone = answer.send(self.desk.open_callbacks(after, limit));
            }
            ReadRequest::Watch { execution, answer } => {
                self.watchers
                    .retain(|_, notify| Arc::strong_count(notify) > 1);
                let live = self.slots.contains_key(&execution);
                let notify = live.then(|| self.watchers.entry(execution).or_default().clone());
                let _gone = answer.send(notify);
            }
            ReadRequest::Count {
                machine_arn,
                answer,
            } => {
                let counts = self.count(machine_arn.as_deref());
                let send = move || {
                    let _gone = answer.send(counts);
                };
                // The count of one machine decides about its deletion: it must be of what is durable.
                match machine_arn {
                    Some(_) => self.run_after(self.desk.batch.number, send),
                    None => send(),
                }
            }
        }
    }

    fn read_execution(&mut self, id: ExecutionId, answer: oneshot::Sender<Option<Box<Snapshot>>>) {
        let Some(Place::Resident(resident)) = self.slots.get(&id) else {
            // What is not in memory has all its rows in the state store.
            let _gone = answer.send(None);
            return;
        };
        let (first_event, tail) = resident.unwritten();
        let snapshot = Box::new(Snapshot {
            execution: resident.execution.clone(),
            first_event,
            tail,
        });
        let changed_in = resident.changed_in;
        self.run_after(changed_in, move || drop(answer.send(Some(snapshot))));
    }

    fn count(&self, machine_arn: Option<&str>) -> (u64, u64) {
        let live = match machine_arn {
            None => self.desk.running.len(),
            Some(arn) => self.desk.machines.known(arn).map_or(0, |machine| {
                let low = (machine, Timestamp(i64::MIN), ExecutionId(0));
                let high = (machine, Timestamp(i64::MAX), ExecutionId(u128::MAX));
                self.desk.running.range(low..=high).count()
            }),
        };
        (live as u64, self.desk.residents)
    }
}

/// Reads executions on the pool for blocking calls; their host hears the results.
fn read_for_host(shared: Arc<Shared>, host: HostHandle, ids: Vec<ExecutionId>) {
    crate::task::blocking("load executions", move || {
        let load = |id| (id, rows::load(&shared, id));
        host.send_blocking(Message::Loaded(ids.into_iter().map(load).collect()));
    });
}

fn is_quiet(resident: &Resident, desk: &Desk) -> bool {
    let now = desk.now().0;
    let wakes_soon = resident.armed.is_some_and(|at| at.0 - now < WAKES_SOON_MS);
    let rests = now - resident.touched_at.0 > QUIET_MS || desk.is_far_over_budget();
    rests
        && !wakes_soon
        && !resident.quarantined
        && resident.aside.is_none()
        && resident.execution.status == Status::Running
        && !tasks::is_held_by_session(&resident.execution)
        && !tasks::has_heartbeat(&resident.execution)
}

fn missing() -> ApiError {
    ApiError::new(ErrorCode::ExecutionDoesNotExist, "Execution Does Not Exist")
}

impl Host {
    /// Answers a message that cannot be carried out, whoever waits for it.
    fn refuse(&mut self, message: Message, error: &ApiError) {
        match message {
            Message::Start(start) => drop(start.answer.send(Err(error.clone()))),
            Message::Task(report) => {
                let (reply, task, result) = (report.reply, report.task, Err(error.clone()));
                self.desk.batch.effects.push(Effect::Task {
                    reply,
                    task,
                    result,
                });
            }
            Message::Slot { slot, .. } => self.desk.shared.fleet.slot_again(slot),
            Message::Stop { answer, .. } => {
                if let Some(answer) = answer {
                    let _gone = answer.send(Err(error.clone()));
                }
            }
            Message::Tasks(_)
            | Message::StopMachine { .. }
            | Message::Read(_)
            | Message::Claim { .. }
            | Message::Loaded(_)
            | Message::Decided(_)
            | Message::Written(_)
            | Message::Checkpoint { .. } => {}
        }
    }
}
