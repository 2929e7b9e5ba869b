//! Control rows: state machines, revisions, activities, settings. Key: the caller's. Value: version and bytes.

use bytes::Bytes;
use prost::Message as _;
use stepfleet_proto::record::v1;

use super::convert::corrupt;
use super::record::{ChunkRecord, ControlChange, RecordReader, encode_control};
use super::wire::Wire;
use crate::error::StoreError;
use crate::state::{Row, Table};

/// The chunk of one change.
pub fn chunk(change: &ControlChange) -> Bytes {
    let mut out =
        Vec::with_capacity(change.key.len() + change.value.as_ref().map_or(0, Vec::len) + 32);
    encode_control(&mut out, change);
    out.into()
}

/// The changes in a chunk of the system partition; `Corrupt` when it holds anything else.
pub fn changes(chunk: &Bytes) -> Result<Vec<ControlChange>, StoreError> {
    let records = RecordReader::new(chunk.clone());
    records
        .map(|record| match record? {
            ChunkRecord::Control(change) => Ok(change),
            ChunkRecord::Execution(record) => {
                let execution = record.header.execution;
                Err(corrupt(format_args!(
                    "record of execution {execution} among control changes"
                )))
            }
            ChunkRecord::ExpressEnd(execution) => Err(corrupt(format_args!(
                "end of execution {execution} among control changes"
            ))),
        })
        .collect()
}

/// The row after a change.
pub fn row(change: &ControlChange) -> Row {
    let value = change
        .value
        .as_ref()
        .map(|value| encode(change.version, value));
    Row {
        table: Table::Control,
        key: change.key.clone(),
        value,
    }
}

/// Encodes a value.
pub fn encode(version: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 16);
    let mut wire = Wire(&mut out);
    wire.uint(1, version);
    wire.bytes(2, value);
    out
}

/// Decodes a value: version and bytes.
pub fn decode(value: &[u8]) -> Result<(u64, Vec<u8>), StoreError> {
    let control = v1::Control::decode(value)
        .map_err(|error| corrupt(format_args!("control row: {error}")))?;
    Ok((control.version, control.value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::arbitrary;

    proptest! {
        #[test]
        fn changes_come_back(changes in proptest::collection::vec(arbitrary::control_change(), 0..5)) {
            let mut chunk_of_all = Vec::new();
            for change in &changes {
                chunk_of_all.extend_from_slice(&chunk(change));
                let row = row(change);
                let value = row.value.map(|value| decode(&value).unwrap());
                prop_assert_eq!(value, change.value.clone().map(|value| (change.version, value)));
            }
            prop_assert_eq!(super::changes(&chunk_of_all.into()).unwrap(), changes);
        }
    }
}
