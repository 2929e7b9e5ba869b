//! What a host does with each message.

use std::sync::Arc;

use stepfleet_asl::Payload;
use stepfleet_engine::execution::{Execution, Status};
use stepfleet_engine::{
    Attempt, EventId, EventSeq, ExecutionId, Input, PayloadId, Rejection, TaskRef, Timestamp,
};

use super::batch::Effect;
use super::desk::{StepError, task_ref};
use super::host::Host;
use super::message::{Answer, Message, Outcome, Start, TaskReply, TaskReport};
use super::resident::{Resident, Slot as Place};
use super::tasks;
use crate::auth::Permit;
use crate::matching::{Offer, Slot};
use crate::service::api::{MachineType, StartedExecution};
use crate::service::error::{ApiError, ErrorCode};

impl TaskReport {
    /// A bounded decision goes on.
    pub(crate) fn continuation(execution: &Execution) -> Self {
        let attempt = Attempt {
            entry: EventId(0),
            attempt: 0,
            generation: 0,
        };
        Self::internal(task_ref(execution, attempt), Outcome::Continue)
    }

    /// The hand-out of a task did not reach its worker.
    pub(crate) fn undelivered(task: TaskRef) -> Self {
        Self::internal(task, Outcome::Undelivered)
    }

    /// The session that held a task is gone.
    pub(crate) fn lost(task: TaskRef) -> Self {
        Self::internal(task, Outcome::Lost(None))
    }

    /// What an integration of this installation tells.
    pub(crate) fn of_integration(task: TaskRef, outcome: Outcome, reply: TaskReply) -> Self {
        Self {
            reply,
            ..Self::internal(task, outcome)
        }
    }

    fn internal(task: TaskRef, outcome: Outcome) -> Self {
        Self {
            task,
            namespace: Arc::from(""),
            permit: Permit::default(),
            outcome,
            reply: TaskReply::None,
        }
    }
}

impl Host {
    pub(super) fn handle(&mut self, message: Message) {
        match message {
            Message::Start(start) => self.start(*start),
            Message::Task(report) => self.task(report),
            Message::Tasks(reports) => reports.into_iter().for_each(|report| self.task(report)),
            Message::Slot { offer, slot } => self.slot(offer, slot),
            Message::Withdraw(withdraw) => self.withdraw(*withdraw),
            Message::Stop {
                execution,
                failure,
                answer,
            } => self.stop(execution, failure, answer),
            Message::Redrive(request) => self.redrive(request),
            Message::StopMachine { machine_arn } => self.stop_machine(&machine_arn),
            Message::Read(request) => self.read(request),
            Message::Claim {
                session,
                held,
                answer,
            } => {
                let claimed = self.claim(session, held);
                let _gone = answer.send(claimed);
            }
            Message::Orphans { session, orphans } => self.adopt_orphans(session, orphans),
            Message::Loaded(loaded) => {
                for (execution, result) in loaded {
                    self.loaded(execution, result);
                }
            }
            Message::Decided(decided) => self.decided(*decided),
            Message::Written(written) => self.written(written),
            Message::Checkpoint { answer } => self.checkpoint(answer),
        }
    }

    fn start(&mut self, start: Start) {
        let id = start.header.id;
        match self.slots.get_mut(&id) {
            Some(Place::Resident(resident)) => {
                let answer = existing(&resident.execution, &start);
                let changed_in = resident.changed_in;
                self.answer_after(changed_in, start.answer, answer);
            }
            Some(Place::Loading(waiting)) => waiting.push(Message::Start(Box::new(start))),
            None if start.named => self.load(id, Message::Start(Box::new(start))),
            None => self.begin(start),
        }
    }

