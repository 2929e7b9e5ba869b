//! Activity tasks: scheduled and offered, started by a worker, offered again when the hand-out got lost.

use std::sync::Arc;

use stepfleet_asl::program::Task;

use crate::decide::draft::{Draft, Fault, Step, Work};
use crate::decide::task::{Clocks, arguments, clocks};
use crate::event::{Data, EventBody};
use crate::ids::{EventId, FrameId, Worker};

pub(super) fn schedule(draft: &mut Draft<'_>, frame: FrameId, task: &Task, arn: &Arc<str>) -> Work {
    check(draft, frame, arn)?;
    let clocks = clocks(draft, frame, task)?;
    let input = arguments(draft, frame)?;
    offer(draft, frame, arn, input, clocks)
}

/// Offers a task to the workers of an activity.
pub(super) fn offer(
    draft: &mut Draft<'_>,
    frame: FrameId,
    arn: &Arc<str>,
    input: Data,
    clocks: Clocks,
) -> Work {
    check(draft, frame, arn)?;
    let previous = draft.chain(frame);
    draft.emit(
        previous,
        EventBody::ActivityScheduled {
            frame,
            activity: arn.clone(),
            input,
            timeout_seconds: clocks.timeout,
            heartbeat_seconds: clocks.heartbeat,
        },
    )?;
    draft.command(frame);
    Ok(())
}

fn check(draft: &Draft<'_>, frame: FrameId, arn: &str) -> Result<(), Fault> {
    if draft.env.services.activity_exists(arn) {
        return Ok(());
    }
    let text = format!("The activity {arn} does not exist.");
    Err(Fault::runtime(text, draft.stay(frame)))
}

/// A worker has it. Only the first hand-out of an attempt is public.
pub(super) fn started(draft: &mut Draft<'_>, frame: FrameId, worker: Worker) -> Step {
    let is_first = draft
        .stay(frame)
        .open_attempt()
        .is_some_and(|attempt| attempt.generation == 0);
    if is_first {
        let previous = draft.chain(frame);
        draft.emit(previous, EventBody::ActivityStarted { frame, worker })
    } else {
        draft.emit(EventId(0), EventBody::ActivityRestarted { frame, worker })
    }
}

/// The hand-out never reached its worker: the attempt is offered under its next generation.
pub(super) fn undelivered(draft: &mut Draft<'_>, frame: FrameId) -> Step {
    draft.emit(EventId(0), EventBody::ActivityReoffered { frame })?;
    draft.command(frame);
    Ok(())
}
