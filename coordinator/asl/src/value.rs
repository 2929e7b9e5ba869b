//! JSON values whose containers are shared: cloning a subtree copies a pointer, so a payload that passes through
//! ten states is held once. Key order is kept; integers of any size keep their digits.

use std::sync::Arc;

use indexmap::IndexMap;

/// Object members in document order.
pub type Object = IndexMap<Arc<str>, Value>;

/// One JSON value. Containers and strings are reference counted.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Arc<str>),
    Array(Arc<Vec<Value>>),
    Object(Arc<Object>),
}

/// A JSON number: `Int` when it was written as an integer that fits, `Big` with its digits when it does not fit,
/// `Float` when it was written with a fraction or an exponent.
#[derive(Clone, Debug)]
pub enum Number {
    Int(i64),
    Float(f64),
    Big(Arc<str>),
}

/// Why a text is not JSON, with its place (1-based).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct JsonError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

impl Value {
    /// Parses one JSON document.
    pub fn parse(_text: &str) -> Result<Value, JsonError> {
        unimplemented!()
    }
    /// Appends compact JSON text.
    pub fn write(&self, _out: &mut String) {
        unimplemented!()
    }
    pub fn to_text(&self) -> String {
        unimplemented!()
    }
    pub fn is_null(&self) -> bool {
        unimplemented!()
    }
    pub fn as_str(&self) -> Option<&str> {
        unimplemented!()
    }
    pub fn as_i64(&self) -> Option<i64> {
        unimplemented!()
    }
    pub fn as_f64(&self) -> Option<f64> {
        unimplemented!()
    }
    pub fn as_bool(&self) -> Option<bool> {
        unimplemented!()
    }
    pub fn as_array(&self) -> Option<&Arc<Vec<Value>>> {
        unimplemented!()
    }
    pub fn as_object(&self) -> Option<&Arc<Object>> {
        unimplemented!()
    }
    pub fn get(&self, _key: &str) -> Option<&Value> {
        unimplemented!()
    }
    pub fn type_name(&self) -> &'static str {
        unimplemented!()
    }
}
impl PartialEq for Value {
    fn eq(&self, _other: &Value) -> bool {
        unimplemented!()
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(Number::Int(number))
    }
}
impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(Number::Float(number))
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Bool(flag)
    }
}
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(items))
    }
}
impl From<Object> for Value {
    fn from(members: Object) -> Value {
        Value::Object(Arc::new(members))
    }
}
