//! One Express execution from its start to its end, or to the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use stepfleet_asl::{Patience, Payload};
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{Execution, Header};
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{
    Attempt, Command, Decision, Env, EventId, EventSeq, Input, Rejection, Timestamp, decide,
    next_deadline, start_unkept,
};
use tokio::sync::watch;

use super::budget::Place;
use crate::catalog::Revision;
use crate::evaluation::{Evaluation, Undecided};
use crate::integrations::Call;
use crate::metrics::{Closed, LastActivity};
use crate::observe::Decided;
use crate::partition::going_down;
use crate::service::api::MachineType;
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// An execution on its way.
#[derive(Debug)]
pub(super) struct Run {
    shared: Arc<Shared>,
    revision: Arc<Revision>,
    limits: Limits,
    place: Place,
}

/// Why an execution has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unended {
    /// The process ends first.
    GoingDown,
    /// An invariant broke. Running it again would break it again.
    Broken,
}

/// Answers of tasks. None is one that the coordinator's end has cut off.
type Tasks = FuturesUnordered<BoxFuture<'static, Option<Input>>>;

impl From<Unended> for ApiError {
    fn from(unended: Unended) -> Self {
        match unended {
            Unended::GoingDown => going_down(),
            Unended::Broken => {
                let message =
                    "an invariant broke in the execution; the log of the coordinator tells where";
                Self::new(ErrorCode::InternalServerError, message)
            }
        }
    }
}

impl Run {
    pub(super) fn new(shared: &Arc<Shared>, revision: &Arc<Revision>, place: Place) -> Self {
        Self {
            shared: shared.clone(),
            revision: revision.clone(),
            // What is not kept needs no bound.
            limits: Limits {
                history_events_max: 0,
                ..shared.limits
            },
            place,
        }
    }

    /// The first decision, as of `at`.
    pub(super) fn begin(
        &mut self,
        header: Arc<Header>,
        input: Payload,
        at: Timestamp,
    ) -> Result<Decision, Unended> {
        let meters = &self.revision.meters;
        self.shared.metrics.started(MachineType::Express, meters);
        let begun = self.brief(at, |env| {
            start_unkept(&self.revision.program, header, input, env)
        })?;
        self.tell(None, &begun, at);
        Ok(begun)
    }

    /// From the first decision to the end.
    pub(super) async fn finish(mut self, mut decision: Decision) -> Result<Execution, Unended> {
        let mut deletions = self.shared.express.deletions.subscribe();
        // It may have been deleted since the start was checked.
        deletions.mark_changed();
        let mut tasks = Tasks::new();
        loop {
            let Decision {
                commands,
                execution,
                ..
            } = decision;
            if !execution.is_running() {
                return Ok(execution);
            }
            self.place.holds(&execution);
            let goes_on = self.carry_out(&execution, commands, &mut tasks);
            decision = loop {
                let input = self
                    .next(&execution, goes_on, &mut tasks, &mut deletions)
                    .await?;
                // The answer of a task that is over by now is not asked for any more.
                if let Some(decision) = self.step(&execution, input).await? {
                    break decision;
                }
            };
        }
    }

    /// Begins tasks; whether the execution goes on by itself.
    fn carry_out(&self, execution: &Execution, commands: Vec<Command>, tasks: &mut Tasks) -> bool {
        let mut goes_on = false;
        for command in commands {
            match command {
                Command::StartTask {
                    resource,
                    attempt,
                    parameters,
                } => {
                    let call = Call::of(&self.shared, execution, attempt, resource, parameters);
                    tasks.push(Box::pin(answer(call, attempt)));
                }
                Command::Continue => goes_on = true,
                // Activities are refused at creation, and nobody is told of an end but the caller.
                Command::Offer { .. } | Command::Cancel { .. } | Command::Closed => {}
            }
        }
        goes_on
    }

    /// What comes next: the deletion of its state machine, the rest of a bounded decision, the answer of a task, or the
    /// next deadline, which there is, because every Express execution has a timeout.
    async fn next(
        &self,
        execution: &Execution,
        goes_on: bool,
        tasks: &mut Tasks,
        deletions: &mut watch::Receiver<()>,
    ) -> Result<Input, Unended> {
        let halt = &self.shared.express.halt;
        if goes_on {
            tokio::task::yield_now().await;
            if halt.is_cancelled() {
                return Err(Unended::GoingDown);
            }
            let deleted = deletions.has_changed().unwrap_or(false) && {
                deletions.mark_unchanged();
                self.shared.catalog.machine_of(&execution.header).is_none()
            };
            return Ok(if deleted { stop() } else { Input::Continue });
        }
        let deadline = next_deadline(execution).unwrap_or(Timestamp(0));
        let left = deadline.0 - self.shared.clock.now().0;
        let timer = tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
        tokio::pin!(timer);
        loop {
            tokio::select! {
                Some(answer) = tasks.next() => return answer.ok_or(Unended::GoingDown),
                () = &mut timer => return Ok(Input::Tick),
                Ok(()) = deletions.changed() => {
                    if self.shared.catalog.machine_of(&execution.header).is_none() {
                        return Ok(stop());
                    }
                }
                () = halt.cancelled() => return Err(Unended::GoingDown),
            }
        }
    }