    /// Begins an execution whose name is free.
    pub(super) fn begin(&mut self, request: Start) {
        let Start {
            header,
            revision,
            input,
            answer,
            ..
        } = request;
        let decision = match self.desk.first_decision(&revision.program, &header, input) {
            Ok(decision) => decision,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let machine = self.desk.machines.number(&header.machine_arn);
        let started_at = decision.execution.started_at;
        let arn = header.execution_arn.to_string();
        let mut resident = Box::new(Resident::new(blank(&decision.execution), revision, machine));
        self.desk
            .enter(&header.namespace, (machine, started_at, header.id));
        let metrics = &self.desk.shared.metrics;
        metrics.started(MachineType::Standard, &resident.revision.meters);
        self.desk.adopt(&mut resident, decision);
        self.keep(resident);
        let answer = move || drop(answer.send(Ok(StartedExecution { arn, started_at })));
        self.desk.batch.effects.push(Effect::Run(Box::new(answer)));
    }

    pub(super) fn task(&mut self, report: TaskReport) {
        let id = report.task.execution;
        let Some(place) = self.slots.get_mut(&id) else {
            return self.load(id, Message::Task(report));
        };
        let resident = match place {
            Place::Resident(resident) => resident,
            Place::Loading(waiting) => return waiting.push(Message::Task(report)),
        };
        if let Some(waiting) = &mut resident.aside {
            return waiting.push(Message::Task(report));
        }
        // Whoever else completes a task ends the work of the session that has it.
        let holder = match &report.reply {
            TaskReply::Unary(_) => tasks::holder(&resident.execution, report.task.attempt),
            TaskReply::None | TaskReply::Result { .. } | TaskReply::Heartbeat { .. } => None,
        };
        let header = &resident.execution.header;
        let foreign = !report.namespace.is_empty() && report.namespace != header.namespace;
        let heartbeats = matches!(report.outcome, Outcome::Heartbeat(_));
        let result = if foreign || (report.task.incarnation != header.incarnation) {
            Err(task_error(Rejection::TaskDoesNotExist))
        } else if let Err(refusal) = report.check(&resident.execution) {
            Err(refusal)
        } else if let Outcome::Heartbeat(details) = &report.outcome {
            let result = self.desk.heartbeat(resident, &report, details.as_ref());
            result.map_err(task_error)
        } else {
            match self.desk.step(resident, report.input()) {
                Err(StepError::Interrupted) => return self.desk.set_aside(resident, report),
                result => result.map_err(step_error),
            }
        };
        let TaskReport { task, reply, .. } = report;
        if let Some(session) = holder.filter(|_| !heartbeats && result.is_ok())
            && let Some(session) = self.desk.shared.fleet.session(session)
        {
            self.desk
                .batch
                .effects
                .push(Effect::Cancel { session, task });
        }
        let effect = Effect::Task {
            reply,
            task,
            result,
        };
        self.notify_watchers(id);
        self.desk.batch.effects.push(effect);
    }

    pub(super) fn slot(&mut self, offer: Offer, slot: Slot) {
        let unused = match self.slots.get_mut(&offer.execution) {
            Some(Place::Resident(resident)) => match &mut resident.aside {
                Some(waiting) => return waiting.push(Message::Slot { offer, slot }),
                None => self.desk.start_offered(resident, &offer, slot).err(),
            },
            Some(Place::Loading(waiting)) => return waiting.push(Message::Slot { offer, slot }),
            None => return self.load(offer.execution, Message::Slot { offer, slot }),
        };
        self.notify_watchers(offer.execution);
        if let Some(slot) = unused {
            self.desk.shared.fleet.slot_unused(&offer, slot);
        }
    }

    pub(super) fn stop(
        &mut self,
        id: ExecutionId,
        failure: stepfleet_engine::event::Failure,
        answer: Option<Answer<Timestamp>>,
    ) {
        let message = |failure, answer| Message::Stop {
            execution: id,
            failure,
            answer,
        };
        let resident = match self.slots.get_mut(&id) {
            Some(Place::Resident(resident)) => resident,
            Some(Place::Loading(waiting)) => return waiting.push(message(failure, answer)),
            None => return self.load(id, message(failure, answer)),
        };
        if let Some(waiting) = &mut resident.aside {
            return waiting.push(message(failure, answer));
        }
        // A stop evaluates nothing, so that it is never interrupted.
        let result = match self.desk.step(resident, Input::Stop(failure)) {
            Ok(()) | Err(StepError::Rejected(_)) => {
                let now = self.desk.now();
                Ok(resident.execution.closed_at.unwrap_or(now))
            }
            Err(StepError::Broken | StepError::Interrupted) => Err(broken()),
        };
        let changed_in = resident.changed_in;
        self.notify_watchers(id);
        if let Some(answer) = answer {
            self.answer_after(changed_in, answer, result);
        }
    }

    fn stop_machine(&mut self, machine_arn: &str) {
        let Some(machine) = self.desk.machines.known(machine_arn) else {
            return;
        };
        let low = (machine, Timestamp(i64::MIN), ExecutionId(0));
        let high = (machine, Timestamp(i64::MAX), ExecutionId(u128::MAX));
        let ids: Vec<ExecutionId> = self
            .desk
            .running
            .range(low..=high)
            .map(|(_, _, id)| *id)
            .collect();
        for id in ids {
            self.stop(id, stepfleet_engine::event::Failure::default(), None);
        }
    }

    /// Answers once nothing that the answer saw is uncommitted.
    pub(super) fn answer_after<T: Send + 'static>(
        &mut self,
        changed_in: u64,
        answer: Answer<T>,
        result: Result<T, ApiError>,
    ) {
        let send = move || drop(answer.send(result));
        self.run_after(changed_in, send);
    }

