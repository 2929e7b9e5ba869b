//! Parts of keys.

use stepfleet_engine::{ExecutionId, Timestamp};

use crate::error::StoreError;

/// Ends a text in a key. Names hold no control characters, so no text contains it.
pub(crate) const END: u8 = 0;

/// Texts, each with its end, so that keys order by the first text, then the second…
pub(crate) fn put_texts(key: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        debug_assert!(
            !text.as_bytes().contains(&END),
            "names hold no control characters"
        );
        key.extend_from_slice(text.as_bytes());
        key.push(END);
    }
}

pub(crate) fn execution(id: ExecutionId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

pub(crate) fn execution_of(key: &[u8]) -> Result<ExecutionId, StoreError> {
    let bytes = key.get(..16).and_then(|id| id.try_into().ok());
    bytes
        .map(|id| ExecutionId(u128::from_be_bytes(id)))
        .ok_or_else(|| {
            StoreError::Corrupt(format!(
                "a key of {} bytes holds no execution id",
                key.len()
            ))
        })
}

/// A time whose bytes order as time does: the sign bit is flipped.
pub(crate) fn time(at: Timestamp) -> u64 {
    at.0.cast_unsigned() ^ (1 << 63)
}

pub(crate) fn time_of(bytes: u64) -> Timestamp {
    Timestamp((bytes ^ (1 << 63)).cast_signed())
}

/// The first key behind all that begin with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if last < u8::MAX {
            after.push(last + 1);
            return after;
        }
    }
    // Nothing follows; no key is this long.
    vec![u8::MAX; 64]
}
