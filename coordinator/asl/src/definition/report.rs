//! Collects findings. The number kept is bounded, so that a hostile document cannot make a list larger than itself.

use crate::diagnostic::{Diagnostic, SCHEMA_VALIDATION_FAILED, Severity};
use crate::limits::DIAGNOSTICS_MAX;

/// The findings so far, in document order.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Report {
    pub(super) fn push(&mut self, finding: Diagnostic) {
        let count = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= DIAGNOSTICS_MAX {
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
