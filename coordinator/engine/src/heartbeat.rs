//! Heartbeats: soft state. They move a deadline in memory and keep what the worker says of its progress; the log hears of
//! that now and then, by a `ProgressRecorded`. After a recovery the windows begin anew.

use std::sync::Arc;

use crate::apply::after;
use crate::decide::{Rejection, find_attempt};
use crate::execution::{Execution, Progress, Stay, TaskStage, Work};
use crate::ids::{Attempt, Timestamp};

/// Begins the attempt's heartbeat window anew, and keeps its progress when it tells any.
///
/// # Errors
/// A [`Rejection`] unless the attempt is in a worker's hands.
pub fn heartbeat(
    execution: &mut Execution,
    attempt: Attempt,
    details: Option<&Arc<str>>,
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
    if let Some(details) = details {
        keep_progress(stay, details, now);
    }
    Ok(())
}

/// What is said again is as old as when it was said first, and needs no other record.
fn keep_progress(stay: &mut Stay, details: &Arc<str>, now: Timestamp) {
    let before = stay.progress.as_ref();
    if before.is_some_and(|it| it.details == *details) {
        return;
    }
    stay.progress = Some(Box::new(Progress {
        details: details.clone(),
        at: now,
        recorded_at: before.and_then(|it| it.recorded_at),
        is_recorded: false,
    }));
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
