//! Executions that run again: how a closed one comes back into memory, into the indexes of live ones, and out of the
//! lists in which it stood. The engine knows what goes on; whether there still is a state machine is known here.

use std::sync::Arc;

use stepfleet_engine::event::EventBody;
use stepfleet_engine::{Event, Execution, Input, NotRedrivable, Timestamp, redrivable};
use stepfleet_store::Row;
use stepfleet_store::records::listing::Summary;

use super::desk::{Desk, StepError};
use super::handle::broken;
use super::host::Host;
use super::load::missing;
use super::message::{Message, Redrive};
use super::resident::{Resident, Slot as Place};
use super::rows;
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// Why an execution cannot be redriven at `now`; none when it can.
pub(crate) fn obstacle(
    shared: &Shared,
    execution: &Execution,
    now: Timestamp,
) -> Option<NotRedrivable> {
    if let Err(obstacle) = redrivable(execution, now, &shared.limits) {
        return Some(obstacle);
    }
    let machine = shared.catalog.machine_of(&execution.header);
    machine.is_none().then_some(NotRedrivable::Deleting)
}

/// What a request gets that changes nothing: the answer to it from before, or a refusal. None when it redrives.
pub(crate) fn answered(
    shared: &Shared,
    execution: &Execution,
    client_token: Option<&str>,
    now: Timestamp,
) -> Option<Result<Timestamp, ApiError>> {
    if let Some(at) = client_token.and_then(|token| execution.redriven_by(token, now)) {
        return Some(Ok(at));
    }
    let obstacle = obstacle(shared, execution, now)?;
    let code = ErrorCode::ExecutionNotRedrivable;
    Some(Err(ApiError::new(code, obstacle.to_string())))
}

impl Host {
    pub(super) fn redrive(&mut self, request: Box<Redrive>) {
        let id = request.execution;
        let resident = match self.slots.get_mut(&id) {
            Some(Place::Resident(resident)) => resident,
            Some(Place::Loading(waiting)) => return waiting.push(Message::Redrive(request)),
            None => return self.load(id, Message::Redrive(request)),
        };
        if let Some(waiting) = &mut resident.aside {
            return waiting.push(Message::Redrive(request));
        }
        let Redrive {
            incarnation,
            client_token,
            answer,
            ..
        } = *request;
        let result = if incarnation == resident.execution.header.incarnation {
            self.desk.redrive(resident, client_token)
        } else {
            Err(missing())
        };
        let changed_in = resident.changed_in;
        self.notify_watchers(id);
        self.answer_after(changed_in, answer, result);
    }

    /// It is in the state store alone, and comes back if it can be redriven.
    pub(super) fn redrive_stored(&mut self, execution: &Execution, request: Box<Redrive>) {
        let header = &execution.header;
        if request.incarnation != header.incarnation {
            return drop(request.answer.send(Err(missing())));
        }
        let (shared, token) = (&self.desk.shared, request.client_token.as_deref());
        if let Some(answer) = answered(shared, execution, token, self.desk.now()) {
            return drop(request.answer.send(answer));
        }
        let machine = self.desk.machines.number(&header.machine_arn);
        let revision = request.revision.clone();
        let mut resident = Box::new(Resident::new(execution.clone(), revision, machine));
        resident.written = resident.changes();
        self.desk.account(&mut resident);
        self.keep(resident);
        self.redrive(request);
    }
}

impl Desk {
    fn redrive(
        &mut self,
        resident: &mut Resident,
        client_token: Option<Arc<str>>,
    ) -> Result<Timestamp, ApiError> {
        let (execution, token) = (&resident.execution, client_token.as_deref());
        if let Some(answer) = answered(&self.shared, execution, token, self.now()) {
            return answer;
        }
        let closed_at = execution.closed_at.unwrap_or(self.now());
        // A redrive evaluates nothing, so that it is never interrupted.
        let decision = match self.decide(resident, Input::Redrive { client_token }) {
            Ok(decision) => decision,
            Err(StepError::Rejected(_) | StepError::Broken | StepError::Interrupted) => {
                return Err(broken());
            }
        };
        let (machine, id) = (resident.machine, resident.id());
        self.closing.remove(&(machine, closed_at, id));
        let left = left(&resident.execution, &decision.events);
        self.enter((machine, decision.execution.runs_since(), id));
        self.shared.metrics.redriven();
        self.adopt(resident, decision);
        self.reopening.insert(id, resident.changes());
        // At once: until then it stands in lists as closed, and readers of them must be told of it.
        let mut rows = rows::live(resident);
        rows.extend(left);
        self.write_rows(resident, rows);
        Ok(self.now())
    }
}

/// Rows that take an execution out of the lists of closed ones, which these events of it leave.
pub(super) fn left(execution: &Execution, events: &[Event]) -> Vec<Row> {
    let left = events.iter().filter_map(|event| {
        let EventBody::ExecutionRedriven {
            status, closed_at, ..
        } = event.body
        else {
            return None;
        };
        Some(Summary::of_closed(execution, status, closed_at).delete())
    });
    left.flatten().collect()
}