    pub(super) fn run_after(&mut self, changed_in: u64, run: impl FnOnce() + Send + 'static) {
        if changed_in <= self.desk.batch.committed {
            run();
        } else {
            // It waits for the open batch, which is after the one that it saw.
            self.desk.batch.effects.push(Effect::Run(Box::new(run)));
        }
    }

    pub(super) fn notify_watchers(&mut self, id: ExecutionId) {
        if self.watchers.is_empty() {
            return;
        }
        if let Some(notify) = self.watchers.get(&id) {
            self.desk.batch.effects.push(Effect::Notify(notify.clone()));
        }
    }

    /// Everything that is due, in order of its time.
    pub(super) fn tick(&mut self) {
        let now = self.desk.now();
        while let Some((at, id)) = self
            .desk
            .timers
            .first()
            .copied()
            .filter(|(at, _)| *at <= now)
        {
            self.desk.timers.remove(&(at, id));
            match self.slots.get_mut(&id) {
                Some(Place::Resident(resident)) => {
                    if resident.armed != Some(at) {
                        // Its row told another time than the engine of today: that one is set.
                        continue;
                    }
                    resident.armed = None;
                    if resident.aside.is_some() {
                        // The decision that is being made sets it anew.
                        continue;
                    }
                    match self.desk.step(resident, Input::Tick) {
                        Ok(()) => {
                            let status = resident.execution.status;
                            self.desk.reindex(resident, status);
                        }
                        Err(StepError::Interrupted) => {
                            let report = TaskReport::continuation(&resident.execution);
                            self.desk.set_aside(resident, report);
                        }
                        Err(StepError::Rejected(_) | StepError::Broken) => {}
                    }
                    self.notify_watchers(id);
                }
                // Loading sets it anew.
                Some(Place::Loading(_)) => {}
                None => self.load_for_timer(id),
            }
        }
        self.lose_orphans(now);
    }
}

