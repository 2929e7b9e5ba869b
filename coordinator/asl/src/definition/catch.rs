//! `Catch`.

use crate::program::Catcher;

use super::fields::Fields;
use super::report::Report;
use super::scope::Block;
use super::{assign, data, graph, retry};

const FIELDS: &[&str] = &["Assign", "Comment", "ErrorEquals", "Next", "ResultPath"];

/// The catchers of a state, in order.
pub(super) fn read(report: &mut Report, state: &Fields<'_>, block: &Block<'_>) -> Vec<Catcher> {
    let items = state.items(report, "Catch");
    let last = items.len().saturating_sub(1);
    let mut catchers = Vec::new();
    for (i, (at, value)) in items.iter().enumerate() {
        let Some(fields) = Fields::of(report, value, at) else {
            continue;
        };
        fields.only(report, FIELDS);
        fields.require(report, &["ErrorEquals", "Next"]);
        fields.string(report, "Comment");
        let error_equals = retry::error_equals(report, &fields);
        retry::check_all(report, &fields, &error_equals, i == last);
        let result_path = data::result_path(report, &fields);
        let assign = assign::read(report, &fields, block);
        let next = graph::target(report, &fields, "Next", block.targets);
        catchers.extend(next.map(|next| Catcher {
            error_equals,
            next,
            result_path,
            assign,
        }));
    }
    catchers
}
