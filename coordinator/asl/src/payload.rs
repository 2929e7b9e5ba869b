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
        Payload(Arc::new(Inner {
            text,
            value: OnceLock::from(value),
        }))
    }

    /// A text that was checked before, such as one from our own log. A broken one reads as null.
    pub fn trusted(text: impl Into<Box<str>>) -> Payload {
        Payload(Arc::new(Inner {
            text: text.into(),
            value: OnceLock::new(),
        }))
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
        self.0
            .value
            .get_or_init(|| Value::parse(&self.0.text).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_written() {
        let payload = Payload::parse(" {\"b\" : 1.50, \"a\":1e2} ").unwrap();
        assert_eq!(payload.text(), " {\"b\" : 1.50, \"a\":1e2} ");
        assert_eq!(payload.len(), 23);
        assert_eq!(payload.value().to_text(), r#"{"b":1.5,"a":100.0}"#);
        assert!(Payload::parse(String::from("{")).is_err());
    }

    #[test]
    fn equality_is_of_the_text() {
        let payload = Payload::parse("[1]").unwrap();
        assert_eq!(payload, Payload::trusted("[1]"));
        assert_ne!(payload, Payload::trusted("[ 1]"));
        assert!(payload.ptr_eq(&payload.clone()));
        assert!(!payload.ptr_eq(&Payload::trusted("[1]")));
        assert!(Payload::default().ptr_eq(&Payload::empty_object()));
        assert_eq!(format!("{payload:?}"), "Payload(\"[1]\")");
    }

    #[test]
    fn values_are_printed_once() {
        let payload = Payload::from_value(Value::from(vec![Value::from(1), Value::from("x")]));
        assert_eq!(payload.text(), r#"[1,"x"]"#);
        assert!(!payload.is_empty());
    }

    #[test]
    fn a_broken_trusted_text_reads_as_null() {
        assert!(Payload::trusted("{").value().is_null());
    }
}
