//! Payload templates and the expressions in them. What holds no expression is kept as one value and shared.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::environment::{Environment, EvalError};
use crate::intrinsic::Intrinsic;
use crate::limits::DIAGNOSTICS_MAX;
use crate::path::{Path, PathError, PathMiss};
use crate::value::{Object, Value};

/// What a field ending in `.$` may hold: a path (document, context object or variable) or an intrinsic call.
#[derive(Clone, Debug)]
pub enum Expression {
    Path(Path),
    Intrinsic(Intrinsic),
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpressionError {
    /// A path found nothing; the caller words it with the field's name.
    Miss(PathMiss),
    Failed(EvalError),
}

/// The end of a key whose value is an expression.
pub(crate) const EXPRESSION_SUFFIX: &str = ".$";

/// One thing that is wrong with a template or a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Relative to the template or rule: `/a/b.$`; empty for the whole.
    pub pointer: String,
    pub message: String,
}

/// A compiled payload template.
#[derive(Clone, Debug)]
pub struct Template(Part);

#[derive(Clone, Debug)]
enum Part {
    Literal(Value),
    Object(Vec<(Arc<str>, Part)>),
    Array(Vec<Part>),
    /// `field` is the key as written, `value.$`.
    Expression {
        field: Arc<str>,
        expression: Expression,
    },
}

/// Where a part stands. Only a problem prints it: with long keys the places of all parts together are far longer than
/// the template.
enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl Expression {
    /// Parses a path or an intrinsic call.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(source: &str) -> Result<Expression, PathError> {
        if source.starts_with('$') {
            return Path::parse(source).map(Expression::Path);
        }
        Intrinsic::parse(source).map(Expression::Intrinsic)
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        match self {
            Expression::Path(path) => path.source(),
            Expression::Intrinsic(intrinsic) => intrinsic.source(),
        }
    }

    /// Evaluates over the document and its surroundings.
    ///
    /// # Errors
    /// When the path finds nothing, or the intrinsic fails.
    pub fn eval(&self, document: &Value, env: &dyn Environment) -> Result<Value, ExpressionError> {
        match self {
            Expression::Path(path) => path.eval(document, env).map_err(ExpressionError::Miss),
            Expression::Intrinsic(intrinsic) => intrinsic
                .eval(document, env)
                .map_err(ExpressionError::Failed),
        }
    }

    /// Shows every path of the expression.
    pub(crate) fn each_path(&self, visit: &mut dyn FnMut(&Path)) {
        match self {
            Expression::Path(path) => visit(path),
            Expression::Intrinsic(intrinsic) => intrinsic.each_path(visit),
        }
    }

    /// As `eval`, with the recorded text of a path that finds nothing in a named field.
    pub(crate) fn eval_field(
        &self,
        field: &str,
        document: &Value,
        env: &dyn Environment,
    ) -> Result<Value, EvalError> {
        self.eval(document, env).map_err(|error| match error {
            ExpressionError::Failed(error) => error,
            ExpressionError::Miss(_) => EvalError::runtime(format!(
                "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
                self.source(),
                document.to_text()
            )),
        })
    }
}

impl Template {
    /// Compiles a template: keys ending in `.$` hold expressions; strings elsewhere are literal, in arrays too.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(template: &Value) -> Result<Template, Vec<TemplateProblem>> {
        let mut problems = Vec::new();
        let part = compile(template, &Place::Root, &mut problems);
        if problems.is_empty() {
            Ok(Template(part))
        } else {
            Err(problems)
        }
    }

    /// Fills the template.
    ///
    /// # Errors
    /// `States.Runtime` when a path finds nothing, `States.IntrinsicFailure` when an intrinsic fails.
    pub fn eval(&self, document: &Value, env: &dyn Environment) -> Result<Value, EvalError> {
        fill(&self.0, document, env)
    }

    /// Shows every path of the template.
    pub(crate) fn each_path(&self, visit: &mut dyn FnMut(&Path)) {
        self.0.each_path(visit);
    }

    /// Whether the template holds no expression, so that it always gives the same value.
    pub fn is_literal(&self) -> bool {
        matches!(self.0, Part::Literal(_))
    }
}

impl Part {
    fn each_path(&self, visit: &mut dyn FnMut(&Path)) {
        match self {
            Part::Literal(_) => {}
            Part::Object(fields) => fields.iter().for_each(|(_, part)| part.each_path(visit)),
            Part::Array(parts) => parts.iter().for_each(|part| part.each_path(visit)),
            Part::Expression { expression, .. } => expression.each_path(visit),
        }
    }
}

fn compile(template: &Value, place: &Place<'_>, problems: &mut Vec<TemplateProblem>) -> Part {
    match template {
        Value::Object(members) => {
            let fields: Vec<_> = members
                .iter()
                .map(|(key, value)| compile_member(members, (key, value), place, problems))
                .collect();
            if fields
                .iter()
                .all(|(_, part)| matches!(part, Part::Literal(_)))
            {
                return Part::Literal(template.clone());
            }
            Part::Object(fields)
        }
        Value::Array(items) => {
            let parts: Vec<_> = items
                .iter()
                .enumerate()
                .map(|(index, item)| compile(item, &Place::Item(place, index), problems))
                .collect();
            if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
                return Part::Literal(template.clone());
            }
            Part::Array(parts)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Part::Literal(template.clone())
        }
    }
}

fn compile_member(
    siblings: &Object,
    (key, value): (&Arc<str>, &Value),
    place: &Place<'_>,
    problems: &mut Vec<TemplateProblem>,
) -> (Arc<str>, Part) {
    let place = Place::Member(place, key);
    let Some(name) = key.strip_suffix(EXPRESSION_SUFFIX) else {
        return (key.clone(), compile(value, &place, problems));
    };
    let mut report = |message: String| {
        if problems.len() < DIAGNOSTICS_MAX {
            let pointer = place.pointer();
            problems.push(TemplateProblem { pointer, message });
        }
    };
    if siblings.contains_key(name) {
        report(format!(
            "The fields '{name}' and '{key}' cannot both be specified"
        ));
    }
    let part = match value.as_str().map(Expression::parse) {
        Some(Ok(expression)) => Part::Expression {
            field: key.clone(),
            expression,
        },
        Some(Err(_)) | None => {
            report(format!(
                "The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
            ));
            Part::Literal(Value::Null)
        }
    };
    (name.into(), part)
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Member(parent, key) => format!("{}/{key}", parent.pointer()),
            Place::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

fn fill(part: &Part, document: &Value, env: &dyn Environment) -> Result<Value, EvalError> {
    match part {
        Part::Literal(value) => Ok(value.clone()),
        Part::Expression { field, expression } => expression.eval_field(field, document, env),
        Part::Array(parts) => {
            let items: Result<Vec<_>, _> =
                parts.iter().map(|part| fill(part, document, env)).collect();
            Ok(Value::from(items?))
        }
        Part::Object(fields) => {
            let mut members = Object::with_capacity(fields.len());
            for (key, part) in fields {
                members.insert(key.clone(), fill(part, document, env)?);
            }
            Ok(Value::from(members))
        }
    }
}
