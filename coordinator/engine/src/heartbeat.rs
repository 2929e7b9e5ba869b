//! Heartbeats: soft state. They move a deadline in memory and leave no event; after a recovery the windows begin anew.

use crate::apply::after;
use crate::decide::{Rejection, find_attempt};
use crate::execution::{Execution, TaskStage, Work};
use crate::ids::{Attempt, Timestamp};

/// Begins the attempt's heartbeat window anew.
///
/// # Errors
/// A [`Rejection`] unless the attempt is in a worker's hands.
pub fn heartbeat(
    execution: &mut Execution,
    attempt: Attempt,
    now: Timestamp,
) -> Result<(), Rejection> {
    let id = find_attempt(execution, attempt)?;
    let Some(stay) = execution
        .frame_mut(id)
        .and_then(crate::execution::Frame::stay_mut)
    else {
        return Err(Rejection::TaskTimedOut);
    };
    restart_window(&mut stay.work, now);
    Ok(())
}

/// Begins every running heartbeat window anew at `now`: whoever would have been told of heartbeats was not there.
pub fn restart_heartbeats(execution: &mut Execution, now: Timestamp) {
    for frame in &mut execution.frames {
        if let Some(stay) = frame.stay_mut() {
            restart_window(&mut stay.work, now);
        }
    }
}

fn restart_window(work: &mut Work, now: Timestamp) {
    match work {
        Work::Activity(work) if work.started_at.is_some() => {
            work.heartbeat_deadline = after(now, work.heartbeat_seconds);
        }
        Work::Task(work) if work.stage != TaskStage::Scheduled => {
            work.heartbeat_deadline = after(now, work.heartbeat_seconds);
        }
        Work::Activity(_)
        | Work::Task(_)
        | Work::Entered
        | Work::Waiting { .. }
        | Work::Backoff { .. }
        | Work::Parallel(_)
        | Work::Map(_)
        | Work::Over => {}
    }
}
