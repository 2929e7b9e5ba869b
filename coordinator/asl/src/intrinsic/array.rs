//! The `States.Array…` functions.

use std::collections::BTreeSet;

use super::{expect_array, expect_integer, too_large};
use crate::limits::{ARRAY_RANGE_ITEMS_MAX, EVALUATION_BYTES_MAX};
use crate::value::{Number, Value, write_string};

/// The arguments. Naming one large document many times is bounded here, for all that looks at the array later.
pub(super) fn array(items: &[Value]) -> Result<Value, String> {
    let mut left = EVALUATION_BYTES_MAX;
    if !items.iter().all(|item| item.charge(&mut left)) {
        return Err(too_large());
    }
    Ok(Value::from(items.to_vec()))
}

/// Chunks of `size`; the last one may be shorter.
pub(super) fn partition(items: &Value, size: &Value) -> Result<Value, String> {
    let items = expect_array(items)?;
    let size = expect_integer(size)?;
    if size < 1 {
        return Err(format!("The chunk size must be at least 1 but was {size}"));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    Ok(Value::from(
        items
            .chunks(size)
            .map(|chunk| Value::from(chunk.to_vec()))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn contains(items: &Value, value: &Value) -> Result<Value, String> {
    Ok(Value::from(expect_array(items)?.contains(value)))
}

/// `first` to `last`, both included.
pub(super) fn range(first: &Value, last: &Value, stride: &Value) -> Result<Value, String> {
    let (first, last) = (expect_integer(first)?, expect_integer(last)?);
    let stride = expect_integer(stride)?;
    if stride == 0 {
        return Err("The increment must not be zero".into());
    }
    let span = i128::from(last) - i128::from(first);
    let stride_wide = i128::from(stride);
    // A stride away from `last` makes an empty array.
    let is_empty = span.signum() == -stride_wide.signum();
    let count = if is_empty { 0 } else { span / stride_wide + 1 };
    if count > i128::from(ARRAY_RANGE_ITEMS_MAX) {
        return Err(format!(
            "The range has more than {ARRAY_RANGE_ITEMS_MAX} items"
        ));
    }
    let items = std::iter::successors(Some(first), |item| item.checked_add(stride));
    let count = usize::try_from(count).expect("checked against the limit");
    Ok(Value::from(
        items.take(count).map(Value::from).collect::<Vec<_>>(),
    ))
}

pub(super) fn get_item(items: &Value, index: &Value) -> Result<Value, String> {
    let items = expect_array(items)?;
    let index = expect_integer(index)?;
    let found = usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index));
    found.cloned().ok_or_else(|| {
        format!(
            "The index {index} is out of bounds for an array of length {}",
            items.len()
        )
    })
}

pub(super) fn length(items: &Value) -> Result<Value, String> {
    let length = i64::try_from(expect_array(items)?.len()).expect("a length in memory fits");
    Ok(Value::from(length))
}

/// The first of each group of equal items, in order.
pub(super) fn unique(items: &Value) -> Result<Value, String> {
    let mut seen = BTreeSet::new();
    let is_new = |item: &&Value| {
        let mut key = String::new();
        write_canonical(item, &mut key);
        seen.insert(key)
    };
    Ok(Value::from(
        expect_array(items)?
            .iter()
            .filter(is_new)
            .cloned()
            .collect::<Vec<_>>(),
    ))
}

/// A text that equal values share: members sorted, whole floats as integers.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => value.write(out),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Number::Int(int).write(out),
            None => number.write(out),
        },
        Value::Array(items) => {
            out.push('[');
            for item in items.iter() {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, member) in sorted {
                write_string(key, out);
                out.push(':');
                write_canonical(member, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}
