//! Decisions whose expressions take long are made off the host, so that one endless expression holds up nobody else. The
//! execution is set aside meanwhile: what comes for it waits, in order, and finds it as the decision left it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stepfleet_asl::Patience;
use stepfleet_engine::{Decision, Env, ExecutionId, Timestamp, decide};

use super::desk::{Desk, StepError};
use super::host::Host;
use super::message::{Message, TaskReport};
use super::resident::{Resident, Slot as Place};

/// A decision that was made off the host.
#[derive(Debug)]
pub(crate) struct Decided {
    execution: ExecutionId,
    /// The time that the decision was made for: its events carry it.
    at: Timestamp,
    decision: Result<Decision, StepError>,
}

impl Desk {
    /// Makes the decision about `report`, which was interrupted here, with full patience on the pool for blocking work.
    /// Only so many are made at once; the others wait for their turn there.
    pub(super) fn set_aside(&self, resident: &mut Resident, report: TaskReport) {
        let input = report.input();
        let (program, execution) = (
            resident.revision.program.clone(),
            resident.execution.clone(),
        );
        let (shared, host, at) = (self.shared.clone(), self.host.clone(), self.now());
        resident.aside = Some(vec![Message::Task(report)]);
        crate::task::spawn("evaluate expressions", async move {
            let turn = shared.evaluations.clone().acquire_owned().await;
            crate::task::blocking("evaluate expressions", move || {
                let _turn = turn;
                let env = Env {
                    now: at,
                    entropy: shared.entropy.next_u64(),
                    services: shared.as_ref(),
                    limits: &shared.limits,
                    patience: Patience::Full,
                };
                let attempt = AssertUnwindSafe(|| decide(&program, &execution, &env, input));
                let decision = match catch_unwind(attempt) {
                    Ok(result) => result.map_err(StepError::from),
                    Err(_panic) => Err(StepError::Broken),
                };
                host.send_blocking(Message::Decided(Box::new(Decided {
                    execution: execution.header.id,
                    at,
                    decision,
                })));
            });
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
