//! Reading an event.

use prost::Message as _;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use stepfleet_asl::program::{ScopeId, StateId};
use stepfleet_engine::event::{Failure, Handle, TaskResource};
use stepfleet_engine::{Data, Event, EventBody, EventId, FrameId, PayloadId, Timestamp};
use stepfleet_proto::record::v1;
use stepfleet_proto::record::v1::event::Body;

use crate::error::StoreError;
use crate::records::convert::{self, corrupt, kind, required, worker};

/// Finds the payload of an id.
pub(crate) type Resolve<'a> = dyn FnMut(PayloadId) -> Option<Data> + 'a;

/// Reads an event. `Corrupt` names a kind that this release does not know, or a payload that nobody has.
pub(crate) fn decode(bytes: &[u8], resolve: &mut Resolve<'_>) -> Result<Event, StoreError> {
    let event =
        v1::Event::decode(bytes).map_err(|error| corrupt(format_args!("event: {error}")))?;
    let body = event.body.ok_or_else(|| {
        corrupt(format_args!(
            "event of unknown kind {}",
            unknown_kind(bytes)
        ))
    })?;
    Ok(Event {
        previous: EventId(event.previous),
        body: decode_body(body, resolve)?,
    })
}

/// The field number that is not `previous`; 0 when there is none.
fn unknown_kind(mut bytes: &[u8]) -> u32 {
    while let Ok((tag, wire_type)) = decode_key(&mut bytes) {
        if tag != 1 {
            return tag;
        }
        if skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).is_err() {
            break;
        }
    }
    0
}

fn data(id: u32, resolve: &mut Resolve<'_>) -> Result<Data, StoreError> {
    resolve(PayloadId(id))
        .ok_or_else(|| corrupt(format_args!("event names payload {id}, which is nowhere")))
}

fn failure(failure: Option<v1::Failure>) -> Failure {
    convert::failure(failure.unwrap_or_default())
}

