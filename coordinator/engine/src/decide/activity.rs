//! Activity tasks: scheduled and offered, started by a worker, offered again when the hand-out got lost.

use std::sync::Arc;

use stepfleet_asl::program::Task;
use stepfleet_asl::resource::Pattern;

use crate::decide::draft::{Draft, Fault, Step, Work};
use crate::decide::task::{Clocks, arguments, clocks};
use crate::event::{Data, EventBody};
use crate::execution;
use crate::ids::{Attempt, EventId, FrameId, Worker};

pub(super) fn schedule(draft: &mut Draft<'_>, frame: FrameId, task: &Task, arn: &Arc<str>) -> Work {
    check(draft, frame, arn)?;
    let clocks = clocks(draft, frame, task)?;
    let input = arguments(draft, frame)?;
    offer(draft, frame, arn, input, clocks)
}

/// Whoever begins an integration's task: workers of an activity.
pub(super) struct Starter {
    pub(super) activity: Arc<str>,
    pub(super) input: Data,
}

/// Offers the start of an integration's task, just scheduled. A callback's heartbeats come with its own token, so that
/// whoever begins it has none to keep.
pub(super) fn offer_start(
    draft: &mut Draft<'_>,
    frame: FrameId,
    starter: Starter,
    pattern: Pattern,
    clocks: &Clocks,
) -> Work {
    let heartbeat_seconds = match pattern {
        Pattern::RequestResponse | Pattern::RunJob => clocks.heartbeat,
        Pattern::Callback => None,
    };
    let Starter { activity, input } = starter;
    draft.emit(
        EventId(0),
        EventBody::StartOffered {
            frame,
            activity,
            input,
            heartbeat_seconds,
        },
    )?;
    draft.command(frame);
    Ok(())
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

pub(super) fn check(draft: &Draft<'_>, frame: FrameId, arn: &str) -> Result<(), Fault> {
    if draft.env.services.activity_exists(arn) {
        return Ok(());
    }
    let text = format!("The activity {arn} does not exist.");
    Err(Fault::runtime(text, draft.stay(frame)))
}

/// A worker has it. Only the first hand-out of an attempt is public.
pub(super) fn started(draft: &mut Draft<'_>, frame: FrameId, worker: Worker) -> Step {
    let stay = draft.stay(frame);
    let generation = stay.offered().map(|(attempt, _)| attempt.generation);
    if generation == Some(Attempt::START)
        && let execution::Work::Task(work) = &stay.work
    {
        let resource = work.resource.clone();
        let previous = draft.chain(frame);
        draft.emit(previous, EventBody::TaskStarted { frame, resource })?;
    }
    if generation == Some(0) {
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
