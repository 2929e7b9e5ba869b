//! Time that has run out: of a task, of a worker's session, of the whole execution.

use std::sync::Arc;

use crate::decide::draft::{Closed, Draft, Fault, Halt, Work};
use crate::decide::recorded;
use crate::event::{EventBody, Failure};
use crate::execution;
use crate::ids::{EventId, FrameId};

/// The machine's `TimeoutSeconds` is over: whatever is open is cut.
pub(super) fn execution(draft: &mut Draft<'_>) -> Closed {
    let previous = draft
        .execution
        .frame(FrameId(0))
        .map_or(EventId(0), |frame| frame.last_event);
    draft.close(previous, EventBody::ExecutionTimedOut(timeout(None)))
}

/// `TimeoutSeconds` or the heartbeat window of the task that this frame waits for is over.
pub(super) fn task(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let (deadline, heartbeat) = match &draft.stay(frame).work {
        execution::Work::Activity(work) => (work.deadline, work.heartbeat_deadline),
        execution::Work::Task(work) => (work.deadline, work.heartbeat_deadline),
        execution::Work::Entered
        | execution::Work::Waiting { .. }
        | execution::Work::Backoff { .. }
        | execution::Work::Parallel(_)
        | execution::Work::Map(_)
        | execution::Work::Over => return Ok(()),
    };
    let is_heartbeat =
        heartbeat.is_some_and(|heartbeat| deadline.is_none_or(|deadline| heartbeat < deadline));
    end(draft, frame, timeout(None), is_heartbeat)
}

/// The worker that held the attempt is gone for good: as good as a missed heartbeat.
pub(super) fn worker_lost(draft: &mut Draft<'_>, frame: FrameId, cause: Option<Arc<str>>) -> Work {
    let lost = || "The session of the worker that held this task was lost.".into();
    end(
        draft,
        frame,
        timeout(Some(cause.unwrap_or_else(lost))),
        true,
    )
}

fn end(draft: &mut Draft<'_>, frame: FrameId, failure: Failure, heartbeat: bool) -> Work {
    recorded::record(draft, frame);
    let stay = draft.stay(frame);
    let attempt = stay.open_attempt();
    let body = match &stay.work {
        execution::Work::Task(work) => {
            let resource = work.resource.clone();
            EventBody::TaskTimedOut {
                frame,
                resource,
                failure: failure.clone(),
            }
        }
        execution::Work::Activity(_)
        | execution::Work::Entered
        | execution::Work::Waiting { .. }
        | execution::Work::Backoff { .. }
        | execution::Work::Parallel(_)
        | execution::Work::Map(_)
        | execution::Work::Over => EventBody::ActivityTimedOut {
            frame,
            failure: failure.clone(),
        },
    };
    if let Some(attempt) = attempt {
        draft.cancel(attempt);
    }
    let previous = draft.chain(frame);
    draft.emit(previous, body)?;
    Err(Halt::Fault(Fault {
        heartbeat,
        ..Fault::from(failure)
    }))
}

fn timeout(cause: Option<Arc<str>>) -> Failure {
    Failure {
        error: Some("States.Timeout".into()),
        cause,
    }
}
