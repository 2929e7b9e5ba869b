//! Payload templates and the expressions in them.
use crate::environment::{Environment, EvalError};
use crate::intrinsic::Intrinsic;
use crate::path::{Path, PathError, PathMiss};
use crate::value::Value;

#[derive(Clone, Debug)]
pub enum Expression {
    Path(Path),
    Intrinsic(Intrinsic),
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpressionError {
    Miss(PathMiss),
    Failed(EvalError),
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Relative to the template: `/a/b.$`.
    pub pointer: String,
    pub message: String,
}
#[derive(Clone, Debug)]
pub struct Template {}
impl Expression {
    pub fn parse(_source: &str) -> Result<Expression, PathError> {
        unimplemented!()
    }
    pub fn eval(&self, _document: &Value, _env: &dyn Environment) -> Result<Value, ExpressionError> {
        unimplemented!()
    }
}
impl Template {
    pub fn compile(_template: &Value) -> Result<Template, Vec<TemplateProblem>> {
        unimplemented!()
    }
    pub fn eval(&self, _document: &Value, _env: &dyn Environment) -> Result<Value, EvalError> {
        unimplemented!()
    }
    pub fn is_literal(&self) -> bool {
        unimplemented!()
    }
}
