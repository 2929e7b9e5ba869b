//! What a failure leaves of an execution, and how a redrive goes on from it. A failure on its way up drops frames that
//! it may yet need; they are kept until it is retried or caught, or the execution is closed.

use crate::apply::{Moment, branch};
use crate::execution::{Execution, Frame, Phase, Status, Stay, Unfinished, Work};
use crate::ids::{FrameId, Timestamp};

/// A result that is too large fails what collects it, and would again: that begins anew.
const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

/// Takes every frame below `id` out of the live ones.
pub(super) fn drop_below(execution: &mut Execution, id: FrameId) {
    let dropped = branch::take_below(execution, id);
    if execution.keeps_frames {
        keep(execution, dropped);
    }
}

/// The execution closes with a failure.
pub(super) fn keep_all(execution: &mut Execution) {
    let frames = std::mem::take(&mut execution.frames);
    if execution.keeps_frames {
        keep(execution, frames);
    }
}

/// The failure went no further.
pub(super) fn forget(execution: &mut Execution) {
    execution.kept = Vec::new();
}

fn keep(execution: &mut Execution, frames: impl IntoIterator<Item = Frame>) {
    execution.kept.extend(frames.into_iter().map(|mut frame| {
        if let Some(stay) = frame.stay_mut() {
            end_work(stay, true);
            stay.retries.clear();
        }
        frame
    }));
    execution.kept.sort_unstable_by_key(|frame| frame.id);
}

/// The work of a stay is over. What branches and iterations got to is `kept` with the stay.
pub(super) fn end_work(stay: &mut Stay, kept: bool) {
    let unfinished = match std::mem::replace(&mut stay.work, Work::Over) {
        Work::Parallel(work) => Unfinished::Parallel(work),
        Work::Map(work) => Unfinished::Map(work),
        Work::Entered
        | Work::Activity(_)
        | Work::Task(_)
        | Work::Waiting { .. }
        | Work::Backoff { .. }
        | Work::Over => return,
    };
    if kept {
        stay.unfinished = Some(Box::new(unfinished));
    }
}

/// `ExecutionRedriven`: what was kept is live again. States begin their work anew at once; branches and iterations that
/// had succeeded keep their results.
pub(super) fn reopen(execution: &mut Execution, moment: Moment, deadline: Option<Timestamp>) {
    let status = std::mem::replace(&mut execution.status, Status::Running);
    execution.closed_at = None;
    execution.deadline = deadline;
    execution.frames = std::mem::take(&mut execution.kept).into();
    let failure = execution.failure.take();
    let error = failure.and_then(|failure| failure.error);
    if status == Status::Failed && error.as_deref() == Some(DATA_LIMIT_EXCEEDED) {
        execution.frames.truncate(1);
        if let Some(stay) = execution.frames.first_mut().and_then(Frame::stay_mut) {
            stay.unfinished = None;
        }
    }
    // The lines inside go on from their own last events, as after a retry: those alone tell whose they are.
    if let Some(document) = execution.frames.first_mut() {
        document.last_event = moment.id;
    }
    for frame in &mut execution.frames {
        if let Phase::Inside(stay) = &mut frame.phase {
            go_on(stay, moment.at);
        }
    }
}

fn go_on(stay: &mut Stay, at: Timestamp) {
    stay.attempt = stay.attempt.saturating_add(1);
    stay.first_attempt = stay.attempt;
    stay.work = match stay.unfinished.take().map(|unfinished| *unfinished) {
        Some(Unfinished::Parallel(work)) => Work::Parallel(work),
        Some(Unfinished::Map(work)) => Work::Map(work),
        None => Work::Backoff { until: at },
    };
}
