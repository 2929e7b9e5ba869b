//! Whether a closed execution can be redriven, and why not, in AWS's words.

use crate::execution::{Execution, Status};
use crate::ids::Timestamp;
use crate::limits::{EXECUTION_MS_MAX, Limits};

/// `redriveStatusReason` of an execution that cannot be redriven, and the message of `ExecutionNotRedrivable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRedrivable {
    /// Told by the shell: an execution does not know its state machine.
    #[error("State machine is in DELETING status.")]
    Deleting,
    #[error("Execution is RUNNING and cannot be redriven")]
    Running,
    #[error("Execution is SUCCEEDED and cannot be redriven")]
    Succeeded,
    /// Nothing was kept when it failed.
    #[error("Execution was started before the launch of RedriveExecution.")]
    Unkept,
    #[error("Execution history event limit exceeded.")]
    History,
    #[error("Execution has exceeded the max execution time.")]
    Age,
    #[error("Execution redrivable period exceeded.")]
    Period,
}

/// Whether `execution` can be redriven at `now`, as far as it knows itself.
///
/// # Errors
/// Why not.
pub fn redrivable(
    execution: &Execution,
    now: Timestamp,
    limits: &Limits,
) -> Result<(), NotRedrivable> {
    match execution.status {
        Status::Running => return Err(NotRedrivable::Running),
        Status::Succeeded => return Err(NotRedrivable::Succeeded),
        Status::Failed | Status::TimedOut | Status::Aborted => {}
    }
    if !execution.keeps_frames {
        return Err(NotRedrivable::Unkept);
    }
    let events_max = limits.history_events_max;
    // The redrive itself is an event, and there must be another one to fail with.
    if events_max > 0 && execution.last_event.0 + 1 >= events_max {
        return Err(NotRedrivable::History);
    }
    if execution.started_at.plus_ms(EXECUTION_MS_MAX) < now {
        return Err(NotRedrivable::Age);
    }
    let closed_at = execution.closed_at.unwrap_or(execution.started_at);
    let ms_max = limits.redrive_ms_max;
    if ms_max > 0 && closed_at.plus_ms(ms_max) < now {
        return Err(NotRedrivable::Period);
    }
    Ok(())
}
