//! Heartbeats of tasks, with what they tell of progress: memory moves at once, the log hears of it by a timer.

use std::sync::Arc;

use stepfleet_engine::execution::Status;
use stepfleet_engine::{Rejection, heartbeat};

use super::desk::Desk;
use super::message::{TaskReply, TaskReport};
use super::resident::Resident;
use super::tasks;
use crate::fleet::Session;

impl Desk {
    /// Begins the window of a task anew and keeps its progress. No record and no decision: the timer of the execution
    /// makes one of it, at most every ten seconds.
    pub(super) fn heartbeat(
        &mut self,
        resident: &mut Resident,
        report: &TaskReport,
        details: Option<&Arc<str>>,
    ) -> Result<(), Rejection> {
        let (task, now) = (report.task, self.now());
        heartbeat(&mut resident.execution, task.attempt, details, now)?;
        let Some(details) = details else {
            return Ok(());
        };
        self.reindex(resident, Status::Running);
        if let Some(session) = self.session_of(resident, report) {
            session.progress(&task, details, now);
        }
        Ok(())
    }

    /// The session that shows the task as one in its worker's hands.
    fn session_of(&self, resident: &Resident, report: &TaskReport) -> Option<Arc<Session>> {
        if let TaskReply::Heartbeat { session } = &report.reply {
            return Some(session.clone());
        }
        let mut held = tasks::held(&resident.execution);
        let (id, _) = held.find(|(_, attempt)| *attempt == report.task.attempt)?;
        self.shared.fleet.session(id)
    }
}