impl TaskReport {
    /// Refuses what its sender may not do with this task.
    fn check(&self, execution: &Execution) -> Result<(), ApiError> {
        let Some(action) = self.outcome.action().filter(|_| self.permit.is_bound()) else {
            return Ok(());
        };
        let attempt = self.task.attempt;
        let activity = tasks::activities(execution).find(|(open, _)| *open == attempt);
        let callback =
            || tasks::open_stay(execution, attempt).map(|_| &execution.header.machine_arn);
        match activity.map(|(_, work)| &work.activity).or_else(callback) {
            Some(arn) => {
                let execution = &execution.header.execution_arn;
                self.permit.check_task(action, arn, execution)
            }
            // An attempt that is over: the decision refuses the report, whoever it is from.
            None => Ok(()),
        }
    }

    /// What the execution is told. A heartbeat is no input: it moves a window, and nothing is recorded of it.
    pub(super) fn input(&self) -> Input {
        let attempt = self.task.attempt;
        match &self.outcome {
            Outcome::Succeeded(output) => Input::Succeeded {
                attempt,
                output: output.clone(),
            },
            Outcome::Submitted(output) => Input::Submitted {
                attempt,
                output: output.clone(),
            },
            Outcome::Begun(output, handle) => Input::Begun {
                attempt,
                output: output.clone(),
                handle: handle.clone(),
            },
            Outcome::Failed(failure) => Input::Failed {
                attempt,
                failure: failure.clone(),
            },
            Outcome::Undelivered => Input::Undelivered { attempt },
            Outcome::Lost(cause) => Input::WorkerLost {
                attempt,
                cause: cause.clone(),
            },
            Outcome::Withdrawn(failure) => Input::Withdrawn {
                attempt,
                failure: failure.clone(),
            },
            Outcome::Continue | Outcome::Heartbeat(_) => Input::Continue,
        }
    }
}

fn step_error(error: StepError) -> ApiError {
    match error {
        StepError::Rejected(rejection) => task_error(rejection),
        StepError::Broken | StepError::Interrupted => broken(),
    }
}

/// The recorded texts of a token that does not count.
pub(crate) fn task_error(rejection: Rejection) -> ApiError {
    match rejection {
        Rejection::TaskTimedOut | Rejection::ExecutionClosed => ApiError::new(
            ErrorCode::TaskTimedOut,
            "Task Timed Out: 'Provided task does not exist anymore'",
        ),
        Rejection::TaskDoesNotExist => ApiError::new(
            ErrorCode::TaskDoesNotExist,
            "Task Does Not Exist: 'Provided task does not exist'",
        ),
        Rejection::Interrupted | Rejection::NotRedrivable(_) | Rejection::RedrivenBefore(_) => {
            broken()
        }
    }
}

pub(super) fn broken() -> ApiError {
    ApiError::new(
        ErrorCode::InternalServerError,
        "this execution was set aside because a broken invariant was found in it; the coordinator's log has the details",
    )
}

/// A start under a name that is taken: the same answer for the same running start, else a refusal.
pub(crate) fn existing(execution: &Execution, start: &Start) -> Result<StartedExecution, ApiError> {
    let arn = execution.header.execution_arn.to_string();
    // A task that is begun again finds its own child, whatever became of it.
    let own = start.header.origin.is_some() && start.header.origin == execution.header.origin;
    let repeated =
        execution.status == Status::Running && same_text(&execution.input.payload, &start.input);
    if own || repeated {
        return Ok(StartedExecution {
            arn,
            started_at: execution.started_at,
        });
    }
    Err(ApiError::new(
        ErrorCode::ExecutionAlreadyExists,
        format!("Execution Already Exists: '{arn}'"),
    ))
}

/// What was there before an execution's first event.
pub(crate) fn blank(execution: &Execution) -> Execution {
    let mut blank = execution.clone();
    blank.frames.clear();
    blank.status = Status::Running;
    blank.last_seq = EventSeq(0);
    blank.last_payload = PayloadId(0);
    blank.last_event = EventId(0);
    blank
}

fn same_text(left: &Payload, right: &Payload) -> bool {
    left.text() == right.text()
}
