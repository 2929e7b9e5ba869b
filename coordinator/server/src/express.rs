//! Express executions: the engine in memory, without history and without the disk. One execution is one loop of decisions;
//! what takes long (a wait, an endless expression) holds up nobody else.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use stepfleet_asl::{Patience, Payload, Program};
use stepfleet_engine::execution::{Execution, Header};
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{
    Attempt, Command, Decision, Env, Input, Rejection, Timestamp, decide, next_deadline, start,
};
use tokio_util::sync::CancellationToken;

use crate::integrations::Call;
use crate::partition::desk::task_ref;
use crate::partition::going_down;
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// How long an Express execution lasts at most, as on AWS.
pub(crate) const SECONDS_MAX: u32 = 300;
/// When a refused caller may try again.
const RETRY_AFTER_MS: u64 = 100;

/// How many Express executions run now.
#[derive(Debug, Default)]
pub(crate) struct Open(AtomicU64);

/// The place of one among them.
struct Turn(Arc<Shared>);

/// One execution on its way.
struct Run {
    shared: Arc<Shared>,
    program: Arc<Program>,
    limits: Limits,
    _turn: Turn,
}

/// Runs an execution to its end. One that begins is not stopped when the caller goes away.
///
/// # Errors
/// More than `open_max` run already, or the coordinator ends meanwhile: then nothing tells how far it came.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    open_max: u64,
    program: &Arc<Program>,
    header: Header,
    input: Payload,
) -> Result<Execution, ApiError> {
    let run = Run {
        _turn: Turn::take(shared, open_max)?,
        shared: shared.clone(),
        program: program.clone(),
        // What is not kept needs no bound.
        limits: Limits {
            history_events_max: 0,
            ..shared.limits
        },
    };
    shared.metrics.started();
    let begun = run.attempt(|run, env| Ok(start(&run.program, Arc::new(header), input, env)));
    let begun = begun?.map_err(|rejection| broken(&rejection))?;
    // Most end here: a decision goes as far as it can.
    let execution = if begun.execution.is_running() {
        let rest = crate::task::spawn("express execution", run.go_on(begun));
        rest.await.map_err(|_panic| going_down())??
    } else {
        begun.execution
    };
    shared.metrics.closed(execution.status);
    Ok(execution)
}

