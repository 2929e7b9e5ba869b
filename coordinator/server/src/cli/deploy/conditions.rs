//! The conditions of a template: true or false by parameters alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::parameters::text_of;
use super::problem::Problems;
use super::scope::Scope;

/// Decides every condition.
pub(super) fn decide(
    conditions: &Map<String, Value>,
    scope: &Scope,
    problems: &mut Problems,
) -> BTreeMap<String, bool> {
    let mut decider = Decider {
        conditions,
        scope,
        decided: BTreeMap::new(),
        open: Vec::new(),
    };
    for name in conditions.keys() {
        decider.named(name, "Conditions", problems);
    }
    decider.decided
}

struct Decider<'c> {
    conditions: &'c Map<String, Value>,
    scope: &'c Scope,
    decided: BTreeMap<String, bool>,
    /// Those that are being decided, to find one that needs itself.
    open: Vec<String>,
}

impl Decider<'_> {
    /// What could not be decided is false, beside its problem.
    fn named(&mut self, name: &str, at: &str, problems: &mut Problems) -> bool {
        if let Some(decided) = self.decided.get(name) {
            return *decided;
        }
        let Some(value) = self.conditions.get(name) else {
            problems.add(at, format!("there is no condition {name}"));
            return false;
        };
        if self.open.iter().any(|open| open == name) {
            let circle = format!("{} -> {name}", self.open.join(" -> "));
            problems.add("Conditions", format!("a circle: {circle}"));
            return false;
        }
        self.open.push(name.to_owned());
        let holds = self.holds(value, &format!("Conditions.{name}"), problems);
        self.open.pop();
        self.decided.insert(name.to_owned(), holds);
        holds
    }

    fn holds(&mut self, value: &Value, at: &str, problems: &mut Problems) -> bool {
        let call = value.as_object().filter(|members| members.len() == 1);
        let Some((name, argument)) = call.and_then(|members| members.iter().next()) else {
            problems.add(
                at,
                "a condition is one of Fn::Equals, Fn::And, Fn::Or, Fn::Not, Condition",
            );
            return false;
        };
        let at = format!("{at}.{name}");
        match (name.as_str(), argument) {
            ("Condition", Value::String(name)) => self.named(name, &at, problems),
            ("Fn::Equals", Value::Array(sides)) if sides.len() == 2 => {
                let sides: Vec<Option<Value>> = sides
                    .iter()
                    .map(|side| self.scope.resolve(side, &at, problems))
                    .collect();
                let plain = |side: &Option<Value>| {
                    let value = side.clone().unwrap_or_default();
                    text_of(&value).map_or(value, Value::from)
                };
                plain(&sides[0]) == plain(&sides[1])
            }
            ("Fn::And", Value::Array(parts)) => self.parts(parts, &at, problems).iter().all(|p| *p),
            ("Fn::Or", Value::Array(parts)) => self.parts(parts, &at, problems).contains(&true),
            ("Fn::Not", Value::Array(parts)) if parts.len() == 1 => {
                !self.holds(&parts[0], &at, problems)
            }
            _ => {
                problems.add(&at, "this is no condition");
                false
            }
        }
    }

    /// All of them, so that problems of all are told.
    fn parts(&mut self, parts: &[Value], at: &str, problems: &mut Problems) -> Vec<bool> {
        parts
            .iter()
            .map(|part| self.holds(part, at, problems))
            .collect()
    }
}
