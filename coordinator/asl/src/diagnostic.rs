//! What is wrong with a definition: a list, all at once, each with its place.

use std::fmt;

/// How bad a finding is. Only errors refuse a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// The code of most findings: the document does not have the shape that the language asks for.
pub const SCHEMA_VALIDATION_FAILED: &str = "SCHEMA_VALIDATION_FAILED";
/// The text is not JSON.
pub const INVALID_JSON_DESCRIPTION: &str = "INVALID_JSON_DESCRIPTION";
/// The text is blank.
pub const MISSING_DESCRIPTION: &str = "MISSING_DESCRIPTION";
/// A transition leads nowhere, or none leads to a state.
pub const MISSING_TRANSITION_TARGET: &str = "MISSING_TRANSITION_TARGET";
/// Two states of the document have one name.
pub const DUPLICATE_STATE_NAME: &str = "DUPLICATE_STATE_NAME";
/// A warning of ours: the definition is sound, but this installation cannot do what a state asks for.
pub const UNSERVED_INTEGRATION: &str = "UNSERVED_INTEGRATION";

/// One finding. `code` is AWS's (`SCHEMA_VALIDATION_FAILED`, `INVALID_JSON_DESCRIPTION`, …); `location` is
/// `/States/<name>/<field>…`, or `[Source: (String)"…"; line: L, column: C]` when the text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: &'static str,
    pub message: String,
    pub location: Option<String>,
}

impl Diagnostic {
    /// Whether it refuses the definition.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    /// `CODE: message at location`, as the API joins them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.location {
            Some(location) => write!(f, " at {location}"),
            None => Ok(()),
        }
    }
}
