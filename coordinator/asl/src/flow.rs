//! The data flow of one state.
use std::sync::Arc;

use crate::environment::{Environment, EvalError};
use crate::payload::Payload;
use crate::program::{Bound, Choice, Map, ResultPath, State, StateId, Text, Wait};
use crate::value::Value;

pub fn effective_input(_state: &State, _raw: &Payload, _env: &dyn Environment) -> Result<Payload, EvalError> {
    unimplemented!()
}
pub fn output(_state: &State, _raw: &Payload, _result: &Payload, _env: &dyn Environment) -> Result<Payload, EvalError> {
    unimplemented!()
}
pub fn caught(_result_path: &ResultPath, _raw: &Payload, _error_output: Value) -> Result<Payload, EvalError> {
    unimplemented!()
}
pub fn bound(_bound: &Bound, _input: &Payload, _env: &dyn Environment, _field: &str) -> Result<u32, EvalError> {
    unimplemented!()
}
pub fn wait_until(_wait: &Wait, _input: &Payload, _env: &dyn Environment, _now_ms: i64) -> Result<i64, EvalError> {
    unimplemented!()
}
pub fn fail_text(_text: &Text, _field: &str, _input: &Payload, _env: &dyn Environment) -> Result<String, EvalError> {
    unimplemented!()
}
pub fn items(_map: &Map, _input: &Payload, _env: &dyn Environment) -> Result<Arc<Vec<Value>>, EvalError> {
    unimplemented!()
}
pub fn item(_map: &Map, _input: &Payload, _item: &Value, _env: &dyn Environment) -> Result<Payload, EvalError> {
    unimplemented!()
}
pub fn choose(_choice: &Choice, _input: &Value, _env: &dyn Environment) -> Result<Option<StateId>, EvalError> {
    unimplemented!()
}
