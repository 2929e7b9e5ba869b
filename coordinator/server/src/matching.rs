//! Brings offered activity tasks and free worker slots together. In memory and derived: offers come from the
//! partitions' executions, slots from connections. A slot is reserved synchronously, so that a decision and the start
//! that follows it are one record; and never past an older task of the same activity.

mod backlog;
mod gate;
mod idle;
pub(crate) mod placement;
pub(crate) mod queue;
mod run;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use stepfleet_engine::{Attempt, EventId, ExecutionId, KeyHash, TaskRef, Timestamp, Worker};
use tokio::sync::oneshot;

use crate::fleet::Session;
use crate::fleet::session::Labels;
use backlog::key;
use placement::{Placement, no_labels};
use queue::Pace;

pub(crate) use queue::{Pairs, Queue};
pub(crate) use run::pace;

/// Unary polls that one activity may hold open at once when nothing else is set, as on AWS.
#[cfg(test)]
pub(crate) const POLLERS_PER_ACTIVITY_MAX: usize = 1000;

/// An attempt of a task as it is offered.
type TaskKey = (ExecutionId, EventId, u32, u32);

/// An activity task that waits for a worker. Its input stays with the execution.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub hash: KeyHash,
    pub execution: ExecutionId,
    pub attempt: Attempt,
    pub scheduled_at: Timestamp,
    /// ARN of its state machine.
    pub machine: Arc<str>,
    pub placement: Placement,
}

impl Offer {
    fn key(&self) -> TaskKey {
        key(self.execution, self.attempt)
    }

    fn requires(&self) -> &Arc<Labels> {
        &self.placement.requires
    }

    fn priority(&self) -> u8 {
        self.placement.priority
    }
}

/// What a unary poller is handed.
#[derive(Debug)]
pub(crate) struct PolledTask {
    pub task: TaskRef,
    pub token: String,
    pub input: String,
    /// Empty without.
    pub last_progress: String,
}

/// Room for one task at a worker.
#[derive(Debug)]
pub(crate) enum Slot {
    /// One credit of a session, valid while the session's epoch lasts.
    Session {
        session: Arc<Session>,
        activity: u32,
        epoch: u64,
    },
    /// A waiting `GetActivityTask`.
    Poller {
        activity: Arc<str>,
        worker: Option<Arc<str>>,
        answer: oneshot::Sender<PolledTask>,
    },
}

impl Slot {
    fn is_valid(&self) -> bool {
        match self {
            Self::Session { session, epoch, .. } => session.takes_tasks(*epoch),
            Self::Poller { answer, .. } => !answer.is_closed(),
        }
    }

    fn is_poller(&self) -> bool {
        matches!(self, Self::Poller { .. })
    }

    /// Of the worker; a poller has none.
    fn labels(&self) -> Arc<Labels> {
        match self {
            Self::Session { session, .. } => session.about.labels.clone(),
            Self::Poller { .. } => no_labels(),
        }
    }

    /// Who will hold the task, for history and for reconnections.
    pub(crate) fn worker(&self) -> Worker {
        match self {
            Self::Session { session, .. } => Worker {
                name: Some(session.about.name.clone()),
                session: Some(session.id),
            },
            Self::Poller { worker, .. } => Worker {
                name: worker.clone(),
                session: None,
            },
        }
    }
}

/// All queues, by activity ARN.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    queues: RwLock<BTreeMap<Arc<str>, Arc<Queue>>>,
    pace: Arc<Pace>,
}

impl Matching {
    /// The queue of an activity, made on first use.
    pub(crate) fn queue(&self, activity: &str) -> Arc<Queue> {
        if let Some(queue) = self
            .queues
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(activity)
        {
            return queue.clone();
        }
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let arn: Arc<str> = Arc::from(activity);
        let new = || Arc::new(Queue::new(arn.clone(), self.pace.clone()));
        queues.entry(arn.clone()).or_insert_with(new).clone()
    }

    /// The queue of an activity, if there is one.
    pub(crate) fn known(&self, activity: &str) -> Option<Arc<Queue>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.get(activity).cloned()
    }

    /// Every queue, by activity ARN.
    pub(crate) fn queues(&self) -> Vec<(Arc<str>, Arc<Queue>)> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let pairs = queues
            .iter()
            .map(|(arn, queue)| (arn.clone(), queue.clone()));
        pairs.collect()
    }

    /// Forgets the queue of a deleted activity, unless tasks still wait in it or workers would serve it if it came
    /// back.
    pub(crate) fn forget(&self, activity: &str) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let unused = queues
            .get(activity)
            .is_some_and(|queue| queue.depth() == 0 && Arc::strong_count(queue) == 1);
        if unused {
            queues.remove(activity);
        }
    }

    /// Tasks that wait for a worker, by activity.
    pub(crate) fn depths(&self) -> Vec<(Arc<str>, u64)> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues
            .iter()
            .map(|(arn, queue)| (arn.clone(), queue.depth()))
            .collect()
    }
}

#[cfg(test)]
mod tests;
