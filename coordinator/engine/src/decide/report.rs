//! What workers and integrations report about an attempt: whose it is, whether it is still theirs, what follows.

use stepfleet_asl::Payload;
use stepfleet_asl::program::Kind;
use stepfleet_asl::resource::Resource;

use crate::decide::draft::{Draft, Fault, Halt, Step, Work, truncated};
use crate::decide::progress::attempt_with;
use crate::decide::{Rejection, activity, due, exit, recorded};
use crate::event::{EventBody, Failure, TaskResource};
use crate::execution::{self, ActivityWork, Execution, TaskStage, TaskWork};
use crate::ids::{Attempt, FrameId};
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
        Input::Undelivered { attempt } => find(
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
        | Input::WorkerLost { attempt } => find_attempt(execution, *attempt).map(Some),
    }
}

/// The frame of an attempt that is in somebody's hands: the only one whose token is good.
pub(crate) fn find_attempt(execution: &Execution, attempt: Attempt) -> Result<FrameId, Rejection> {
    find(
        execution,
        attempt,
        |work| work.started_at.is_some(),
        |work| work.stage != TaskStage::Scheduled,
    )
}

/// Why an attempt that is not there is refused.
pub(super) fn gone(execution: &Execution, attempt: Attempt) -> Rejection {
    if attempt.entry.0 == 0 || attempt.entry > execution.last_event {
        Rejection::TaskDoesNotExist
    } else {
        Rejection::TaskTimedOut
    }
}

fn find(
    execution: &Execution,
    attempt: Attempt,
    activity: impl Fn(&ActivityWork) -> bool,
    task: impl Fn(&TaskWork) -> bool,
) -> Result<FrameId, Rejection> {
    let frame = execution
        .holder(attempt)
        .ok_or_else(|| gone(execution, attempt))?;
    let stay = frame.stay().ok_or(Rejection::TaskTimedOut)?;
    let is_good = stay.open_attempt() == Some(attempt)
        && match &stay.work {
            execution::Work::Activity(work) => activity(work),
            execution::Work::Task(work) => task(work),
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
        Input::Succeeded { output, .. } => {
            attempt_with(draft, frame, |draft, frame| succeeded(draft, frame, output))
        }
        Input::Failed { failure, .. } | Input::Withdrawn { failure, .. } => {
            attempt_with(draft, frame, |draft, frame| {
                failed(draft, frame, Fault::from(truncated(failure)))
            })
        }
        Input::WorkerLost { .. } => attempt_with(draft, frame, due::worker_lost),
        Input::Submitted { output, .. } => {
            attempt_with(draft, frame, |draft, frame| submitted(draft, frame, output))
        }
        Input::Continue | Input::Tick | Input::Stop(_) | Input::Redrive { .. } => Ok(()),
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
    if !is_invoke || resource(draft, frame).is_some() {
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

fn submitted(draft: &mut Draft<'_>, frame: FrameId, output: Payload) -> Work {
    if output.len() > draft.env.limits.payload_bytes_max {
        return too_large(draft, frame);
    }
    let Some(resource) = resource(draft, frame) else {
        return Ok(());
    };
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
