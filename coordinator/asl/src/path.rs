//! JSONPath of the Jayway dialect: parsed once, evaluated over shared values with a bound on the work.

mod evaluate;
mod filter;
mod function;
mod parse;
mod parse_filter;
mod reference;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::environment::Environment;
use crate::value::Value;
pub use reference::ReferencePath;
use syntax::Segment;

/// A parsed path. Clones share it.
#[derive(Clone)]
pub struct Path(Arc<Parsed>);

struct Parsed {
    source: Arc<str>,
    root: Root,
    segments: Vec<Segment>,
    /// No segment may select several values.
    definite: bool,
    /// Nothing but names and literal indices, written without the characters that reference paths refuse.
    reference: bool,
}

/// Where a path starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `$`: the document.
    Document,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable.
    Variable(Arc<str>),
}

/// Why a text is not a path, a reference path or an intrinsic call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathError {
    pub message: String,
}

/// A path found nothing, or a function of the path refused what it found. `detail` is Jayway's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct PathMiss {
    pub detail: String,
}

impl Path {
    /// Parses `$…`, `$$…` or `$name…`.
    ///
    /// # Errors
    /// When the text is not a path of the dialect.
    pub fn parse(source: &str) -> Result<Path, PathError> {
        parse::parse(source).map(|parsed| Path(Arc::new(parsed)))
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub fn root(&self) -> &Root {
        &self.0.root
    }

    /// Whether the path names one place: evaluation gives the element itself, or a miss.
    pub fn is_definite(&self) -> bool {
        self.0.definite
    }

    /// Whether this is a reference path: only `.name`, `['name']` and `[n]`.
    pub fn is_reference(&self) -> bool {
        self.0.reference
    }

    /// Evaluates over the document, the context object or a variable. A definite path gives the element (shared, not
    /// copied); an indefinite one always gives an array, empty when nothing matches.
    ///
    /// # Errors
    /// When a definite path finds nothing, a function refuses its input, or the work exceeds
    /// `limits::PATH_STEPS_MAX` visited values.
    pub fn eval(&self, document: &Value, env: &dyn Environment) -> Result<Value, PathMiss> {
        match &self.0.root {
            Root::Document => evaluate::evaluate(&self.0, document),
            Root::Context => evaluate::evaluate(&self.0, env.context()),
            Root::Variable(name) => match env.variable(name) {
                Some(value) => evaluate::evaluate(&self.0, &value),
                None => Err(PathMiss {
                    detail: format!("No results for path: ${name}"),
                }),
            },
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Path").field(&self.source()).finish()
    }
}

impl PathError {
    pub(crate) fn new(message: impl Into<String>) -> PathError {
        PathError {
            message: message.into(),
        }
    }
}
