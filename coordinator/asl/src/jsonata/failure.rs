//! How an expression fails, in the words that AWS uses.

use crate::environment::EvalError;
use crate::value::Value;

/// Why an expression gave no value that its field can take.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The result is undefined.
    Undefined,
    /// The result, or a part of it, is a function, a regular expression, a number that is not finite, or nests
    /// deeper than `limits::JSON_DEPTH_MAX`.
    Unsupported,
    /// The field takes values of another type.
    UnexpectedType {
        /// The type's name as JSON has it.
        expected: &'static str,
        /// What the expression gave.
        found: Value,
    },
    /// The evaluator's own words, with its code in front when it has one.
    Threw(String),
}

/// A failed field of a state: `States.QueryEvaluationError` at a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The path of the field from the state: `Output/result`.
    pub location: String,
    /// The text, without the frame "An error occurred while executing the state …".
    pub cause: String,
}

impl Problem {
    /// The failure of a field whose expression has this text.
    pub fn at(&self, location: &str, source: &str) -> Failure {
        let what = match self {
            Problem::Undefined => "returned nothing (undefined).".to_owned(),
            Problem::Unsupported => "returned an unsupported result type.".to_owned(),
            Problem::UnexpectedType { expected, found } => format!(
                "returned an unexpected result type. Expected '{expected}', but was '{}' for value: {}",
                found.type_name(),
                found.to_text()
            ),
            Problem::Threw(message) => format!("threw an error during evaluation. {message}"),
        };
        Failure {
            location: location.to_owned(),
            cause: format!(
                "The JSONata expression '{source}' specified for the field '{location}' {what}"
            ),
        }
    }
}

impl From<Failure> for EvalError {
    fn from(failure: Failure) -> EvalError {
        EvalError::query(failure.cause, failure.location)
    }
}
