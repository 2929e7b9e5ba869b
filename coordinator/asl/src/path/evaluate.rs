//! Selects the values that a path names. Work is counted: no definition can hold a partition with one path.

use std::cell::Cell;
use std::sync::Arc;

use super::syntax::{self, Query, Segment, Slice};
use super::{Parsed, PathMiss, function};
use crate::limits::PATH_STEPS_MAX;
use crate::value::{Object, Value};

/// One evaluation: the root for `$` inside filters, and the work that is left.
pub(super) struct Evaluation<'v> {
    pub(super) root: &'v Value,
    left: Cell<u32>,
}

/// Evaluates a path from its root.
pub(super) fn evaluate(path: &Parsed, root: &Value) -> Result<Value, PathMiss> {
    if path.segments.is_empty() {
        return Ok(root.clone());
    }
    let evaluation = Evaluation {
        root,
        left: Cell::new(PATH_STEPS_MAX),
    };
    evaluation.chain(&path.segments, root)
}

impl Evaluation<'_> {
    /// Selects, then applies the functions at the end.
    fn chain(&self, segments: &[Segment], start: &Value) -> Result<Value, PathMiss> {
        let is_function = |segment: &Segment| matches!(segment, Segment::Function(..));
        let end = segments
            .iter()
            .position(is_function)
            .unwrap_or(segments.len());
        let (selectors, functions) = segments.split_at(end);
        let mut value = if syntax::is_definite(selectors) {
            self.definite(selectors, start)?
        } else {
            let mut found = Vec::new();
            self.select(selectors, start, &mut found)?;
            Value::from(found)
        };
        for segment in functions {
            if let Segment::Function(function, arguments) = segment {
                value = function::apply(self, *function, arguments, &value)?;
            }
        }
        Ok(value)
    }

    /// The value of a path inside a filter; none when it is definite and finds nothing.
    pub(super) fn query(&self, query: &Query, current: &Value) -> Result<Option<Value>, PathMiss> {
        let start = if query.from_current {
            current
        } else {
            self.root
        };
        self.spend()?;
        match self.chain(&query.segments, start) {
            Ok(value) => Ok(Some(value)),
            Err(miss) if self.left.get() == 0 => Err(miss),
            Err(_) => Ok(None),
        }
    }

    fn definite(&self, segments: &[Segment], start: &Value) -> Result<Value, PathMiss> {
        let mut current = start;
        for (index, segment) in segments.iter().enumerate() {
            self.spend()?;
            let before = &segments[..index];
            match segment {
                Segment::Name(name) => {
                    let members = current.as_object();
                    let members = members.ok_or_else(|| not_an_object(segment, before, current))?;
                    current = members.get(name).ok_or_else(|| missing(segments, index))?;
                }
                Segment::Names(names) => {
                    let members = current.as_object();
                    let members = members.ok_or_else(|| not_an_object(segment, before, current))?;
                    return Ok(pick(members, names));
                }
                Segment::Index(wanted) => {
                    let items = current.as_array();
                    let items = items.ok_or_else(|| not_an_array(segment, current))?;
                    let item = position(*wanted, items.len()).and_then(|place| items.get(place));
                    current = item.ok_or_else(|| no_results(segments))?;
                }
                Segment::Indices(_)
                | Segment::Slice(_)
                | Segment::Wildcard
                | Segment::Descend
                | Segment::Filter(_)
                | Segment::Function(..) => return Err(no_results(segments)),
            }
        }
        Ok(current.clone())
    }

    /// Collects what an indefinite chain selects, skipping what is absent or of another type.
    fn select(
        &self,
        segments: &[Segment],
        value: &Value,
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        self.spend()?;
        let Some((segment, rest)) = segments.split_first() else {
            found.push(value.clone());
            return Ok(());
        };
        match segment {
            Segment::Name(name) => self.select_all(rest, value.get(name), found),
            Segment::Names(names) => match value.as_object() {
                Some(members) if rest.is_empty() => {
                    found.push(pick(members, names));
                    Ok(())
                }
                Some(members) => {
                    let chosen = names.iter().filter_map(|name| members.get(name));
                    self.select_all(rest, chosen, found)
                }
                None => Ok(()),
            },
            Segment::Index(index) => self.select_at(&[*index], rest, value, found),
            Segment::Indices(indices) => self.select_at(indices, rest, value, found),
            Segment::Slice(slice) => match value.as_array() {
                Some(items) => self.select_slice(slice, items, rest, found),
                None => Ok(()),
            },
            Segment::Wildcard => self.select_all(rest, children(value), found),
            Segment::Descend => self.descend(rest, value, found),
            Segment::Filter(filter) => match value {
                Value::Array(items) => {
                    for item in items.iter() {
                        if self.accepts(filter, item)? {
                            self.select(rest, item, found)?;
                        }
                    }
                    Ok(())
                }
                Value::Object(_) if self.accepts(filter, value)? => self.select(rest, value, found),
                Value::Object(_)
                | Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_) => Ok(()),
            },
            // Functions were split off before the selection.
            Segment::Function(..) => Ok(()),
        }
    }

    fn select_all<'v>(
        &self,
        rest: &[Segment],
        values: impl IntoIterator<Item = &'v Value>,
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        values
            .into_iter()
            .try_for_each(|value| self.select(rest, value, found))
    }

    fn select_at(
        &self,
        indices: &[i64],
        rest: &[Segment],
        value: &Value,
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        let Some(items) = value.as_array() else {
            return Ok(());
        };
        let place = |index: &i64| position(*index, items.len()).and_then(|place| items.get(place));
        self.select_all(rest, indices.iter().filter_map(place), found)
    }

    fn select_slice(
        &self,
        slice: &Slice,
        items: &[Value],
        rest: &[Segment],
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let from_start = |index: i64| {
            if index < 0 {
                index.saturating_add(length)
            } else {
                index
            }
        };
        let is_forward = slice.stride > 0;
        let (first, past) = if is_forward {
            (0, length)
        } else {
            (length - 1, -1)
        };
        let (lowest, highest) = if is_forward {
            (0, length)
        } else {
            (-1, length - 1)
        };
        let bound = |bound: Option<i64>, default: i64| {
            bound.map_or(default, |index| {
                from_start(index).clamp(lowest, highest.max(lowest))
            })
        };
        let mut index = bound(slice.start, first);
        let end = bound(slice.end, past);
        while (is_forward && index < end) || (!is_forward && index > end) {
            let item = usize::try_from(index)
                .ok()
                .and_then(|index| items.get(index));
            self.select_all(rest, item, found)?;
            index = index.saturating_add(slice.stride);
        }
        Ok(())
    }

    /// The value itself, then everything below it, in document order. A filter tests the objects on the way.
    fn descend(
        &self,
        rest: &[Segment],
        value: &Value,
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        match value {
            Value::Array(_) if matches!(rest.first(), Some(Segment::Filter(_))) => self.spend()?,
            Value::Array(_) | Value::Object(_) => self.select(rest, value, found)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Ok(()),
        }
        children(value).try_for_each(|child| self.descend(rest, child, found))
    }

    /// Counts one visited value.
    pub(super) fn spend(&self) -> Result<(), PathMiss> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| PathMiss {
            detail: format!("The path visits more than {PATH_STEPS_MAX} values."),
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// The elements of an array or the members of an object.
fn children(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_array().into_iter().flat_map(|items| items.iter());
    items.chain(
        value
            .as_object()
            .into_iter()
            .flat_map(|members| members.values()),
    )
}

fn pick(members: &Object, names: &[Arc<str>]) -> Value {
    let present = names
        .iter()
        .filter_map(|name| Some((name.clone(), members.get(name)?.clone())));
    Value::from(present.collect::<Object>())
}

/// The place that an index means; a negative one counts from the end.
pub(super) fn position(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(place) => Some(place),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

fn no_results(segments: &[Segment]) -> PathMiss {
    PathMiss {
        detail: format!("No results for path: {}", syntax::print(segments)),
    }
}

/// A missing member: Jayway words the last part of a path and the others differently.
fn missing(segments: &[Segment], index: usize) -> PathMiss {
    if index + 1 == segments.len() {
        return no_results(segments);
    }
    let detail = format!(
        "Missing property in path {}",
        syntax::print(&segments[..=index])
    );
    PathMiss { detail }
}

fn not_an_object(segment: &Segment, before: &[Segment], found: &Value) -> PathMiss {
    PathMiss {
        detail: format!(
            "Expected to find an object with property {segment} in path {} but found '{}'.",
            syntax::print(before),
            found.type_name()
        ),
    }
}

fn not_an_array(segment: &Segment, found: &Value) -> PathMiss {
    PathMiss {
        detail: format!(
            "Filter: {segment} can only be applied to arrays. Current context is: {}",
            found.to_text()
        ),
    }
}
