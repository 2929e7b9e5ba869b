//! JSONPath of the Jayway dialect.
use std::fmt;
use std::sync::Arc;

use crate::environment::{Environment, EvalError};
use crate::value::Value;

#[derive(Clone)]
pub struct Path {
    source: Arc<str>,
    root: Root,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    Document,
    Context,
    Variable(Arc<str>),
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathError {
    pub message: String,
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct PathMiss {
    pub detail: String,
}
#[derive(Clone)]
pub struct ReferencePath {
    path: Path,
}
impl Path {
    pub fn parse(_source: &str) -> Result<Path, PathError> {
        unimplemented!()
    }
    pub fn source(&self) -> &str {
        &self.source
    }
    pub fn root(&self) -> &Root {
        &self.root
    }
    pub fn is_definite(&self) -> bool {
        unimplemented!()
    }
    pub fn is_reference(&self) -> bool {
        unimplemented!()
    }
    pub fn eval(&self, _document: &Value, _env: &dyn Environment) -> Result<Value, PathMiss> {
        unimplemented!()
    }
}
impl ReferencePath {
    pub fn parse(_source: &str) -> Result<ReferencePath, PathError> {
        unimplemented!()
    }
    pub fn source(&self) -> &str {
        &self.path.source
    }
    pub fn insert(&self, _raw: &Value, _result: Value) -> Result<Value, EvalError> {
        unimplemented!()
    }
}
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}
impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", self.source)
    }
}
impl fmt::Display for ReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}
impl fmt::Debug for ReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReferencePath({})", self.source())
    }
}
