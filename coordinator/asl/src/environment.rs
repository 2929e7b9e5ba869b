//! What an evaluation may ask of its surroundings, and how it fails.

#[cfg(test)]
pub(crate) mod fixed;

use crate::value::Value;

/// The surroundings of one evaluation. Implemented by the engine per state; cheap to build, everything lazy.
pub trait Environment {
    /// The context object (`$$`), built on first use.
    fn context(&self) -> &Value;
    /// The value of a variable (`$name`), if assigned.
    fn variable(&self, name: &str) -> Option<Value>;
    /// How long one JSONata expression may take.
    fn patience(&self) -> Patience;
    /// An expression is about to be evaluated.
    fn evaluating(&self);
    /// An expression took longer than it may. Under [`Patience::Brief`] whatever the evaluation then gives is void.
    fn timed_out(&self);
    /// Milliseconds since 1970, as `$now` and `$millis` tell it.
    fn now_ms(&self) -> i64;
    /// The next 64 bits of the entropy that came with the input (UUID, MathRandom without seed).
    fn random_u64(&self) -> u64;
}

/// How long one JSONata expression may take. Its work has no bound that can be told beforehand, so that whoever
/// shares a thread with others begins with little patience, and goes on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// `limits::JSONATA_BRIEF_MS`; an expression that needs more is interrupted, and nothing follows from it.
    Brief,
    /// `limits::JSONATA_TIMEOUT_MS_MAX`; an expression that needs more fails.
    Full,
}

/// A failed evaluation: the `States.*` error name and the cause, without the frame
/// "An error occurred while executing the state …" that the engine puts around it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct EvalError {
    pub error: &'static str,
    pub cause: String,
    /// The field of the failed JSONata expression, `Output/result`; none for everything else.
    pub location: Option<String>,
}

impl EvalError {
    /// `States.Runtime`: never retried, never caught.
    pub fn runtime(cause: impl Into<String>) -> EvalError {
        EvalError {
            error: "States.Runtime",
            cause: cause.into(),
            location: None,
        }
    }

    /// `States.IntrinsicFailure`.
    pub fn intrinsic(cause: impl Into<String>) -> EvalError {
        EvalError {
            error: "States.IntrinsicFailure",
            cause: cause.into(),
            location: None,
        }
    }

    /// `States.DataLimitExceeded`.
    pub fn data_limit(cause: impl Into<String>) -> EvalError {
        EvalError {
            error: "States.DataLimitExceeded",
            cause: cause.into(),
            location: None,
        }
    }

    /// `States.ResultPathMatchFailure`.
    pub fn result_path(cause: impl Into<String>) -> EvalError {
        EvalError {
            error: "States.ResultPathMatchFailure",
            cause: cause.into(),
            location: None,
        }
    }

    /// `States.QueryEvaluationError` of the expression in the field `location`; history tells it as an event of its
    /// own.
    pub fn query(cause: impl Into<String>, location: impl Into<String>) -> EvalError {
        EvalError {
            error: "States.QueryEvaluationError",
            cause: cause.into(),
            location: Some(location.into()),
        }
    }
}
