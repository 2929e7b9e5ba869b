//! Which attempts an integration is busy with. An attempt that ends otherwise (a timeout, a stop) is found here, so that
//! nobody polls, waits or tries again for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use stepfleet_engine::TaskRef;
use tokio_util::sync::CancellationToken;

type Tokens = Mutex<HashMap<TaskRef, CancellationToken>>;

/// The open attempts of this process.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    tokens: Arc<Tokens>,
}

/// An attempt is open while this lives.
#[derive(Debug)]
pub(crate) struct Open {
    tokens: Arc<Tokens>,
    task: TaskRef,
    over: CancellationToken,
}

impl Calls {
    /// An integration begins with an attempt.
    pub(crate) fn open(&self, task: TaskRef) -> Open {
        let over = CancellationToken::new();
        lock(&self.tokens).insert(task, over.clone());
        Open {
            tokens: self.tokens.clone(),
            task,
            over,
        }
    }

    /// Attempts that are open now.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        lock(&self.tokens).len()
    }

    /// An attempt is over.
    pub(crate) fn end(&self, task: &TaskRef) {
        if let Some(over) = lock(&self.tokens).remove(task) {
            over.cancel();
        }
    }
}

impl Open {
    /// Cancelled when the attempt ends otherwise.
    pub(crate) fn over(&self) -> &CancellationToken {
        &self.over
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.tokens).remove(&self.task);
    }
}

fn lock(tokens: &Tokens) -> std::sync::MutexGuard<'_, HashMap<TaskRef, CancellationToken>> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use stepfleet_engine::{Attempt, EventId, ExecutionId, KeyHash};

    use super::*;

    fn task(entry: u64) -> TaskRef {
        TaskRef {
            hash: KeyHash(1),
            execution: ExecutionId(1),
            incarnation: 1,
            attempt: Attempt {
                entry: EventId(entry),
                attempt: 0,
                generation: 0,
            },
        }
    }

    #[test]
    fn an_attempt_is_over_for_who_is_busy_with_it_alone() {
        let calls = Calls::default();
        let (one, other) = (calls.open(task(1)), calls.open(task(2)));
        calls.end(&task(1));
        calls.end(&task(3));
        let over = [&one, &other].map(|open| open.over().is_cancelled());
        assert_eq!(over, [true, false]);
        drop((one, other));
        assert_eq!(calls.count(), 0);
    }
}
