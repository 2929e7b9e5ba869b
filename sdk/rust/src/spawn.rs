//! The one place where this crate starts a task outside the worker's own set of handlers.

use std::future::Future;

use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, Span};

/// Runs a future on the runtime's threads; dropping the handle ends it.
#[expect(
    clippy::disallowed_methods,
    reason = "the helper that the rule asks for"
)]
pub(crate) fn spawn<F>(span: Span, future: F) -> AbortOnDropHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    AbortOnDropHandle::new(tokio::spawn(future.instrument(span)))
}
