//! How grave a history event is: which events a state machine's log level lets through.

use crate::history::HistoryKind;

/// From harmless to fatal. A log of level `ALL` takes all of them, `ERROR` from `Error` on, `FATAL` the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Error,
    Fatal,
}

impl HistoryKind {
    /// The column "logged at" of the AWS documentation.
    pub fn severity(self) -> Severity {
        match self {
            Self::ExecutionAborted | Self::ExecutionFailed | Self::ExecutionTimedOut => {
                Severity::Fatal
            }
            Self::ActivityFailed
            | Self::ActivityScheduleFailed
            | Self::ActivityTimedOut
            | Self::EvaluationFailed
            | Self::FailStateEntered
            | Self::LambdaFunctionFailed
            | Self::LambdaFunctionScheduleFailed
            | Self::LambdaFunctionStartFailed
            | Self::LambdaFunctionTimedOut
            | Self::MapIterationAborted
            | Self::MapIterationFailed
            | Self::MapRunAborted
            | Self::MapRunFailed
            | Self::MapStateAborted
            | Self::MapStateFailed
            | Self::ParallelStateAborted
            | Self::ParallelStateFailed
            | Self::TaskFailed
            | Self::TaskStartFailed
            | Self::TaskStateAborted
            | Self::TaskSubmitFailed
            | Self::TaskTimedOut
            | Self::WaitStateAborted => Severity::Error,
            Self::ActivityScheduled
            | Self::ActivityStarted
            | Self::ActivitySucceeded
            | Self::ChoiceStateEntered
            | Self::ChoiceStateExited
            | Self::ExecutionRedriven
            | Self::ExecutionStarted
            | Self::ExecutionSucceeded
            | Self::LambdaFunctionScheduled
            | Self::LambdaFunctionStarted
            | Self::LambdaFunctionSucceeded
            | Self::MapIterationStarted
            | Self::MapIterationSucceeded
            | Self::MapRunRedriven
            | Self::MapRunStarted
            | Self::MapRunSucceeded
            | Self::MapStateEntered
            | Self::MapStateExited
            | Self::MapStateStarted
            | Self::MapStateSucceeded
            | Self::ParallelStateEntered
            | Self::ParallelStateExited
            | Self::ParallelStateStarted
            | Self::ParallelStateSucceeded
            | Self::PassStateEntered
            | Self::PassStateExited
            | Self::SucceedStateEntered
            | Self::SucceedStateExited
            | Self::TaskScheduled
            | Self::TaskStarted
            | Self::TaskStateEntered
            | Self::TaskStateExited
            | Self::TaskSubmitted
            | Self::TaskSucceeded
            | Self::WaitStateEntered
            | Self::WaitStateExited => Severity::Info,
        }
    }
}
