//! How long tasks took, told from the events of one decision and the execution before and after it.

use std::sync::Arc;

use stepfleet_engine::execution::{ActivityWork, Execution, Frame, Work};
use stepfleet_engine::{Event, EventBody, FrameId, SessionId, Timestamp};

use super::machines::{ActivityMeters, between};
use super::recent::{Happened, Recent};
use super::{Metrics, ResourceLabels, resource_label};
use crate::partition::tasks::activity_of;

/// The activity that was met last, and the worker: a host mostly meets the same few one after another.
#[derive(Debug, Default)]
pub(crate) struct LastActivity(Option<(Arc<str>, ActivityMeters)>, Option<LastBuild>);

#[derive(Debug)]
struct LastBuild {
    activity: Arc<str>,
    session: SessionId,
    /// None of a worker that does not tell its build.
    recent: Option<Arc<Recent>>,
}

/// Finds the build of a session's worker.
pub(crate) type BuildOf<'a> = dyn Fn(SessionId) -> Option<Arc<str>> + 'a;

impl Metrics {
    /// Times of the tasks that these events start and end.
    pub(crate) fn timed(
        &self,
        last: &mut LastActivity,
        at: Timestamp,
        events: &[Event],
        (before, after): (Option<&Execution>, &Execution),
        build_of: &BuildOf<'_>,
    ) {
        for event in events {
            if let EventBody::ActivityStarted { frame, .. } = &event.body
                && let Some(work) = activity(after, *frame)
            {
                let meters = self.meters(last, &work.activity);
                meters
                    .schedule_seconds
                    .observe(between(work.scheduled_at, at));
                let waited = at.0.saturating_sub(work.scheduled_at.0);
                meters.recent.count(at, Happened::Started(waited));
                if let Some(build) = self.build(last, work, build_of) {
                    build.count(at, Happened::Started(waited));
                }
            } else if let Some(frame) = activity_ended(&event.body)
                && let Some(work) = before.and_then(|before| activity(before, frame))
            {
                let meters = self.meters(last, &work.activity);
                meters.recent.count(at, ended(&event.body));
                meters.seconds.observe(between(work.scheduled_at, at));
                if let Some(started_at) = work.started_at {
                    meters.run_seconds.observe(between(started_at, at));
                    let took = Happened::Ran(at.0.saturating_sub(started_at.0));
                    meters.recent.count(at, took);
                    if let Some(build) = self.build(last, work, build_of) {
                        build.count(at, ended(&event.body));
                        build.count(at, took);
                    }
                }
                let missed = work.heartbeat_deadline.is_some_and(|due| due <= at)
                    && work.deadline.is_none_or(|due| due > at);
                if missed && matches!(event.body, EventBody::ActivityTimedOut { .. }) {
                    self.inner.machines.activity_heartbeats_missed.inc();
                }
            } else if let Some(frame) = task_ended(&event.body) {
                self.integration_timed(frame, at, before);
            }
        }
    }

    fn integration_timed(&self, frame: FrameId, at: Timestamp, before: Option<&Execution>) {
        let frame = before.and_then(|before| before.frame(frame));
        let Some(Work::Task(work)) = frame.and_then(Frame::stay).map(|stay| &stay.work) else {
            return;
        };
        // One that began under an older release does not tell when.
        let Some(scheduled_at) = work.scheduled_at else {
            return;
        };
        let resource = resource_label(&work.resource);
        let (machines, labels) = (&self.inner.machines, ResourceLabels { resource });
        let took = between(scheduled_at, at);
        // An integration begins with a task when it is scheduled.
        for (family, seconds) in [
            (&machines.integration_schedule_seconds, 0.0),
            (&machines.integration_run_seconds, took),
            (&machines.integration_seconds, took),
        ] {
            family.get_or_create(&labels).observe(seconds);
        }
    }

    /// What is counted of the worker's build.
    fn build(
        &self,
        last: &mut LastActivity,
        work: &ActivityWork,
        build_of: &BuildOf<'_>,
    ) -> Option<Arc<Recent>> {
        let session = work.worker.session?;
        let is_same = |it: &LastBuild| it.session == session && it.activity == work.activity;
        if !last.1.as_ref().is_some_and(is_same) {
            let build = build_of(session).filter(|build| !build.is_empty());
            let recent = build.and_then(|build| self.inner.machines.build(&work.activity, &build));
            last.1 = Some(LastBuild {
                activity: work.activity.clone(),
                session,
                recent,
            });
        }
        last.1.as_ref()?.recent.clone()
    }

    fn meters<'a>(&self, last: &'a mut LastActivity, activity: &Arc<str>) -> &'a ActivityMeters {
        let known = |(known, _): &(Arc<str>, _)| Arc::ptr_eq(known, activity) || known == activity;
        if !last.0.as_ref().is_some_and(known) {
            last.0 = None;
        }
        let (_, meters) = last
            .0
            .get_or_insert_with(|| (activity.clone(), self.inner.machines.activity(activity)));
        meters
    }
}

fn activity(execution: &Execution, frame: FrameId) -> Option<&ActivityWork> {
    activity_of(execution.frame(frame)?.stay()?)
}

fn activity_ended(body: &EventBody) -> Option<FrameId> {
    if let EventBody::ActivitySucceeded { frame, .. }
    | EventBody::ActivityFailed { frame, .. }
    | EventBody::ActivityTimedOut { frame, .. } = body
    {
        Some(*frame)
    } else {
        None
    }
}

fn ended(body: &EventBody) -> Happened {
    if matches!(body, EventBody::ActivitySucceeded { .. }) {
        Happened::Succeeded
    } else if matches!(body, EventBody::ActivityTimedOut { .. }) {
        Happened::TimedOut
    } else {
        Happened::Failed
    }
}

fn task_ended(body: &EventBody) -> Option<FrameId> {
    if let EventBody::TaskSucceeded { frame, .. }
    | EventBody::TaskFailed { frame, .. }
    | EventBody::TaskTimedOut { frame, .. } = body
    {
        Some(*frame)
    } else {
        None
    }
}
