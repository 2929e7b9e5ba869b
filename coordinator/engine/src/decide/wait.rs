//! `Wait`: a time, kept in the execution, so that it survives a restart. A past one is left at once.

use stepfleet_asl::flow::{self, Given};
use stepfleet_asl::program::Wait;

use crate::decide::assign;
use crate::decide::draft::{Draft, Work};
use crate::decide::exit::{self, Leaving};
use crate::decide::scene::evaluate;
use crate::event::EventBody;
use crate::ids::{EventId, FrameId, Timestamp};

pub(super) fn perform(draft: &mut Draft<'_>, frame: FrameId, wait: &Wait) -> Work {
    let state = draft.state_of(frame);
    let now = draft.env.now;
    let until = evaluate(draft, frame, None, |raw, scene| {
        let input = flow::effective_input(state, raw, scene)?;
        flow::wait_until(wait, &input, scene, now.0)
    })?;
    let until = Timestamp(until);
    if until <= now {
        return leave(draft, frame);
    }
    Ok(draft.emit(EventId(0), EventBody::WaitScheduled { frame, until })?)
}

/// The time has come.
pub(super) fn leave(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let state = draft.state_of(frame);
    let next = exit::next_of(state);
    exit::with_evaluation(draft, frame, next, |raw, scene| {
        let input = flow::effective_input(state, raw, scene)?;
        Ok(Leaving {
            output: flow::output(state, raw, &input, scene)?,
            assigned: assign::values(state.assign.as_ref(), raw, &Given::Input(&input), scene)?,
        })
    })
}
