//! What workers and integrations report about an attempt: whose it is, whether it is still theirs, what follows.

use stepfleet_asl::Payload;
use stepfleet_asl::program::Kind;
use stepfleet_asl::resource::{Pattern, Resource};

use crate::decide::draft::{Draft, Fault, Halt, Step, Work, truncated};
use crate::decide::progress::attempt_with;
use crate::decide::{Rejection, activity, due, exit, recorded};
use crate::event::{EventBody, Failure, Handle, TaskResource};
use crate::execution::{self, ActivityWork, Execution, TaskStage, TaskWork};
use crate::ids::{Attempt, EventId, FrameId};
use crate::input::Input;

/// The frame that an input about an attempt is for; none for the other inputs. Reads only.
pub(super) fn target(execution: &Execution, input: &Input) -> Result<Option<FrameId>, Rejection> {
    match input {
        Input::Continue | Input::Tick | Input::Stop(_) | Input::Redrive { .. } => Ok(None),
        Input::Started { attempt, .. } | Input::Withdrawn { attempt, .. } => find(
            execution,
            *attempt,
            |work| work.started_at.is_none(),
            |_| false,
        )
        .map(Some),
        // A session that is gone takes no work along that it has begun.
        Input::WorkerLost { attempt, .. } if attempt.is_start() => find(
            execution,
            *attempt,
            |work| work.started_at.is_some(),
            |_| false,
        )
        .map(Some),
        Input::Begun { attempt, .. } if !attempt.is_start() => Err(Rejection::TaskTimedOut),
        Input::Undelivered { attempt } | Input::Begun { attempt, .. } => find(
            execution,
            *attempt,
            |work| work.started_at.is_some(),
            |_| false,
        )
        .map(Some),
        Input::Submitted { attempt, .. } => find(
            execution,
            *attempt,
            |_| false,
            |work| work.stage == TaskStage::Started,
        )
        .map(Some),
        Input::Succeeded { attempt, .. }
        | Input::Failed { attempt, .. }
        | Input::WorkerLost { attempt, .. } => find_attempt(execution, *attempt).map(Some),
    }
}

/// The frame of an attempt that is in somebody's hands: the only one whose token is good. The token of a start is good
/// until the start is done; when what was begun is waited for, until that ends.
pub(crate) fn find_attempt(execution: &Execution, attempt: Attempt) -> Result<FrameId, Rejection> {
    find(
        execution,
        attempt,
        |work| work.started_at.is_some(),
        |work| match attempt.is_start() {
            true => is_waited_for(work),
            false => work.stage != TaskStage::Scheduled,
        },
    )
}

/// Whether the end of what a worker has begun ends the task.
fn is_waited_for(work: &TaskWork) -> bool {
    work.stage == TaskStage::Submitted
        && work.handle.is_some()
        && work.resource.pattern() == Pattern::RunJob
}

/// Why an attempt that is not there is refused.
pub(super) fn gone(execution: &Execution, attempt: Attempt) -> Rejection {
    if attempt.entry.0 == 0 || attempt.entry > execution.last_event {
        Rejection::TaskDoesNotExist
    } else {
        Rejection::TaskTimedOut
    }
}

/// `offered` judges what workers are offered or do, an activity task or a start; `task` the rest of a task.
fn find(
    execution: &Execution,
    attempt: Attempt,
    offered: impl Fn(&ActivityWork) -> bool,
    task: impl Fn(&TaskWork) -> bool,
) -> Result<FrameId, Rejection> {
    let frame = execution
        .holder(attempt)
        .ok_or_else(|| gone(execution, attempt))?;
    let stay = frame.stay().ok_or(Rejection::TaskTimedOut)?;
    let (own, by_worker) = match attempt.is_start() {
        true => (stay.start_attempt(), stay.offered()),
        false => (stay.open_attempt(), None),
    };
    let is_good = own == Some(attempt)
        && match &stay.work {
            execution::Work::Activity(work) => offered(work),
            execution::Work::Task(work) => {
                by_worker.map_or_else(|| task(work), |(_, start)| offered(start))
            }
            execution::Work::Entered
            | execution::Work::Waiting { .. }
            | execution::Work::Backoff { .. }
            | execution::Work::Parallel(_)
            | execution::Work::Map(_)
            | execution::Work::Over => false,
        };
    if is_good {
        Ok(frame.id)
    } else {
        Err(Rejection::TaskTimedOut)
    }
}

/// What a report does. `frame` is its target.
pub(super) fn handle(draft: &mut Draft<'_>, frame: FrameId, input: Input) -> Step {
    match input {
        Input::Started { worker, .. } => activity::started(draft, frame, worker),
        Input::Undelivered { .. } => activity::undelivered(draft, frame),
        Input::Succeeded { attempt, output } if begins_callback(draft, frame, attempt) => {
            attempt_with(draft, frame, |draft, frame| {
                submitted(draft, frame, output, None)
            })
        }
        Input::Begun { output, handle, .. } if is_request(draft, frame) => {
            // Nothing is waited for, so that the handle is the connector's business.
            drop(handle);
            attempt_with(draft, frame, |draft, frame| succeeded(draft, frame, output))
        }
        Input::Begun { output, handle, .. } => attempt_with(draft, frame, |draft, frame| {
            submitted(draft, frame, output, Some(handle))
        }),
        Input::Succeeded { attempt, output } => {
            leave_start(draft, frame, attempt);
            attempt_with(draft, frame, |draft, frame| succeeded(draft, frame, output))
        }
        Input::Failed { attempt, failure } | Input::Withdrawn { attempt, failure } => {
            leave_start(draft, frame, attempt);
            attempt_with(draft, frame, |draft, frame| {
                failed(draft, frame, Fault::from(truncated(failure)))
            })
        }
        Input::WorkerLost { cause, .. } => attempt_with(draft, frame, |draft, frame| {
            due::worker_lost(draft, frame, cause)
        }),
        Input::Submitted { output, .. } => attempt_with(draft, frame, |draft, frame| {
            submitted(draft, frame, output, None)
        }),
        Input::Continue | Input::Tick | Input::Stop(_) | Input::Redrive { .. } => Ok(()),
    }
}

