//! `Catch`.

use crate::program::{Catcher, Language, ResultPath};

use super::fields::Fields;
use super::query::{self, Offers};
use super::report::Report;
use super::state::Site;
use super::{assign, data, graph, retry};

const FIELDS: &[&str] = &["Assign", "Comment", "ErrorEquals", "Next", "ResultPath"];
const QUERY_FIELDS: &[&str] = &["Assign", "Comment", "ErrorEquals", "Next", "Output"];

/// The catchers of a state, in order.
pub(super) fn read(report: &mut Report, site: &Site<'_>) -> Vec<Catcher> {
    let supported = match site.language {
        Language::JsonPath => FIELDS,
        Language::Jsonata => QUERY_FIELDS,
    };
    let items = site.fields.items(report, "Catch");
    let last = items.len().saturating_sub(1);
    let mut catchers = Vec::new();
    for (i, (at, value)) in items.enumerate() {
        let Some(fields) = Fields::of(report, value, &at) else {
            continue;
        };
        fields.only(report, supported);
        fields.require(report, &["ErrorEquals", "Next"]);
        fields.string(report, "Comment");
        let error_equals = retry::error_equals(report, &fields);
        retry::check_all(report, &fields, &error_equals, i == last);
        let (result_path, output) = match site.language {
            Language::JsonPath => (data::result_path(report, &fields), None),
            Language::Jsonata => {
                let output = query::template(report, &fields, "Output", Offers::ErrorOutput);
                (ResultPath::Replace, output)
            }
        };
        let assign = assign::read(report, &fields, site, Offers::ErrorOutput);
        let next = graph::target(report, &fields, "Next", site.block.targets);
        catchers.extend(next.map(|next| Catcher {
            error_equals,
            next,
            result_path,
            assign,
            output,
        }));
    }
    catchers
}
