//! Definition text in, [`Program`] or diagnostics out. One walk parses, validates and compiles; it reports everything
//! that is wrong, each finding with its place, and never stops at the first.
//!
//! Files: `scope` walks a `States` block, `state` the fields that states share, one file for each state type, `retry`
//! and `catch` their lists, `assign` variables, `fields` and `data` read typed fields, `graph` looks at the transitions of a block,
//! `later` refuses the parts of the language that come in later releases.

mod assign;
mod catch;
mod choice;
mod data;
mod fail;
mod fields;
mod graph;
mod json_text;
mod later;
mod map;
mod parallel;
mod parameters;
mod pass;
mod query;
mod report;
mod retry;
mod scope;
mod state;
mod task;
mod wait;
mod walk;

use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::limits::DEFINITION_BYTES_MAX;
use crate::program::Program;
use crate::resource::{Integration, Resource};
use crate::value::Value;

use self::report::Report;
use self::walk::Walk;

/// What a definition is compiled for.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub machine_type: MachineType,
    /// Whether this installation can carry out a Task with this resource. A resource that it cannot serve is a
    /// warning, since who serves what can change while the definition stands.
    pub served: &'a dyn Fn(&Resource) -> bool,
    /// Whether a fleet serves an integration that Step Functions does not have. One that nobody serves is an error, as
    /// any resource that is not known.
    pub connects: &'a dyn Fn(&Integration) -> bool,
}

/// The type of a state machine. Express machines cannot use activities, `.sync` and `.waitForTaskToken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineType {
    Standard,
    Express,
}

/// What comes of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Executions run it.
    Run,
    /// Its states are tested, one by one.
    Test,
}

/// Parses, validates and compiles a definition.
///
/// # Errors
/// All findings, errors and warnings in document order, when at least one is an error.
pub fn compile(text: &str, options: &Options<'_>) -> Result<Program, Vec<Diagnostic>> {
    compile_for(text, options, Purpose::Run)
}

/// As [`compile`], for tests of single states: a distributed Map is accepted, since what surrounds its children can be
/// tested although no execution can run it yet. The program must not be given to an execution.
///
/// # Errors
/// As [`compile`].
pub fn compile_for_test(text: &str, options: &Options<'_>) -> Result<Program, Vec<Diagnostic>> {
    compile_for(text, options, Purpose::Test)
}

fn compile_for(
    text: &str,
    options: &Options<'_>,
    purpose: Purpose,
) -> Result<Program, Vec<Diagnostic>> {
    let (program, findings) = walk(text, options, purpose);
    match program {
        Some(mut program) => {
            program.warnings = findings;
            Ok(program)
        }
        None => Err(findings),
    }
}

/// All findings of a definition, errors and warnings in document order; it is accepted when none is an error.
pub fn validate(text: &str, options: &Options<'_>) -> Vec<Diagnostic> {
    walk(text, options, Purpose::Run).1
}

/// The message of `InvalidDefinition`: the errors of `findings`, joined.
pub fn invalid_definition_message(findings: &[Diagnostic]) -> String {
    let errors: Vec<String> = findings
        .iter()
        .filter(|finding| finding.is_error())
        .map(Diagnostic::to_string)
        .collect();
    format!("Invalid State Machine Definition: '{}'", errors.join(", "))
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("machine_type", &self.machine_type)
            .finish_non_exhaustive()
    }
}

/// The one walk. A program comes out exactly when no finding is an error.
fn walk(text: &str, options: &Options<'_>, purpose: Purpose) -> (Option<Program>, Vec<Diagnostic>) {
    let mut report = Report::default();
    if text.len() > DEFINITION_BYTES_MAX {
        report.schema(
            "/",
            format!("The definition is longer than {DEFINITION_BYTES_MAX} bytes"),
        );
        return (None, report.into_findings());
    }
    match Value::parse(text) {
        Ok(document) => Walk::run(&document, options, purpose, report),
        Err(error) => (None, vec![json_text::diagnostic(text, &error)]),
    }
}
