//! Writing an event.

use stepfleet_engine::event::{Failure, TaskResource};
use stepfleet_engine::{Data, Event, EventBody, FrameId, Worker};

use crate::records::convert::{
    kind_number, put_failure, put_header, put_resource, put_variables, put_worker, status_number,
};
use crate::records::wire::{Out, Wire};

/// Writes the fields of an event.
pub(crate) fn put_event<O: Out>(wire: &mut Wire<'_, O>, event: &Event) {
    wire.uint(1, event.previous.0);
    put_body(wire, &event.body);
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
fn put_body<O: Out>(wire: &mut Wire<'_, O>, body: &EventBody) {
    use EventBody as E;
    match body {
        E::ExecutionStarted {
            header,
            input,
            deadline,
            keeps_frames,
        } => wire.message(2, |wire| {
            wire.message(1, |wire| put_header(wire, header));
            wire.uint(2, input.id.0);
            wire.optional_int(3, deadline.map(|at| at.0));
            wire.uint(4, u32::from(*keeps_frames));
        }),
        E::ExecutionRedriven {
            count,
            deadline,
            client_token,
            status,
            closed_at,
        } => wire.message(42, |wire| {
            wire.uint(1, *count);
            wire.optional_int(2, deadline.map(|at| at.0));
            wire.optional_string(3, client_token.as_deref());
            wire.uint(4, status_number(*status));
            wire.int(5, closed_at.0);
        }),
        E::ExecutionSucceeded { output } => wire.message(3, |wire| wire.uint(1, output.id.0)),
        E::ExecutionFailed(failure) => wire.message(4, |wire| put_failure(wire, failure)),
        E::ExecutionAborted(failure) => wire.message(5, |wire| put_failure(wire, failure)),
        E::ExecutionTimedOut(failure) => wire.message(6, |wire| put_failure(wire, failure)),
        E::StateEntered {
            frame,
            state,
            kind,
            name,
            input,
        } => wire.message(7, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, state.0);
            wire.uint(3, kind_number(*kind));
            wire.string(4, name);
            wire.uint(5, input.id.0);
        }),
        E::StateExited {
            frame,
            kind,
            name,
            output,
            assigned,
            next,
        } => wire.message(8, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, kind_number(*kind));
            wire.string(3, name);
            wire.uint(4, output.id.0);
            wire.optional_uint(5, next.map(|state| state.0));
            put_variables(wire, 6, assigned);
        }),
        E::StateAborted { frame, kind } => wire.message(9, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, kind_number(*kind));
        }),
        E::ActivityScheduled {
            frame,
            activity,
            input,
            timeout_seconds,
            heartbeat_seconds,
        } => {
            wire.message(10, |wire| {
                wire.uint(1, frame.0);
                wire.string(2, activity);
                wire.uint(3, input.id.0);
                wire.optional_uint(4, *timeout_seconds);
                wire.optional_uint(5, *heartbeat_seconds);
            });
        }
        E::ActivityScheduleFailed { frame, failure } => frame_failure(wire, 11, *frame, failure),
        E::ActivityStarted { frame, worker } => started(wire, 12, *frame, worker),
        E::ActivitySucceeded { frame, output } => wire.message(13, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, output.id.0);
        }),
        E::ActivityFailed { frame, failure } => frame_failure(wire, 14, *frame, failure),
        E::ActivityTimedOut { frame, failure } => frame_failure(wire, 15, *frame, failure),
        E::TaskScheduled {
            frame,
            resource,
            region,
            parameters,
            timeout_seconds,
            heartbeat_seconds,
        } => {
            wire.message(16, |wire| {
                wire.uint(1, frame.0);
                wire.message(2, |wire| put_resource(wire, resource));
                wire.string(3, region);
                wire.uint(4, parameters.id.0);
                wire.optional_uint(5, *timeout_seconds);
                wire.optional_uint(6, *heartbeat_seconds);
            });
        }
        E::TaskStarted { frame, resource } => wire.message(17, |wire| {
            wire.uint(1, frame.0);
            wire.message(2, |wire| put_resource(wire, resource));
        }),
        E::TaskStartFailed {
            frame,
            resource,
            failure,
        } => task_failure(wire, 18, *frame, resource, failure),
        E::TaskSubmitted {
            frame,
            resource,
            output,
        } => task_output(wire, 19, *frame, resource, output),
        E::TaskSubmitFailed {
            frame,
            resource,
            failure,
        } => task_failure(wire, 20, *frame, resource, failure),
        E::TaskSucceeded {
            frame,
            resource,
            output,
        } => task_output(wire, 21, *frame, resource, output),
        E::TaskFailed {
            frame,
            resource,
            failure,
        } => task_failure(wire, 22, *frame, resource, failure),
        E::TaskTimedOut {
            frame,
            resource,
            failure,
        } => task_failure(wire, 23, *frame, resource, failure),
        E::ParallelStateStarted { frame, branches } => wire.message(24, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, *branches);
        }),
        E::ParallelStateSucceeded { frame } => frame_only(wire, 25, *frame),
        E::ParallelStateFailed { frame } => frame_only(wire, 26, *frame),
        E::MapStateStarted {
            frame,
            items,
            length,
            max_concurrency,
        } => wire.message(27, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, items.id.0);
            wire.uint(3, *length);
            wire.uint(4, *max_concurrency);
        }),
        E::MapStateSucceeded { frame } => frame_only(wire, 28, *frame),
        E::MapStateFailed { frame } => frame_only(wire, 29, *frame),
        E::MapIterationStarted {
            frame,
            child,
            scope,
            name,
            index,
            input,
        } => wire.message(30, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, child.0);
            wire.uint(3, scope.0);
            wire.string(4, name);
            wire.uint(5, *index);
            wire.uint(6, input.id.0);
        }),
        E::MapIterationSucceeded { frame, name, index } => {
            iteration(wire, 31, *frame, name, *index)
        }
        E::MapIterationFailed { frame, name, index } => iteration(wire, 32, *frame, name, *index),
        E::MapIterationAborted { frame, name, index } => iteration(wire, 33, *frame, name, *index),
        E::BranchStarted {
            frame,
            child,
            scope,
            index,
            input,
        } => wire.message(34, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, child.0);
            wire.uint(3, scope.0);
            wire.uint(4, *index);
            wire.uint(5, input.id.0);
        }),
        E::BranchSucceeded {
            frame,
            child,
            index,
            output,
        } => wire.message(35, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, child.0);
            wire.uint(3, *index);
            wire.uint(4, output.id.0);
        }),
        E::WaitScheduled { frame, until } => wire.message(36, |wire| {
            wire.uint(1, frame.0);
            wire.int(2, until.0);
        }),
        E::RetryScheduled {
            frame,
            retrier,
            until,
        } => wire.message(37, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, *retrier);
            wire.int(3, until.0);
        }),
        E::ActivityReoffered { frame } => frame_only(wire, 38, *frame),
        E::ActivityRestarted { frame, worker } => started(wire, 39, *frame, worker),
        E::StartOffered {
            frame,
            activity,
            input,
            heartbeat_seconds,
        } => wire.message(60, |wire| {
            wire.uint(1, frame.0);
            wire.string(2, activity);
            wire.uint(3, input.id.0);
            wire.optional_uint(4, *heartbeat_seconds);
        }),
        E::HandleGiven { frame, handle } => wire.message(61, |wire| {
            wire.uint(1, frame.0);
            wire.string(2, &handle.text);
            wire.string(3, &handle.place);
        }),
        E::ProgressRecorded { frame, details, at } => wire.message(50, |wire| {
            wire.uint(1, frame.0);
            wire.string(2, details);
            wire.int(3, at.0);
        }),
        E::BranchFailed { frame, child } => wire.message(40, |wire| {
            wire.uint(1, frame.0);
            wire.uint(2, child.0);
        }),
        E::EvaluationFailed {
            frame,
            name,
            location,
            failure,
        } => wire.message(41, |wire| {
            wire.uint(1, frame.0);
            wire.string(2, name);
            wire.string(3, location);
            wire.message(4, |wire| put_failure(wire, failure));
        }),
    }
}

