//! Why a command failed, told in one or two lines: what was attempted, the API's name of the reason, what helps.

use std::io;
use std::path::PathBuf;

use super::output::{Output, Tone};

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// The coordinator refused; `reason` is the exception's name in the AWS model.
    #[error("{reason}: {message}")]
    Refused { reason: String, message: String },
    /// No answer came.
    #[error("no coordinator answers at {endpoint} ({cause})")]
    Unreachable { endpoint: String, cause: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Something the CLI itself found.
    #[error("{0}")]
    Failed(String),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Output(io::Error),
}

/// How a command ended that did what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// The command worked and found something bad: a failed execution, an invalid definition.
    Negative,
}

impl Fault {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }

    /// The process' exit code: 2 for a usage error, 0 when the reader of our output went away, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::File { .. }
            | Self::Failed(_)
            | Self::Output(_) => 1,
        }
    }

    /// Writes the fault and what helps against it.
    pub(crate) fn report(&self, attempt: &str, output: &mut Output) {
        if self.exit_code() == 0 {
            return;
        }
        let head = output.paint_remark(Tone::Bad, "error:");
        output.remark(format!("{head} cannot {attempt}: {self}"));
        if let Some(hint) = self.hint() {
            let head = output.paint_remark(Tone::Busy, "hint:");
            output.remark(format!("{head} {hint}"));
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => Some(
                "is the coordinator running? start one with `stepfleet dev`, or name another with --endpoint",
            ),
            Self::Refused { reason, .. } => hint_for(reason),
            Self::Usage(_) | Self::File { .. } | Self::Failed(_) | Self::Output(_) => None,
        }
    }
}

/// What helps against a reason; the names are data from the wire, new ones may come.
fn hint_for(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "StateMachineDoesNotExist" => "`stepfleet machine list` shows the state machines",
        "ExecutionDoesNotExist" => {
            "`stepfleet run list MACHINE` shows executions; name one as MACHINE:EXECUTION or by ARN"
        }
        "ActivityDoesNotExist" => "`stepfleet activity list` shows the activities",
        "StateMachineAlreadyExists" => "`stepfleet machine update` changes a state machine",
        "ExecutionAlreadyExists" => "choose another --name, or leave it out to have one drawn",
        "InvalidDefinition" => "`stepfleet machine validate FILE` shows where",
        "TaskTimedOut" | "TaskDoesNotExist" => {
            "each attempt has its own token; `stepfleet task list` shows the open ones"
        }
        "MissingAuthenticationTokenException"
        | "UnrecognizedClientException"
        | "AccessDeniedException" => "give an API key with --key-file FILE or STEPFLEET_API_KEY",
        "ThrottlingException" | "ServiceUnavailable" => {
            "try again in a moment; `stepfleet status` tells whether starts are refused"
        }
        _ => return None,
    })
}
