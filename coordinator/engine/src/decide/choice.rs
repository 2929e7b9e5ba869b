//! `Choice`: the first rule that is true, else the default. Its failures pass it by: it has no Retry and no Catch.

use stepfleet_asl::EvalError;
use stepfleet_asl::flow::{self, Chosen, Given};
use stepfleet_asl::program::Choice;

use crate::decide::assign;
use crate::decide::draft::{Draft, Work};
use crate::decide::exit::{self, Leaving};
use crate::decide::scene::evaluate;
use crate::ids::FrameId;

pub(super) fn perform(draft: &mut Draft<'_>, frame: FrameId, choice: &Choice) -> Work {
    let state = draft.state_of(frame);
    let (input, chosen) = evaluate(draft, frame, None, |raw, scene| {
        let input = flow::effective_input(state, raw, scene)?;
        let chosen = flow::choose(choice, &input, scene)?.ok_or_else(no_match)?;
        Ok((input, chosen))
    })?;
    let (next, assign) = match chosen {
        Chosen::Branch(branch) => (branch.next, branch.assign.as_ref()),
        Chosen::Default(next) => (next, state.assign.as_ref()),
    };
    exit::with_evaluation(draft, frame, Some(next), |raw, scene| {
        Ok(Leaving {
            output: flow::choice_output(state, chosen, raw, &input, scene)?,
            assigned: assign::values(assign, raw, &Given::Input(&input), scene)?,
        })
    })
}

pub(crate) fn no_match() -> EvalError {
    EvalError {
        error: "States.NoChoiceMatched",
        cause: "Failed to transition out of the state. The state does not point to a next state."
            .to_owned(),
        location: None,
    }
}
