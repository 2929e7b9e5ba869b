//! The state of one walk over a document, and the assembly of the program from it. States and scopes get their ids
//! before they are compiled, so that transitions and owners can name them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::limits::DEFINITION_PATTERNS_MAX;
use crate::program::{Language, Program, Scope, ScopeId, State, StateId};
use crate::value::Value;

use super::assign::Names;
use super::fields::Fields;
use super::report::Report;
use super::{Options, Purpose, scope};

/// What the walk has found so far. A slot stays empty when its state or scope has an error.
pub(super) struct Walk<'o> {
    pub(super) options: &'o Options<'o>,
    pub(super) purpose: Purpose,
    pub(super) report: Report,
    /// The document's `QueryLanguage`.
    pub(super) language: Language,
    names: BTreeSet<Arc<str>>,
    /// The variables that each open block assigns, the document's first.
    assigned: Vec<Arc<Names>>,
    states: Vec<Option<State>>,
    scopes: Vec<Option<Scope>>,
}

impl<'o> Walk<'o> {
    /// Walks a document. A program comes out exactly when nothing found is an error.
    pub(super) fn run(
        document: &Value,
        options: &'o Options<'o>,
        purpose: Purpose,
        mut report: Report,
    ) -> (Option<Program>, Vec<Diagnostic>) {
        if document.as_object().is_none() {
            report.schema("/", "Definition must be a valid JSON object");
            return (None, report.into_findings());
        }
        if patterns(document) > DEFINITION_PATTERNS_MAX {
            let message = format!(
                "The definition has more than {DEFINITION_PATTERNS_MAX} strings with patterns (=~)"
            );
            report.schema("/", message);
            return (None, report.into_findings());
        }
        let mut walk = Walk {
            options,
            purpose,
            report,
            language: Language::JsonPath,
            names: BTreeSet::new(),
            assigned: Vec::new(),
            states: Vec::new(),
            scopes: Vec::new(),
        };
        let timeout = Fields::of(&mut walk.report, document, "")
            .and_then(|fields| scope::document(&mut walk, &fields));
        walk.finish(timeout)
    }

    pub(super) fn reserve_scope(&mut self) -> ScopeId {
        self.scopes.push(None);
        ScopeId(index(self.scopes.len() - 1))
    }

    pub(super) fn reserve_state(&mut self) -> StateId {
        self.states.push(None);
        StateId(index(self.states.len() - 1))
    }

    pub(super) fn fill_scope(&mut self, id: ScopeId, scope: Option<Scope>) {
        self.scopes[id.0 as usize] = scope;
    }

    pub(super) fn fill_state(&mut self, id: StateId, state: Option<State>) {
        self.states[id.0 as usize] = state;
    }

    /// Notes a state's name; false when the document has it already.
    pub(super) fn claim_name(&mut self, name: &Arc<str>) -> bool {
        self.names.insert(name.clone())
    }

    /// Opens a block that assigns these variables; returns those of the blocks around it.
    pub(super) fn enter_block(&mut self, assigned: Names) -> Vec<Arc<Names>> {
        let outer = self.assigned.clone();
        self.assigned.push(Arc::new(assigned));
        outer
    }

    pub(super) fn leave_block(&mut self) {
        self.assigned.pop();
    }

    fn finish(self, timeout_seconds: Option<u32>) -> (Option<Program>, Vec<Diagnostic>) {
        if self.report.has_errors() {
            return (None, self.report.into_findings());
        }
        let states: Option<Vec<State>> = self.states.into_iter().collect();
        let scopes: Option<Vec<Scope>> = self.scopes.into_iter().collect();
        let program = Program {
            states: states.expect("a state that did not compile has reported an error"),
            scopes: scopes.expect("a scope that did not compile has reported an error"),
            timeout_seconds,
            warnings: Vec::new(),
        };
        (Some(program), self.report.into_findings())
    }
}

/// How many strings may hold patterns, which take far longer to compile than to write.
fn patterns(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => usize::from(text.contains("=~")),
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(members) => members.values().map(patterns).sum(),
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a definition of at most 1 MiB has fewer states")
}
