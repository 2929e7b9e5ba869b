//! A state failed: Retry, then Catch, then the failure of what contains it. ASL §"Errors".

use std::sync::Arc;

use stepfleet_asl::flow::{self, Given};
use stepfleet_asl::program::{Catcher, Jitter, Kind, Retrier, State};
use stepfleet_asl::{Object, Payload, Value};

use crate::decide::draft::{Draft, Fault, Step};
use crate::decide::exit::{self, Leaving};
use crate::decide::scene::evaluate;
use crate::decide::{abort, assign};
use crate::event::{EventBody, Failure};
use crate::ids::{EventId, FrameId};

pub(crate) const RUNTIME: &str = "States.Runtime";
const TIMEOUT: &str = "States.Timeout";
const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";

/// The state that `frame` is inside failed.
pub(super) fn fail(draft: &mut Draft<'_>, frame: FrameId, mut fault: Fault) -> Step {
    tell_evaluation(draft, frame, &mut fault)?;
    let previous = draft.chain(frame);
    // Nothing retries or catches it, wherever it happens; the execution fails from here.
    if fault.failure.error.as_deref() == Some(RUNTIME) {
        return Err(draft.close(previous, EventBody::ExecutionFailed(fault.failure)));
    }
    abort::children(draft, frame, previous, None)?;
    let state = draft.state_of(frame);
    if retry(draft, frame, state, &fault)? {
        return Ok(());
    }
    match &state.kind {
        Kind::Parallel(_) => draft.emit(previous, EventBody::ParallelStateFailed { frame })?,
        Kind::Map(_) => draft.emit(previous, EventBody::MapStateFailed { frame })?,
        Kind::Pass(_)
        | Kind::Task(_)
        | Kind::Choice(_)
        | Kind::Wait(_)
        | Kind::Succeed
        | Kind::Fail(_) => {}
    }
    catch(draft, frame, state, fault)
}

/// A failed expression has an event of its own, before all that follows from it.
fn tell_evaluation(draft: &mut Draft<'_>, frame: FrameId, fault: &mut Fault) -> Step {
    let Some(location) = fault.location.take() else {
        return Ok(());
    };
    let name = draft.stay(frame).name.clone();
    let previous = draft.evaluated_after(frame);
    let failure = fault.failure.clone();
    draft.emit(
        previous,
        EventBody::EvaluationFailed {
            frame,
            name,
            location,
            failure,
        },
    )
}

/// Schedules the next attempt, if the first retrier that matches has one left. Each retrier counts for itself as long
/// as the stay lasts; a matching one that is exhausted ends the search.
fn retry(draft: &mut Draft<'_>, frame: FrameId, state: &State, fault: &Fault) -> Step<bool> {
    let Some((index, retrier)) = retrier_of(state, &fault.failure, fault.heartbeat) else {
        return Ok(false);
    };
    let used = draft
        .stay(frame)
        .retries
        .get(index as usize)
        .copied()
        .unwrap_or(0);
    if used >= retrier.max_attempts {
        return Ok(false);
    }
    let until = draft.env.now.plus_ms(delay_ms(retrier, used, draft));
    draft.emit(
        EventId(0),
        EventBody::RetryScheduled {
            frame,
            retrier: index,
            until,
        },
    )?;
    if until <= draft.env.now {
        draft.queue.push_back(frame);
    }
    Ok(true)
}

/// The first catcher that matches takes the frame on. Its `ResultPath` merges into the raw input; the state's own
/// ResultSelector, ResultPath and OutputPath are skipped.
fn catch(draft: &mut Draft<'_>, frame: FrameId, state: &State, fault: Fault) -> Step {
    let Some((_, catcher)) = catcher_of(state, &fault.failure, fault.heartbeat) else {
        return uncaught(draft, frame, fault);
    };
    let leaving = evaluate(draft, frame, None, |raw, scene| {
        let error_output = Payload::from_value(error_output(&fault.failure));
        Ok(Leaving {
            output: flow::caught(catcher, raw, &error_output, scene)?,
            assigned: assign::values(
                catcher.assign.as_ref(),
                raw,
                &Given::ErrorOutput(&error_output),
                scene,
            )?,
        })
    })
    .and_then(|leaving| leaving.check_size(draft, frame).map(|()| leaving));
    match leaving {
        Ok(leaving) => exit::leave(draft, frame, leaving, None, Some(catcher.next)),
        Err(mut fault) => {
            tell_evaluation(draft, frame, &mut fault)?;
            uncaught(draft, frame, fault)
        }
    }
}

