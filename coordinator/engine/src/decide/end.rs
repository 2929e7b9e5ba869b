//! `Succeed` and `Fail`: the two states that end their line of control.

use std::sync::Arc;

use stepfleet_asl::flow;
use stepfleet_asl::program::{Fail, Text};

use crate::decide::draft::{Draft, Fault, Halt, Work, truncated};
use crate::decide::exit;
use crate::decide::scene::evaluate;
use crate::event::Failure;
use crate::ids::FrameId;

pub(super) fn succeed(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let state = draft.state_of(frame);
    exit::with_evaluation(draft, frame, None, |raw, scene| {
        let input = flow::effective_input(state, raw, scene)?;
        Ok(flow::output(state, raw, &input, scene)?.into())
    })
}

pub(super) fn fail(draft: &mut Draft<'_>, frame: FrameId, fail: &Fail) -> Work {
    let error = text(draft, frame, fail.error.as_ref(), "ErrorPath")?;
    let cause = text(draft, frame, fail.cause.as_ref(), "CausePath")?;
    Err(Halt::Fault(Fault::from(truncated(Failure {
        error,
        cause,
    }))))
}

fn text(
    draft: &Draft<'_>,
    frame: FrameId,
    text: Option<&Text>,
    field: &str,
) -> Result<Option<Arc<str>>, Fault> {
    match text {
        None => Ok(None),
        Some(Text::Literal(literal)) => Ok(Some(literal.clone())),
        Some(expression @ (Text::Expression { .. } | Text::Jsonata(_))) => {
            let text = evaluate(draft, frame, None, |raw, scene| {
                flow::fail_text(expression, field, raw, scene)
            })?;
            Ok(Some(text.into()))
        }
    }
}
