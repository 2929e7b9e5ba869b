//! Attempts at tasks that leave the host: what integrations begin, and what is told when an attempt ends otherwise.

use stepfleet_engine::event::{Data, TaskResource};
use stepfleet_engine::{Attempt, Execution};
use tokio_util::sync::CancellationToken;

use super::batch::Effect;
use super::desk::{Desk, task_ref};
use super::tasks;
use crate::integrations::Call;

impl Desk {
    /// An attempt at a task of an integration.
    pub(crate) fn call(
        &self,
        execution: &Execution,
        attempt: Attempt,
        resource: TaskResource,
        parameters: Data,
    ) -> Call {
        Call {
            shared: self.shared.clone(),
            header: execution.header.clone(),
            task: task_ref(execution, attempt),
            resource,
            parameters: parameters.payload,
            over: CancellationToken::new(),
        }
    }

    pub(super) fn cancel(&mut self, before: &Execution, attempt: Attempt) {
        let mut integrations = tasks::integrations(before);
        if let Some((_, work)) = integrations.find(|(open, _)| open.entry == attempt.entry) {
            let (resource, parameters) = (work.resource.clone(), work.parameters.clone());
            let call = self.call(before, attempt, resource, parameters);
            let end = Effect::Run(Box::new(move || call.end()));
            self.batch.effects.push(end);
            return;
        }
        let mut activities = tasks::activities(before);
        let Some((_, work)) = activities.find(|(open, _)| open.entry == attempt.entry) else {
            return;
        };
        let task = task_ref(before, attempt);
        if work.started_at.is_none() {
            self.shared
                .matching
                .queue(&work.activity)
                .withdraw(task.execution, attempt);
        } else if let Some(session) = work
            .worker
            .session
            .and_then(|id| self.shared.fleet.session(id))
        {
            self.batch.effects.push(Effect::Cancel { session, task });
        }
    }
}
