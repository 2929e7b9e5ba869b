//! The 18 `States.*` functions.
use crate::environment::{Environment, EvalError};
use crate::path::PathError;
use crate::value::Value;

#[derive(Clone, Debug)]
pub struct Intrinsic {}
impl Intrinsic {
    pub fn parse(_source: &str) -> Result<Intrinsic, PathError> {
        unimplemented!()
    }
    pub fn eval(&self, _document: &Value, _env: &dyn Environment) -> Result<Value, EvalError> {
        unimplemented!()
    }
}
