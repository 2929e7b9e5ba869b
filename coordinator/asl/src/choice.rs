//! Choice rules: boolean combinations of comparisons. A value of the wrong type makes a comparison false; a path that
//! finds nothing fails the state.

mod compile;
mod pattern;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use crate::environment::{Environment, EvalError};
use crate::path::{Path, PathMiss};
use crate::template::TemplateProblem;
use crate::time::parse_instant;
use crate::value::Value;
use pattern::Pattern;

/// A compiled rule.
#[derive(Clone, Debug)]
pub enum Rule {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
    Comparison(Comparison),
}

/// A test of one variable.
#[derive(Clone, Debug)]
pub struct Comparison {
    variable: Path,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Is {
        what: Is,
        expected: bool,
    },
    Matches(Pattern),
    Literal {
        relation: Relation,
        operand: Operand,
    },
    Path {
        relation: Relation,
        kind: OperandKind,
        path: Path,
    },
}

/// `IsNull` … `IsTimestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Null,
    Present,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OperandKind {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

/// A value as its operator sees it.
#[derive(Clone, Debug)]
enum Operand {
    String(Arc<str>),
    Numeric(f64),
    Boolean(bool),
    Timestamp(Timestamp),
}

impl Rule {
    /// Compiles a rule object. `Next`, `Comment` and `Assign` are the state's business and ignored here; rules inside
    /// `And`, `Or` and `Not` may have no `Next`.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(rule: &Value) -> Result<Rule, Vec<TemplateProblem>> {
        compile::compile(rule)
    }

    /// Shows every path of the rule.
    pub(crate) fn each_path(&self, visit: &mut dyn FnMut(&Path)) {
        match self {
            Rule::And(rules) | Rule::Or(rules) => {
                rules.iter().for_each(|rule| rule.each_path(visit));
            }
            Rule::Not(rule) => rule.each_path(visit),
            Rule::Comparison(comparison) => {
                visit(&comparison.variable);
                if let Test::Path { path, .. } = &comparison.test {
                    visit(path);
                }
            }
        }
    }

    /// Decides the rule over the state's effective input.
    ///
    /// # Errors
    /// `States.Runtime` when the path of a variable or of an operand finds nothing.
    pub fn eval(&self, input: &Value, env: &dyn Environment) -> Result<bool, EvalError> {
        match self {
            Rule::And(rules) => {
                for rule in rules {
                    if !rule.eval(input, env)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Rule::Or(rules) => {
                for rule in rules {
                    if rule.eval(input, env)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Rule::Not(rule) => Ok(!rule.eval(input, env)?),
            Rule::Comparison(comparison) => comparison.eval(input, env),
        }
    }
}

impl Comparison {
    fn eval(&self, input: &Value, env: &dyn Environment) -> Result<bool, EvalError> {
        let variable = self.variable.eval(input, env);
        if let Test::Is {
            what: Is::Present,
            expected,
        } = self.test
        {
            return Ok(self.is_present(&variable) == expected);
        }
        let variable = variable.map_err(|_| invalid(&self.variable))?;
        match &self.test {
            Test::Is { what, expected } => Ok(what.holds(&variable) == *expected),
            Test::Matches(pattern) => {
                Ok(variable.as_str().is_some_and(|text| pattern.matches(text)))
            }
            Test::Literal { relation, operand } => Ok(operand
                .kind()
                .read(&variable)
                .is_some_and(|variable| relation.holds(&variable, operand))),
            Test::Path {
                relation,
                kind,
                path,
            } => {
                let operand = path.eval(input, env).map_err(|_| invalid(path))?;
                let (variable, operand) = (kind.read(&variable), kind.read(&operand));
                Ok(variable
                    .zip(operand)
                    .is_some_and(|(left, right)| relation.holds(&left, &right)))
            }
        }
    }

    /// An indefinite path is present when it selects anything.
    fn is_present(&self, found: &Result<Value, PathMiss>) -> bool {
        let is_empty = |value: &Value| value.as_array().is_some_and(|items| items.is_empty());
        found
            .as_ref()
            .is_ok_and(|value| self.variable.is_definite() || !is_empty(value))
    }
}

impl Is {
    fn holds(self, value: &Value) -> bool {
        match self {
            Is::Null => value.is_null(),
            Is::Present => true,
            Is::Numeric => matches!(value, Value::Number(_)),
            Is::String => matches!(value, Value::String(_)),
            Is::Boolean => matches!(value, Value::Bool(_)),
            Is::Timestamp => value
                .as_str()
                .is_some_and(|text| parse_instant(text).is_some()),
        }
    }
}

impl Relation {
    fn holds(self, left: &Operand, right: &Operand) -> bool {
        let Some(order) = left.order(right) else {
            return false;
        };
        match self {
            Relation::Equals => order.is_eq(),
            Relation::LessThan => order.is_lt(),
            Relation::LessThanEquals => order.is_le(),
            Relation::GreaterThan => order.is_gt(),
            Relation::GreaterThanEquals => order.is_ge(),
        }
    }
}

impl OperandKind {
    /// The value for an operator of this kind; none when it is of another type.
    fn read(self, value: &Value) -> Option<Operand> {
        match (self, value) {
            (OperandKind::String, Value::String(text)) => Some(Operand::String(text.clone())),
            (OperandKind::Numeric, Value::Number(number)) => {
                Some(Operand::Numeric(number.as_f64()))
            }
            (OperandKind::Boolean, Value::Bool(flag)) => Some(Operand::Boolean(*flag)),
            (OperandKind::Timestamp, Value::String(text)) => {
                parse_instant(text).map(Operand::Timestamp)
            }
            _ => None,
        }
    }
}

impl Operand {
    fn kind(&self) -> OperandKind {
        match self {
            Operand::String(_) => OperandKind::String,
            Operand::Numeric(_) => OperandKind::Numeric,
            Operand::Boolean(_) => OperandKind::Boolean,
            Operand::Timestamp(_) => OperandKind::Timestamp,
        }
    }

    /// Strings by UTF-16 code units, numbers as IEEE doubles, timestamps as instants.
    fn order(&self, other: &Operand) -> Option<Ordering> {
        match (self, other) {
            (Operand::String(left), Operand::String(right)) => {
                Some(left.encode_utf16().cmp(right.encode_utf16()))
            }
            (Operand::Numeric(left), Operand::Numeric(right)) => left.partial_cmp(right),
            (Operand::Boolean(left), Operand::Boolean(right)) => Some(left.cmp(right)),
            (Operand::Timestamp(left), Operand::Timestamp(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }
}

fn invalid(path: &Path) -> EvalError {
    EvalError::runtime(format!(
        "Invalid path '{path}': The choice state's condition path references an invalid value."
    ))
}
