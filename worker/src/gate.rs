//! How many tasks of an activity are done at once, whichever configuration they came under: while a replaced worker finishes
//! what it has, its successor waits for room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Room for the tasks of one activity.
#[derive(Debug)]
pub(crate) struct Gate {
    room: Mutex<Room>,
    freed: Notify,
}

#[derive(Debug)]
struct Room {
    limit: u32,
    taken: u32,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Gate {
    pub(crate) fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self {
            room: Mutex::new(Room { limit, taken: 0 }),
            freed: Notify::new(),
        })
    }

    /// Those who are in stay in.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.lock().limit = limit;
        self.freed.notify_waiters();
    }

    pub(crate) async fn enter(self: &Arc<Self>) -> Pass {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Before the look, so that nothing is missed after it.
            freed.as_mut().enable();
            if self.take() {
                return Pass(Arc::clone(self));
            }
            freed.await;
        }
    }

    fn take(&self) -> bool {
        let mut room = self.lock();
        let free = room.taken < room.limit;
        room.taken += u32::from(free);
        free
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_gate_lets_so_many_in_and_may_be_changed() {
        let gate = Gate::new(1);
        let first = gate.enter().await;
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none());
        gate.set_limit(2);
        let second = second.await;
        gate.set_limit(1);
        let mut third = Box::pin(gate.enter());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none(), "one is still in");
        drop(second);
        third.await;
    }
}
