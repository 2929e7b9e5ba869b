//! The slots of a session, as queues use them: everything happens under the session's lock, so that a task that comes or
//! leaves at this moment is counted once.

use std::sync::atomic::Ordering;

use stepfleet_engine::Timestamp;

use super::credits::{Reserved, Resized, Unparked};
use super::session::{Free, Session};

/// What a change of slots asks of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// So many more are free.
    More(u32),
    /// All begin anew.
    Anew,
}

impl Session {
    /// Slots of an earlier one are void.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Begins an epoch: the room that is left for each activity now, and no slot of before.
    pub(crate) fn open_slots(&self) -> Free {
        let mut inner = self.lock();
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        let slots = inner.credits.begin();
        Free { epoch, slots }
    }

    /// Takes a free slot of this epoch for a task.
    pub(crate) fn reserve(&self, activity: u32, epoch: u64, now: Timestamp) -> Reserved {
        let mut inner = self.lock();
        if !self.takes_tasks(epoch) {
            return Reserved::Void;
        }
        inner.credits.reserve(activity, now)
    }

    /// No task came of a reservation; the epoch of the slot, if it is free again.
    pub(crate) fn give_back(&self, activity: u32) -> Option<u64> {
        let mut inner = self.lock();
        inner.credits.give_back(activity).then(|| self.epoch())
    }

    /// Slots that a queue may use, of this epoch.
    pub(crate) fn free_slots(&self, activity: u32, epoch: u64) -> u32 {
        let inner = self.lock();
        if self.takes_tasks(epoch) {
            inner.credits.open(activity)
        } else {
            0
        }
    }

    /// The worker takes so many tasks of this activity from now on.
    pub(crate) fn resize(&self, activity: u32, slots: u32) -> Change {
        match self.lock().credits.resize(activity, slots) {
            Resized::Same => Change::None,
            Resized::More(count) => Change::More(count),
            Resized::Fewer => Change::Anew,
        }
    }

    /// What the activity's rate lets go now.
    pub(crate) fn unpark(&self, activity: u32, now: Timestamp) -> Unparked {
        self.lock().credits.unpark(activity, now)
    }

    /// Tasks of this activity at once.
    pub(crate) fn slots(&self, activity: u32) -> u32 {
        self.lock().credits.slots(activity)
    }

    /// Tasks of this activity that may start in 1000 seconds.
    pub(crate) fn rate_per_1000_s(&self, activity: u32) -> Option<u64> {
        self.lock().credits.rate_per_1000_s(activity)
    }

    /// Tasks at once over all activities.
    pub(crate) fn tasks_max(&self) -> Option<u32> {
        self.lock().credits.tasks_max()
    }
}
