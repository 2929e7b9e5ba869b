//! Collects findings. The number kept is bounded, so that a hostile document cannot make a list larger than itself.

use crate::diagnostic::{Diagnostic, SCHEMA_VALIDATION_FAILED, Severity};
use crate::limits::{DIAGNOSTICS_BYTES_MAX, DIAGNOSTICS_MAX};

/// The findings so far, in document order.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// Bytes of the findings kept.
    bytes: usize,
}

impl Report {
    pub(super) fn push(&mut self, finding: Diagnostic) {
        let count = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        let bytes = finding.message.len() + finding.location.as_ref().map_or(0, String::len);
        // The first of each severity is kept whatever its size, so that a refusal says why.
        let has_room = *count == 1 || self.bytes + bytes <= DIAGNOSTICS_BYTES_MAX;
        if *count <= DIAGNOSTICS_MAX && has_room {
            self.bytes += bytes;
            self.findings.push(finding);
        }
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        location: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.push(Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            location: Some(location.into()),
        });
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        location: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.push(Diagnostic {
            severity: Severity::Warning,
            code,
            message: message.into(),
            location: Some(location.into()),
        });
    }

    /// An error of the commonest code.
    pub(super) fn schema(&mut self, location: impl Into<String>, message: impl Into<String>) {
        self.error(SCHEMA_VALIDATION_FAILED, location, message);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub(super) fn into_findings(self) -> Vec<Diagnostic> {
        self.findings
    }
}
