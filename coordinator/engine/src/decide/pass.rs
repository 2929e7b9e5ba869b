//! `Pass`: its literal `Result`, or its effective input.

use stepfleet_asl::flow::{self, Given};
use stepfleet_asl::program::Pass;

use crate::decide::assign;
use crate::decide::draft::{Draft, Work};
use crate::decide::exit::{self, Leaving};
use crate::ids::FrameId;

pub(super) fn perform(draft: &mut Draft<'_>, frame: FrameId, pass: &Pass) -> Work {
    let state = draft.state_of(frame);
    exit::with_evaluation(draft, frame, exit::next_of(state), |raw, scene| {
        let result = flow::pass_result(state, pass, raw, scene)?;
        Ok(Leaving {
            output: flow::output(state, raw, &result, scene)?,
            assigned: assign::values(state.assign.as_ref(), raw, &Given::Input(&result), scene)?,
        })
    })
}
