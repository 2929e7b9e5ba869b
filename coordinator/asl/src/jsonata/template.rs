//! Any JSON value in which strings marked `{% … %}`, at any depth and in arrays too, are expressions.

use std::sync::Arc;

use super::evaluation::Evaluation;
use super::expression::{Expression, Marks};
use super::failure::Failure;
use crate::template::TemplateProblem;
use crate::value::{Object, Value};

/// A compiled template. What holds no expression is kept as one value and shared.
#[derive(Clone, Debug)]
pub struct Template(Part);

#[derive(Clone, Debug)]
enum Part {
    Literal(Value),
    Object(Vec<(Arc<str>, Part)>),
    Array(Vec<Part>),
    /// `place` is where it stands in the template: `/result`, `/items[0]`; empty for the whole.
    Expression {
        place: Arc<str>,
        expression: Expression,
    },
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// Everything that is wrong, at once: expressions that do not parse, and partial marks.
    pub fn compile(template: &Value) -> Result<Template, Vec<TemplateProblem>> {
        let mut problems = Vec::new();
        let part = compile(template, "", &mut problems);
        if problems.is_empty() {
            Ok(Template(part))
        } else {
            Err(problems)
        }
    }

    /// Fills the template of the field `field`, in document order; the first failure is the answer.
    ///
    /// # Errors
    /// When an expression fails; the location is the field's with the place of the expression behind it.
    pub fn eval(&self, field: &str, evaluation: &Evaluation<'_>) -> Result<Value, Failure> {
        fill(&self.0, field, evaluation)
    }

    /// Whether the template holds no expression, so that it always gives the same value.
    pub fn is_literal(&self) -> bool {
        matches!(self.0, Part::Literal(_))
    }

    /// The expression, when the whole template is one.
    pub fn as_expression(&self) -> Option<&Expression> {
        match &self.0 {
            Part::Expression { expression, .. } => Some(expression),
            Part::Literal(_) | Part::Object(_) | Part::Array(_) => None,
        }
    }

    /// Every expression with its place (`/result`, `/items[0]`), in document order.
    pub fn expressions(&self) -> Vec<(&str, &Expression)> {
        let mut found = Vec::new();
        collect(&self.0, &mut found);
        found
    }
}

fn compile(template: &Value, place: &str, problems: &mut Vec<TemplateProblem>) -> Part {
    match template {
        Value::String(text) => compile_text(text, place, problems),
        Value::Array(items) => {
            let parts = items.iter().enumerate();
            let parts: Vec<_> = parts
                .map(|(index, item)| compile(item, &format!("{place}[{index}]"), problems))
                .collect();
            if parts.iter().all(Part::is_literal) {
                return Part::Literal(template.clone());
            }
            Part::Array(parts)
        }
        Value::Object(members) => {
            let parts = members.iter();
            let parts: Vec<_> = parts
                .map(|(key, member)| {
                    let place = format!("{place}/{key}");
                    (key.clone(), compile(member, &place, problems))
                })
                .collect();
            if parts.iter().all(|(_, part)| part.is_literal()) {
                return Part::Literal(template.clone());
            }
            Part::Object(parts)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Part::Literal(template.clone()),
    }
}

fn compile_text(text: &Arc<str>, place: &str, problems: &mut Vec<TemplateProblem>) -> Part {
    let literal = || Part::Literal(Value::from(text.clone()));
    let message = match Marks::of(text) {
        Marks::Plain => return literal(),
        Marks::Partial => "A JSONata expression must start with '{%' and end with '%}'".to_owned(),
        Marks::Expression(source) => match Expression::compile(source) {
            Ok(expression) => {
                let place = place.into();
                return Part::Expression { place, expression };
            }
            Err(why) => format!("Invalid JSONata expression '{source}': {why}"),
        },
    };
    problems.push(TemplateProblem {
        pointer: place.to_owned(),
        message,
    });
    literal()
}

fn fill(part: &Part, field: &str, evaluation: &Evaluation<'_>) -> Result<Value, Failure> {
    match part {
        Part::Literal(value) => Ok(value.clone()),
        Part::Expression { place, expression } => {
            expression.eval_field(&format!("{field}{place}"), evaluation)
        }
        Part::Array(parts) => {
            let items = parts.iter().map(|part| fill(part, field, evaluation));
            let items: Result<Vec<_>, _> = items.collect();
            items.map(Value::from)
        }
        Part::Object(parts) => {
            let mut members = Object::with_capacity(parts.len());
            for (key, part) in parts {
                members.insert(key.clone(), fill(part, field, evaluation)?);
            }
            Ok(Value::from(members))
        }
    }
}

fn collect<'a>(part: &'a Part, found: &mut Vec<(&'a str, &'a Expression)>) {
    match part {
        Part::Literal(_) => {}
        Part::Expression { place, expression } => found.push((place, expression)),
        Part::Array(parts) => parts.iter().for_each(|part| collect(part, found)),
        Part::Object(parts) => parts.iter().for_each(|(_, part)| collect(part, found)),
    }
}

impl Part {
    fn is_literal(&self) -> bool {
        matches!(self, Part::Literal(_))
    }
}
