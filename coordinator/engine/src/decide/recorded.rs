//! What workers said of their progress and the log does not have: recorded when it is due, and before an attempt ends.

use crate::decide::draft::Draft;
use crate::event::EventBody;
use crate::execution::Frame;
use crate::ids::{EventId, FrameId};
use crate::limits::DECISION_PROGRESS_BYTES_MAX;

/// Records the progress of every task for which it is time, as far as the decision's budget goes.
pub(super) fn due(draft: &mut Draft<'_>) {
    let now = draft.env.now;
    record_all(draft, |frame| {
        frame.progress_due().is_some_and(|at| at <= now)
    });
}

/// The execution closes: what is known of its open tasks is recorded, as far as the decision's budget goes.
pub(super) fn closing(draft: &mut Draft<'_>) {
    record_all(draft, |_| true);
}

fn record_all(draft: &mut Draft<'_>, wanted: impl Fn(&Frame) -> bool) {
    let mut bytes = 0;
    let unrecorded = draft.execution.frames.iter().filter(|frame| wanted(frame));
    let fitting = unrecorded.filter_map(|frame| {
        bytes += body(frame)?.progress_bytes();
        (bytes <= DECISION_PROGRESS_BYTES_MAX).then_some(frame.id)
    });
    for id in fitting.collect::<Vec<_>>() {
        record(draft, id);
    }
}

/// Records the progress of a frame's task, if there is some that is not recorded.
pub(super) fn record(draft: &mut Draft<'_>, id: FrameId) {
    if let Some(body) = draft.execution.frame(id).and_then(body)
        && draft.execution.admits(&body)
    {
        draft.record(EventId(0), body);
    }
}

fn body(frame: &Frame) -> Option<EventBody> {
    let progress = frame.stay()?.progress.as_ref()?;
    (!progress.is_recorded).then(|| EventBody::ProgressRecorded {
        frame: frame.id,
        details: progress.details.clone(),
        at: progress.at,
    })
}
