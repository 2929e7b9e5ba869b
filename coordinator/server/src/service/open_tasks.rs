//! What a running execution waits for that somebody works on: its open tasks, with what their workers said of them.

use stepfleet_engine::Execution;
use stepfleet_engine::execution::{Frame, Stay, Work};

use super::api::{OpenTask, OpenTasks};
use crate::fleet::session::Said;

/// Tasks that are told in full.
const SHOWN_MAX: usize = 100;

/// The tasks of an execution that are scheduled and not over.
pub(super) fn open_tasks(execution: &Execution) -> OpenTasks {
    let mut tasks = OpenTasks::default();
    for stay in execution.frames.iter().filter_map(Frame::stay) {
        let Some(task) = open_task(stay) else {
            continue;
        };
        tasks.count += 1;
        if tasks.first.len() < SHOWN_MAX {
            tasks.first.push(task);
        }
    }
    tasks
}

/// What was said of a stay's task last.
pub(super) fn said(stay: &Stay) -> Option<Said> {
    stay.progress.as_ref().map(|progress| Said {
        details: progress.details.clone(),
        at: progress.at,
    })
}

fn open_task(stay: &Stay) -> Option<OpenTask> {
    let (resource, scheduled_at, started_at, worker_name) = match &stay.work {
        Work::Activity(work) => (
            work.activity.to_string(),
            Some(work.scheduled_at),
            work.started_at,
            work.worker.name.clone(),
        ),
        Work::Task(work) => (
            format!("{}:{}", work.resource.service, work.resource.action),
            work.scheduled_at,
            None,
            None,
        ),
        Work::Entered
        | Work::Waiting { .. }
        | Work::Backoff { .. }
        | Work::Parallel(_)
        | Work::Map(_)
        | Work::Over => return None,
    };
    Some(OpenTask {
        state_name: stay.name.to_string(),
        resource,
        attempt: stay.attempt,
        scheduled_at,
        started_at,
        worker_name,
        progress: said(stay),
    })
}
