//! `Parallel`: every branch begins at once with the effective input; the results are joined in order.

use stepfleet_asl::program::Parallel;

use crate::decide::draft::{Draft, Step, Work};
use crate::decide::progress::attempt_with;
use crate::decide::task::arguments;
use crate::decide::{exit, map};
use crate::event::EventBody;
use crate::execution;
use crate::ids::{EventId, FrameId};

pub(super) fn perform(draft: &mut Draft<'_>, frame: FrameId, parallel: &Parallel) -> Work {
    map::check_depth(draft, frame)?;
    let input = arguments(draft, frame)?;
    let previous = draft.chain(frame);
    let branches = u32::try_from(parallel.branches.len()).unwrap_or(u32::MAX);
    draft.emit(
        previous,
        EventBody::ParallelStateStarted { frame, branches },
    )?;
    for (index, scope) in (0..branches).zip(&parallel.branches) {
        let child = draft.execution.next_frame;
        let started = EventBody::BranchStarted {
            frame,
            child,
            scope: *scope,
            index,
            input: input.clone(),
        };
        draft.emit(EventId(0), started)?;
        draft.queue.push_back(child);
    }
    Ok(())
}

/// A branch succeeded; the last one ends the state.
pub(super) fn child_ended(draft: &mut Draft<'_>, frame: FrameId) -> Step {
    let execution::Work::Parallel(work) = &draft.stay(frame).work else {
        return Ok(());
    };
    if !work.results.is_complete() {
        return Ok(());
    }
    attempt_with(draft, frame, complete)
}

fn complete(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let execution::Work::Parallel(work) = &draft.stay(frame).work else {
        return Ok(());
    };
    let result = exit::joined(draft, frame, &work.results)?;
    let result = draft.data(result, &[]);
    let previous = draft.chain(frame);
    draft.emit(previous, EventBody::ParallelStateSucceeded { frame })?;
    exit::with_result(draft, frame, &result)
}
