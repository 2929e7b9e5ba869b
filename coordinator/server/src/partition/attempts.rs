//! Attempts that end otherwise than by their worker or integration: who is told.

use stepfleet_asl::resource::Pattern;
use stepfleet_engine::{Attempt, Event, EventBody, Execution, FrameId};

use super::batch::Effect;
use super::desk::{Desk, task_ref};
use super::{offers, tasks};
use crate::integrations::Call;

impl Desk {
    /// What a worker has begun for a `.sync` task is asked after from now on; what a worker has told the end of is not.
    pub(super) fn connected(
        &mut self,
        events: &[Event],
        before: Option<&Execution>,
        after: &Execution,
    ) {
        for event in events {
            let stay_in = |execution: &Execution, frame: FrameId| {
                let stay = execution.frame(frame)?.stay()?;
                let (attempt, work) = tasks::begun_by_worker(stay)?;
                let (resource, parameters) = (work.resource.clone(), work.parameters.clone());
                (resource.pattern() == Pattern::RunJob).then_some((attempt, resource, parameters))
            };
            if let EventBody::HandleGiven { frame, .. } = &event.body
                && let Some((attempt, resource, parameters)) = stay_in(after, *frame)
            {
                let call = Call::of(&self.shared, after, attempt, resource, parameters);
                let resume = Effect::Run(Box::new(move || call.resume()));
                self.batch.effects.push(resume);
            } else if let EventBody::TaskSucceeded { frame, .. }
            | EventBody::TaskFailed { frame, .. } = &event.body
                && let Some(before) = before
                && let Some((attempt, ..)) = stay_in(before, *frame)
            {
                // Behind what begins to ask, which may be in the same batch.
                let (shared, task) = (self.shared.clone(), task_ref(before, attempt));
                let end = Effect::Run(Box::new(move || shared.calls.end(&task)));
                self.batch.effects.push(end);
            }
        }
    }

    pub(super) fn cancel(&mut self, before: &Execution, attempt: Attempt) {
        let mut activities = tasks::activities(before);
        let offered = activities.find(|(open, _)| open.entry == attempt.entry);
        let mut integrations = tasks::integrations(before);
        if offered.is_none()
            && let Some((_, work)) = integrations.find(|(open, _)| open.entry == attempt.entry)
        {
            let (resource, parameters) = (work.resource.clone(), work.parameters.clone());
            let call = Call::of(&self.shared, before, attempt, resource, parameters);
            let end = Effect::Run(Box::new(move || call.end()));
            self.batch.effects.push(end);
            return;
        }
        let Some((open, work)) = offered else {
            return;
        };
        let task = task_ref(before, open);
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
