//! What events of activity tasks and of integrations' tasks write.

use crate::apply::Moment;
use crate::event::EventBody;
use crate::execution::{ActivityWork, Execution, Stay, TaskStage, TaskWork, Work};
use crate::ids::{Attempt, Timestamp, Worker};

pub(super) fn write_activity(execution: &mut Execution, moment: Moment, body: &EventBody) {
    let Some(frame) = body.frame().and_then(|id| execution.frame_mut(id)) else {
        return;
    };
    if body.is_public() {
        frame.last_event = moment.id;
    }
    let Some(stay) = frame.stay_mut() else { return };
    match (body, &mut stay.work) {
        (
            EventBody::ActivityScheduled {
                activity,
                input,
                timeout_seconds,
                heartbeat_seconds,
                ..
            },
            work,
        ) => {
            *work = Work::Activity(ActivityWork {
                activity: activity.clone(),
                input: input.clone(),
                generation: 0,
                scheduled_at: moment.at,
                started_at: None,
                worker: Worker::default(),
                deadline: after(moment.at, *timeout_seconds),
                heartbeat_seconds: *heartbeat_seconds,
                heartbeat_deadline: None,
            });
        }
        (
            EventBody::ActivityStarted { worker, .. } | EventBody::ActivityRestarted { worker, .. },
            Work::Activity(work),
        ) => {
            work.started_at = Some(moment.at);
            work.worker = worker.clone();
            work.heartbeat_deadline = after(moment.at, work.heartbeat_seconds);
        }
        // The start of an integration's task; `TaskStarted` tells of the first hand-out.
        (EventBody::ActivityRestarted { worker, .. }, Work::Task(work)) => {
            if let Some(start) = &mut work.start {
                start.started_at = Some(moment.at);
                start.worker = worker.clone();
            }
            work.heartbeat_deadline = after(moment.at, work.heartbeat_seconds);
        }
        (EventBody::ActivityReoffered { .. }, Work::Task(work)) => {
            if let Some(start) = &mut work.start {
                start.generation = start.generation.saturating_add(1);
                start.started_at = None;
                start.worker = Worker::default();
            }
            work.heartbeat_deadline = None;
        }
        (EventBody::ActivityReoffered { .. }, Work::Activity(work)) => {
            work.generation = work.generation.saturating_add(1);
            work.started_at = None;
            work.worker = Worker::default();
            work.heartbeat_deadline = None;
        }
        (_, work) => *work = Work::Over,
    }
    forget_progress(stay, body);
}

/// An attempt that succeeded has nothing to go on from, whatever becomes of its result.
fn forget_progress(stay: &mut Stay, body: &EventBody) {
    if matches!(
        body,
        EventBody::ActivitySucceeded { .. } | EventBody::TaskSucceeded { .. }
    ) {
        stay.progress = None;
    }
}

pub(super) fn write_task(execution: &mut Execution, moment: Moment, body: &EventBody) {
    let Some(frame) = body.frame().and_then(|id| execution.frame_mut(id)) else {
        return;
    };
    if body.is_public() {
        frame.last_event = moment.id;
    }
    let Some(stay) = frame.stay_mut() else { return };
    match (body, &mut stay.work) {
        (
            EventBody::TaskScheduled {
                resource,
                parameters,
                timeout_seconds,
                heartbeat_seconds,
                ..
            },
            work,
        ) => {
            *work = Work::Task(TaskWork {
                resource: resource.clone(),
                parameters: parameters.clone(),
                stage: TaskStage::Scheduled,
                scheduled_at: Some(moment.at),
                deadline: after(moment.at, *timeout_seconds),
                heartbeat_seconds: *heartbeat_seconds,
                heartbeat_deadline: None,
                start: None,
                handle: None,
            });
        }
        (
            EventBody::StartOffered {
                activity,
                input,
                heartbeat_seconds,
                ..
            },
            Work::Task(work),
        ) => {
            work.start = Some(Box::new(ActivityWork {
                activity: activity.clone(),
                input: input.clone(),
                generation: Attempt::START,
                scheduled_at: moment.at,
                started_at: None,
                worker: Worker::default(),
                deadline: None,
                heartbeat_seconds: *heartbeat_seconds,
                heartbeat_deadline: None,
            }));
        }
        (EventBody::HandleGiven { handle, .. }, Work::Task(work)) => {
            work.handle = Some(Box::new(handle.clone()));
        }
        (EventBody::TaskStarted { .. }, Work::Task(work)) => {
            work.stage = TaskStage::Started;
            work.heartbeat_deadline = after(moment.at, work.heartbeat_seconds);
        }
        (EventBody::TaskSubmitted { .. }, Work::Task(work)) => {
            work.stage = TaskStage::Submitted;
            work.heartbeat_deadline = after(moment.at, work.heartbeat_seconds);
        }
        (_, work) => *work = Work::Over,
    }
    forget_progress(stay, body);
}

/// `at` plus a number of seconds, when there is one.
pub(crate) fn after(at: Timestamp, seconds: Option<u32>) -> Option<Timestamp> {
    seconds.map(|seconds| at.plus_ms(i64::from(seconds) * 1000))
}
