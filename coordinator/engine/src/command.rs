//! What the shell must do. Every command can be derived again from the execution (`outstanding`), so restart and
//! failover need no outbox, and each may be carried out twice.

use std::sync::Arc;

use crate::event::{Data, TaskResource};
use crate::execution::{Execution, Frame, TaskStage};
use crate::ids::{Attempt, Timestamp};

/// One duty of the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Queue this activity task, or the start of an integration's task, for a worker.
    Offer {
        activity: Arc<str>,
        attempt: Attempt,
        input: Data,
        scheduled_at: Timestamp,
        heartbeat_seconds: Option<u32>,
    },
    /// Call an integration.
    StartTask {
        resource: TaskResource,
        attempt: Attempt,
        parameters: Data,
    },
    /// The attempt is over without its worker's doing: tell the worker, take it out of the queue.
    Cancel { attempt: Attempt },
    /// Feed `Input::Continue`.
    Continue,
    /// The execution closed.
    Closed,
}

/// Every command that this execution still needs, in the order of its frames. Empty only when it waits for time, for
/// a worker that has started, or for an answer to a submitted task.
pub fn outstanding(execution: &Execution) -> Vec<Command> {
    if !execution.is_running() {
        return vec![Command::Closed];
    }
    let mut commands: Vec<Command> = execution.frames.iter().filter_map(frame_command).collect();
    if execution.frames.iter().any(Frame::is_ready) {
        commands.push(Command::Continue);
    }
    commands
}

/// When to feed `Input::Tick` next; none when only an answer can move the execution on. It may lie in the past.
pub fn next_deadline(execution: &Execution) -> Option<Timestamp> {
    execution
        .frames
        .iter()
        .filter_map(Frame::due)
        .chain(execution.frames.iter().filter_map(Frame::progress_due))
        .chain(execution.deadline)
        .min()
}

/// The command that the work of one frame still needs.
pub(crate) fn frame_command(frame: &Frame) -> Option<Command> {
    let stay = frame.stay()?;
    let attempt = stay.open_attempt()?;
    if let Some((attempt, work)) = stay.offered() {
        return work.started_at.is_none().then(|| Command::Offer {
            activity: work.activity.clone(),
            attempt,
            input: work.input.clone(),
            scheduled_at: work.scheduled_at,
            heartbeat_seconds: work.heartbeat_seconds,
        });
    }
    let work = stay.work.task()?;
    (work.stage != TaskStage::Submitted).then(|| Command::StartTask {
        resource: work.resource.clone(),
        attempt,
        parameters: work.parameters.clone(),
    })
}
