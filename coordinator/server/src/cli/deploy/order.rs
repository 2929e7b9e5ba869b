//! In which order resources are made: what a value refers to comes first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::problem::Problems;
use super::scope::{Piece, call, pieces};
use super::template::{Resource, Template};

/// The names that a value refers to: parameters, resources, pseudo parameters.
pub(super) fn references(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(value, &mut names);
    names
}

/// Logical ids of the resources for which `wanted` holds, each behind those that it needs. A circle is a problem.
pub(super) fn order(
    template: &Template,
    wanted: impl Fn(&Resource) -> bool,
    problems: &mut Problems,
) -> Vec<String> {
    let mut open: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let needs: BTreeMap<&str, BTreeSet<String>> = template
        .resources
        .iter()
        .filter(|(_, resource)| wanted(resource))
        .map(|(id, resource)| (id.as_str(), needs(template, id, resource, problems)))
        .collect();
    for (id, names) in &needs {
        let active = names.iter().map(String::as_str);
        open.insert(id, active.filter(|name| needs.contains_key(name)).collect());
    }
    let mut ordered = Vec::new();
    while let Some(id) = open
        .iter()
        .find(|(_, needs)| needs.is_empty())
        .map(|(id, _)| *id)
    {
        open.remove(id);
        for needs in open.values_mut() {
            needs.remove(id);
        }
        ordered.push(id.to_owned());
    }
    if !open.is_empty() {
        problems.add(
            "Resources",
            format!("they need each other: {}", circle(&open)),
        );
    }
    ordered
}

fn needs(
    template: &Template,
    id: &str,
    resource: &Resource,
    problems: &mut Problems,
) -> BTreeSet<String> {
    let mut needs: BTreeSet<String> = resource.depends_on.iter().cloned().collect();
    for name in needs
        .iter()
        .filter(|name| !template.resources.contains_key(*name))
    {
        let at = format!("Resources.{id}.DependsOn");
        problems.add(at, format!("there is no resource {name}"));
    }
    // Properties of what is not made are not looked at.
    if !resource.kind.is_left_out() {
        for value in resource.properties.values() {
            needs.extend(references(value));
        }
    }
    needs
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match call(value) {
        Some(("Ref", Value::String(name))) => {
            names.insert(name.clone());
        }
        Some(("Fn::GetAtt", argument)) => {
            let id = match argument {
                Value::String(text) => text.split('.').next(),
                Value::Array(items) => items.first().and_then(Value::as_str),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
            };
            names.extend(id.map(str::to_owned));
        }
        Some(("Fn::Sub", argument)) => {
            let text = argument
                .as_str()
                .or_else(|| argument.get(0).and_then(Value::as_str));
            for piece in pieces(text.unwrap_or_default()) {
                if let Piece::Name(name) = piece {
                    names.insert(name.to_owned());
                    names.extend(name.split_once('.').map(|(id, _)| id.to_owned()));
                }
            }
            members(argument, names);
        }
        Some((_, argument)) => collect(argument, names),
        None => members(value, names),
    }
}

fn members(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(members) => members.values().for_each(|member| collect(member, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `A -> B -> A`: following what is needed must come back, because everything that is left needs something that is left.
fn circle(open: &BTreeMap<&str, BTreeSet<&str>>) -> String {
    let mut path: Vec<&str> = open.keys().copied().take(1).collect();
    while let Some(next) = path
        .last()
        .and_then(|last| open.get(last)?.first().copied())
    {
        if let Some(start) = path.iter().position(|id| *id == next) {
            path.push(next);
            return path[start..].join(" -> ");
        }
        path.push(next);
    }
    path.join(" -> ")
}
