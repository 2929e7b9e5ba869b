//! `Choice`.

use crate::choice::Rule;
use crate::program::{Choice, ChoiceBranch, Condition, Kind, Language};
use crate::value::Value;

use super::fields::Fields;
use super::query::{self, Offers};
use super::report::Report;
use super::state::Site;
use super::walk::Walk;
use super::{assign, graph};

pub(super) const FIELDS: &[&str] = &["Choices", "Default"];

/// The fields of a rule of a JSONata Choice.
const QUERY_RULE_FIELDS: &[&str] = &["Assign", "Comment", "Condition", "Next", "Output"];

/// The fields of a rule of a JSONata Choice, which a JSONPath rule does not have.
const JSONATA_FIELDS: &[&str] = &["Condition", "Output"];

/// At least one rule, each with a `Next`; `Default` is optional.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Kind {
    let (report, fields) = (&mut walk.report, &site.fields);
    fields.require(report, &["Choices"]);
    let mut branches = Vec::new();
    for (at, value) in fields.some_items(report, "Choices") {
        branches.extend(branch(report, value, &at, site));
    }
    let default = graph::target(report, fields, "Default", site.block.targets);
    Kind::Choice(Choice { branches, default })
}

fn branch(report: &mut Report, value: &Value, at: &str, site: &Site<'_>) -> Option<ChoiceBranch> {
    let fields = Fields::of(report, value, at)?;
    fields.require(report, &["Next"]);
    fields.string(report, "Comment");
    let assign = assign::read(report, &fields, site, Offers::Nothing);
    let next = graph::target(report, &fields, "Next", site.block.targets);
    let (condition, output) = match site.language {
        Language::JsonPath => (rule(report, value, &fields).map(Condition::Rule), None),
        Language::Jsonata => {
            fields.only(report, QUERY_RULE_FIELDS);
            let output = query::template(report, &fields, "Output", Offers::Nothing);
            (condition(report, &fields, site), output)
        }
    };
    Some(ChoiceBranch {
        condition: condition?,
        next: next?,
        assign,
        output,
    })
}

/// `Condition`: a boolean or an expression.
fn condition(report: &mut Report, fields: &Fields<'_>, site: &Site<'_>) -> Option<Condition> {
    fields.require(report, &["Condition"]);
    let condition = query::expression(report, fields, "Condition", "Boolean", |value| {
        value.as_bool().is_some()
    })?;
    let at = fields.location("Condition");
    let state = site.fields.location("");
    Some(Condition::Jsonata {
        location: at.strip_prefix(&state).unwrap_or(&at).into(),
        condition,
    })
}

fn rule(report: &mut Report, value: &Value, fields: &Fields<'_>) -> Option<Rule> {
    let foreign: Vec<&str> = JSONATA_FIELDS
        .iter()
        .copied()
        .filter(|field| fields.has(field))
        .collect();
    for field in &foreign {
        fields.unsupported(report, field);
    }
    if !foreign.is_empty() {
        return None;
    }
    match Rule::compile(value) {
        Ok(rule) => Some(rule),
        Err(problems) => {
            for problem in problems {
                report.schema(place(fields.here(), &problem.pointer), problem.message);
            }
            None
        }
    }
}

/// A place inside a rule: `/And/1/Variable` below `/Choices[0]` is `/Choices[0]/And[1]/Variable`.
fn place(at: &str, pointer: &str) -> String {
    let mut place = at.to_owned();
    for part in pointer.split('/').skip(1) {
        let is_index = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        place.push_str(&if is_index {
            format!("[{part}]")
        } else {
            format!("/{part}")
        });
    }
    place
}
