//! Choice rules.
use crate::environment::{Environment, EvalError};
use crate::template::TemplateProblem;
use crate::value::Value;

#[derive(Clone, Debug)]
pub enum Rule {}
impl Rule {
    pub fn compile(_rule: &Value) -> Result<Rule, Vec<TemplateProblem>> {
        unimplemented!()
    }
    pub fn eval(&self, _input: &Value, _env: &dyn Environment) -> Result<bool, EvalError> {
        unimplemented!()
    }
}
