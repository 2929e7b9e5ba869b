//! A child failed: its siblings are aborted, its parent's state fails with its error.

use crate::decide::draft::{Draft, Fault, Step};
use crate::decide::{recorded, retry};
use crate::event::EventBody;
use crate::execution::{self, StateKind};
use crate::ids::{EventId, FrameId};

/// `child` failed uncaught. Everything that is aborted names the failing event as its cause.
pub(super) fn child_failed(
    draft: &mut Draft<'_>,
    child: FrameId,
    parent: (FrameId, u32),
    fault: Fault,
) -> Step {
    let (frame, index) = parent;
    let previous = draft.chain(child);
    // The failing state is itself aborted, where its kind has such an event.
    state(draft, child, previous)?;
    let stay = draft.stay(frame);
    if matches!(stay.work, execution::Work::Map(_)) {
        let name = stay.name.clone();
        draft.emit(
            previous,
            EventBody::MapIterationFailed { frame, name, index },
        )?;
    }
    children(draft, frame, previous, Some(child))?;
    draft.emit(EventId(0), EventBody::BranchFailed { frame, child })?;
    retry::fail(draft, frame, fault)
}

/// Aborts every child of `frame` but one, and what is below them.
pub(super) fn children(
    draft: &mut Draft<'_>,
    frame: FrameId,
    previous: EventId,
    except: Option<FrameId>,
) -> Step {
    let children: Vec<(FrameId, u32)> = draft
        .execution
        .children(frame)
        .filter(|child| Some(child.id) != except)
        .map(|child| (child.id, child.parent.map_or(0, |(_, index)| index)))
        .collect();
    if children.is_empty() {
        return Ok(());
    }
    let stay = draft.stay(frame);
    let is_map = matches!(stay.work, execution::Work::Map(_));
    let name = stay.name.clone();
    for (child, index) in children {
        self::children(draft, child, previous, None)?;
        state(draft, child, previous)?;
        if is_map {
            let aborted = EventBody::MapIterationAborted {
                frame,
                name: name.clone(),
                index,
            };
            draft.emit(previous, aborted)?;
        }
    }
    Ok(())
}

/// Aborts the state that a frame is inside, if it is inside one.
fn state(draft: &mut Draft<'_>, frame: FrameId, previous: EventId) -> Step {
    let Some(stay) = draft.frame(frame).stay() else {
        return Ok(());
    };
    let kind = stay.kind;
    if let Some(attempt) = stay.open_attempt() {
        draft.cancel(attempt);
        recorded::record(draft, frame);
    }
    match kind {
        StateKind::Task | StateKind::Wait | StateKind::Parallel | StateKind::Map => {
            draft.emit(previous, EventBody::StateAborted { frame, kind })
        }
        StateKind::Pass | StateKind::Choice | StateKind::Succeed | StateKind::Fail => Ok(()),
    }
}
