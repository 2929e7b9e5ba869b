//! The legal-transition table of a frame: which events may follow which work. `decide` never emits another one;
//! `apply` counts an event that does not fit and changes nothing else, so that it stays total.

use crate::event::EventBody;
use crate::execution::{Execution, Frame, Phase, Work};

impl Execution {
    /// Whether `body` may happen now.
    pub fn admits(&self, body: &EventBody) -> bool {
        if matches!(body, EventBody::ExecutionRedriven { .. }) {
            // The others that closed kept nothing.
            return !self.is_running() && self.keeps_frames;
        }
        if !self.is_running() || matches!(body, EventBody::ExecutionStarted { .. }) {
            return false;
        }
        match body.frame() {
            None => true,
            Some(id) => self.frame(id).is_some_and(|frame| frame.admits(body)),
        }
    }
}

impl Frame {
    fn admits(&self, body: &EventBody) -> bool {
        match &self.phase {
            Phase::Starting | Phase::Ready { .. } => matches!(body, EventBody::StateEntered { .. }),
            Phase::Inside(stay) => stay.work.admits(body),
            Phase::Finished { .. } => false,
        }
    }
}

impl Work {
    /// | work | events that may follow |
    /// |---|---|
    /// | entered, backoff | a schedule, a start of branches or items, an exit, a failed evaluation, a failure, a retry, an abort |
    /// | activity, offered | started, failed, timed out, aborted |
    /// | activity, started | progress, succeeded, failed, timed out, offered again, aborted |
    /// | task | progress, offered to workers, started, handed out again, offered again, begun, submitted, succeeded, failed, timed out, aborted |
    /// | waiting | exit, a failed evaluation, abort |
    /// | parallel, map | what their children do, success, a failed evaluation, abort |
    /// | over | exit, a failed evaluation, retry, failure of the state, abort |
    fn admits(&self, body: &EventBody) -> bool {
        use EventBody as E;
        if matches!(body, E::StateAborted { .. }) {
            return true;
        }
        let leaves = matches!(
            body,
            E::StateExited { .. }
                | E::RetryScheduled { .. }
                | E::EvaluationFailed { .. }
                | E::ParallelStateFailed { .. }
                | E::MapStateFailed { .. }
        );
        match self {
            Self::Entered | Self::Backoff { .. } => leaves || begins(body),
            Self::Over => leaves,
            Self::Waiting { .. } => {
                matches!(body, E::StateExited { .. } | E::EvaluationFailed { .. })
            }
            Self::Activity(work) if work.started_at.is_none() => matches!(
                body,
                E::ActivityStarted { .. }
                    | E::ActivityRestarted { .. }
                    | E::ActivityFailed { .. }
                    | E::ActivityTimedOut { .. }
            ),
            Self::Activity(_) => matches!(
                body,
                E::ActivitySucceeded { .. }
                    | E::ActivityFailed { .. }
                    | E::ActivityTimedOut { .. }
                    | E::ActivityReoffered { .. }
                    | E::ProgressRecorded { .. }
            ),
            Self::Task(_) => matches!(
                body,
                E::TaskStarted { .. }
                    | E::TaskStartFailed { .. }
                    | E::TaskSubmitted { .. }
                    | E::TaskSubmitFailed { .. }
                    | E::TaskSucceeded { .. }
                    | E::TaskFailed { .. }
                    | E::TaskTimedOut { .. }
                    | E::StartOffered { .. }
                    | E::ActivityRestarted { .. }
                    | E::ActivityReoffered { .. }
                    | E::HandleGiven { .. }
                    | E::ProgressRecorded { .. }
            ),
            Self::Parallel(_) => {
                matches!(
                    body,
                    E::BranchStarted { .. }
                        | E::BranchSucceeded { .. }
                        | E::BranchFailed { .. }
                        | E::ParallelStateSucceeded { .. }
                ) || leaves
            }
            Self::Map(_) => {
                matches!(
                    body,
                    E::MapIterationStarted { .. }
                        | E::MapIterationSucceeded { .. }
                        | E::MapIterationFailed { .. }
                        | E::MapIterationAborted { .. }
                        | E::BranchSucceeded { .. }
                        | E::BranchFailed { .. }
                        | E::MapStateSucceeded { .. }
                ) || leaves
            }
        }
    }
}

/// Events that begin the work of a state.
fn begins(body: &EventBody) -> bool {
    matches!(
        body,
        EventBody::ActivityScheduled { .. }
            | EventBody::ActivityScheduleFailed { .. }
            | EventBody::TaskScheduled { .. }
            | EventBody::WaitScheduled { .. }
            | EventBody::ParallelStateStarted { .. }
            | EventBody::MapStateStarted { .. }
    )
}
