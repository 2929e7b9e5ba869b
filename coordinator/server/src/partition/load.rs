//! Memory: quiet executions leave under a budget and come back on demand. Reading never blocks the host; inputs for an
//! execution on its way in wait in order.

use std::collections::hash_map::Entry;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_engine::execution::{Frame, Status};
use stepfleet_engine::{ExecutionId, PartitionId, Timestamp};
use stepfleet_store::Seq;
use tokio::sync::oneshot;

use super::HostHandle;
use super::batch::Effect;
use super::desk::Desk;
use super::handle::{existing, task_error};
use super::host::Host;
use super::message::{LoadResult, Loaded, Message, ReadRequest, Snapshot};
use super::resident::{Resident, Slot as Place};
use super::{rows, tasks};
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// Executions looked at for eviction in one turn.
const EVICT_LOOK_MAX: usize = 2000;
/// Executions that may be on their way out; no more are begun until rows are written.
const LEAVING_MAX: usize = 2000;
/// Between two turns of eviction, milliseconds.
const EVICT_PAUSE_MS: i64 = 5;
/// Until quiet executions are looked for again when there were none, milliseconds.
const EVICT_AGAIN_MS: i64 = 500;
/// How far away a time must be for an execution that waits for nothing else to leave memory once its rows are written,
/// milliseconds. Shorter waits mostly end before rows of them are made.
const SLEEP_MS: i64 = 60_000;
/// How long before its time an execution is read, at most, milliseconds; half of it at least.
const AHEAD_MS: i64 = 2_000;
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
        match self.slots.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(Place::Loading(waiting));
                self.to_load.push(id);
            }
            Entry::Occupied(_) => waiting.into_iter().for_each(|message| self.handle(message)),
        }
    }

    /// Executions that wake soon are read before their time, so that reading makes none of them late, however many wake
    /// at once. Looked at no more often than in every other half of the time ahead.
    fn load_ahead(&mut self) {
        let until = self.desk.now().plus_ms(AHEAD_MS);
        if until < self.looked_ahead.plus_ms(AHEAD_MS / 2) {
            return;
        }
        let after = (self.looked_ahead, ExecutionId(u128::MAX));
        let last = (until, ExecutionId(u128::MAX));
        self.looked_ahead = until;
        let soon = self
            .desk
            .timers
            .range((Bound::Excluded(after), Bound::Included(last)));
        let away: Vec<ExecutionId> = soon
            .map(|(_, id)| *id)
            .filter(|id| !self.slots.contains_key(id))
            .collect();
        away.into_iter().for_each(|id| self.load_for_timer(id));
    }

    /// When [`Self::load_ahead`] has something to look at.
    pub(super) fn looks_ahead_at(&self) -> Option<Timestamp> {
        let after = (self.looked_ahead, ExecutionId(u128::MAX));
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let (next, _) = self.desk.timers.range(later).next()?;
        let soonest = self.looked_ahead.plus_ms(-AHEAD_MS / 2);
        Some(next.plus_ms(-AHEAD_MS).max(soonest))
    }

    /// An execution is in memory from now on.
    pub(super) fn keep(&mut self, resident: Box<Resident>) {
        let id = resident.id();
        self.aging.push_back(id);
        self.slots.insert(id, Place::Resident(resident));
    }

    pub(super) fn loaded(&mut self, id: ExecutionId, result: LoadResult) {
        let Some(Place::Loading(waiting)) = self.slots.remove(&id) else {
            return;
        };
        let loaded = match result {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return self.none_stored(id, waiting),
            Err(error) => return self.load_failed(id, waiting, &error),
        };
        let Loaded {
            execution,
            revision,
        } = *loaded;
        let Some(revision) = revision.filter(|_| execution.status == Status::Running) else {
            for message in waiting {
                if self.slots.contains_key(&id) {
                    // One before it has redriven it.
                    self.handle(message);
                } else {
                    self.closed(&execution, message);
                }
            }
            return;
        };
        let machine = self.desk.machines.number(&execution.header.machine_arn);
        let mut resident = Box::new(Resident::new(execution, revision, machine));
        resident.has_rows = true;
        resident.written = resident.changes();
        resident.touched_at = self.desk.now();
        // Its timer may have fired already: it is set anew.
        self.desk.reindex(&mut resident, Status::Running);
        self.desk.account(&mut resident);
        self.desk.found_in_hand(&resident.execution);
        self.keep(resident);
        waiting.into_iter().for_each(|message| self.handle(message));
    }

    /// A store that cannot answer now is asked again; timers and tasks of the execution wait with it. What can never be
    /// read is refused, and stays where it is for an operator.
    fn load_failed(&mut self, id: ExecutionId, waiting: Vec<Message>, error: &ApiError) {
        if error.code == ErrorCode::ServiceUnavailable {
            self.slots.insert(id, Place::Loading(waiting));
            let (shared, host) = (self.desk.shared.clone(), self.desk.host.clone());
            crate::task::spawn("load execution again", async move {
                tokio::time::sleep(LOAD_PAUSE).await;
                read_for_host(shared, host, vec![id]);
            });
            return;
        }
        tracing::error!(execution.id = %id, %error, "an execution cannot be read");
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
            Message::Slot { offer, slot } => self.desk.shared.fleet.slot_unused(&offer, slot),
            other @ (Message::Tasks(_)
            | Message::Redrive(_)
            | Message::Withdraw(_)
            | Message::Stop { .. }
            | Message::StopMachine { .. }
            | Message::Read(_)
            | Message::Claim { .. }
            | Message::Orphans { .. }
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
            Message::Slot { offer, slot } => self.desk.shared.fleet.slot_unused(&offer, slot),
            Message::Redrive(request) => self.redrive_stored(execution, request),
            Message::Withdraw(withdraw) => {
                withdraw.refuse(&task_error(stepfleet_engine::Rejection::TaskTimedOut));
            }
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
            | Message::Orphans { .. }
            | Message::Loaded(_)
            | Message::Decided(_)
            | Message::Written(_)
            | Message::Checkpoint { .. }) => self.refuse(other, &missing()),
        }
    }

    /// Rows are in the state store: closed executions leave, and those that sleep; quiet ones too when memory is short.
    pub(super) fn written(&mut self, written: Vec<(ExecutionId, u64)>) {
        for (id, changes) in written {
            if self
                .desk
                .reopening
                .get(&id)
                .is_some_and(|at| *at <= changes)
            {
                self.desk.reopening.remove(&id);
            }
            let Some(Place::Resident(resident)) = self.slots.get_mut(&id) else {
                continue;
            };
            resident.written = resident.written.max(changes);
            resident.has_rows = true;
            resident.flushing.retain(|(shown, _)| *shown > changes);
            let was_leaving = std::mem::take(&mut resident.leaving);
            self.desk.leaving -= usize::from(was_leaving);
            let closed = resident.execution.status != Status::Running;
            let evicted = || self.desk.is_over_budget() && is_quiet(resident, &self.desk);
            let leaves = || closed || sleeps(resident, &self.desk) || evicted();
            if resident.written == resident.changes() && leaves() {
                self.desk.forget(resident);
                self.slots.remove(&id);
            } else if was_leaving {
                self.aging.push_back(id);
            }
        }
        self.desk.submit_rows();
    }

    /// Once a turn: what was asked for is read; rows that wait are given to the writer; what is quiet leaves when memory
    /// is short.
    pub(super) fn maintain(&mut self) {
        self.load_ahead();
        if !self.to_load.is_empty() {
            let ids = std::mem::take(&mut self.to_load);
            read_for_host(self.desk.shared.clone(), self.desk.host.clone(), ids);
        }
        if self.desk.rows_waiting() {
            self.desk.submit_rows();
        }
        self.forget_departed();
        if self.evicts_at().is_some_and(|at| at <= self.desk.now()) {
            self.evict();
        }
    }

    /// When quiet executions are looked for next: not before, and not at all while memory suffices or rows wait.
    pub(super) fn evicts_at(&self) -> Option<Timestamp> {
        (self.desk.is_over_budget() && !self.desk.rows_waiting()).then_some(self.evict_at)
    }

    /// Those that came first are looked at first. Quiet ones leave, when need be after their rows are written; the others
    /// are looked at again when it is their turn.
    fn evict(&mut self) {
        for _ in 0..self.aging.len().min(EVICT_LOOK_MAX) {
            if self.desk.leaving >= LEAVING_MAX || !self.desk.is_over_budget() {
                break;
            }
            let Some(id) = self.aging.pop_front() else {
                break;
            };
            let Some(Place::Resident(resident)) = self.slots.get_mut(&id) else {
                continue;
            };
            if !is_quiet(resident, &self.desk) {
                self.aging.push_back(id);
                self.busy_looks += 1;
                continue;
            }
            self.busy_looks = 0;
            if resident.written == resident.changes() {
                self.desk.forget(resident);
                self.slots.remove(&id);
            } else {
                resident.leaving = true;
                self.desk.leaving += 1;
                let rows = rows::live(resident);
                self.desk.write_rows(resident, rows);
            }
        }
        let seen_all = self.busy_looks >= self.aging.len();
        if seen_all {
            self.busy_looks = 0;
        }
        let pause = if seen_all {
            EVICT_AGAIN_MS
        } else {
            EVICT_PAUSE_MS
        };
        self.evict_at = self.desk.now().plus_ms(pause);
    }

    /// Closed executions leave their ids behind, evicted ones room for slots: both go when they are most of it.
    fn forget_departed(&mut self) {
        let slots = self.slots.len();
        if self.aging.len() > 2 * slots + EVICT_LOOK_MAX {
            self.aging.retain(|id| self.slots.contains_key(id));
            self.aging.shrink_to(2 * self.aging.len());
        }
        if self.slots.capacity() > 8 * slots + EVICT_LOOK_MAX {
            self.slots.shrink_to(2 * slots);
        }
    }

    /// Makes rows of every live execution that changed since its last ones; the answer leaves after them. What sleeps and
    /// has its rows leaves memory.
    pub(super) fn checkpoint(&mut self, answer: oneshot::Sender<Vec<(PartitionId, Seq)>>) {
        let covered: Vec<(PartitionId, Seq)> = self
            .desk
            .partitions
            .iter()
            .map(|partition| (partition.id, partition.committed))
            .collect();
        let mut ids: Vec<ExecutionId> = self.slots.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(Place::Resident(resident)) = self.slots.get_mut(&id) else {
                continue;
            };
            if !resident.execution.is_running() {
                continue;
            }
            if resident.changes() > resident.written {
                let rows = rows::live(resident);
                self.desk.write_rows(resident, rows);
            } else if sleeps(resident, &self.desk) {
                // It was brought in by a recovery, or by what changed nothing.
                self.desk.forget(resident);
                self.slots.remove(&id);
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
                let notify = self.watchers.entry(execution).or_default().clone();
                let _gone = answer.send(notify);
            }
            ReadRequest::End { execution, answer } => self.desk.ends.add(execution, answer),
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
        && is_free(resident)
        && !tasks::is_held_by_session(&resident.execution)
        && !tasks::has_heartbeat(&resident.execution)
}

