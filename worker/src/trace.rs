//! Where the work on a task stands in its execution's trace.

use stepfleet_sdk::TaskContext;

/// W3C's trace context for what a handler does; none when the execution is not traced.
pub(crate) fn parent(task: &TaskContext) -> Option<String> {
    task.traceparent().map(str::to_owned)
}
