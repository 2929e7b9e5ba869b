//! Going on: the turns of the frames that can go on now, until all wait or the decision's budget is spent.

use stepfleet_asl::program::{Kind, State, StateId};

use crate::decide::draft::{Closed, Draft, Halt, Step, Work};
use crate::decide::{choice, due, end, exit, map, parallel, pass, recorded, retry, task, wait};
use crate::event::EventBody;
use crate::execution::{self, Phase, StateKind};
use crate::ids::{FrameId, Timestamp};

/// `Tick` and `Continue`: everything due at `now` happens, everything that a bounded decision left goes on.
pub(super) fn wake(draft: &mut Draft<'_>) -> Step {
    let now = draft.env.now;
    if draft
        .execution
        .deadline
        .is_some_and(|deadline| deadline <= now)
    {
        return Err(due::execution(draft));
    }
    recorded::due(draft);
    let mut due: Vec<(Timestamp, FrameId)> = Vec::new();
    for frame in &draft.execution.frames {
        if frame.is_ready() {
            draft.queue.push_back(frame.id);
        } else if let Some(at) = frame.due().filter(|at| *at <= now) {
            due.push((at, frame.id));
        }
    }
    // What was due first happens first, however late the tick is.
    due.sort_unstable();
    draft.queue.extend(due.into_iter().map(|(_, frame)| frame));
    Ok(())
}

/// Gives every queued frame its turn, one transition each, in turn, so that no branch starves another.
pub(super) fn drain(draft: &mut Draft<'_>) -> Step {
    while let Some(frame) = draft.queue.front().copied() {
        if draft.is_spent() {
            draft.continue_later();
            return Ok(());
        }
        draft.queue.pop_front();
        advance(draft, frame)?;
    }
    Ok(())
}

/// One turn of a frame. A frame that is gone or waits for something else has none.
fn advance(draft: &mut Draft<'_>, id: FrameId) -> Step {
    let Some(frame) = draft.execution.frame(id) else {
        return Ok(());
    };
    let now = draft.env.now;
    match &frame.phase {
        Phase::Starting => {
            let state = draft.program.scopes[frame.scope.0 as usize].start_at;
            enter(draft, id, state)
        }
        Phase::Ready { state } => {
            let state = *state;
            enter(draft, id, state)
        }
        Phase::Inside(stay) => match &stay.work {
            execution::Work::Map(work) if work.has_room() => {
                attempt_with(draft, id, map::start_iteration)
            }
            // All had succeeded when the execution was closed, and it was redriven.
            execution::Work::Map(work) if work.results.is_complete() => {
                draft.count();
                map::child_ended(draft, id)
            }
            execution::Work::Parallel(work) if work.results.is_complete() => {
                draft.count();
                parallel::child_ended(draft, id)
            }
            execution::Work::Backoff { until } if *until <= now => {
                draft.count();
                attempt_with(draft, id, perform)
            }
            execution::Work::Waiting { until } if *until <= now => {
                draft.count();
                attempt_with(draft, id, wait::leave)
            }
            execution::Work::Activity(_) | execution::Work::Task(_)
                if stay.work.due().is_some_and(|at| at <= now) =>
            {
                draft.count();
                attempt_with(draft, id, due::task)
            }
            execution::Work::Entered
            | execution::Work::Activity(_)
            | execution::Work::Task(_)
            | execution::Work::Waiting { .. }
            | execution::Work::Backoff { .. }
            | execution::Work::Parallel(_)
            | execution::Work::Map(_)
            | execution::Work::Over => Ok(()),
        },
        Phase::Finished { .. } => exit::end_frame(draft, id),
    }
}

fn enter(draft: &mut Draft<'_>, id: FrameId, state_id: StateId) -> Step {
    let state = draft.state(state_id);
    let frame = draft.frame(id);
    let (previous, input) = (frame.last_event, frame.input.clone());
    draft.count();
    draft.emit(
        previous,
        EventBody::StateEntered {
            frame: id,
            state: state_id,
            kind: kind(state),
            name: state.name.clone(),
            input,
        },
    )?;
    draft.entered(id, previous);
    attempt_with(draft, id, perform)
}

/// Does `work` in the state that a frame is inside; a fault goes through Retry and Catch.
pub(super) fn attempt_with<F>(draft: &mut Draft<'_>, frame: FrameId, work: F) -> Step
where
    F: FnOnce(&mut Draft<'_>, FrameId) -> Work,
{
    match work(draft, frame) {
        Ok(()) => Ok(()),
        Err(Halt::Closed) => Err(Closed),
        Err(Halt::Fault(fault)) => retry::fail(draft, frame, fault),
    }
}

/// Begins the work of the state: on its entry, and again on each retry.
fn perform(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let state = draft.state_of(frame);
    match &state.kind {
        Kind::Pass(pass) => pass::perform(draft, frame, pass),
        Kind::Task(task) => task::perform(draft, frame, task),
        Kind::Choice(choice) => choice::perform(draft, frame, choice),
        Kind::Wait(wait) => wait::perform(draft, frame, wait),
        Kind::Succeed => end::succeed(draft, frame),
        Kind::Fail(fail) => end::fail(draft, frame, fail),
        Kind::Parallel(parallel) => parallel::perform(draft, frame, parallel),
        Kind::Map(map) => map::perform(draft, frame, map),
    }
}

/// The kind as history names it.
fn kind(state: &State) -> StateKind {
    match &state.kind {
        Kind::Pass(_) => StateKind::Pass,
        Kind::Task(_) => StateKind::Task,
        Kind::Choice(_) => StateKind::Choice,
        Kind::Wait(_) => StateKind::Wait,
        Kind::Succeed => StateKind::Succeed,
        Kind::Fail(_) => StateKind::Fail,
        Kind::Parallel(_) => StateKind::Parallel,
        Kind::Map(_) => StateKind::Map,
    }
}
