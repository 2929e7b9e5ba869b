//! A `States` block: the document, a branch of a Parallel, the item processor of a Map.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::DUPLICATE_STATE_NAME;
use crate::limits::{STATE_NAME_CHARS_MAX, TIMEOUT_SECONDS_MAX};
use crate::program::{Language, Scope, ScopeId, StateId};
use crate::value::Object;

use super::assign::{self, Names};
use super::fields::Fields;
use super::graph;
use super::state::{self, Site};
use super::walk::Walk;

/// The fields of every `States` block.
pub(super) const FIELDS: &[&str] = &["Comment", "QueryLanguage", "StartAt", "States"];

/// What the states of one block share.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) scope: ScopeId,
    pub(super) targets: &'a BTreeMap<&'a str, StateId>,
    pub(super) language: Language,
    /// The variables that the blocks around this one assign.
    pub(super) outer: &'a [Arc<Names>],
}

/// The document itself, with the fields that only it has. Returns its `TimeoutSeconds`.
pub(super) fn document(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<u32> {
    let supported = [FIELDS, &["TimeoutSeconds", "Version"]].concat();
    fields.only(&mut walk.report, &supported);
    fields.one_of(&mut walk.report, "Version", &["1.0"]);
    let timeout = fields.integer(&mut walk.report, "TimeoutSeconds", 1..=TIMEOUT_SECONDS_MAX);
    compile(walk, fields, None);
    timeout
}

/// Compiles a block, whose unknown fields the caller has dealt with.
pub(super) fn compile(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    owner: Option<StateId>,
) -> Option<ScopeId> {
    fields.require(&mut walk.report, &["States", "StartAt"]);
    fields.string(&mut walk.report, "Comment");
    let language = language(walk, fields, owner);
    let states = fields
        .object(&mut walk.report, "States")
        .and_then(|value| value.as_object());
    let Some(states) = states.filter(|states| !states.is_empty()) else {
        if states.is_some() {
            walk.report
                .schema(fields.location("States"), "Value cannot be empty");
        }
        fields.string(&mut walk.report, "StartAt");
        return None;
    };
    let scope = walk.reserve_scope();
    let at = fields.location("States");
    let targets = reserve(walk, states, &at);
    let outer = walk.enter_block(assign::names(states));
    let block = Block {
        scope,
        targets: &targets,
        language,
        outer: &outer,
    };
    let start_at = graph::target(&mut walk.report, fields, "StartAt", &targets);
    // A name that is too long has its finding, and nothing is said of what is below it: every place there would repeat
    // the name, and a document of one long name and many states would take the square of its length.
    for (name, value) in states.iter().filter(|(name, _)| !is_long(name)) {
        let id = targets[&**name];
        let pointer = format!("{at}/{name}");
        let compiled = Fields::of(&mut walk.report, value, &pointer).and_then(|fields| {
            state::compile(
                walk,
                &Site {
                    language,
                    block: &block,
                    id,
                    name,
                    fields,
                },
            )
        });
        walk.fill_state(id, compiled);
    }
    walk.leave_block();
    if let Some(text) = start_at
        .and(fields.get("StartAt"))
        .and_then(|value| value.as_str())
    {
        graph::check(&mut walk.report, states, text, &at);
    }
    walk.fill_scope(scope, start_at.map(|start_at| Scope { start_at, owner }));
    Some(scope)
}

/// Ids and name checks of a block's states.
fn reserve<'a>(walk: &mut Walk<'_>, states: &'a Object, at: &str) -> BTreeMap<&'a str, StateId> {
    let mut targets = BTreeMap::new();
    for name in states.keys() {
        check_name(walk, name, at);
        targets.insert(&**name, walk.reserve_state());
    }
    targets
}

fn check_name(walk: &mut Walk<'_>, name: &Arc<str>, at: &str) {
    if name.is_empty() || is_long(name) {
        let message =
            format!("State name must have 1 to {STATE_NAME_CHARS_MAX} characters: '{name}'");
        walk.report.schema(format!("{at}/{name}"), message);
    }
    if !walk.claim_name(name) {
        let message = format!("Duplicate State name: {name}");
        walk.report
            .error(DUPLICATE_STATE_NAME, format!("{at}/{name}"), message);
    }
}

fn is_long(name: &str) -> bool {
    name.chars().nth(STATE_NAME_CHARS_MAX).is_some()
}

/// A block that names no language has the document's; one in JSONPath cannot stand in a document in JSONata.
fn language(walk: &mut Walk<'_>, fields: &Fields<'_>, owner: Option<StateId>) -> Language {
    let inherited = walk.language;
    let own = match fields.one_of(&mut walk.report, "QueryLanguage", &["JSONPath", "JSONata"]) {
        Some("JSONata") => Language::Jsonata,
        Some(_) => Language::JsonPath,
        None => inherited,
    };
    if owner.is_none() {
        walk.language = own;
    } else if (inherited, own) == (Language::Jsonata, Language::JsonPath) {
        walk.report.schema(fields.here(), state::NO_WAY_BACK);
    }
    own
}