/// Whether a success is that of a start after which the task waits for its token.
fn begins_callback(draft: &Draft<'_>, frame: FrameId, attempt: Attempt) -> bool {
    attempt.is_start()
        && draft.stay(frame).offered().is_some()
        && resource(draft, frame).is_some_and(|it| it.pattern() == Pattern::Callback)
}

fn is_request(draft: &Draft<'_>, frame: FrameId) -> bool {
    resource(draft, frame).is_some_and(|it| it.pattern() == Pattern::RequestResponse)
}

/// The task ends by its own token while a worker is still to begin it, or beginning it: that is over, too.
fn leave_start(draft: &mut Draft<'_>, frame: FrameId, attempt: Attempt) {
    if !attempt.is_start()
        && let Some((start, _)) = draft.stay(frame).offered()
        && start.is_start()
    {
        draft.cancel(attempt);
    }
}

fn succeeded(draft: &mut Draft<'_>, frame: FrameId, output: Payload) -> Work {
    let answer = invoked(draft, frame, &output);
    let bytes = answer.as_ref().unwrap_or(&output).len();
    if bytes > draft.env.limits.payload_bytes_max {
        return too_large(draft, frame);
    }
    let previous = draft.chain(frame);
    let output = draft.data(output, &[]);
    let result = match answer {
        Some(answer) => draft.data(answer, &[]),
        None => output.clone(),
    };
    let body = match resource(draft, frame) {
        None => EventBody::ActivitySucceeded { frame, output },
        Some(resource) => EventBody::TaskSucceeded {
            frame,
            resource,
            output,
        },
    };
    draft.emit(previous, body)?;
    exit::with_result(draft, frame, &result)
}

/// What `lambda:invoke` answers when an activity's workers did the function's work; none for other tasks.
fn invoked(draft: &Draft<'_>, frame: FrameId, output: &Payload) -> Option<Payload> {
    let Kind::Task(task) = &draft.state_of(frame).kind else {
        return None;
    };
    let is_invoke = match &task.resource {
        Resource::Integration(integration) => &*integration.service == "lambda",
        Resource::Activity { .. } | Resource::Lambda { .. } => false,
    };
    // Of a task that an integration does, the answer comes whole.
    if !is_invoke || draft.stay(frame).offered().is_none() {
        return None;
    }
    // As text: the output is JSON already, however large it is.
    let output = output.text();
    let answer = format!(r#"{{"ExecutedVersion":"$LATEST","Payload":{output},"StatusCode":200}}"#);
    Some(Payload::trusted(answer))
}

fn failed(draft: &mut Draft<'_>, frame: FrameId, fault: Fault) -> Work {
    recorded::record(draft, frame);
    let previous = draft.chain(frame);
    let failure: Failure = fault.failure.clone();
    let body = match resource(draft, frame) {
        None => EventBody::ActivityFailed { frame, failure },
        Some(resource) => EventBody::TaskFailed {
            frame,
            resource,
            failure,
        },
    };
    draft.emit(previous, body)?;
    Err(Halt::Fault(fault))
}

/// What is waited for has begun; the handle of what a worker has begun is kept with it.
fn submitted(
    draft: &mut Draft<'_>,
    frame: FrameId,
    output: Payload,
    handle: Option<Handle>,
) -> Work {
    let output = invoked(draft, frame, &output).unwrap_or(output);
    if output.len() > draft.env.limits.payload_bytes_max {
        return too_large(draft, frame);
    }
    let Some(resource) = resource(draft, frame) else {
        return Ok(());
    };
    if let Some(handle) = handle {
        draft.emit(EventId(0), EventBody::HandleGiven { frame, handle })?;
    }
    let previous = draft.chain(frame);
    let output = draft.data(output, &[]);
    Ok(draft.emit(
        previous,
        EventBody::TaskSubmitted {
            frame,
            resource,
            output,
        },
    )?)
}

/// The task fails in place of an answer that no event may hold; the texts name the resource.
fn too_large(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let fault = match &draft.stay(frame).work {
        execution::Work::Activity(work) => exit::too_large(&work.activity),
        execution::Work::Task(work) => exit::too_large(&work.resource.service),
        execution::Work::Entered
        | execution::Work::Waiting { .. }
        | execution::Work::Backoff { .. }
        | execution::Work::Parallel(_)
        | execution::Work::Map(_)
        | execution::Work::Over => exit::too_large(&draft.stay(frame).name),
    };
    failed(draft, frame, fault)
}

/// The integration that the frame waits for; none for an activity.
fn resource(draft: &Draft<'_>, frame: FrameId) -> Option<TaskResource> {
    match &draft.stay(frame).work {
        execution::Work::Task(work) => Some(work.resource.clone()),
        execution::Work::Activity(_)
        | execution::Work::Entered
        | execution::Work::Waiting { .. }
        | execution::Work::Backoff { .. }
        | execution::Work::Parallel(_)
        | execution::Work::Map(_)
        | execution::Work::Over => None,
    }
}
