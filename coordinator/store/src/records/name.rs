//! Names of executions. Key: namespace, 0, state machine, 0, execution name. Value: the execution and its hash.

use prost::Message as _;
use stepfleet_engine::{ExecutionId, KeyHash};
use stepfleet_proto::record::v1;

use super::convert::{corrupt, hash, wide};
use super::keys;
use super::wire::Wire;
use crate::error::StoreError;
use crate::state::{Row, Table};

/// Key of a name.
pub fn key(namespace: &str, machine: &str, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(namespace.len() + machine.len() + name.len() + 2);
    keys::put_texts(&mut key, &[namespace, machine]);
    key.extend_from_slice(name.as_bytes());
    key
}

/// Range of all names of a state machine: from, to.
pub fn range(namespace: &str, machine: &str) -> (Vec<u8>, Vec<u8>) {
    let from = key(namespace, machine, "");
    let to = keys::after_prefix(&from);
    (from, to)
}

/// Encodes a value.
pub fn encode(execution: ExecutionId, hash: KeyHash) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    let mut wire = Wire(&mut out);
    wire.wide(1, execution.0);
    wire.uint(3, hash.0);
    out
}

/// Decodes a value.
pub fn decode(value: &[u8]) -> Result<(ExecutionId, KeyHash), StoreError> {
    let name = v1::Name::decode(value).map_err(|error| corrupt(format_args!("name: {error}")))?;
    Ok((
        ExecutionId(wide(name.execution_high, name.execution_low)),
        hash(name.hash)?,
    ))
}

/// The row of a name.
pub fn row(key: Vec<u8>, execution: ExecutionId, hash: KeyHash) -> Row {
    Row {
        table: Table::Name,
        key,
        value: Some(encode(execution, hash)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_come_back(id: u128, hash: u16) {
            let expected = (ExecutionId(id), KeyHash(hash));
            prop_assert_eq!(decode(&encode(expected.0, expected.1)).unwrap(), expected);
        }

        #[test]
        fn a_range_holds_exactly_the_names_of_its_machine(a in "[a-z-]{1,4}", b in "[a-z-]{1,4}", name in "[!-~]{0,4}") {
            let (from, to) = range("1", &a);
            let key = key("1", &b, &name);
            prop_assert_eq!(from <= key && key < to, a == b);
        }
    }
}
