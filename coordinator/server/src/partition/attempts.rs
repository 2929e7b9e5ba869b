//! Attempts that end otherwise than by their worker or integration: who is told.

use stepfleet_engine::{Attempt, Execution};

use super::batch::Effect;
use super::desk::{Desk, task_ref};
use super::{offers, tasks};
use crate::integrations::Call;

impl Desk {
    pub(super) fn cancel(&mut self, before: &Execution, attempt: Attempt) {
        let mut integrations = tasks::integrations(before);
        if let Some((_, work)) = integrations.find(|(open, _)| open.entry == attempt.entry) {
            let (resource, parameters) = (work.resource.clone(), work.parameters.clone());
            let call = Call::of(&self.shared, before, attempt, resource, parameters);
            let end = Effect::Run(Box::new(move || call.end()));
            self.batch.effects.push(end);
            return;
        }
        let mut activities = tasks::activities(before);
        let Some((open, work)) = activities.find(|(open, _)| open.entry == attempt.entry) else {
            return;
        };
        let task = task_ref(before, attempt);
        if work.started_at.is_none() {
            let input = &work.input.payload;
            if let Ok(offer) = offers::offer(before, open, work.scheduled_at, input) {
                self.shared.matching.queue(&work.activity).withdraw(&offer);
            }
            return;
        }
        self.shared.task_left(&work.activity, task.execution, open);
        if let Some(session) = work
            .worker
            .session
            .and_then(|id| self.shared.fleet.session(id))
        {
            self.batch.effects.push(Effect::Cancel { session, task });
        }
    }
}
