//! `Choice`: the first rule that is true, else the default. Its failures pass it by: it has no Retry and no Catch.

use stepfleet_asl::EvalError;
use stepfleet_asl::flow;
use stepfleet_asl::program::Choice;

use crate::decide::draft::{Draft, Work};
use crate::decide::exit;
use crate::decide::scene::evaluate;
use crate::ids::FrameId;

pub(super) fn perform(draft: &mut Draft<'_>, frame: FrameId, choice: &Choice) -> Work {
    let state = draft.state_of(frame);
    let (input, next) = evaluate(draft, frame, None, |raw, scene| {
        let input = flow::effective_input(state, raw, scene)?;
        let next = flow::choose(choice, input.value(), scene)?.ok_or_else(no_match)?;
        Ok((input, next))
    })?;
    exit::with_evaluation(draft, frame, Some(next), |raw, scene| {
        flow::output(state, raw, &input, scene)
    })
}

fn no_match() -> EvalError {
    EvalError {
        error: "States.NoChoiceMatched",
        cause: "Failed to transition out of the state. The state does not point to a next state."
            .to_owned(),
    }
}
