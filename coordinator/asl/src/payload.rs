//! A JSON document that crosses states: its text, and its value once somebody looks inside.

use std::sync::{Arc, OnceLock};

use crate::value::{JsonError, Value};

/// A checked JSON text with a lazily parsed value. Clones share both. Equality is equality of the text.
#[derive(Clone)]
pub struct Payload(Arc<Inner>);

struct Inner {
    text: Box<str>,
    value: OnceLock<Value>,
}

impl Payload {
    pub fn parse(_text: impl Into<Box<str>>) -> Result<Payload, JsonError> {
        unimplemented!()
    }
    pub fn from_value(_value: Value) -> Payload {
        unimplemented!()
    }
    pub fn trusted(_text: impl Into<Box<str>>) -> Payload {
        unimplemented!()
    }
    pub fn empty_object() -> Payload {
        unimplemented!()
    }
    pub fn text(&self) -> &str {
        &self.0.text
    }
    pub fn value(&self) -> &Value {
        self.0.value.get_or_init(|| unimplemented!())
    }
    pub fn len(&self) -> usize {
        self.0.text.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.text.is_empty()
    }
    pub fn ptr_eq(&self, other: &Payload) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({})", self.text())
    }
}
impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        self.text() == other.text()
    }
}
impl Eq for Payload {}
impl Default for Payload {
    fn default() -> Payload {
        Payload::empty_object()
    }
}
