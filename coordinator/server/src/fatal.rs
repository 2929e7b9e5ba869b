//! The end of a process that must not go on: something said why, everything drains, `main` fails with the reason.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Shared by everything that may find that going on is unsafe. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fatal {
    /// Cancelled when the process must end, for whatever reason.
    pub stop: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
}

impl Fatal {
    /// Ends the process with this reason; the first one counts.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(reason, "stopping");
        let mut first = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(reason);
        self.stop.cancel();
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Ends the process when it is dropped by anything but a regular end.
#[derive(Debug)]
pub(crate) struct Watched {
    pub fatal: Fatal,
    pub name: &'static str,
    /// Cancelled before a regular end.
    pub ends: CancellationToken,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ends.is_cancelled() {
            self.fatal
                .fail(format!("the {} ended unexpectedly", self.name));
        }
    }
}