/// Whether nothing but its rows need be kept: no decision about it is being made, and no invariant is broken.
fn is_free(resident: &Resident) -> bool {
    resident.execution.is_running() && !resident.quarantined && resident.aside.is_none()
}

/// Whether it waits for nothing but a time that is far away. To be in memory meanwhile would spare it one reading.
fn sleeps(resident: &Resident, desk: &Desk) -> bool {
    let wakes_late = resident
        .armed
        .is_some_and(|at| at.0 - desk.now().0 > SLEEP_MS);
    let mut stays = resident.execution.frames.iter().filter_map(Frame::stay);
    wakes_late && is_free(resident) && stays.all(|stay| stay.open_attempt().is_none())
}

pub(super) fn missing() -> ApiError {
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
            Message::Slot { offer, slot } => self.desk.shared.fleet.slot_unused(&offer, slot),
            Message::Redrive(request) => drop(request.answer.send(Err(error.clone()))),
            Message::Withdraw(withdraw) => withdraw.refuse(error),
            Message::Stop { answer, .. } => {
                if let Some(answer) = answer {
                    let _gone = answer.send(Err(error.clone()));
                }
            }
            Message::Tasks(_)
            | Message::StopMachine { .. }
            | Message::Read(_)
            | Message::Claim { .. }
            | Message::Orphans { .. }
            | Message::Loaded(_)
            | Message::Decided(_)
            | Message::Written(_)
            | Message::Checkpoint { .. } => {}
        }
    }
}
