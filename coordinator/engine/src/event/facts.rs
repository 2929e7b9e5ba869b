//! What every event can be asked: whether history shows it, whether it closes the execution, the payload it carries.

use crate::event::{Data, EventBody};
use crate::ids::FrameId;
use crate::variables::Variables;

impl EventBody {
    /// Whether the public history shows this event; internal ones consume no public id.
    pub fn is_public(&self) -> bool {
        !matches!(
            self,
            Self::BranchStarted { .. }
                | Self::BranchSucceeded { .. }
                | Self::BranchFailed { .. }
                | Self::WaitScheduled { .. }
                | Self::RetryScheduled { .. }
                | Self::ActivityReoffered { .. }
                | Self::ActivityRestarted { .. }
                | Self::StartOffered { .. }
                | Self::HandleGiven { .. }
                | Self::ProgressRecorded { .. }
        )
    }

    /// Whether the execution is over after this event.
    pub fn closes(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded { .. }
                | Self::ExecutionFailed(_)
                | Self::ExecutionAborted(_)
                | Self::ExecutionTimedOut(_)
        )
    }

    /// The payload of this event; none has more than one. The values of variables stand in their event itself.
    pub fn data(&self) -> Option<&Data> {
        match self {
            Self::ExecutionStarted { input: data, .. }
            | Self::ExecutionSucceeded { output: data }
            | Self::StateEntered { input: data, .. }
            | Self::StateExited { output: data, .. }
            | Self::ActivityScheduled { input: data, .. }
            | Self::ActivitySucceeded { output: data, .. }
            | Self::TaskScheduled {
                parameters: data, ..
            }
            | Self::TaskSubmitted { output: data, .. }
            | Self::TaskSucceeded { output: data, .. }
            | Self::MapStateStarted { items: data, .. }
            | Self::MapIterationStarted { input: data, .. }
            | Self::BranchStarted { input: data, .. }
            | Self::StartOffered { input: data, .. }
            | Self::BranchSucceeded { output: data, .. } => Some(data),
            Self::ExecutionFailed(_)
            | Self::ExecutionAborted(_)
            | Self::ExecutionTimedOut(_)
            | Self::ExecutionRedriven { .. }
            | Self::StateAborted { .. }
            | Self::ActivityScheduleFailed { .. }
            | Self::ActivityStarted { .. }
            | Self::ActivityFailed { .. }
            | Self::ActivityTimedOut { .. }
            | Self::TaskStarted { .. }
            | Self::TaskStartFailed { .. }
            | Self::TaskSubmitFailed { .. }
            | Self::TaskFailed { .. }
            | Self::TaskTimedOut { .. }
            | Self::ParallelStateStarted { .. }
            | Self::ParallelStateSucceeded { .. }
            | Self::ParallelStateFailed { .. }
            | Self::MapStateSucceeded { .. }
            | Self::MapStateFailed { .. }
            | Self::MapIterationSucceeded { .. }
            | Self::MapIterationFailed { .. }
            | Self::MapIterationAborted { .. }
            | Self::WaitScheduled { .. }
            | Self::RetryScheduled { .. }
            | Self::ActivityReoffered { .. }
            | Self::ActivityRestarted { .. }
            | Self::HandleGiven { .. }
            | Self::ProgressRecorded { .. }
            | Self::BranchFailed { .. }
            | Self::EvaluationFailed { .. } => None,
        }
    }

    /// Bytes of the progress that this event holds.
    pub fn progress_bytes(&self) -> usize {
        if let Self::ProgressRecorded { details, .. } = self {
            details.len()
        } else {
            0
        }
    }

    /// The variables that this event sets.
    pub fn assigned(&self) -> Option<&Variables> {
        if let Self::StateExited { assigned, .. } = self {
            Some(assigned)
        } else {
            None
        }
    }

    /// The frame that this event happens to; events of the whole execution have none.
    pub fn frame(&self) -> Option<FrameId> {
        match self {
            Self::ExecutionStarted { .. }
            | Self::ExecutionSucceeded { .. }
            | Self::ExecutionFailed(_)
            | Self::ExecutionAborted(_)
            | Self::ExecutionTimedOut(_)
            | Self::ExecutionRedriven { .. } => None,
            Self::StateEntered { frame, .. }
            | Self::StateExited { frame, .. }
            | Self::StateAborted { frame, .. }
            | Self::ActivityScheduled { frame, .. }
            | Self::ActivityScheduleFailed { frame, .. }
            | Self::ActivityStarted { frame, .. }
            | Self::ActivitySucceeded { frame, .. }
            | Self::ActivityFailed { frame, .. }
            | Self::ActivityTimedOut { frame, .. }
            | Self::TaskScheduled { frame, .. }
            | Self::TaskStarted { frame, .. }
            | Self::TaskStartFailed { frame, .. }
            | Self::TaskSubmitted { frame, .. }
            | Self::TaskSubmitFailed { frame, .. }
            | Self::TaskSucceeded { frame, .. }
            | Self::TaskFailed { frame, .. }
            | Self::TaskTimedOut { frame, .. }
            | Self::ParallelStateStarted { frame, .. }
            | Self::ParallelStateSucceeded { frame }
            | Self::ParallelStateFailed { frame }
            | Self::MapStateStarted { frame, .. }
            | Self::MapStateSucceeded { frame }
            | Self::MapStateFailed { frame }
            | Self::MapIterationStarted { frame, .. }
            | Self::MapIterationSucceeded { frame, .. }
            | Self::MapIterationFailed { frame, .. }
            | Self::MapIterationAborted { frame, .. }
            | Self::BranchStarted { frame, .. }
            | Self::BranchSucceeded { frame, .. }
            | Self::WaitScheduled { frame, .. }
            | Self::RetryScheduled { frame, .. }
            | Self::ActivityReoffered { frame }
            | Self::ActivityRestarted { frame, .. }
            | Self::StartOffered { frame, .. }
            | Self::HandleGiven { frame, .. }
            | Self::ProgressRecorded { frame, .. }
            | Self::BranchFailed { frame, .. }
            | Self::EvaluationFailed { frame, .. } => Some(*frame),
        }
    }
}
