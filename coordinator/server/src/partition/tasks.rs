//! The open tasks of an execution: what its frames have in workers' hands, in queues, or waiting for a token.

use std::sync::Arc;

use stepfleet_asl::resource::Pattern;
use stepfleet_engine::execution::{ActivityWork, Execution, Stay, TaskStage, TaskWork};
use stepfleet_engine::{Attempt, SessionId, Timestamp};

use crate::integrations::pattern;

fn stays(execution: &Execution) -> impl Iterator<Item = &Stay> {
    execution.frames.iter().filter_map(|frame| frame.stay())
}

/// What workers are offered or do of a stay: an activity task, or the start of an integration's task.
pub(crate) fn activity_of(stay: &Stay) -> Option<&ActivityWork> {
    stay.offered().map(|(_, work)| work)
}

/// Activity tasks and starts of integrations' tasks, scheduled or started.
pub(crate) fn activities(execution: &Execution) -> impl Iterator<Item = (Attempt, &ActivityWork)> {
    stays(execution).filter_map(Stay::offered)
}

/// The integration's task of a stay, when workers are to begin it, or do.
pub(crate) fn begins(stay: &Stay) -> Option<&TaskWork> {
    stay.work.task().filter(|_| stay.offered().is_some())
}

/// The integration's task of a stay, when a worker has begun it.
pub(crate) fn begun_by_worker(stay: &Stay) -> Option<(Attempt, &TaskWork)> {
    let work = stay.work.task().filter(|work| work.handle.is_some())?;
    Some((stay.open_attempt()?, work))
}

/// Whether the token of a start is good for the end of what it has begun.
pub(crate) fn is_waited_for(execution: &Execution, start: Attempt) -> bool {
    let mut stays = stays(execution);
    let waits = |stay: &Stay| {
        stay.start_attempt() == Some(start)
            && begun_by_worker(stay)
                .is_some_and(|(_, work)| pattern(&work.resource) == Pattern::RunJob)
    };
    stays.any(waits)
}

/// Tasks that wait for their token, with the stays that they are of.
pub(crate) fn callbacks(
    execution: &Execution,
) -> impl Iterator<Item = (Attempt, &Stay, &TaskWork)> {
    submitted_as(execution, Pattern::Callback)
}

/// `.sync` tasks that an integration has begun and waits for.
pub(crate) fn submitted(execution: &Execution) -> impl Iterator<Item = (Attempt, &TaskWork)> {
    submitted_as(execution, Pattern::RunJob).map(|(attempt, _, work)| (attempt, work))
}

/// Open tasks of integrations.
pub(crate) fn integrations(execution: &Execution) -> impl Iterator<Item = (Attempt, &TaskWork)> {
    open(execution).map(|(attempt, _, work)| (attempt, work))
}

/// The stay of an open integration task, by its attempt.
pub(crate) fn open_stay(execution: &Execution, wanted: Attempt) -> Option<&Stay> {
    open(execution)
        .find(|(attempt, _, _)| *attempt == wanted)
        .map(|(_, stay, _)| stay)
}

fn submitted_as(
    execution: &Execution,
    wanted: Pattern,
) -> impl Iterator<Item = (Attempt, &Stay, &TaskWork)> {
    open(execution).filter(move |(_, _, work)| {
        work.stage == TaskStage::Submitted && pattern(&work.resource) == wanted
    })
}

fn open(execution: &Execution) -> impl Iterator<Item = (Attempt, &Stay, &TaskWork)> {
    stays(execution).filter_map(|stay| Some((stay.open_attempt()?, stay, stay.work.task()?)))
}

/// Since when the oldest open callback waits.
pub(crate) fn callback_since(execution: &Execution) -> Option<Timestamp> {
    callbacks(execution)
        .map(|(_, stay, _)| stay.entered_at)
        .min()
}

fn started(execution: &Execution) -> impl Iterator<Item = (Attempt, &ActivityWork)> {
    activities(execution).filter(|(_, work)| work.started_at.is_some())
}

/// Started attempts that were pushed to a session.
pub(crate) fn held(execution: &Execution) -> impl Iterator<Item = (SessionId, Attempt)> {
    started(execution).filter_map(|(attempt, work)| Some((work.worker.session?, attempt)))
}

/// The session that an attempt was pushed to.
pub(crate) fn holder(execution: &Execution, wanted: Attempt) -> Option<SessionId> {
    held(execution)
        .find(|(_, attempt)| *attempt == wanted)
        .map(|(session, _)| session)
}

pub(crate) fn is_held_by_session(execution: &Execution) -> bool {
    held(execution).next().is_some()
}

/// The activity of an attempt that is in a worker's hands.
pub(crate) fn live_activity(execution: &Execution, wanted: Attempt) -> Option<Arc<str>> {
    started(execution)
        .find(|(attempt, _)| *attempt == wanted)
        .map(|(_, work)| work.activity.clone())
}

/// Whether a heartbeat window runs: it lives in memory only.
pub(crate) fn has_heartbeat(execution: &Execution) -> bool {
    stays(execution).any(|stay| {
        let of_activity = stay.work.activity().and_then(|it| it.heartbeat_deadline);
        let of_task = || stay.work.task().and_then(|it| it.heartbeat_deadline);
        of_activity.or_else(of_task).is_some()
    })
}
