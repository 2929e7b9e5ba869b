//! Activity tasks on their way into the queues and out of them: what a task asks for, tasks that are withdrawn, tasks that
//! leave their workers' hands.

use std::sync::Arc;

use stepfleet_asl::Payload;
use stepfleet_engine::execution::{Execution, Frame};
use stepfleet_engine::{Attempt, Event, EventBody, ExecutionId, KeyHash, Timestamp};

use super::desk::{Desk, stop_failure, task_ref};
use super::host::Host;
use super::message::{Message, Outcome, TaskReply, TaskReport, Withdraw};
use super::resident::Slot as Place;
use super::tasks;
use crate::matching::Offer;
use crate::matching::placement::{self, Placement};

/// The failure of a task that asks for something that is not understood.
pub(crate) const INVALID_PLACEMENT: &str = "Stepfleet.InvalidPlacement";

/// The offer of a task, or what fails it because it asks for something that is not understood.
pub(super) fn offer(
    execution: &Execution,
    attempt: Attempt,
    scheduled_at: Timestamp,
    input: &Payload,
) -> Result<Offer, Box<Withdraw>> {
    let header = &execution.header;
    let member = placement::member(input.text());
    let id = (header.hash, header.id);
    offer_of(id, &header.machine_arn, attempt, scheduled_at, member)
}

/// The same from what a row remembers.
pub(super) fn offer_of(
    (hash, execution): (KeyHash, ExecutionId),
    machine: &Arc<str>,
    attempt: Attempt,
    scheduled_at: Timestamp,
    member: Option<&str>,
) -> Result<Offer, Box<Withdraw>> {
    match Placement::parse(member) {
        Ok(placement) => Ok(Offer {
            hash,
            execution,
            attempt,
            scheduled_at,
            machine: machine.clone(),
            placement,
        }),
        Err(cause) => Err(Box::new(Withdraw {
            hash,
            execution,
            attempt,
            failure: stop_failure(Some(INVALID_PLACEMENT.to_owned()), Some(cause)),
            answer: None,
        })),
    }
}

impl Host {
    /// A task fails instead of waiting for a worker; one that a worker has goes on.
    pub(super) fn withdraw(&mut self, withdraw: Withdraw) {
        let id = withdraw.execution;
        match self.slots.get_mut(&id) {
            Some(Place::Resident(resident)) => {
                let report = TaskReport::of_integration(
                    task_ref(&resident.execution, withdraw.attempt),
                    Outcome::Withdrawn(withdraw.failure),
                    withdraw.answer.map_or(TaskReply::None, TaskReply::Unary),
                );
                self.task(report);
            }
            Some(Place::Loading(waiting)) => waiting.push(Message::Withdraw(Box::new(withdraw))),
            None => self.load(id, Message::Withdraw(Box::new(withdraw))),
        }
    }
}

impl Desk {
    /// Tasks that these events take out of workers' hands.
    pub(super) fn tasks_left(&self, events: &[Event], before: Option<&Execution>) {
        let Some(before) = before else {
            return;
        };
        for event in events {
            // Of an integration's task, a worker has the start at most.
            if let EventBody::ActivitySucceeded { frame, .. }
            | EventBody::ActivityFailed { frame, .. }
            | EventBody::ActivityTimedOut { frame, .. }
            | EventBody::ActivityReoffered { frame }
            | EventBody::TaskSubmitted { frame, .. }
            | EventBody::TaskSucceeded { frame, .. }
            | EventBody::TaskFailed { frame, .. }
            | EventBody::TaskTimedOut { frame, .. } = &event.body
                && let Some(stay) = before.frame(*frame).and_then(Frame::stay)
                && let Some((attempt, work)) = stay.offered()
                && work.started_at.is_some()
            {
                let id = before.header.id;
                self.shared.task_left(&work.activity, id, attempt);
            }
        }
    }

    /// An execution comes into memory: its tasks that workers have count.
    pub(super) fn found_in_hand(&self, execution: &Execution) {
        for (attempt, work) in tasks::activities(execution) {
            if work.started_at.is_some() {
                let queue = self.shared.matching.queue(&work.activity);
                queue.found_in_hand(execution.header.id, attempt);
            }
        }
    }
}
