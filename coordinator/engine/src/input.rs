//! What happened outside, validated and timed by the shell.

use std::sync::Arc;

use stepfleet_asl::Payload;

use crate::event::{Failure, Handle};
use crate::ids::{Attempt, Worker};

/// One input to `decide`.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Go on where a bounded decision stopped.
    Continue,
    /// Time has passed; everything due at `Env::now` happens.
    Tick,
    /// `StopExecution`, or the deletion of the state machine.
    Stop(Failure),
    /// `RedriveExecution`.
    Redrive { client_token: Option<Arc<str>> },
    /// A worker's slot is reserved for a scheduled activity task.
    Started { attempt: Attempt, worker: Worker },
    /// The hand-out never reached the worker: offer the attempt again under a new generation.
    Undelivered { attempt: Attempt },
    /// `SendTaskSuccess`, a stream's result, an integration's answer.
    Succeeded { attempt: Attempt, output: Payload },
    /// `SendTaskFailure` and its kin.
    Failed { attempt: Attempt, failure: Failure },
    /// A scheduled activity task that no worker has is to fail.
    Withdrawn { attempt: Attempt, failure: Failure },
    /// The worker that held this attempt, or the work that was begun for it, is gone for good. `cause` says more than
    /// that its session was lost.
    WorkerLost {
        attempt: Attempt,
        cause: Option<Arc<str>>,
    },
    /// The worker that begins an integration's task has begun what is waited for.
    Begun {
        attempt: Attempt,
        output: Payload,
        handle: Handle,
    },
    /// An integration accepted a job or callback (`TaskSubmitted`).
    Submitted { attempt: Attempt, output: Payload },
}
