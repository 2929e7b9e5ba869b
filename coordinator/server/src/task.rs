//! Spawning, in one place: every task has a name and is counted, so that shutdown can join what is left.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// Runs a future as a task of this name.
pub(crate) fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "this is the named helper")]
    tokio::spawn(future.instrument(tracing::debug_span!("task", name)))
}

/// Runs a blocking function on the pool for them.
pub(crate) fn blocking<F, T>(name: &'static str, function: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(move || tracing::debug_span!("blocking", name).in_scope(function))
}
