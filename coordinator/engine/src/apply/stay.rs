//! Entering, leaving, waiting and retrying: what events of one stay write.

use smallvec::SmallVec;

use crate::apply::Moment;
use crate::apply::branch::take_below;
use crate::apply::kept::{end_work, forget};
use crate::event::EventBody;
use crate::execution::{Execution, Phase, Progress, Stay, Work};

pub(super) fn write(execution: &mut Execution, moment: Moment, body: &EventBody) {
    let Some(id) = body.frame() else { return };
    if matches!(
        body,
        EventBody::StateExited { .. } | EventBody::RetryScheduled { .. }
    ) {
        take_below(execution, id);
        forget(execution);
    }
    let kept = execution.keeps_frames;
    let Some(frame) = execution.frame_mut(id) else {
        return;
    };
    if let EventBody::StateEntered {
        state,
        kind,
        name,
        input,
        ..
    } = body
    {
        frame.input = input.clone();
        frame.last_event = moment.id;
        frame.phase = Phase::Inside(Box::new(Stay {
            state: *state,
            kind: *kind,
            name: name.clone(),
            entry: moment.id,
            entered_at: moment.at,
            attempt: 0,
            first_attempt: 0,
            retries: SmallVec::new(),
            work: Work::Entered,
            unfinished: None,
            progress: None,
        }));
    } else if let EventBody::StateExited {
        output,
        assigned,
        next,
        ..
    } = body
    {
        frame.last_event = moment.id;
        frame.variables.assign(assigned);
        frame.phase = match next {
            Some(state) => {
                frame.input = output.clone();
                Phase::Ready { state: *state }
            }
            None => Phase::Finished {
                output: output.clone(),
            },
        };
    } else if let EventBody::EvaluationFailed { .. } = body {
        // What the state was doing is ended by the events that follow.
        frame.last_event = moment.id;
    } else if let Some(stay) = frame.stay_mut() {
        write_stay(stay, body, moment, kept);
    }
}

fn write_stay(stay: &mut Stay, body: &EventBody, moment: Moment, kept: bool) {
    if let EventBody::ProgressRecorded { details, at, .. } = body {
        stay.progress = Some(Box::new(Progress {
            details: details.clone(),
            at: *at,
            recorded_at: Some(moment.at),
            is_recorded: true,
        }));
    } else if let EventBody::WaitScheduled { until, .. } = body {
        stay.work = Work::Waiting { until: *until };
    } else if let EventBody::RetryScheduled { retrier, until, .. } = body {
        let retrier = usize::try_from(*retrier).unwrap_or(usize::MAX);
        // A definition's retriers are few; the bound keeps a damaged number from taking all memory.
        if retrier < RETRIERS_MAX {
            if stay.retries.len() <= retrier {
                stay.retries.resize(retrier + 1, 0);
            }
            stay.retries[retrier] = stay.retries[retrier].saturating_add(1);
        }
        stay.attempt = stay.attempt.saturating_add(1);
        stay.work = Work::Backoff { until: *until };
        stay.unfinished = None;
    } else {
        // `StateAborted`: over, until the frame goes with its parent's failure.
        end_work(stay, kept);
    }
}

/// Retriers of one state that are counted.
const RETRIERS_MAX: usize = 65_536;
