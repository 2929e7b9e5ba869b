//! Which state an event is about, and what a person should read about it.
//!
//! Events carry names only when a state is entered or exited; everything between is found by `previousEventId`. A scope
//! is one sequence of states (the execution, a Parallel branch, a Map iteration) and has at most one open state.

mod scopes;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use stepfleet_sdk::api;

use super::super::super::time;
use super::Details;
pub(super) use scopes::bracketed;
use scopes::{Kind, Open, ROOT, Scope, ScopeId, Scopes};

/// One line of the watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Since the execution started.
    pub(super) offset: SignedDuration,
    /// Levels of Parallel and Map around it.
    pub(super) depth: usize,
    pub(super) mark: Mark,
    pub(super) name: String,
    /// Indexes of the Map iterations around it, outermost first.
    pub(super) indexes: Vec<u64>,
    /// How long it took, when it is over.
    pub(super) took: Option<SignedDuration>,
    pub(super) note: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Entered,
    Succeeded,
    /// An item of a Map is done.
    Progress,
    Failed,
    Retried,
    Caught,
    Waiting,
    Aborted,
}

/// Everything known about an execution from the events so far.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    scopes: Scopes,
    /// The scope that each event belongs to.
    scope_of: BTreeMap<i64, ScopeId>,
    started: Option<Timestamp>,
}

