//! A JSON document that crosses states: its text, and its value once somebody looks inside.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use crate::value::{self, JsonError, Value};

/// A checked JSON text with a lazily parsed value. Clones share both. Equality is equality of the text.
#[derive(Clone)]
pub struct Payload(Arc<Inner>);

struct Inner {
    text: Box<str>,
    value: OnceLock<Value>,
}

impl Payload {
    /// Checks a text and keeps it as written. The value is built when it is first looked at.
    ///
    /// # Errors
    /// When the text is not one JSON document.
    pub fn parse(text: impl Into<Box<str>>) -> Result<Payload, JsonError> {
        let text = text.into();
        value::validate(&text)?;
        Ok(Payload::trusted(text))
    }

    /// Prints a value now and keeps both.
    pub fn from_value(value: Value) -> Payload {
        let text = value.to_text().into_boxed_str();
        Payload(Arc::new(Inner { text, value: OnceLock::from(value) }))
    }

    /// A text that was checked before, such as one from our own log. A broken one reads as null.
    pub fn trusted(text: impl Into<Box<str>>) -> Payload {
        Payload(Arc::new(Inner { text: text.into(), value: OnceLock::new() }))
    }

    /// `{}`, shared.
    pub fn empty_object() -> Payload {
        static EMPTY: LazyLock<Payload> = LazyLock::new(|| Payload::trusted("{}"));
        EMPTY.clone()
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The value, parsed on first use.
    pub fn value(&self) -> &Value {
        self.0.value.get_or_init(|| Value::parse(&self.0.text).unwrap_or_default())
    }

    /// The size of the text, in bytes.
    pub fn len(&self) -> usize {
        self.0.text.len()
    }

    /// Whether the text has no bytes; no JSON document is that short.
    pub fn is_empty(&self) -> bool {
        self.0.text.is_empty()
    }

    /// Whether both are one allocation.
    pub fn ptr_eq(&self, other: &Payload) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payload").field(&self.text()).finish()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        self.ptr_eq(other) || self.text() == other.text()
    }
}

impl Eq for Payload {}

/// `{}`.
impl Default for Payload {
    fn default() -> Payload {
        Payload::empty_object()
    }
}
