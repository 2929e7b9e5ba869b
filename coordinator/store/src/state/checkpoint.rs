//! The row that says what the last completed checkpoint covers.

use prost::Message as _;
use stepfleet_engine::PartitionId;
use stepfleet_proto::record::v1;

use crate::error::StoreError;
use crate::log::Seq;

/// Its key in the meta table.
pub(crate) const KEY: &[u8] = b"checkpoint";

pub(crate) fn encode(covered: &[(PartitionId, Seq)]) -> Vec<u8> {
    let covered = covered
        .iter()
        .map(|(partition, seq)| v1::Covered {
            partition: u32::from(partition.0),
            seq: seq.0,
        })
        .collect();
    v1::Checkpoint { covered }.encode_to_vec()
}

pub(crate) fn decode(value: &[u8]) -> Result<Vec<(PartitionId, Seq)>, StoreError> {
    let corrupt =
        |error: &dyn std::fmt::Display| StoreError::Corrupt(format!("checkpoint row: {error}"));
    let checkpoint = v1::Checkpoint::decode(value).map_err(|error| corrupt(&error))?;
    let covered = checkpoint.covered.into_iter();
    covered
        .map(|covered| match u16::try_from(covered.partition) {
            Ok(partition) => Ok((PartitionId(partition), Seq(covered.seq))),
            Err(error) => Err(corrupt(&error)),
        })
        .collect()
}
