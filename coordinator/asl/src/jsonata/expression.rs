//! One compiled expression: parsed once, checked against AWS's rules, evaluated many times.

use std::fmt;
use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::parser::{self, ParserError};

use super::bounded;
use super::evaluation::Evaluation;
use super::failure::{Failure, Problem};
use super::reads::Reads;
use crate::value::Value;

/// What the marks around a string make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks<'a> {
    /// `{% … %}`: the text between the marks, trimmed.
    Expression(&'a str),
    /// A string like any other.
    Plain,
    /// One mark without the other, or text outside them: an error of the definition.
    Partial,
}

/// A compiled JSONata expression. Clones share it, between threads too.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: Arc<str>,
    tree: AstNode,
    reads: Reads,
}

const OPEN: &str = "{%";
const CLOSE: &str = "%}";

impl Marks<'_> {
    /// Tells what a string of a definition is.
    pub fn of(text: &str) -> Marks<'_> {
        match (text.strip_prefix(OPEN), text.ends_with(CLOSE)) {
            (Some(rest), true) => rest
                .strip_suffix(CLOSE)
                .map_or(Marks::Partial, |inner| Marks::Expression(inner.trim())),
            (None, false) => Marks::Plain,
            (Some(_), false) | (None, true) => Marks::Partial,
        }
    }
}

impl Expression {
    /// Compiles the text between the marks.
    ///
    /// # Errors
    /// What is wrong with the text: the parser's words, or that it uses `$eval`.
    pub fn compile(source: &str) -> Result<Expression, String> {
        let mut tree = parser::parse(source).map_err(|error| message(&error))?;
        let reads = Reads::of(&tree);
        if reads.functions.contains("eval") {
            return Err("The function $eval is not supported".to_owned());
        }
        bounded::bound(&mut tree);
        Ok(Expression(Arc::new(Compiled {
            source: source.into(),
            tree,
            reads,
        })))
    }

    /// The text between the marks.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What the expression reads.
    pub fn reads(&self) -> &Reads {
        &self.0.reads
    }

    /// Evaluates the expression; `$` is undefined.
    ///
    /// # Errors
    /// When the expression throws, passes a bound, or gives what is no JSON value.
    pub fn eval(&self, evaluation: &Evaluation<'_>) -> Result<Value, Problem> {
        evaluation.run(&self.0.tree, &self.0.reads)
    }

    /// As `eval`, failing in the words of the field at `location`.
    ///
    /// # Errors
    /// As `eval`.
    pub fn eval_field(
        &self,
        location: &str,
        evaluation: &Evaluation<'_>,
    ) -> Result<Value, Failure> {
        self.eval(evaluation)
            .map_err(|problem| problem.at(location, self.source()))
    }

    /// The failure of a field that takes values of another type than the one it got.
    pub fn unexpected_type(
        &self,
        location: &str,
        expected: &'static str,
        found: &Value,
    ) -> Failure {
        let found = found.clone();
        Problem::UnexpectedType { expected, found }.at(location, self.source())
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source()).finish()
    }
}

/// The parser's words, with the code of the language where the parser leaves it out.
fn message(error: &ParserError) -> String {
    if matches!(error, ParserError::UnclosedComment) {
        return "S0106: Comment has no closing tag".to_owned();
    }
    error.to_string()
}
