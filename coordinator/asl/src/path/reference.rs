//! Reference paths: the one kind of path that can be written to (`ResultPath`).

use std::fmt;
use std::sync::Arc;

use super::syntax::Segment;
use super::{Path, PathError, Root, evaluate};
use crate::environment::EvalError;
use crate::value::{Object, Value};

/// A path that names exactly one place in the document: only `.name`, `['name']` and `[n]`.
#[derive(Clone)]
pub struct ReferencePath(Path);

impl ReferencePath {
    /// Parses a reference path.
    ///
    /// # Errors
    /// When the text is not a path, starts at the context object or a variable, or uses `@ , : ? * ..`.
    pub fn parse(source: &str) -> Result<ReferencePath, PathError> {
        let path = Path::parse(source)?;
        match path.root() {
            Root::Document if path.is_reference() => Ok(ReferencePath(path)),
            Root::Document => Err(PathError::new(format!(
                "'{source}' is not a reference path: it may hold only names and indices"
            ))),
            Root::Context => Err(PathError::new(
                "a reference path must not start at the context object",
            )),
            Root::Variable(_) => Err(PathError::new("a reference path must not name a variable")),
        }
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// The raw document with the result at this place (`ResultPath`). Missing objects are made; everything beside the
    /// path is shared with the raw document.
    ///
    /// # Errors
    /// `States.ResultPathMatchFailure` when something other than a container is in the way, or an array has no such
    /// index.
    pub fn insert(&self, raw: &Value, result: Value) -> Result<Value, EvalError> {
        place(Some(raw), &self.0.0.segments, result).ok_or_else(|| {
            EvalError::result_path(format!(
                "Unable to apply ReferencePath {} to input {}",
                self.source(),
                raw.to_text()
            ))
        })
    }
}

impl fmt::Display for ReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for ReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReferencePath")
            .field(&self.source())
            .finish()
    }
}

/// None when the path does not fit. `value` is what stands at this place now.
fn place(value: Option<&Value>, segments: &[Segment], result: Value) -> Option<Value> {
    let Some((segment, rest)) = segments.split_first() else {
        return Some(result);
    };
    match segment {
        Segment::Name(name) => {
            let mut members = match value {
                None => Object::new(),
                Some(Value::Object(members)) => Object::clone(members),
                Some(_) => return None,
            };
            let member = place(members.get(name), rest, result)?;
            members.insert(name.clone(), member);
            Some(Value::Object(Arc::new(members)))
        }
        Segment::Index(index) => {
            let mut items = Vec::clone(value?.as_array()?);
            let item = items.get_mut(evaluate::position(*index, usize::MAX)?)?;
            *item = place(Some(item), rest, result)?;
            Some(Value::from(items))
        }
        Segment::Names(_)
        | Segment::Indices(_)
        | Segment::Slice(_)
        | Segment::Wildcard
        | Segment::Descend
        | Segment::Filter(_)
        | Segment::Function(..) => None,
    }
}
