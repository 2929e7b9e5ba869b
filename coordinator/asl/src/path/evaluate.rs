//! Selects the values that a path names. Work is counted: no definition can hold a partition with one path.

use std::cell::Cell;
use std::sync::Arc;

use super::syntax::{self, Query, Segment, Slice};
use super::{Parsed, PathMiss, function};
use crate::limits::{PATH_DEPTH_MAX, PATH_STEPS_MAX};
use crate::value::{Object, Value};

/// One evaluation: the root for `$` inside filters, and the work that is left.
pub(super) struct Evaluation<'v> {
    pub(super) root: &'v Value,
    left: Cell<u32>,
    depth: Cell<usize>,
}

/// Why a chain gives no value. A miss gets its words only when it leaves the path: inside a filter nobody reads them.
pub(super) enum Failure<'v> {
    Missed(Missed<'v>),
    Refused(PathMiss),
}

/// What was not there, by the place of its part in the chain.
pub(super) enum Missed<'v> {
    Nothing,
    Property(usize),
    NotAnObject(usize, &'v Value),
    NotAnArray(usize, &'v Value),
}

/// Evaluates a path from its root.
pub(super) fn evaluate(path: &Parsed, root: &Value) -> Result<Value, PathMiss> {
    if path.segments.is_empty() {
        return Ok(root.clone());
    }
    let evaluation = Evaluation {
        root,
        left: Cell::new(PATH_STEPS_MAX),
        depth: Cell::new(0),
    };
    let found = evaluation.chain(&path.segments, root);
    found.map_err(|failure| match failure {
        Failure::Missed(missed) => missed.describe(split(&path.segments).0),
        Failure::Refused(miss) => miss,
    })
}

impl Evaluation<'_> {
    /// Selects, then applies the functions at the end.
    fn chain<'a>(&self, segments: &[Segment], start: &'a Value) -> Result<Value, Failure<'a>> {
        let (selectors, functions) = split(segments);
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
            Err(Failure::Refused(miss)) if self.left.get() == 0 => Err(miss),
            Err(Failure::Refused(_) | Failure::Missed(_)) => Ok(None),
        }
    }

    fn definite<'a>(&self, segments: &[Segment], start: &'a Value) -> Result<Value, Failure<'a>> {
        let mut current = start;
        for (index, segment) in segments.iter().enumerate() {
            self.spend()?;
            match segment {
                Segment::Name(name) => {
                    let members = current.as_object();
                    let members = members.ok_or(Missed::NotAnObject(index, current))?;
                    let is_last = index + 1 == segments.len();
                    let missed = if is_last {
                        Missed::Nothing
                    } else {
                        Missed::Property(index)
                    };
                    current = members.get(name).ok_or(missed)?;
                }
                Segment::Names(names) => {
                    let members = current.as_object();
                    let members = members.ok_or(Missed::NotAnObject(index, current))?;
                    return Ok(pick(members, names));
                }
                Segment::Index(wanted) => {
                    let items = current.as_array();
                    let items = items.ok_or(Missed::NotAnArray(index, current))?;
                    let item = position(*wanted, items.len()).and_then(|place| items.get(place));
                    current = item.ok_or(Missed::Nothing)?;
                }
                Segment::Indices(_)
                | Segment::Slice(_)
                | Segment::Wildcard
                | Segment::Descend
                | Segment::Filter(_)
                | Segment::Function(..) => return Err(Missed::Nothing.into()),
            }
        }
        Ok(current.clone())
    }

    /// Selects one level deeper, within the bound on the stack. Reaching it ends the whole evaluation.
    fn select(
        &self,
        segments: &[Segment],
        value: &Value,
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        self.spend()?;
        let depth = self.depth.get();
        if depth == PATH_DEPTH_MAX {
            self.left.set(0);
            let detail = format!("The path goes deeper than {PATH_DEPTH_MAX} levels.");
            return Err(PathMiss { detail });
        }
        self.depth.set(depth + 1);
        let selected = self.select_here(segments, value, found);
        self.depth.set(depth);
        selected
    }

    /// Collects what an indefinite chain selects, skipping what is absent or of another type.
    fn select_here(
        &self,
        segments: &[Segment],
        value: &Value,
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        let Some((segment, rest)) = segments.split_first() else {
            found.push(value.clone());
            return Ok(());
        };
        match segment {
            Segment::Name(name) => self.select_all(rest, value.get(name), found),
            Segment::Names(names) => match value.as_object() {
                Some(members) if rest.is_empty() => {
                    self.spend_many(names.len())?;
                    found.push(pick(members, names));
                    Ok(())
                }
                Some(members) => {
                    self.spend_many(names.len())?;
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
            Segment::Descend => self.descend(segments, value, found),
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
        // A loop and not an adapter: unoptimised adapters cost several frames of the stack for each level.
        for value in values {
            self.select(rest, value, found)?;
        }
        Ok(())
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
        self.spend_many(indices.len())?;
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
        segments: &[Segment],
        value: &Value,
        found: &mut Vec<Value>,
    ) -> Result<(), PathMiss> {
        if !value.is_container() {
            return Ok(());
        }
        let rest = segments.get(1..).unwrap_or_default();
        let is_array = value.as_array().is_some();
        if !(is_array && matches!(rest.first(), Some(Segment::Filter(_)))) {
            self.select(rest, value, found)?;
        }
        for child in children(value).filter(|child| child.is_container()) {
            self.select(segments, child, found)?;
        }
        Ok(())
    }

    /// Counts one visited value.
    pub(super) fn spend(&self) -> Result<(), PathMiss> {
        self.spend_many(1)
    }

    /// Counts work that is as much as visiting so many values.
    pub(super) fn spend_many(&self, steps: usize) -> Result<(), PathMiss> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let left = self.left.get().checked_sub(steps);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| PathMiss {
            detail: format!("The path visits more than {PATH_STEPS_MAX} values."),
        })
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

/// The parts that select, and the functions after them.
fn split(segments: &[Segment]) -> (&[Segment], &[Segment]) {
    let is_function = |segment: &Segment| matches!(segment, Segment::Function(..));
    let functions = segments.iter().position(is_function);
    segments.split_at(functions.unwrap_or(segments.len()))
}

impl Missed<'_> {
    /// Jayway's words. A missing member is worded differently at the end of a path and before.
    fn describe(&self, segments: &[Segment]) -> PathMiss {
        let detail = match self {
            Missed::Nothing => format!("No results for path: {}", syntax::print(segments)),
            Missed::Property(index) => format!(
                "Missing property in path {}",
                syntax::print(&segments[..=*index])
            ),
            Missed::NotAnObject(index, found) => format!(
                "Expected to find an object with property {} in path {} but found '{}'.",
                segments[*index],
                syntax::print(&segments[..*index]),
                found.type_name()
            ),
            Missed::NotAnArray(index, found) => format!(
                "Filter: {} can only be applied to arrays. Current context is: {}",
                segments[*index],
                found.to_text()
            ),
        };
        PathMiss { detail }
    }
}

impl<'v> From<Missed<'v>> for Failure<'v> {
    fn from(missed: Missed<'v>) -> Failure<'v> {
        Failure::Missed(missed)
    }
}

impl From<PathMiss> for Failure<'_> {
    fn from(miss: PathMiss) -> Self {
        Failure::Refused(miss)
    }
}
