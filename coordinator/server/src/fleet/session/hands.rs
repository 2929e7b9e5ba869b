//! What a worker has in its hands: tasks come with a push, and leave with their result, a cancellation, or the worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_engine::execution::Header;
use stepfleet_engine::{EventId, ExecutionId, TaskRef, Timestamp};
use stepfleet_proto::v1::Push;

use super::{Inner, Session};

/// Slots that are free because a task left the worker's hands: their activities.
#[derive(Clone, Debug)]
pub(crate) struct Freed {
    pub activities: Vec<u32>,
    pub epoch: u64,
}

/// A task in a worker's hands. Push number 0 was handed over before a restart.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) task: TaskRef,
    activity: u32,
    push: u64,
    /// Of the task's execution.
    header: Arc<Header>,
    since: Timestamp,
    progress: Option<Said>,
}

/// What a worker said of a task's progress, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub details: Arc<str>,
    pub at: Timestamp,
}

/// A task in a worker's hands, for whoever decides about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldTask {
    pub task: TaskRef,
    pub activity: u32,
    /// The worker has said that it has it.
    pub received: bool,
}

/// A task in a worker's hands, for people.
#[derive(Clone, Debug)]
pub(crate) struct InHand {
    pub activity: u32,
    pub header: Arc<Header>,
    pub since: Timestamp,
    /// In this attempt.
    pub progress: Option<Said>,
}

pub(super) type HeldKey = (ExecutionId, EventId, u32, u32);

impl Held {
    fn told(&self, received: u64) -> HeldTask {
        HeldTask {
            task: self.task,
            activity: self.activity,
            received: self.push <= received,
        }
    }
}

impl Session {
    /// Hands a started task over: it is held from now on and leaves with the next message.
    pub(crate) fn push(&self, task: TaskRef, in_hand: InHand, mut push: Push) {
        let InHand {
            activity,
            header,
            since,
            progress,
        } = in_hand;
        let mut inner = self.lock();
        inner.pushed += 1;
        push.number = inner.pushed;
        push.activity = activity;
        let held = Held {
            task,
            activity,
            push: inner.pushed,
            header,
            since,
            progress,
        };
        inner.credits.hold(activity);
        inner.held.insert(key(&task), held);
        inner.outgoing.pushes.push(push);
    }

    /// Takes a task out of the worker's hands; answers the slots that are free then, when it was there.
    pub(crate) fn release(&self, task: &TaskRef) -> Option<Freed> {
        let mut inner = self.lock();
        let held = inner.held.remove(&key(task));
        self.freed(&mut inner, held)
    }

    fn freed(&self, inner: &mut Inner, held: Option<Held>) -> Option<Freed> {
        let activities = inner.credits.release(held?.activity);
        let epoch = self.epoch();
        Some(Freed { activities, epoch })
    }

    /// Notes that the worker holds a task from before a restart.
    pub(crate) fn adopt(&self, task: TaskRef, in_hand: InHand) {
        let mut inner = self.lock();
        inner.credits.adopt(in_hand.activity);
        inner.held.insert(
            key(&task),
            Held {
                task,
                activity: in_hand.activity,
                push: 0,
                header: in_hand.header,
                since: in_hand.since,
                progress: in_hand.progress,
            },
        );
    }

    /// Shows what the worker said of a task that it has in hand.
    pub(crate) fn progress(&self, task: &TaskRef, details: &Arc<str>, at: Timestamp) {
        if let Some(held) = self.lock().held.get_mut(&key(task)) {
            let details = details.clone();
            held.progress = Some(Said { details, at });
        }
    }

    /// Tells the worker that an attempt is over; answers the slot that is free then.
    pub(crate) fn cancel(&self, task: &TaskRef, token: String) -> Option<Freed> {
        let mut inner = self.lock();
        inner.outgoing.cancelled.push(token);
        let held = inner.held.remove(&key(task));
        self.freed(&mut inner, held)
    }

    /// Takes everything out of the worker's hands.
    pub(crate) fn abandon(&self) -> Vec<HeldTask> {
        let mut inner = self.lock();
        let received = inner.received;
        let held = std::mem::take(&mut inner.held).into_values();
        inner.credits.abandon();
        held.map(|held| held.told(received)).collect()
    }

    /// Takes the tasks of some activities out of the hands of a worker that is away since the end of this connection;
    /// none when it is back.
    pub(crate) fn take_away(&self, connection: u64, activities: &[u32]) -> Vec<TaskRef> {
        let mut inner = self.lock();
        if !self.is_current(connection) || self.is_open() {
            return Vec::new();
        }
        let of_these = inner
            .held
            .extract_if(.., |_, held| activities.contains(&held.activity));
        let of_these: Vec<Held> = of_these.map(|(_, held)| held).collect();
        for held in &of_these {
            // Its slots are offered when the worker is back.
            inner.credits.release(held.activity);
        }
        of_these.into_iter().map(|held| held.task).collect()
    }

    pub(crate) fn held_tasks(&self) -> Vec<HeldTask> {
        let inner = self.lock();
        let held = inner.held.values();
        held.map(|held| held.told(inner.received)).collect()
    }

    pub(crate) fn holds(&self, task: &TaskRef) -> bool {
        self.lock().held.contains_key(&key(task))
    }

    /// What the worker has in hand, longest first.
    pub(crate) fn in_hand(&self, limit: usize) -> Vec<InHand> {
        let mut tasks: Vec<InHand> = {
            let inner = self.lock();
            let tasks = inner.held.values().map(|held| InHand {
                activity: held.activity,
                header: held.header.clone(),
                since: held.since,
                progress: held.progress.clone(),
            });
            tasks.collect()
        };
        tasks.sort_by_key(|task| task.since);
        tasks.truncate(limit);
        tasks
    }

    /// Tasks held per activity index.
    pub(crate) fn held_by_activity(&self) -> BTreeMap<u32, u32> {
        let mut counts = BTreeMap::new();
        for held in self.lock().held.values() {
            *counts.entry(held.activity).or_insert(0) += 1;
        }
        counts
    }
}

fn key(task: &TaskRef) -> HeldKey {
    (
        task.execution,
        task.attempt.entry,
        task.attempt.attempt,
        task.attempt.generation,
    )
}