fn frame_only<O: Out>(wire: &mut Wire<'_, O>, tag: u32, frame: FrameId) {
    wire.message(tag, |wire| wire.uint(1, frame.0));
}

fn frame_failure<O: Out>(wire: &mut Wire<'_, O>, tag: u32, frame: FrameId, failure: &Failure) {
    wire.message(tag, |wire| {
        wire.uint(1, frame.0);
        wire.message(2, |wire| put_failure(wire, failure));
    });
}

fn started<O: Out>(wire: &mut Wire<'_, O>, tag: u32, frame: FrameId, worker: &Worker) {
    wire.message(tag, |wire| {
        wire.uint(1, frame.0);
        wire.message(2, |wire| put_worker(wire, worker));
    });
}

fn task_failure<O: Out>(
    wire: &mut Wire<'_, O>,
    tag: u32,
    frame: FrameId,
    resource: &TaskResource,
    failure: &Failure,
) {
    wire.message(tag, |wire| {
        wire.uint(1, frame.0);
        wire.message(2, |wire| put_resource(wire, resource));
        wire.message(3, |wire| put_failure(wire, failure));
    });
}

fn task_output<O: Out>(
    wire: &mut Wire<'_, O>,
    tag: u32,
    frame: FrameId,
    resource: &TaskResource,
    output: &Data,
) {
    wire.message(tag, |wire| {
        wire.uint(1, frame.0);
        wire.message(2, |wire| put_resource(wire, resource));
        wire.uint(3, output.id.0);
    });
}

fn iteration<O: Out>(wire: &mut Wire<'_, O>, tag: u32, frame: FrameId, name: &str, index: u32) {
    wire.message(tag, |wire| {
        wire.uint(1, frame.0);
        wire.string(2, name);
        wire.uint(3, index);
    });
}