impl Turn {
    fn take(shared: &Arc<Shared>, open_max: u64) -> Result<Self, ApiError> {
        let turn = Self(shared.clone());
        if shared.express.0.fetch_add(1, Ordering::Relaxed) < open_max {
            return Ok(turn);
        }
        let message = format!(
            "{open_max} Express executions run already (limits.express_open_max); try again"
        );
        let error = ApiError::new(ErrorCode::ThrottlingException, message);
        Err(error.with_retry_after_ms(RETRY_AFTER_MS))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.express.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Run {
    async fn go_on(self, mut decision: Decision) -> Result<Execution, ApiError> {
        let mut tasks: FuturesUnordered<BoxFuture<'static, Input>> = FuturesUnordered::new();
        loop {
            let Decision {
                commands,
                execution,
                ..
            } = decision;
            if !execution.is_running() {
                return Ok(execution);
            }
            let goes_on = self.carry_out(&execution, commands, &mut tasks);
            decision = loop {
                let input = if goes_on {
                    tokio::task::yield_now().await;
                    Input::Continue
                } else {
                    self.next(next_deadline(&execution), &mut tasks).await?
                };
                // The answer of a task that is over by now is not asked for any more.
                if let Some(decision) = self.step(&execution, input).await? {
                    break decision;
                }
            };
        }
    }

    /// Begins tasks; whether the execution goes on by itself.
    fn carry_out(
        &self,
        execution: &Execution,
        commands: Vec<Command>,
        tasks: &mut FuturesUnordered<BoxFuture<'static, Input>>,
    ) -> bool {
        let mut goes_on = false;
        for command in commands {
            match command {
                Command::StartTask {
                    resource,
                    attempt,
                    parameters,
                } => {
                    let call = Call {
                        shared: self.shared.clone(),
                        header: execution.header.clone(),
                        task: task_ref(execution, attempt),
                        resource,
                        parameters: parameters.payload,
                        over: CancellationToken::new(),
                    };
                    tasks.push(Box::pin(answer(call, attempt)));
                }
                Command::Continue => goes_on = true,
                // Activities are refused at creation, and nobody is told of an end but the caller.
                Command::Offer { .. } | Command::Cancel { .. } | Command::Closed => {}
            }
        }
        goes_on
    }

    /// The next answer of a task, or the next deadline; there is one, because every Express execution has a timeout.
    async fn next(
        &self,
        deadline: Option<Timestamp>,
        tasks: &mut FuturesUnordered<BoxFuture<'static, Input>>,
    ) -> Result<Input, ApiError> {
        let left = deadline.map_or(0, |deadline| deadline.0 - self.shared.clock.now().0);
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        tokio::select! {
            Some(input) = tasks.next() => Ok(input),
            () = tokio::time::sleep(left) => Ok(Input::Tick),
            () = self.shared.stop.cancelled() => Err(going_down()),
        }
    }

    /// None when the input comes too late.
    async fn step(
        &self,
        execution: &Execution,
        input: Input,
    ) -> Result<Option<Decision>, ApiError> {
        let again = input.clone();
        let brief = |run: &Self, env: &Env<'_>| decide(&run.program, execution, env, input);
        match self.attempt(brief)? {
            Ok(decision) => Ok(Some(decision)),
            Err(Rejection::Interrupted) => {
                let decision = self.step_aside(execution.clone(), again).await?;
                Ok(Some(decision))
            }
            Err(Rejection::TaskTimedOut) => Ok(None),
            Err(
                rejection @ (Rejection::TaskDoesNotExist
                | Rejection::ExecutionClosed
                | Rejection::NotRedrivable(_)
                | Rejection::RedrivenBefore(_)),
            ) => Err(broken(&rejection)),
        }
    }

    /// The same with full patience, on the pool where endless expressions spin.
    async fn step_aside(&self, execution: Execution, input: Input) -> Result<Decision, ApiError> {
        let turn = self.shared.evaluations.clone().acquire_owned().await;
        let (shared, program, limits) = (self.shared.clone(), self.program.clone(), self.limits);
        let step = move || {
            let _turn = turn;
            let env = env(&shared, &limits, Patience::Full);
            catch_unwind(AssertUnwindSafe(|| {
                decide(&program, &execution, &env, input)
            }))
        };
        let step = crate::task::blocking("evaluate expressions", step).await;
        let decided = step.map_err(|_panic| going_down())?;
        decided
            .map_err(|_panic| panicked())?
            .map_err(|rejection| broken(&rejection))
    }

    /// A decision in this task; a panic in it ends this execution alone.
    fn attempt(
        &self,
        decision: impl FnOnce(&Self, &Env<'_>) -> Result<Decision, Rejection>,
    ) -> Result<Result<Decision, Rejection>, ApiError> {
        let env = env(&self.shared, &self.limits, Patience::Brief);
        catch_unwind(AssertUnwindSafe(|| decision(self, &env))).map_err(|_panic| panicked())
    }
}

/// The answer of a task. While the coordinator ends there is none, and nobody waits for one.
async fn answer(call: Call, attempt: Attempt) -> Input {
    match call.answer().await {
        Some(Ok(output)) => Input::Succeeded { attempt, output },
        Some(Err(failure)) => Input::Failed { attempt, failure },
        None => pending().await,
    }
}

fn env<'a>(shared: &'a Shared, limits: &'a Limits, patience: Patience) -> Env<'a> {
    Env {
        now: shared.clock.now(),
        entropy: shared.entropy.next_u64(),
        services: shared,
        limits,
        patience,
    }
}

fn broken(rejection: &Rejection) -> ApiError {
    let message = format!("the execution cannot go on: {rejection}");
    ApiError::new(ErrorCode::InternalServerError, message)
}

fn panicked() -> ApiError {
    let message = "an invariant broke in the execution; the log of the coordinator tells where";
    ApiError::new(ErrorCode::InternalServerError, message)
}
