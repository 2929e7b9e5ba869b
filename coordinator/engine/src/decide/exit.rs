//! Leaving a state: its output, where the frame goes, and what the end of a frame means to its parent.

use stepfleet_asl::flow::{self, Given};
use stepfleet_asl::limits::JSON_DEPTH_MAX;
use stepfleet_asl::program::{State, StateId, Transition};
use stepfleet_asl::{EvalError, Payload};

use crate::decide::draft::{Draft, Fault, Step, Work};
use crate::decide::scene::{Scene, evaluate};
use crate::decide::{assign, map, parallel};
use crate::event::{Data, EventBody, Failure};
use crate::execution::{self, Phase, Results};
use crate::ids::{EventId, FrameId};
use crate::variables::Variables;

/// What a state leaves: its output, and what it assigns.
pub(super) struct Leaving {
    pub(super) output: Payload,
    pub(super) assigned: Variables,
}

/// Leaves the state with what its data flow makes of `result`, by its own transition.
pub(super) fn with_result(draft: &mut Draft<'_>, frame: FrameId, result: &Data) -> Work {
    let state = draft.state_of(frame);
    let leaving = evaluate(draft, frame, None, |raw, scene| {
        Ok(Leaving {
            output: flow::output(state, raw, &result.payload, scene)?,
            assigned: assign::values(
                state.assign.as_ref(),
                raw,
                &Given::Result(&result.payload),
                scene,
            )?,
        })
    })?;
    leaving.check_size(draft, frame)?;
    let next = next_of(state);
    Ok(leave(draft, frame, leaving, Some(result), next)?)
}

/// The state that this one's own transition leads to; none when it ends its frame.
pub(crate) fn next_of(state: &State) -> Option<StateId> {
    match state.transition {
        Transition::Next(next) => Some(next),
        Transition::End | Transition::Terminal => None,
    }
}

/// As [`with_result`], for a state whose work is one evaluation of its input; `Choice` names its own `next`.
pub(super) fn with_evaluation<F>(
    draft: &mut Draft<'_>,
    frame: FrameId,
    next: Option<StateId>,
    work: F,
) -> Work
where
    F: FnOnce(&Payload, &Scene<'_>) -> Result<Leaving, EvalError>,
{
    let leaving = evaluate(draft, frame, None, work)?;
    leaving.check_size(draft, frame)?;
    Ok(leave(draft, frame, leaving, None, next)?)
}

/// Emits the exit; the frame goes on to `next`, or ends. An output that is `result` or the input keeps its number.
pub(super) fn leave(
    draft: &mut Draft<'_>,
    frame: FrameId,
    leaving: Leaving,
    result: Option<&Data>,
    next: Option<StateId>,
) -> Step {
    let Leaving { output, assigned } = leaving;
    let output = keep(draft, frame, output, result);
    draft.weigh(assigned.bytes());
    let stay = draft.stay(frame);
    let (kind, name) = (stay.kind, stay.name.clone());
    let previous = draft.chain(frame);
    draft.emit(
        previous,
        EventBody::StateExited {
            frame,
            kind,
            name,
            output,
            assigned,
            next,
        },
    )?;
    if next.is_some() {
        draft.queue.push_back(frame);
        return Ok(());
    }
    end_frame(draft, frame)
}

impl Leaving {
    pub(super) fn check_size(&self, draft: &Draft<'_>, frame: FrameId) -> Result<(), Fault> {
        check_size(draft, frame, &self.output)?;
        assign::check_size(draft, frame, &self.assigned)
    }
}

/// An output of a state that assigns nothing.
impl From<Payload> for Leaving {
    fn from(output: Payload) -> Self {
        Self {
            output,
            assigned: Variables::default(),
        }
    }
}

/// Fails with `States.DataLimitExceeded` when a payload of the state is too large.
pub(super) fn check_size(
    draft: &Draft<'_>,
    frame: FrameId,
    payload: &Payload,
) -> Result<(), Fault> {
    if payload.len() <= draft.env.limits.payload_bytes_max {
        return Ok(());
    }
    Err(too_large(&draft.stay(frame).name))
}

/// `States.DataLimitExceeded` of a state or a resource.
pub(super) fn too_large(name: &str) -> Fault {
    Fault::from(too_large_failure(name))
}

/// The failure of a state or a resource whose result is too large.
pub(crate) fn too_large_failure(name: &str) -> Failure {
    let cause = format!(
        "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    Failure {
        error: Some("States.DataLimitExceeded".into()),
        cause: Some(cause.into()),
    }
}

/// Numbers a payload of the frame, unless it is the frame's input or `result`.
pub(super) fn keep(
    draft: &mut Draft<'_>,
    frame: FrameId,
    payload: Payload,
    result: Option<&Data>,
) -> Data {
    let input = draft.frame(frame).input.clone();
    match result {
        Some(result) => draft.data(payload, &[result, &input]),
        None => draft.data(payload, &[&input]),
    }
}

/// A frame whose last state has exited ends: so does the execution, or an iteration or branch of its parent.
pub(super) fn end_frame(draft: &mut Draft<'_>, id: FrameId) -> Step {
    let frame = draft.frame(id);
    let Phase::Finished { output } = &frame.phase else {
        return Ok(());
    };
    let (output, previous) = (output.clone(), frame.last_event);
    let Some((parent, index)) = frame.parent else {
        return Err(draft.close(previous, EventBody::ExecutionSucceeded { output }));
    };
    let stay = draft.stay(parent);
    let is_map = matches!(stay.work, execution::Work::Map(_));
    if is_map {
        let name = stay.name.clone();
        let succeeded = EventBody::MapIterationSucceeded {
            frame: parent,
            name,
            index,
        };
        draft.emit(previous, succeeded)?;
    }
    let succeeded = EventBody::BranchSucceeded {
        frame: parent,
        child: id,
        index,
        output,
    };
    draft.emit(EventId(0), succeeded)?;
    if is_map {
        map::child_ended(draft, parent)
    } else {
        parallel::child_ended(draft, parent)
    }
}

/// The results of all children of `frame` as one array, in order. Their texts are joined; nothing is parsed.
pub(super) fn joined(
    draft: &Draft<'_>,
    frame: FrameId,
    results: &Results,
) -> Result<Payload, Fault> {
    let bytes: usize = results
        .iter()
        .flatten()
        .map(|data| data.payload.len() + 1)
        .sum();
    let mut text = String::with_capacity(bytes + 2);
    text.push('[');
    for (index, result) in results.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(result.map_or("null", |data| data.payload.text()));
    }
    text.push(']');
    if nesting(&text) > JSON_DEPTH_MAX {
        let text = format!("The document nests deeper than {JSON_DEPTH_MAX} levels.");
        return Err(Fault::runtime(text, draft.stay(frame)));
    }
    let result = Payload::trusted(text);
    check_size(draft, frame, &result)?;
    Ok(result)
}

/// How deep the arrays and objects of a JSON text nest.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}
