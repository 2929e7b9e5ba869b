//! `Assign`: the values that a state leaves in variables, and the bounds on their size.

use stepfleet_asl::flow::{self, Given};
use stepfleet_asl::program::Assign;
use stepfleet_asl::{EvalError, Payload};

use crate::decide::draft::{Draft, Fault};
use crate::decide::scene::Scene;
use crate::ids::FrameId;
use crate::variables::Variables;

/// The values of an `Assign`, before any of them is set.
pub(super) fn values(
    assign: Option<&Assign>,
    raw: &Payload,
    given: &Given<'_>,
    scene: &Scene<'_>,
) -> Result<Variables, EvalError> {
    match assign {
        None => Ok(Variables::default()),
        Some(assign) => Ok(flow::assigned(assign, raw, given, scene)?
            .into_iter()
            .collect()),
    }
}

/// Fails with `States.DataLimitExceeded` when one `Assign` is too large, or the execution would hold too much.
pub(super) fn check_size(
    draft: &Draft<'_>,
    frame: FrameId,
    assigned: &Variables,
) -> Result<(), Fault> {
    if assigned.is_empty() {
        return Ok(());
    }
    let limits = draft.env.limits;
    let name = &draft.stay(frame).name;
    let values: usize = assigned.iter().map(|(_, value)| value.len()).sum();
    if values > limits.payload_bytes_max {
        let max = limits.payload_bytes_max;
        return Err(too_large(format!(
            "The variables that the state '{name}' assigns are larger than {max} bytes."
        )));
    }
    if held(draft, frame, assigned) > limits.variables_bytes_max {
        let max = limits.variables_bytes_max;
        return Err(too_large(format!(
            "With the variables that the state '{name}' assigns, those of the execution are larger than {max} bytes."
        )));
    }
    Ok(())
}

/// The size of all variables of the execution once `frame` has assigned these.
fn held(draft: &Draft<'_>, frame: FrameId, assigned: &Variables) -> usize {
    let frames = draft.execution.frames.iter();
    let before: usize = frames.map(|frame| frame.variables.bytes()).sum();
    let own = &draft.frame(frame).variables;
    let replaced: usize = assigned
        .iter()
        .filter_map(|(name, _)| Some(name.len() + own.get(name)?.len()))
        .sum();
    before - replaced + assigned.bytes()
}

fn too_large(cause: String) -> Fault {
    Fault::new("States.DataLimitExceeded", cause)
}
