//! `Assign` of a state, a Choice rule or a catcher, and which variables a block and the blocks around it assign.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::program::{Assign, Language};
use crate::template::EXPRESSION_SUFFIX;
use crate::value::{Object, Value};
use crate::variable;

use super::data;
use super::fields::Fields;
use super::query::{self, Offers};
use super::report::Report;
use super::state::Site;

const FIELD: &str = "Assign";

/// Names of variables.
pub(super) type Names = BTreeSet<Arc<str>>;

/// Reads `Assign`. One without variables says nothing, and none comes out.
/// `fields` are those of the state `site`, or of one of its rules or catchers.
pub(super) fn read(
    report: &mut Report,
    fields: &Fields<'_>,
    site: &Site<'_>,
    offers: Offers,
) -> Option<Assign> {
    let block = site.block;
    let members = fields.object(report, FIELD)?.as_object()?;
    for key in members.keys() {
        let name = match site.language {
            Language::JsonPath => name_of(key),
            Language::Jsonata => key,
        };
        let outer = || {
            let is_outer = block.outer.iter().any(|names| names.contains(name));
            is_outer.then(|| {
                format!("The variable '{name}' is assigned in an outer scope and cannot be assigned here")
            })
        };
        if let Some(message) = variable::refuse_name(name).or_else(outer) {
            report.schema(fields.location(FIELD), message);
        }
    }
    let assign = match site.language {
        Language::JsonPath => Assign::JsonPath(data::template(report, fields, FIELD)?),
        Language::Jsonata => Assign::Jsonata(query::template(report, fields, FIELD, offers)?),
    };
    (!members.is_empty()).then_some(assign)
}

/// Every variable that the states of a block assign, themselves, in their rules or in their catchers; not in the
/// blocks inside them.
pub(super) fn names(states: &Object) -> Names {
    let mut names = Names::new();
    for state in states.iter().filter_map(|(_, state)| state.as_object()) {
        collect(state, &mut names);
        let lists = ["Choices", "Catch"]
            .into_iter()
            .filter_map(|list| state.get(list)?.as_array());
        for item in lists.flat_map(|items| items.iter()) {
            if let Some(item) = item.as_object() {
                collect(item, &mut names);
            }
        }
    }
    names
}

fn collect(fields: &Object, names: &mut Names) {
    let assigned = fields.get(FIELD).and_then(Value::as_object);
    for key in assigned.into_iter().flat_map(|members| members.keys()) {
        names.insert(name_of(key).into());
    }
}

/// `name` of `name` and `name.$`.
fn name_of(key: &str) -> &str {
    key.strip_suffix(EXPRESSION_SUFFIX).unwrap_or(key)
}
