//! The transitions of one `States` block: that each leads to a state of the block, that the block can end, and that
//! every state can be reached. Works on the raw document, so that a state with another error still counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::MISSING_TRANSITION_TARGET;
use crate::program::StateId;
use crate::value::{Object, Value};

use super::fields::Fields;
use super::report::Report;

/// The state that a field (`Next`, `Default`, `StartAt`) names.
pub(super) fn target(
    report: &mut Report,
    fields: &Fields<'_>,
    field: &str,
    targets: &BTreeMap<&str, StateId>,
) -> Option<StateId> {
    let name = fields.string(report, field)?;
    let id = targets.get(&**name).copied();
    if id.is_none() {
        let message = format!("Missing '{field}' target: {name}");
        report.error(MISSING_TRANSITION_TARGET, fields.location(field), message);
    }
    id
}

/// Checks that the block which starts at `start` can end, and warns of states that cannot be reached. Says nothing
/// while a transition is missing or leads nowhere: what it was meant to reach is not known.
pub(super) fn check(report: &mut Report, states: &Object, start: &str, at: &str) {
    if !states.values().all(|state| leads_on(state, states)) {
        return;
    }
    let reached = reachable(states, start);
    if !reached
        .iter()
        .any(|name| states.get(*name).is_some_and(is_terminal))
    {
        report.schema(
            at,
            format!("No terminal state can be reached from '{start}'"),
        );
    }
    for name in states.keys().filter(|name| !reached.contains(&***name)) {
        let message = format!("State \"{name}\" is not reachable.");
        report.warning(MISSING_TRANSITION_TARGET, format!("{at}/{name}"), message);
    }
}

/// Whether a state ends its block or leads to states of it, as far as its own fields tell.
fn leads_on(state: &Value, states: &Object) -> bool {
    let next = successors(state);
    let ends = is_terminal(state) || !next.is_empty();
    ends && next.iter().all(|next| states.contains_key(*next))
}

fn reachable<'a>(states: &'a Object, start: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([start]);
    let mut waiting = vec![start];
    while let Some(state) = waiting.pop().and_then(|name| states.get(name)) {
        for next in successors(state) {
            if reached.insert(next) {
                waiting.push(next);
            }
        }
    }
    reached
}

/// The names in `Next`, `Default`, `Choices[].Next` and `Catch[].Next`.
fn successors(state: &Value) -> Vec<&str> {
    let own = ["Next", "Default"]
        .into_iter()
        .filter_map(|field| state.get(field));
    let inner = ["Choices", "Catch"]
        .into_iter()
        .filter_map(|field| state.get(field).and_then(Value::as_array))
        .flat_map(|entries| entries.iter())
        .filter_map(|entry| entry.get("Next"));
    own.chain(inner).filter_map(Value::as_str).collect()
}

fn is_terminal(state: &Value) -> bool {
    let ends = state.get("End").and_then(Value::as_bool) == Some(true);
    ends || matches!(
        state.get("Type").and_then(Value::as_str),
        Some("Succeed" | "Fail")
    )
}
