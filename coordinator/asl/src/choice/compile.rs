//! Rule object to rule: one operator, checked operand, nested rules.

use super::pattern::Pattern;
use super::{Comparison, Is, Operand, OperandKind, Relation, Rule, Test};
use crate::limits::RULE_NESTING_MAX;
use crate::path::Path;
use crate::template::TemplateProblem;
use crate::value::{Object, Value};

/// Fields of a rule that are not operators, at the top level; `Variable` is not among them.
const STATE_FIELDS: [&str; 3] = ["Next", "Comment", "Assign"];

/// What an operator's name means.
#[derive(Clone, Copy)]
enum Operator {
    And,
    Or,
    Not,
    Is(Is),
    Matches,
    Compare {
        kind: OperandKind,
        relation: Relation,
        by_path: bool,
    },
}

/// Compiles a top-level rule.
pub(super) fn compile(rule: &Value) -> Result<Rule, Vec<TemplateProblem>> {
    let mut problems = Problems { found: Vec::new() };
    let compiled = problems.rule(rule, "", 0);
    match compiled {
        Some(rule) if problems.found.is_empty() => Ok(rule),
        Some(_) | None => Err(problems.found),
    }
}

/// Collects what is wrong while it compiles. A method that gives none has reported why.
struct Problems {
    found: Vec<TemplateProblem>,
}

impl Problems {
    fn report<T>(&mut self, pointer: &str, message: impl Into<String>) -> Option<T> {
        self.found.push(TemplateProblem {
            pointer: pointer.into(),
            message: message.into(),
        });
        None
    }

    fn rule(&mut self, rule: &Value, pointer: &str, depth: usize) -> Option<Rule> {
        let Some(members) = rule.as_object() else {
            return self.report(pointer, "A choice rule must be an object");
        };
        if depth > RULE_NESTING_MAX {
            return self.report(
                pointer,
                format!("Rules nest deeper than {RULE_NESTING_MAX}"),
            );
        }
        let mut operators = Vec::new();
        for (key, value) in members.iter() {
            let is_state_field =
                STATE_FIELDS.contains(&&**key) && (depth == 0 || &**key == "Comment");
            if is_state_field || &**key == "Variable" {
                continue;
            }
            match Operator::named(key) {
                Some(operator) => operators.push((operator, value, format!("{pointer}/{key}"))),
                None => {
                    self.report::<()>(pointer, format!("Field '{key}' is not supported"));
                }
            }
        }
        match operators.as_slice() {
            [(operator, value, place)] => {
                self.operator(members, *operator, (value, place), (pointer, depth))
            }
            [] => self.report(pointer, "A choice rule must have a comparison operator"),
            [_, ..] => self.report(pointer, "A choice rule must have exactly one operator"),
        }
    }

    fn operator(
        &mut self,
        rule: &Object,
        operator: Operator,
        (value, place): (&Value, &str),
        (pointer, depth): (&str, usize),
    ) -> Option<Rule> {
        let test = match operator {
            Operator::And => return self.rules(value, place, depth).map(Rule::And),
            Operator::Or => return self.rules(value, place, depth).map(Rule::Or),
            Operator::Not => {
                return self
                    .rule(value, place, depth + 1)
                    .map(|rule| Rule::Not(Box::new(rule)));
            }
            Operator::Is(what) => match value.as_bool() {
                Some(expected) => Some(Test::Is { what, expected }),
                None => self.report(place, "Expected value of type Boolean"),
            },
            Operator::Matches => match value.as_str() {
                Some(text) => Some(Test::Matches(Pattern::parse(text))),
                None => self.report(place, "Expected value of type String"),
            },
            Operator::Compare {
                kind,
                relation,
                by_path: false,
            } => {
                let operand = self.literal(kind, value, place);
                operand.map(|operand| Test::Literal { relation, operand })
            }
            Operator::Compare {
                kind,
                relation,
                by_path: true,
            } => self.path(value, place).map(|path| Test::Path {
                relation,
                kind,
                path,
            }),
        };
        let variable = match rule.get("Variable") {
            Some(variable) => self.path(variable, &format!("{pointer}/Variable")),
            None => self.report(pointer, "These fields are required: [Variable]"),
        };
        Some(Rule::Comparison(Comparison {
            variable: variable?,
            test: test?,
        }))
    }

    fn rules(&mut self, value: &Value, place: &str, depth: usize) -> Option<Vec<Rule>> {
        let Some(rules) = value.as_array() else {
            return self.report(place, "Expected value of type Array");
        };
        if rules.is_empty() {
            return self.report(place, "Value cannot be empty");
        }
        let compiled: Vec<_> = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| self.rule(rule, &format!("{place}/{index}"), depth + 1))
            .collect();
        compiled.into_iter().collect()
    }

    fn literal(&mut self, kind: OperandKind, value: &Value, place: &str) -> Option<Operand> {
        kind.read(value).or_else(|| {
            let message = match kind {
                OperandKind::String => "Expected value of type String",
                OperandKind::Numeric => "Expected value of type Number",
                OperandKind::Boolean => "Expected value of type Boolean",
                OperandKind::Timestamp => "String does not match RFC3339 timestamp",
            };
            self.report(place, message)
        })
    }

    fn path(&mut self, value: &Value, place: &str) -> Option<Path> {
        match value.as_str().map(Path::parse) {
            Some(Ok(path)) => Some(path),
            Some(Err(_)) | None => self.report(place, "Value is not a Reference Path"),
        }
    }
}

impl Operator {
    fn named(name: &str) -> Option<Operator> {
        Some(match name {
            "And" => Operator::And,
            "Or" => Operator::Or,
            "Not" => Operator::Not,
            "IsNull" => Operator::Is(Is::Null),
            "IsPresent" => Operator::Is(Is::Present),
            "IsNumeric" => Operator::Is(Is::Numeric),
            "IsString" => Operator::Is(Is::String),
            "IsBoolean" => Operator::Is(Is::Boolean),
            "IsTimestamp" => Operator::Is(Is::Timestamp),
            "StringMatches" => Operator::Matches,
            _ => return Operator::comparison(name),
        })
    }

    /// `<Kind><Relation>` or `<Kind><Relation>Path`; booleans are only equal or not.
    fn comparison(name: &str) -> Option<Operator> {
        let short = name.strip_suffix("Path");
        let (kind, relation) = [
            ("String", OperandKind::String),
            ("Numeric", OperandKind::Numeric),
            ("Boolean", OperandKind::Boolean),
            ("Timestamp", OperandKind::Timestamp),
        ]
        .into_iter()
        .find_map(|(prefix, kind)| Some((kind, short.unwrap_or(name).strip_prefix(prefix)?)))?;
        let relation = match relation {
            "Equals" => Relation::Equals,
            "LessThan" => Relation::LessThan,
            "LessThanEquals" => Relation::LessThanEquals,
            "GreaterThan" => Relation::GreaterThan,
            "GreaterThanEquals" => Relation::GreaterThanEquals,
            _ => return None,
        };
        let is_known = kind != OperandKind::Boolean || relation == Relation::Equals;
        is_known.then_some(Operator::Compare {
            kind,
            relation,
            by_path: short.is_some(),
        })
    }
}