    /// None when the input comes too late.
    async fn step(&self, execution: &Execution, input: Input) -> Result<Option<Decision>, Unended> {
        let (again, at) = (input.clone(), self.shared.clock.now());
        let brief = self.brief(at, |env| {
            decide(&self.revision.program, execution, env, input)
        });
        let decision = match brief? {
            Ok(decision) => decision,
            Err(Rejection::Interrupted) => self.decide_off(execution, again, at).await?,
            Err(Rejection::TaskTimedOut) => return Ok(None),
            Err(
                rejection @ (Rejection::TaskDoesNotExist
                | Rejection::ExecutionClosed
                | Rejection::NotRedrivable(_)
                | Rejection::RedrivenBefore(_)),
            ) => return Err(self.broken(execution, &rejection)),
        };
        self.tell(Some(execution), &decision, at);
        Ok(Some(decision))
    }

    /// A decision that may take no time worth speaking of, because it is made where requests are served.
    fn brief<T>(&self, at: Timestamp, decision: impl FnOnce(&Env<'_>) -> T) -> Result<T, Unended> {
        let env = Env {
            now: at,
            entropy: self.shared.entropy.next_u64(),
            services: self.shared.as_ref(),
            limits: &self.limits,
            patience: Patience::Brief,
        };
        catch_unwind(AssertUnwindSafe(|| decision(&env))).map_err(|_panic| panicked(&self.shared))
    }

    /// The same where it may take long.
    async fn decide_off(
        &self,
        execution: &Execution,
        input: Input,
        at: Timestamp,
    ) -> Result<Decision, Unended> {
        let evaluation = Evaluation {
            program: self.revision.program.clone(),
            execution: execution.clone(),
            limits: self.limits,
            input,
            at,
        };
        match evaluation.decide(&self.shared).await {
            Ok(decision) => Ok(decision),
            Err(Undecided::Rejected(rejection)) => Err(self.broken(execution, &rejection)),
            Err(Undecided::Panicked) => Err(panicked(&self.shared)),
            Err(Undecided::GoingDown) => Err(Unended::GoingDown),
        }
    }

    fn broken(&self, execution: &Execution, rejection: &Rejection) -> Unended {
        self.shared.metrics.quarantined();
        let arn = &execution.header.execution_arn;
        tracing::error!(execution.arn = %arn, %rejection, "an Express execution cannot go on");
        Unended::Broken
    }

    /// Tells of a decision those who count, and operators.
    fn tell(&self, before: Option<&Execution>, decision: &Decision, at: Timestamp) {
        let Decision {
            events, execution, ..
        } = decision;
        let metrics = &self.shared.metrics;
        metrics.recorded(events);
        let last = &mut LastActivity::default();
        // Express executions have no workers on sessions.
        metrics.timed(last, at, events, (before, execution), &|_| None);
        if !execution.is_running() {
            let closed = Closed::of(execution, at);
            let meters = &self.revision.meters;
            let metrics = &self.shared.metrics;
            metrics.closed(MachineType::Express, meters, closed);
        }
        let observer = &self.shared.observer;
        let observed = observer.observe(&Decided {
            revision: &self.revision,
            machine_type: MachineType::Express,
            first_seq: EventSeq(before.map_or(1, |before| before.last_seq.0 + 1)),
            last_event: before.map_or(EventId(0), |before| before.last_event),
            before,
            events,
            at,
            execution,
        });
        if let Some(observed) = observed {
            observer.tell(*observed);
        }
    }
}

/// The answer of a task.
async fn answer(call: Call, attempt: Attempt) -> Option<Input> {
    Some(match call.answer().await? {
        Ok(output) => Input::Succeeded { attempt, output },
        Err(failure) => Input::Failed { attempt, failure },
    })
}

/// What the deletion of its state machine does to an execution.
fn stop() -> Input {
    Input::Stop(Failure::default())
}

/// A panic in a decision ends its execution alone.
fn panicked(shared: &Shared) -> Unended {
    shared.metrics.quarantined();
    Unended::Broken
}