fn resource(resource: Option<v1::TaskResource>) -> Result<TaskResource, StoreError> {
    required(resource, "resource").map(convert::resource)
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
fn decode_body(body: Body, resolve: &mut Resolve<'_>) -> Result<EventBody, StoreError> {
    use EventBody as E;
    let frame = FrameId;
    Ok(match body {
        Body::ExecutionStarted(started) => E::ExecutionStarted {
            header: convert::header(required(started.header, "header")?)?,
            input: data(started.input, resolve)?,
            deadline: started.deadline.map(Timestamp),
            keeps_frames: started.keeps_frames,
        },
        Body::ExecutionRedriven(redriven) => E::ExecutionRedriven {
            count: redriven.count,
            deadline: redriven.deadline.map(Timestamp),
            client_token: redriven.client_token.map(Into::into),
            status: convert::status(redriven.status.cast_signed())?,
            closed_at: Timestamp(redriven.closed_at),
        },
        Body::ExecutionSucceeded(end) => E::ExecutionSucceeded {
            output: data(end.output, resolve)?,
        },
        Body::ExecutionFailed(end) => E::ExecutionFailed(convert::failure(end)),
        Body::ExecutionAborted(end) => E::ExecutionAborted(convert::failure(end)),
        Body::ExecutionTimedOut(end) => E::ExecutionTimedOut(convert::failure(end)),
        Body::StateEntered(entered) => E::StateEntered {
            frame: frame(entered.frame),
            state: StateId(entered.state),
            kind: kind(entered.kind)?,
            name: entered.name.into(),
            input: data(entered.input, resolve)?,
        },
        Body::StateExited(exited) => E::StateExited {
            frame: frame(exited.frame),
            kind: kind(exited.kind)?,
            name: exited.name.into(),
            output: data(exited.output, resolve)?,
            assigned: convert::variables(exited.assigned),
            next: exited.next.map(StateId),
        },
        Body::StateAborted(aborted) => E::StateAborted {
            frame: frame(aborted.frame),
            kind: kind(aborted.kind)?,
        },
        Body::ActivityScheduled(scheduled) => E::ActivityScheduled {
            frame: frame(scheduled.frame),
            activity: scheduled.activity.into(),
            input: data(scheduled.input, resolve)?,
            timeout_seconds: scheduled.timeout_seconds,
            heartbeat_seconds: scheduled.heartbeat_seconds,
        },
        Body::ActivityScheduleFailed(it) => E::ActivityScheduleFailed {
            frame: frame(it.frame),
            failure: failure(it.failure),
        },
        Body::ActivityStarted(it) => E::ActivityStarted {
            frame: frame(it.frame),
            worker: worker(it.worker),
        },
        Body::ActivitySucceeded(it) => E::ActivitySucceeded {
            frame: frame(it.frame),
            output: data(it.output, resolve)?,
        },
        Body::ActivityFailed(it) => E::ActivityFailed {
            frame: frame(it.frame),
            failure: failure(it.failure),
        },
        Body::ActivityTimedOut(it) => E::ActivityTimedOut {
            frame: frame(it.frame),
            failure: failure(it.failure),
        },
        Body::TaskScheduled(scheduled) => E::TaskScheduled {
            frame: frame(scheduled.frame),
            resource: resource(scheduled.resource)?,
            region: scheduled.region.into(),
            parameters: data(scheduled.parameters, resolve)?,
            timeout_seconds: scheduled.timeout_seconds,
            heartbeat_seconds: scheduled.heartbeat_seconds,
        },
        Body::TaskStarted(it) => E::TaskStarted {
            frame: frame(it.frame),
            resource: resource(it.resource)?,
        },
        Body::TaskStartFailed(it) => {
            let (frame, resource, failure) = task_failure(it)?;
            E::TaskStartFailed {
                frame,
                resource,
                failure,
            }
        }
        Body::TaskSubmitted(it) => {
            let (frame, resource, output) = task_output(it, resolve)?;
            E::TaskSubmitted {
                frame,
                resource,
                output,
            }
        }
        Body::TaskSubmitFailed(it) => {
            let (frame, resource, failure) = task_failure(it)?;
            E::TaskSubmitFailed {
                frame,
                resource,
                failure,
            }
        }
        Body::TaskSucceeded(it) => {
            let (frame, resource, output) = task_output(it, resolve)?;
            E::TaskSucceeded {
                frame,
                resource,
                output,
            }
        }
        Body::TaskFailed(it) => {
            let (frame, resource, failure) = task_failure(it)?;
            E::TaskFailed {
                frame,
                resource,
                failure,
            }
        }
        Body::TaskTimedOut(it) => {
            let (frame, resource, failure) = task_failure(it)?;
            E::TaskTimedOut {
                frame,
                resource,
                failure,
            }
        }
        Body::ParallelStateStarted(it) => E::ParallelStateStarted {
            frame: frame(it.frame),
            branches: it.branches,
        },
        Body::ParallelStateSucceeded(it) => E::ParallelStateSucceeded {
            frame: frame(it.frame),
        },
        Body::ParallelStateFailed(it) => E::ParallelStateFailed {
            frame: frame(it.frame),
        },
        Body::MapStateStarted(it) => E::MapStateStarted {
            frame: frame(it.frame),
            items: data(it.items, resolve)?,
            length: it.length,
            max_concurrency: it.max_concurrency,
        },
        Body::MapStateSucceeded(it) => E::MapStateSucceeded {
            frame: frame(it.frame),
        },
        Body::MapStateFailed(it) => E::MapStateFailed {
            frame: frame(it.frame),
        },
        Body::MapIterationStarted(it) => E::MapIterationStarted {
            frame: frame(it.frame),
            child: frame(it.child),
            scope: ScopeId(it.scope),
            name: it.name.into(),
            index: it.index,
            input: data(it.input, resolve)?,
        },
        Body::MapIterationSucceeded(it) => E::MapIterationSucceeded {
            frame: frame(it.frame),
            name: it.name.into(),
            index: it.index,
        },
        Body::MapIterationFailed(it) => E::MapIterationFailed {
            frame: frame(it.frame),
            name: it.name.into(),
            index: it.index,
        },
        Body::MapIterationAborted(it) => E::MapIterationAborted {
            frame: frame(it.frame),
            name: it.name.into(),
            index: it.index,
        },
        Body::BranchStarted(it) => E::BranchStarted {
            frame: frame(it.frame),
            child: frame(it.child),
            scope: ScopeId(it.scope),
            index: it.index,
            input: data(it.input, resolve)?,
        },
        Body::BranchSucceeded(it) => E::BranchSucceeded {
            frame: frame(it.frame),
            child: frame(it.child),
            index: it.index,
            output: data(it.output, resolve)?,
        },
        Body::WaitScheduled(it) => E::WaitScheduled {
            frame: frame(it.frame),
            until: Timestamp(it.until),
        },
        Body::RetryScheduled(it) => E::RetryScheduled {
            frame: frame(it.frame),
            retrier: it.retrier,
            until: Timestamp(it.until),
        },
        Body::ActivityReoffered(it) => E::ActivityReoffered {
            frame: frame(it.frame),
        },
        Body::ActivityRestarted(it) => E::ActivityRestarted {
            frame: frame(it.frame),
            worker: worker(it.worker),
        },
        Body::StartOffered(it) => E::StartOffered {
            frame: frame(it.frame),
            activity: it.activity.into(),
            input: data(it.input, resolve)?,
            heartbeat_seconds: it.heartbeat_seconds,
        },
        Body::HandleGiven(it) => E::HandleGiven {
            frame: frame(it.frame),
            handle: Handle {
                text: it.text.into(),
                place: it.place.into(),
            },
        },
        Body::ProgressRecorded(it) => E::ProgressRecorded {
            frame: frame(it.frame),
            details: it.details.into(),
            at: Timestamp(it.at),
        },
        Body::BranchFailed(it) => E::BranchFailed {
            frame: frame(it.frame),
            child: frame(it.child),
        },
        Body::EvaluationFailed(it) => E::EvaluationFailed {
            frame: frame(it.frame),
            name: it.name.into(),
            location: it.location.into(),
            failure: failure(it.failure),
        },
    })
}

fn task_failure(it: v1::TaskFailure) -> Result<(FrameId, TaskResource, Failure), StoreError> {
    Ok((
        FrameId(it.frame),
        resource(it.resource)?,
        failure(it.failure),
    ))
}

fn task_output(
    it: v1::TaskOutput,
    resolve: &mut Resolve<'_>,
) -> Result<(FrameId, TaskResource, Data), StoreError> {
    Ok((
        FrameId(it.frame),
        resource(it.resource)?,
        data(it.output, resolve)?,
    ))
}