fn uncaught(draft: &mut Draft<'_>, frame: FrameId, fault: Fault) -> Step {
    match draft.frame(frame).parent {
        Some(parent) => abort::child_failed(draft, frame, parent, fault),
        None => {
            let previous = draft.chain(frame);
            Err(draft.close(previous, EventBody::ExecutionFailed(fault.failure)))
        }
    }
}

/// The first retrier that matches a failure of the state, with its place. `heartbeat`: a missed heartbeat, which reads
/// `States.Timeout`.
pub(crate) fn retrier_of<'a>(
    state: &'a State,
    failure: &Failure,
    heartbeat: bool,
) -> Option<(u32, &'a Retrier)> {
    (0_u32..)
        .zip(&state.retriers)
        .find(|(_, retrier)| matches(&retrier.error_equals, failure, heartbeat, state))
}

/// The first catcher that matches, as [`retrier_of`].
pub(crate) fn catcher_of<'a>(
    state: &'a State,
    failure: &Failure,
    heartbeat: bool,
) -> Option<(u32, &'a Catcher)> {
    (0_u32..)
        .zip(&state.catchers)
        .find(|(_, catcher)| matches(&catcher.error_equals, failure, heartbeat, state))
}

/// Whether one of the names of an `ErrorEquals` matches.
fn matches(names: &[Arc<str>], failure: &Failure, heartbeat: bool, state: &State) -> bool {
    let error = failure.error.as_deref().unwrap_or(match &state.kind {
        Kind::Parallel(_) => "States.BranchFailed",
        Kind::Pass(_)
        | Kind::Task(_)
        | Kind::Choice(_)
        | Kind::Wait(_)
        | Kind::Succeed
        | Kind::Fail(_)
        | Kind::Map(_) => "States.TaskFailed",
    });
    names.iter().any(|name| match &**name {
        "States.ALL" => true,
        // Everything but running out of time.
        "States.TaskFailed" => error != TIMEOUT && error != HEARTBEAT_TIMEOUT,
        HEARTBEAT_TIMEOUT if heartbeat => true,
        name => name == error,
    })
}

/// The delay before the retry that follows `used` earlier ones of this retrier.
fn delay_ms(retrier: &Retrier, used: u32, draft: &Draft<'_>) -> i64 {
    let delay = milliseconds(backoff_seconds(retrier, used));
    match retrier.jitter {
        Jitter::None => delay,
        Jitter::Full => {
            let span = u64::try_from(delay).unwrap_or(0) + 1;
            i64::try_from(draft.random_u64() % span).unwrap_or(0)
        }
    }
}

/// The delay without its jitter, in seconds.
pub(crate) fn backoff_seconds(retrier: &Retrier, used: u32) -> f64 {
    let exponent = i32::try_from(used).unwrap_or(i32::MAX);
    let seconds = f64::from(retrier.interval_seconds) * retrier.backoff_rate.powi(exponent);
    let cap = retrier
        .max_delay_seconds
        .map_or(DELAY_SECONDS_MAX, f64::from);
    seconds.min(cap)
}

/// Bound of a delay without `MaxDelaySeconds`: the longest time that the language can name.
const DELAY_SECONDS_MAX: f64 = 99_999_999.0;

#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded by DELAY_SECONDS_MAX before the cast"
)]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// `{"Error": …, "Cause": …}`; what is missing is left out.
pub(crate) fn error_output(failure: &Failure) -> Value {
    let mut output = Object::new();
    let parts = [("Error", &failure.error), ("Cause", &failure.cause)];
    for (key, text) in parts {
        if let Some(text) = text {
            output.insert(key.into(), Value::String(text.clone()));
        }
    }
    output.into()
}
