//! JSON values whose containers are shared: cloning a subtree copies a pointer, so a payload that passes through
//! ten states is held once. Key order is kept; numbers of any size keep their digits.

mod number;
mod read;
mod syntax_error;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::sync::Arc;

use indexmap::IndexMap;

pub(crate) use number::integral;
pub(crate) use read::validate;
pub(crate) use write::write_string;

/// Object members in document order.
pub type Object = IndexMap<Arc<str>, Value>;

/// One JSON value. Containers and strings are reference counted.
///
/// Equality is deep: numbers by numeric value (`1` equals `1.0`), objects whatever the order of their members.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Arc<str>),
    Array(Arc<Vec<Value>>),
    Object(Arc<Object>),
}

/// A JSON number: `Int` when it was written as an integer that fits, `Float` when it was written with a fraction or an
/// exponent, `Big` with its text when it fits neither (an integer beyond 64 bits, a decimal longer than a float holds, or
/// `1e999`).
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
    /// Parses one JSON document. Of duplicate keys the last value wins, in the place of the first.
    ///
    /// # Errors
    /// When the text is not one JSON document, or nests deeper than `limits::JSON_DEPTH_MAX`.
    pub fn parse(text: &str) -> Result<Value, JsonError> {
        read::parse(text)
    }

    /// Appends compact JSON text.
    pub fn write(&self, out: &mut String) {
        write::write(self, out);
    }

    /// Compact JSON text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    /// An object without members.
    pub fn empty_object() -> Value {
        Value::Object(Arc::new(Object::new()))
    }

    /// Whether this is an array or an object.
    pub(crate) fn is_container(&self) -> bool {
        matches!(self, Value::Array(_) | Value::Object(_))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The whole number, if this is one; `2.0` is.
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Number(number) = self {
            number.as_i64()
        } else {
            None
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Number(number) = self {
            Some(number.as_f64())
        } else {
            None
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(flag) = self {
            Some(*flag)
        } else {
            None
        }
    }

    pub fn as_array(&self) -> Option<&Arc<Vec<Value>>> {
        if let Value::Array(items) = self {
            Some(items)
        } else {
            None
        }
    }

    pub fn as_object(&self) -> Option<&Arc<Object>> {
        if let Value::Object(members) = self {
            Some(members)
        } else {
            None
        }
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object().and_then(|members| members.get(key))
    }

    /// `null`, `boolean`, `number`, `string`, `array` or `object`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// Whether the compact JSON text is within so many bytes, escapes aside. Stops counting when it is not: a value whose
    /// containers are shared may print as far more than it holds.
    pub fn fits(&self, bytes_max: usize) -> bool {
        let mut left = bytes_max;
        self.charge(&mut left)
    }

    /// Takes the bytes of the text from what is left; false when there are not enough.
    pub(crate) fn charge(&self, left: &mut usize) -> bool {
        let bytes = match self {
            Value::Null | Value::Bool(_) | Value::Number(_) => 4,
            Value::String(text) => text.len() + 2,
            Value::Array(items) => items.len() + 2,
            Value::Object(members) => {
                let keys: usize = members.keys().map(|key| key.len() + 4).sum();
                keys + 2
            }
        };
        let Some(rest) = left.checked_sub(bytes) else {
            return false;
        };
        *left = rest;
        match self {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            Value::Array(items) => items.iter().all(|item| item.charge(left)),
            Value::Object(members) => members.values().all(|member| member.charge(left)),
        }
    }

    /// Whether containers nest deeper than `levels`.
    pub fn nests_deeper_than(&self, levels: usize) -> bool {
        match self {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
            Value::Array(items) => {
                levels == 0 || items.iter().any(|item| item.nests_deeper_than(levels - 1))
            }
            Value::Object(members) => {
                levels == 0
                    || members
                        .values()
                        .any(|value| value.nests_deeper_than(levels - 1))
            }
        }
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

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Value {
        Value::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(Number::Int(number))
    }
}

/// JSON has no infinities and no NaN: they become null.
impl From<f64> for Value {
    fn from(number: f64) -> Value {
        if number.is_finite() {
            Value::Number(Number::Float(number))
        } else {
            Value::Null
        }
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
