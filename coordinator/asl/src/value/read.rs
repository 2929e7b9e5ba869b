//! Reads JSON text into values over jiter's pull API, or only checks it. Both walks accept the same language.

use std::sync::Arc;

use jiter::{Jiter, JiterError, JiterErrorType, Peek};

use super::syntax_error::{self, Fault};
use super::{JsonError, Number, Object, Value};
use crate::limits::JSON_DEPTH_MAX;

/// Parses one document.
pub(super) fn parse(text: &str) -> Result<Value, JsonError> {
    whole(text, |reader, peek| read(reader, peek, 0))
}

/// Checks that a text is one document, without building its value.
pub(crate) fn validate(text: &str) -> Result<(), JsonError> {
    whole(text, |reader, peek| skip(reader, peek, 0))
}

fn whole<'t, T>(
    text: &'t str,
    walk: impl FnOnce(&mut Jiter<'t>, Peek) -> Result<T, Fault>,
) -> Result<T, JsonError> {
    let mut reader = Jiter::new(text.as_bytes());
    let peek = reader.peek().map_err(Fault::from);
    peek.and_then(|peek| walk(&mut reader, peek))
        .and_then(|value| Ok(reader.finish().map(|()| value)?))
        .map_err(|fault| syntax_error::describe(&fault, text))
}

fn read(reader: &mut Jiter<'_>, peek: Peek, depth: usize) -> Result<Value, Fault> {
    Ok(match peek {
        Peek::Null => {
            reader.known_null()?;
            Value::Null
        }
        Peek::True | Peek::False => Value::Bool(reader.known_bool(peek)?),
        Peek::String => Value::String(reader.known_str()?.into()),
        Peek::Array => Value::Array(Arc::new(read_array(reader, deeper(reader, depth)?)?)),
        Peek::Object => Value::Object(Arc::new(read_object(reader, deeper(reader, depth)?)?)),
        _ => {
            let digits = std::str::from_utf8(reader.known_number_bytes(peek)?);
            Value::Number(Number::from_json(digits.expect("a JSON number is ASCII")))
        }
    })
}

fn read_array(reader: &mut Jiter<'_>, depth: usize) -> Result<Vec<Value>, Fault> {
    let mut items = Vec::new();
    let mut next = reader.known_array()?;
    while let Some(peek) = next {
        items.push(read(reader, peek, depth)?);
        next = reader.array_step()?;
    }
    Ok(items)
}

fn read_object(reader: &mut Jiter<'_>, depth: usize) -> Result<Object, Fault> {
    let mut members = Object::new();
    let mut next: Option<Arc<str>> = reader.known_object()?.map(Into::into);
    while let Some(key) = next {
        let peek = reader.peek()?;
        members.insert(key, read(reader, peek, depth)?);
        next = reader.next_key()?.map(Into::into);
    }
    Ok(members)
}

fn skip(reader: &mut Jiter<'_>, peek: Peek, depth: usize) -> Result<(), Fault> {
    match peek {
        Peek::Null => reader.known_null()?,
        Peek::True | Peek::False => drop(reader.known_bool(peek)?),
        // The text is a `&str`, so that the bytes between two quotes are UTF-8; escapes are checked.
        Peek::String => drop(reader.known_bytes()?),
        Peek::Array => {
            let depth = deeper(reader, depth)?;
            let mut next = reader.known_array()?;
            while let Some(peek) = next {
                skip(reader, peek, depth)?;
                next = reader.array_step()?;
            }
        }
        Peek::Object => {
            let depth = deeper(reader, depth)?;
            let mut more = reader.next_object_bytes()?.is_some();
            while more {
                let peek = reader.peek()?;
                skip(reader, peek, depth)?;
                more = reader.next_key_bytes()?.is_some();
            }
        }
        _ => drop(reader.known_number_bytes(peek)?),
    }
    Ok(())
}

fn deeper(reader: &Jiter<'_>, depth: usize) -> Result<usize, Fault> {
    if depth < JSON_DEPTH_MAX {
        return Ok(depth + 1);
    }
    Err(Fault {
        kind: None,
        index: reader.current_index(),
    })
}

impl From<JiterError> for Fault {
    fn from(error: JiterError) -> Fault {
        let kind = match error.error_type {
            JiterErrorType::JsonError(kind) => kind,
            JiterErrorType::WrongType { .. } => jiter::JsonErrorType::ExpectedSomeValue,
        };
        Fault {
            kind: Some(kind),
            index: error.index,
        }
    }
}
