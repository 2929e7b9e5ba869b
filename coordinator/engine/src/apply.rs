//! The only writer of an execution. Total: an event that the transition table does not admit is counted (its number
//! and public id are taken) and changes nothing else. What a released version does to an event never changes.

mod branch;
mod kept;
mod stay;
mod task;

use smallvec::smallvec;
use stepfleet_asl::program::ScopeId;

use crate::event::{Data, Event, EventBody, Failure};
use crate::execution::{Execution, Frame, Phase, Status};
use crate::ids::{EventId, EventSeq, FrameId, Timestamp};
use crate::variables::Variables;

pub(crate) use task::after;

/// When an event happened and, if it is public, its id.
#[derive(Clone, Copy)]
struct Moment {
    at: Timestamp,
    id: EventId,
}

/// Applies one event that happened at `at`.
pub fn apply(execution: &mut Execution, at: Timestamp, event: &Event) {
    let admitted = execution.admits(&event.body);
    execution.last_seq.0 += 1;
    if event.body.is_public() {
        execution.last_event.0 += 1;
    }
    if let Some(data) = event.body.data() {
        execution.last_payload = execution.last_payload.max(data.id);
    }
    if admitted {
        write(
            execution,
            Moment {
                at,
                id: execution.last_event,
            },
            &event.body,
        );
    }
}

impl Execution {
    /// The execution that begins with `event`; none when it is not an `ExecutionStarted`.
    pub fn from_started(at: Timestamp, event: &Event) -> Option<Self> {
        let EventBody::ExecutionStarted {
            header,
            input,
            deadline,
            keeps_frames,
        } = &event.body
        else {
            return None;
        };
        let document = Frame {
            id: FrameId(0),
            parent: None,
            scope: ScopeId(0),
            // The first state's entry names no cause: `2 < 0`.
            last_event: EventId(0),
            input: input.clone(),
            variables: Variables::default(),
            phase: Phase::Starting,
        };
        Some(Self {
            header: header.clone(),
            status: Status::Running,
            started_at: at,
            closed_at: None,
            input: input.clone(),
            output: None,
            failure: None,
            deadline: *deadline,
            last_event: EventId(1),
            last_seq: EventSeq(1),
            last_payload: input.id,
            next_frame: FrameId(1),
            frames: smallvec![document],
            keeps_frames: *keeps_frames,
            kept: Vec::new(),
            redrives: None,
        })
    }
}

fn write(execution: &mut Execution, moment: Moment, body: &EventBody) {
    use EventBody as E;
    match body {
        E::ExecutionStarted { .. } => {}
        E::ExecutionSucceeded { output } => close(execution, moment, Status::Succeeded, Ok(output)),
        E::ExecutionFailed(failure) => close(execution, moment, Status::Failed, Err(Some(failure))),
        E::ExecutionAborted(failure) => {
            close(execution, moment, Status::Aborted, Err(Some(failure)));
        }
        // AWS describes a timed-out execution without error and cause.
        E::ExecutionTimedOut(_) => close(execution, moment, Status::TimedOut, Err(None)),
        E::ExecutionRedriven {
            count,
            deadline,
            client_token,
            ..
        } => {
            let redrives = execution.redrives.get_or_insert_default();
            redrives.add(*count, moment.at, client_token.as_ref());
            kept::reopen(execution, moment, *deadline);
        }
        E::StateEntered { .. }
        | E::StateExited { .. }
        | E::StateAborted { .. }
        | E::WaitScheduled { .. }
        | E::RetryScheduled { .. }
        | E::ProgressRecorded { .. }
        | E::EvaluationFailed { .. } => stay::write(execution, moment, body),
        E::ActivityScheduled { .. }
        | E::ActivityScheduleFailed { .. }
        | E::ActivityStarted { .. }
        | E::ActivityRestarted { .. }
        | E::ActivityReoffered { .. }
        | E::ActivitySucceeded { .. }
        | E::ActivityFailed { .. }
        | E::ActivityTimedOut { .. } => task::write_activity(execution, moment, body),
        E::TaskScheduled { .. }
        | E::StartOffered { .. }
        | E::HandleGiven { .. }
        | E::TaskStarted { .. }
        | E::TaskStartFailed { .. }
        | E::TaskSubmitted { .. }
        | E::TaskSubmitFailed { .. }
        | E::TaskSucceeded { .. }
        | E::TaskFailed { .. }
        | E::TaskTimedOut { .. } => task::write_task(execution, moment, body),
        E::ParallelStateStarted { .. }
        | E::ParallelStateSucceeded { .. }
        | E::ParallelStateFailed { .. }
        | E::MapStateStarted { .. }
        | E::MapStateSucceeded { .. }
        | E::MapStateFailed { .. } => branch::write_state(execution, moment, body),
        E::MapIterationStarted { .. }
        | E::MapIterationSucceeded { .. }
        | E::MapIterationFailed { .. }
        | E::MapIterationAborted { .. }
        | E::BranchStarted { .. }
        | E::BranchSucceeded { .. }
        | E::BranchFailed { .. } => branch::write_child(execution, moment, body),
    }
}

fn close(
    execution: &mut Execution,
    moment: Moment,
    status: Status,
    outcome: Result<&Data, Option<&Failure>>,
) {
    execution.status = status;
    execution.closed_at = Some(moment.at);
    execution.deadline = None;
    match outcome {
        Ok(output) => {
            execution.frames.clear();
            execution.keeps_frames = false;
            execution.output = Some(output.clone());
        }
        Err(failure) => {
            kept::keep_all(execution);
            execution.failure = failure.cloned();
        }
    }
}
