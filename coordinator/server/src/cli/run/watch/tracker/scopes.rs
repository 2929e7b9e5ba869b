//! The sequences of states that an execution consists of, nested: the execution itself, the branches of Parallel states,
//! the iterations of Map states.

use std::ops::{Index, IndexMut};

use jiff::Timestamp;

pub(super) type ScopeId = usize;
pub(super) const ROOT: ScopeId = 0;

#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) parent: Option<ScopeId>,
    /// Of a Map iteration: the Map state's name and the index.
    pub(super) iteration: Option<(String, u64)>,
    pub(super) open: Option<Open>,
    /// The same, once a failure around it has ended it: a redrive goes on with it.
    pub(super) aborted: Option<Open>,
}

/// The state that a scope is in.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) entered: Timestamp,
    /// Attempts of a Task, or starts of a Parallel or Map.
    pub(super) attempts: u32,
    pub(super) worker: Option<String>,
    /// The last attempt failed; an exit that follows was caught.
    pub(super) failed: bool,
    /// The newest `…StateStarted` of a Parallel or Map.
    pub(super) started_event: i64,
    /// Items of a Map.
    pub(super) length: u64,
    /// Iterations that succeeded.
    pub(super) succeeded: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    Wait,
    Map,
    Parallel,
    /// Pass, Choice, Succeed, Fail: over as soon as entered.
    Instant,
}

/// All scopes so far; a scope stays when it is over, since later events may link into it.
#[derive(Debug)]
pub(super) struct Scopes(Vec<Scope>);

impl Default for Scopes {
    /// The execution's own sequence.
    fn default() -> Self {
        Self(vec![Scope::default()])
    }
}

impl Scopes {
    pub(super) fn push(&mut self, scope: Scope) -> ScopeId {
        self.0.push(scope);
        self.0.len() - 1
    }

    /// Closes the states that were open inside; gives the names of those that did not fail themselves.
    pub(super) fn abort_below(&mut self, top: ScopeId) -> Vec<String> {
        let mut names = Vec::new();
        for id in top + 1..self.0.len() {
            if self.is_below(id, top)
                && let Some(open) = self[id].open.take()
            {
                if !open.failed {
                    names.push(format!("{}{}", open.name, bracketed(&self.indexes(id))));
                }
                self[id].aborted = Some(open);
            }
        }
        names
    }

    /// What was ended inside stays so: the state around it was retried, or left.
    pub(super) fn forget_below(&mut self, top: ScopeId) {
        for id in top + 1..self.0.len() {
            if self.is_below(id, top) {
                self[id].aborted = None;
            }
        }
    }

    /// What a failure had ended goes on.
    pub(super) fn reopen(&mut self) {
        for scope in &mut self.0 {
            if let Some(open) = scope.aborted.take() {
                scope.open = Some(open);
            }
            if let Some(open) = &mut scope.open {
                open.failed = false;
            }
        }
    }

    /// The scope and those around it, innermost first.
    pub(super) fn ancestors(&self, from: ScopeId) -> impl Iterator<Item = ScopeId> {
        std::iter::successors(Some(from), |scope| self[*scope].parent)
    }

    /// The innermost scope around `from` that fits; `from` itself when none does.
    pub(super) fn ascend(&self, from: ScopeId, fits: impl Fn(&Scope) -> bool) -> ScopeId {
        self.ancestors(from)
            .find(|scope| fits(&self[*scope]))
            .unwrap_or(from)
    }

    pub(super) fn ascend_to_open(&self, from: ScopeId, kind: Kind) -> ScopeId {
        self.ascend(from, |scope| {
            scope.open.as_ref().is_some_and(|open| open.kind == kind)
        })
    }

    /// The newest iteration with this index of the Map of this name around `from`.
    pub(super) fn iteration(&self, from: ScopeId, name: &str, index: u64) -> Option<ScopeId> {
        let parent = self.ascend(from, |scope| {
            scope
                .open
                .as_ref()
                .is_some_and(|open| open.kind == Kind::Map && open.name == name)
        });
        let fits = |scope: &Scope| {
            scope.parent == Some(parent)
                && scope
                    .iteration
                    .as_ref()
                    .is_some_and(|(map, i)| map == name && *i == index)
        };
        self.0.iter().rposition(fits)
    }

    pub(super) fn is_below(&self, scope: ScopeId, top: ScopeId) -> bool {
        scope != top && self.ancestors(scope).any(|ancestor| ancestor == top)
    }

    pub(super) fn indexes(&self, scope: ScopeId) -> Vec<u64> {
        let innermost_first = self
            .ancestors(scope)
            .filter_map(|scope| self[scope].iteration.as_ref().map(|(_, index)| *index));
        let mut indexes: Vec<_> = innermost_first.collect();
        indexes.reverse();
        indexes
    }
}

impl Index<ScopeId> for Scopes {
    type Output = Scope;

    fn index(&self, id: ScopeId) -> &Scope {
        &self.0[id]
    }
}

impl IndexMut<ScopeId> for Scopes {
    fn index_mut(&mut self, id: ScopeId) -> &mut Scope {
        &mut self.0[id]
    }
}

impl Open {
    pub(super) fn new(name: String, kind: Kind, entered: Timestamp) -> Self {
        Self {
            name,
            kind,
            entered,
            attempts: 0,
            worker: None,
            failed: false,
            started_event: 0,
            length: 0,
            succeeded: 0,
        }
    }
}

/// `[2]`, `[2.0]`; empty outside of Maps.
pub(in super::super) fn bracketed(indexes: &[u64]) -> String {
    if indexes.is_empty() {
        return String::new();
    }
    let numbers: Vec<_> = indexes.iter().map(u64::to_string).collect();
    format!(" [{}]", numbers.join("."))
}
