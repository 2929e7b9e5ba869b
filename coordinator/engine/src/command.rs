//! What the shell must do. Every command can be derived again from the execution (`outstanding`), so restart and
//! failover need no outbox, and each may be carried out twice.

use std::sync::Arc;

use crate::event::{Data, TaskResource};
use crate::execution::Execution;
use crate::ids::{Attempt, Timestamp};

/// One duty of the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Queue this activity task for a worker.
    Offer { activity: Arc<str>, attempt: Attempt, input: Data, scheduled_at: Timestamp, heartbeat_seconds: Option<u32> },
    /// Call an integration.
    StartTask { resource: TaskResource, attempt: Attempt, parameters: Data },
    /// The attempt is over without its worker's doing: tell the worker, take it out of the queue.
    Cancel { attempt: Attempt },
    /// Feed `Input::Continue`.
    Continue,
    /// The execution closed.
    Closed,
}
