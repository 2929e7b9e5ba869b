//! What happens next: an input and an execution give events and commands. The execution that is given is never
//! written; every emitted event goes through `apply` on a draft at once, so that replay equals processing.

mod abort;
mod activity;
mod assign;
pub(crate) mod choice;
pub(crate) mod draft;
mod due;
mod end;
pub(crate) mod exit;
mod map;
mod parallel;
mod pass;
mod progress;
mod recorded;
mod redrive;
mod report;
pub(crate) mod retry;
mod scene;
mod task;
mod wait;

use std::sync::Arc;

use stepfleet_asl::{Payload, Program};

use crate::apply::after;
use crate::command::Command;
use crate::env::Env;
use crate::event::{Data, Event, EventBody};
use crate::execution::{Execution, Header};
use crate::ids::{EventId, PayloadId, Timestamp};
use crate::input::Input;
use crate::redrive::NotRedrivable;

use draft::{Draft, Interrupted};
pub(crate) use report::find_attempt;

/// The bounded outcome of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub events: Vec<Event>,
    pub commands: Vec<Command>,
    /// The execution after the events.
    pub execution: Execution,
}

/// Why an input is not valid now. It leaves no trace in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The attempt is over, superseded by a later generation, not in a worker's hands, or its execution is closed.
    #[error("the task's attempt is over or not in the sender's hands")]
    TaskTimedOut,
    /// The execution never had this attempt.
    #[error("the execution has no such task")]
    TaskDoesNotExist,
    /// `Input::Stop` for a closed execution; the answer is its stop date.
    #[error("the execution is closed")]
    ExecutionClosed,
    /// `Input::Redrive` of an execution that cannot be.
    #[error("{0}")]
    NotRedrivable(NotRedrivable),
    /// `Input::Redrive` of a request that was carried out at this time; the answer is that.
    #[error("the request has redriven the execution before")]
    RedrivenBefore(Timestamp),
    /// An expression needs more time than `Patience::Brief` gives. Nothing was decided.
    #[error("an expression takes long")]
    Interrupted,
}

/// Begins an execution of `program`. `header` names the revision that `program` was compiled from. An execution whose
/// first expressions take long begins with nothing but its start; the rest follows by `Continue`.
pub fn start(program: &Program, header: Arc<Header>, input: Payload, env: &Env<'_>) -> Decision {
    begin(program, header, input, env, true)
}

/// As [`start`], for an execution that nobody redrives: it keeps nothing for that.
pub fn start_unkept(
    program: &Program,
    header: Arc<Header>,
    input: Payload,
    env: &Env<'_>,
) -> Decision {
    begin(program, header, input, env, false)
}

fn begin(
    program: &Program,
    header: Arc<Header>,
    input: Payload,
    env: &Env<'_>,
    keeps_frames: bool,
) -> Decision {
    let started = Event {
        previous: EventId(0),
        body: EventBody::ExecutionStarted {
            header,
            input: Data {
                id: PayloadId(1),
                payload: input,
            },
            deadline: after(env.now, program.timeout_seconds),
            keeps_frames,
        },
    };
    let execution = Execution::from_started(env.now, &started)
        .expect("an ExecutionStarted event begins an execution");
    let mut draft = Draft::new(program, env, execution.clone());
    draft.begin(started.clone());
    draft.finish(progress::wake).unwrap_or_else(|Interrupted| {
        let mut draft = Draft::new(program, env, execution);
        draft.begin(started);
        draft.continue_later();
        draft.close_now()
    })
}

/// What `input` does to `execution`. `program` is the revision that the execution's header names. A `Tick` or
/// `Continue` with nothing to do gives an empty decision.
///
/// # Errors
/// A [`Rejection`] before any event: the attempt is not there, not in the sender's hands, the execution is closed, or
/// an expression takes long.
pub fn decide(
    program: &Program,
    execution: &Execution,
    env: &Env<'_>,
    input: Input,
) -> Result<Decision, Rejection> {
    if let Input::Redrive { client_token } = input {
        return redrive::redrive(program, execution, env, client_token);
    }
    if !execution.is_running() {
        return rejected_when_closed(execution, &input);
    }
    let target = report::target(execution, &input)?;
    let draft = Draft::new(program, env, execution.clone());
    let decision = draft.finish(|draft| match target {
        Some(frame) => report::handle(draft, frame, input),
        None => match input {
            Input::Stop(failure) => Err(draft.abort(failure)),
            Input::Continue
            | Input::Tick
            | Input::Redrive { .. }
            | Input::Started { .. }
            | Input::Undelivered { .. }
            | Input::Succeeded { .. }
            | Input::Failed { .. }
            | Input::Withdrawn { .. }
            | Input::WorkerLost { .. }
            | Input::Submitted { .. }
            | Input::Begun { .. } => progress::wake(draft),
        },
    });
    decision.map_err(|Interrupted| Rejection::Interrupted)
}

fn rejected_when_closed(execution: &Execution, input: &Input) -> Result<Decision, Rejection> {
    match input {
        Input::Continue | Input::Tick => Ok(Decision {
            events: Vec::new(),
            commands: Vec::new(),
            execution: execution.clone(),
        }),
        Input::Stop(_) | Input::Redrive { .. } => Err(Rejection::ExecutionClosed),
        Input::Started { attempt, .. }
        | Input::Undelivered { attempt }
        | Input::Succeeded { attempt, .. }
        | Input::Failed { attempt, .. }
        | Input::Withdrawn { attempt, .. }
        | Input::WorkerLost { attempt, .. }
        | Input::Submitted { attempt, .. }
        | Input::Begun { attempt, .. } => Err(report::gone(execution, *attempt)),
    }
}
