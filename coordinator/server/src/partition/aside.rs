//! Decisions whose expressions take long are made off the host, so that one endless expression holds up nobody else. The
//! execution is set aside meanwhile: what comes for it waits, in order, and finds it as the decision left it.

use stepfleet_engine::{Decision, ExecutionId, Timestamp};

use super::desk::{Desk, StepError};
use super::host::Host;
use super::message::{Message, TaskReport};
use super::resident::{Resident, Slot as Place};
use crate::auth::Permit;
use crate::evaluation::{Evaluation, Undecided};

/// A decision that was made off the host.
#[derive(Debug)]
pub(crate) struct Decided {
    execution: ExecutionId,
    /// The time that the decision was made for: its events carry it.
    at: Timestamp,
    decision: Result<Decision, StepError>,
}

impl Desk {
    /// Makes the decision about `report`, which was interrupted here, with full patience.
    pub(super) fn set_aside(&self, resident: &mut Resident, mut report: TaskReport) {
        // It was judged, and must not be refused once the decision about it is made.
        report.permit = Permit::default();
        let evaluation = Evaluation {
            program: resident.revision.program.clone(),
            execution: resident.execution.clone(),
            limits: self.shared.limits,
            input: report.input(),
            at: self.now(),
        };
        let (shared, host) = (self.shared.clone(), self.host.clone());
        resident.aside = Some(vec![Message::Task(report)]);
        crate::task::spawn("decision off the host", async move {
            let (execution, at) = (evaluation.execution.header.id, evaluation.at);
            let decision = match evaluation.decide(&shared).await {
                Ok(decision) => Ok(decision),
                Err(Undecided::Rejected(rejection)) => Err(StepError::from(rejection)),
                Err(Undecided::Panicked) => Err(StepError::Broken),
                Err(Undecided::GoingDown) => return,
            };
            let decided = Decided {
                execution,
                at,
                decision,
            };
            host.send_admitted(Message::Decided(Box::new(decided)))
                .await;
        });
    }
}

impl Host {
    /// Takes over a decision that was made off the host, then what waited for it.
    pub(super) fn decided(&mut self, decided: Decided) {
        let Decided {
            execution: id,
            at,
            decision,
        } = decided;
        let Some(Place::Resident(resident)) = self.slots.get_mut(&id) else {
            return;
        };
        let Some(messages) = resident.aside.take() else {
            return;
        };
        if decision == Err(StepError::Broken) {
            self.desk.quarantine(resident);
        } else {
            resident.prepared = Some(decision);
        }
        let mut messages = messages.into_iter();
        self.desk.turn_back(at);
        if let Some(first) = messages.next() {
            self.handle(first);
        }
        self.desk.turn();
        for message in messages {
            self.handle(message);
        }
        // Its timer may have come meanwhile, and a decision that was refused sets none.
        if let Some(Place::Resident(resident)) = self.slots.get_mut(&id) {
            let status = resident.execution.status;
            self.desk.reindex(resident, status);
        }
    }
}