impl Tracker {
    /// Takes an event in; gives what to show, if anything.
    pub(super) fn observe(&mut self, event: &api::HistoryEvent) -> Option<Line> {
        let at = time::instant(event.timestamp.as_ref())
            .unwrap_or(self.started.unwrap_or(Timestamp::UNIX_EPOCH));
        let started = *self.started.get_or_insert(at);
        let details = Details::of(event);
        let from = self
            .scope_of
            .get(&event.previous_event_id)
            .copied()
            .unwrap_or(ROOT);
        let seen = Seen {
            id: event.id,
            previous: event.previous_event_id,
            at,
            from,
            details,
        };
        let (scope, told) = self.dispatch(&event.r#type, &seen);
        self.scope_of.insert(event.id, scope);
        told.map(|told| self.line(scope, at.duration_since(started), told))
    }

    fn dispatch(&mut self, event_type: &str, seen: &Seen) -> (ScopeId, Option<Told>) {
        if let Some(state_type) = event_type.strip_suffix("StateEntered") {
            return self.entered(state_type, seen);
        }
        if event_type.ends_with("StateExited") {
            return self.exited(seen);
        }
        match event_type {
            "MapStateStarted" | "ParallelStateStarted" => self.branches_started(event_type, seen),
            "MapStateFailed" | "ParallelStateFailed" => self.branches_failed(event_type, seen),
            "MapIterationStarted" => (self.iteration_started(seen), None),
            "MapIterationSucceeded" => self.iteration_ended(Mark::Progress, seen),
            "MapIterationFailed" => self.iteration_ended(Mark::Failed, seen),
            "MapIterationAborted" => self.iteration_ended(Mark::Aborted, seen),
            "ExecutionFailed" | "ExecutionTimedOut" => (
                ROOT,
                Some(Told::new(Mark::Failed, "execution failed", seen.problem())),
            ),
            "ExecutionAborted" => (
                ROOT,
                Some(Told::new(
                    Mark::Aborted,
                    "execution stopped",
                    seen.problem(),
                )),
            ),
            "ExecutionRedriven" => {
                self.scopes.reopen();
                let count = seen.details.redrive_count.unwrap_or_default();
                let note = counted(count, "time");
                (
                    ROOT,
                    Some(Told::new(Mark::Retried, "execution redriven", note)),
                )
            }
            "EvaluationFailed" => (seen.from, self.attempt_failed(seen)),
            other => (seen.from, self.task_event(other, seen)),
        }
    }

    fn entered(&mut self, state_type: &str, seen: &Seen) -> (ScopeId, Option<Told>) {
        let parent = &self.scopes[seen.from];
        // The first state of each Parallel branch links to the event that started the branches.
        let branch = parent
            .open
            .as_ref()
            .is_some_and(|open| open.kind == Kind::Parallel && open.started_event == seen.previous);
        let scope = if branch {
            self.scopes.push(Scope {
                parent: Some(seen.from),
                ..Scope::default()
            })
        } else {
            seen.from
        };
        let kind = match state_type {
            "Task" => Kind::Task,
            "Wait" => Kind::Wait,
            "Map" => Kind::Map,
            "Parallel" => Kind::Parallel,
            _ => Kind::Instant,
        };
        let name = seen.details.name.clone().unwrap_or_default();
        self.scopes[scope].open = Some(Open::new(name.clone(), kind, seen.at));
        let told = match kind {
            Kind::Task => Some(Told::new(Mark::Entered, name, String::new())),
            Kind::Wait => Some(Told::new(Mark::Waiting, name, "waits".into())),
            // Fail has no exit event; the other ones are told when they end or when their branches start.
            Kind::Instant if state_type == "Fail" => {
                Some(Told::new(Mark::Failed, name, String::new()))
            }
            Kind::Map | Kind::Parallel | Kind::Instant => None,
        };
        (scope, told)
    }

    fn exited(&mut self, seen: &Seen) -> (ScopeId, Option<Told>) {
        let name = seen.details.name.clone().unwrap_or_default();
        let scope = self.scopes.ascend(seen.from, |scope| {
            scope.open.as_ref().is_some_and(|open| open.name == name)
        });
        let Some(open) = self.scopes[scope].open.take() else {
            return (scope, None);
        };
        self.scopes.forget_below(scope);
        let took = (open.kind != Kind::Instant).then(|| seen.at.duration_since(open.entered));
        let told = if open.failed {
            Told::new(Mark::Caught, name, "failure caught".into())
        } else {
            let note = open
                .worker
                .map(|worker| format!("by {worker}"))
                .unwrap_or_default();
            Told::new(Mark::Succeeded, name, note)
        };
        (scope, Some(Told { took, ..told }))
    }

    fn branches_started(&mut self, event_type: &str, seen: &Seen) -> (ScopeId, Option<Told>) {
        let scope = self
            .scopes
            .ascend_to_open(seen.from, branching_kind(event_type));
        self.scopes.forget_below(scope);
        let Some(open) = self.scopes[scope].open.as_mut() else {
            return (scope, None);
        };
        open.started_event = seen.id;
        open.attempts += 1;
        open.failed = false;
        open.succeeded = 0;
        open.length = seen.details.length.unwrap_or(0);
        let note = match open.kind {
            Kind::Map => format!("Map of {}", counted(open.length, "item")),
            Kind::Parallel | Kind::Task | Kind::Wait | Kind::Instant => "Parallel".to_owned(),
        };
        let (mark, note) = if open.attempts > 1 {
            (Mark::Retried, format!("attempt {}, {note}", open.attempts))
        } else {
            (Mark::Entered, note)
        };
        (scope, Some(Told::new(mark, open.name.clone(), note)))
    }

    fn branches_failed(&mut self, event_type: &str, seen: &Seen) -> (ScopeId, Option<Told>) {
        let scope = self
            .scopes
            .ascend_to_open(seen.from, branching_kind(event_type));
        let aborted = self.scopes.abort_below(scope);
        let Some(open) = self.scopes[scope].open.as_mut() else {
            return (scope, None);
        };
        open.failed = true;
        let note = match aborted.as_slice() {
            [] => String::new(),
            names => format!("aborted: {}", names.join(", ")),
        };
        (
            scope,
            Some(Told::new(Mark::Failed, open.name.clone(), note)),
        )
    }

    /// A Map iteration starts at its Map's start, or (one at a time) after the last event of the one before.
    fn iteration_started(&mut self, seen: &Seen) -> ScopeId {
        let name = seen.details.name.clone().unwrap_or_default();
        let parent = self.scopes.ascend(seen.from, |scope| {
            scope
                .open
                .as_ref()
                .is_some_and(|open| open.kind == Kind::Map && open.name == name)
        });
        let index = seen.details.index.unwrap_or(0);
        self.scopes.push(Scope {
            parent: Some(parent),
            iteration: Some((name, index)),
            ..Scope::default()
        })
    }

    /// Progress of the Map, at its own depth.
    fn iteration_ended(&mut self, mark: Mark, seen: &Seen) -> (ScopeId, Option<Told>) {
        let name = seen.details.name.clone().unwrap_or_default();
        let index = seen.details.index.unwrap_or(0);
        let found = self.scopes.iteration(seen.from, &name, index);
        let parent = found
            .and_then(|scope| self.scopes[scope].parent)
            .unwrap_or(seen.from);
        let Some(open) = self.scopes[parent].open.as_mut() else {
            return (parent, None);
        };
        if mark == Mark::Progress {
            open.succeeded += 1;
        }
        let note = match mark {
            Mark::Progress => format!("item {index}: {} of {} done", open.succeeded, open.length),
            Mark::Failed => format!("item {index} failed"),
            // Aborted items are told with the Map's failure, all at once.
            Mark::Entered
            | Mark::Succeeded
            | Mark::Retried
            | Mark::Caught
            | Mark::Waiting
            | Mark::Aborted => {
                return (parent, None);
            }
        };
        // The scope stays the iteration's: later events of the Map link to events inside it and look upwards from there.
        let depth_from = found.unwrap_or(parent);
        (
            depth_from,
            Some(Told {
                at_parent: true,
                ..Told::new(mark, name, note)
            }),
        )
    }

    fn task_event(&mut self, event_type: &str, seen: &Seen) -> Option<Told> {
        match event_type {
            "ActivityScheduled" | "TaskScheduled" | "LambdaFunctionScheduled" => {
                let open = self.scopes[seen.from].open.as_mut()?;
                open.attempts += 1;
                open.failed = false;
                let note = format!("attempt {}", open.attempts);
                (open.attempts > 1).then(|| Told::new(Mark::Retried, open.name.clone(), note))
            }
            "ActivityStarted" => {
                let open = self.scopes[seen.from].open.as_mut()?;
                open.worker = seen.details.worker_name.clone();
                None
            }
            "TaskSubmitted" => {
                let open = self.scopes[seen.from].open.as_ref()?;
                let resource = seen.details.resource.as_deref().unwrap_or_default();
                let note = if resource.ends_with(".waitForTaskToken") {
                    "waits for its token to be completed".to_owned()
                } else {
                    format!("{resource} runs")
                };
                Some(Told::new(Mark::Waiting, open.name.clone(), note))
            }
            failed if failed.ends_with("Failed") || failed.ends_with("TimedOut") => {
                self.attempt_failed(seen)
            }
            _ => None,
        }
    }

    fn attempt_failed(&mut self, seen: &Seen) -> Option<Told> {
        let open = self.scopes[seen.from].open.as_mut()?;
        open.failed = true;
        Some(Told::new(Mark::Failed, open.name.clone(), seen.problem()))
    }

    fn line(&self, scope: ScopeId, offset: SignedDuration, told: Told) -> Line {
        let place = if told.at_parent {
            self.scopes[scope].parent.unwrap_or(scope)
        } else {
            scope
        };
        Line {
            offset,
            depth: self.scopes.ancestors(place).count() - 1,
            mark: told.mark,
            name: told.name,
            indexes: self.scopes.indexes(place),
            took: told.took,
            note: told.note,
        }
    }
}

/// An event with what it was found to follow.
struct Seen {
    id: i64,
    previous: i64,
    at: Timestamp,
    from: ScopeId,
    details: Details,
}

impl Seen {
    /// `Error: cause`, on one line.
    fn problem(&self) -> String {
        let parts = [self.details.error.as_deref(), self.details.cause.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

/// What to say about a scope.
struct Told {
    mark: Mark,
    name: String,
    took: Option<SignedDuration>,
    note: String,
    /// It is about the state around the scope.
    at_parent: bool,
}

impl Told {
    fn new(mark: Mark, name: impl Into<String>, note: String) -> Self {
        Self {
            mark,
            name: name.into(),
            took: None,
            note,
            at_parent: false,
        }
    }
}

fn branching_kind(event_type: &str) -> Kind {
    if event_type.starts_with("Map") {
        Kind::Map
    } else {
        Kind::Parallel
    }
}

fn counted(n: u64, word: &str) -> String {
    if n == 1 {
        format!("1 {word}")
    } else {
        format!("{n} {word}s")
    }
}
