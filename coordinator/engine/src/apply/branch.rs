//! What events of Parallel and Map write: children begin, end, and are dropped with their parent's work.

use smallvec::SmallVec;
use stepfleet_asl::program::ScopeId;

use crate::apply::Moment;
use crate::apply::kept::{drop_below, end_work};
use crate::event::{Data, EventBody};
use crate::execution::{
    EffectiveInput, Execution, Frame, MapWork, ParallelWork, Phase, Results, Work,
};
use crate::ids::{EventId, FrameId};
use crate::variables::Variables;

/// Events of the Parallel or Map state itself.
pub(super) fn write_state(execution: &mut Execution, moment: Moment, body: &EventBody) {
    let Some(id) = body.frame() else { return };
    if let EventBody::ParallelStateStarted { branches, .. } = body {
        let work = ParallelWork {
            results: empty(*branches),
            started: 0,
        };
        begin(execution, id, moment.id, Work::Parallel(work));
    } else if let EventBody::MapStateStarted {
        items,
        length,
        max_concurrency,
        ..
    } = body
    {
        let work = MapWork {
            items: items.clone(),
            max_concurrency: *max_concurrency,
            started: 0,
            finished: 0,
            results: empty(*length),
            input: EffectiveInput::default(),
        };
        begin(execution, id, moment.id, Work::Map(work));
    } else if matches!(
        body,
        EventBody::ParallelStateFailed { .. } | EventBody::MapStateFailed { .. }
    ) {
        drop_below(execution, id);
        end(execution, id);
        if let Some(frame) = execution.frame_mut(id) {
            frame.last_event = moment.id;
        }
    } else {
        // The chain skips the success: the exit names the last event inside, too.
        end(execution, id);
    }
}

/// Events of children. An iteration's public end ends no frame: an internal event that follows does.
pub(super) fn write_child(execution: &mut Execution, moment: Moment, body: &EventBody) {
    if let EventBody::BranchStarted {
        frame,
        child,
        scope,
        index,
        input,
    } = body
    {
        let previous = execution
            .frame(*frame)
            .map_or(EventId(0), |frame| frame.last_event);
        let child = Child {
            parent: (*frame, *index),
            id: *child,
            scope: *scope,
        };
        add(execution, child, input, previous);
    } else if let EventBody::MapIterationStarted {
        frame,
        child,
        scope,
        index,
        input,
        ..
    } = body
    {
        let child = Child {
            parent: (*frame, *index),
            id: *child,
            scope: *scope,
        };
        add(execution, child, input, moment.id);
    } else if let EventBody::BranchSucceeded {
        frame,
        child,
        index,
        output,
    } = body
    {
        succeed(execution, *frame, *child, *index, output);
    } else if let EventBody::BranchFailed { frame, child } = body {
        let last_event = execution.frame(*child).map(|child| child.last_event);
        drop_below(execution, *frame);
        if let Some(parent) = execution.frame_mut(*frame) {
            parent.last_event = last_event.unwrap_or(parent.last_event);
        }
        end(execution, *frame);
    }
}

struct Child {
    parent: (FrameId, u32),
    id: FrameId,
    scope: ScopeId,
}

fn begin(execution: &mut Execution, id: FrameId, last_event: EventId, work: Work) {
    if let Some(frame) = execution.frame_mut(id) {
        frame.last_event = last_event;
    }
    if let Some(stay) = execution.frame_mut(id).and_then(Frame::stay_mut) {
        stay.work = work;
    }
}

fn end(execution: &mut Execution, id: FrameId) {
    let kept = execution.keeps_frames;
    if let Some(stay) = execution.frame_mut(id).and_then(Frame::stay_mut) {
        end_work(stay, kept);
    }
}

fn add(execution: &mut Execution, child: Child, input: &Data, last_event: EventId) {
    // Frame numbers only grow; another order would break the look-up.
    if child.id < execution.next_frame {
        return;
    }
    execution.next_frame = FrameId(child.id.0.saturating_add(1));
    if let Some(stay) = execution
        .frame_mut(child.parent.0)
        .and_then(Frame::stay_mut)
    {
        match &mut stay.work {
            Work::Parallel(work) => work.started += 1,
            Work::Map(work) => work.started += 1,
            Work::Entered
            | Work::Activity(_)
            | Work::Task(_)
            | Work::Waiting { .. }
            | Work::Backoff { .. }
            | Work::Over => {}
        }
    }
    execution.frames.push(Frame {
        id: child.id,
        parent: Some(child.parent),
        scope: child.scope,
        last_event,
        input: input.clone(),
        variables: Variables::default(),
        phase: Phase::Starting,
    });
}

fn succeed(execution: &mut Execution, id: FrameId, child: FrameId, index: u32, output: &Data) {
    let Some(position) = execution.position(child) else {
        return;
    };
    let newest = execution.last_event;
    let last_event = execution.frames.remove(position).last_event;
    let Some(parent) = execution.frame_mut(id) else {
        return;
    };
    parent.last_event = last_event;
    let Phase::Inside(stay) = &mut parent.phase else {
        return;
    };
    let results = match &mut stay.work {
        Work::Parallel(work) => &mut work.results,
        Work::Map(work) => {
            work.finished += 1;
            // The next iteration names the last event inside this one; the Map's success names the last one's
            // MapIterationSucceeded, which is the newest event.
            if usize::try_from(work.finished).is_ok_and(|finished| finished == work.results.len()) {
                parent.last_event = newest;
            }
            &mut work.results
        }
        Work::Entered
        | Work::Activity(_)
        | Work::Task(_)
        | Work::Waiting { .. }
        | Work::Backoff { .. }
        | Work::Over => return,
    };
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    results.set(index, output.clone());
}

/// Removes every frame below `id`, and gives them back.
pub(super) fn take_below(execution: &mut Execution, id: FrameId) -> SmallVec<[Frame; 1]> {
    if execution.frames.last().is_none_or(|last| last.id <= id) {
        return SmallVec::new();
    }
    // Children have higher numbers than their parents, so one ascending pass finds them all.
    let mut below: SmallVec<[FrameId; 8]> = SmallVec::new();
    for frame in &execution.frames {
        if frame
            .parent
            .is_some_and(|(parent, _)| parent == id || below.binary_search(&parent).is_ok())
        {
            below.push(frame.id);
        }
    }
    if below.is_empty() {
        return SmallVec::new();
    }
    let frames = std::mem::take(&mut execution.frames).into_iter();
    let (taken, left) = frames.partition(|frame| below.binary_search(&frame.id).is_ok());
    execution.frames = left;
    taken
}

fn empty(length: u32) -> Results {
    Results::empty(usize::try_from(length).unwrap_or(0))
}
