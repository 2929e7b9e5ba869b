//! The manifest: which objects a snapshot consists of, in which order they are read, and which snapshot came before.

use prost::Message as _;
use stepfleet_engine::PartitionId;
use stepfleet_proto::record::v1;

use super::Covered;
use super::objects::Expected;
use crate::error::StoreError;
use crate::log::{Epoch, Seq};

/// Version of the manifest and of parts.
const FORMAT: u32 = 1;
/// Deltas of a snapshot at most: each is at least one object to read, and a line in every manifest after it.
const DELTAS_MAX: usize = 128;

/// Where a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) covered: Covered,
    pub(super) manifest: Expected,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) partition: PartitionId,
    pub(super) covered: Covered,
    pub(super) previous: Option<Pointer>,
    /// A base, then deltas, oldest first.
    pub(super) layers: Vec<Layer>,
}

/// Rows that were written together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Of the snapshot that was written with it.
    pub(super) covered: Covered,
    pub(super) parts: Vec<Part>,
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) object: Expected,
    pub(super) rows: u64,
}

impl Layer {
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.object.length).sum()
    }

    pub(super) fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }
}

impl Manifest {
    /// Whether one more delta would cost more than it saves: all rows are written anew then.
    pub(super) fn is_due_for_a_base(&self) -> bool {
        let Some((base, deltas)) = self.layers.split_first() else {
            return true;
        };
        let bytes: u64 = deltas.iter().map(Layer::bytes).sum();
        deltas.len() >= DELTAS_MAX || bytes > base.bytes() / 2
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let layer = |layer: &Layer| v1::SnapshotLayer {
            epoch: layer.covered.epoch.0,
            seq: layer.covered.seq.0,
            parts: layer.parts.iter().map(part_record).collect(),
        };
        let record = v1::SnapshotManifest {
            format: FORMAT,
            partition: u32::from(self.partition.0),
            epoch: self.covered.epoch.0,
            seq: self.covered.seq.0,
            previous: self.previous.as_ref().map(pointer_record),
            layers: self.layers.iter().map(layer).collect(),
        };
        record.encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let record =
            v1::SnapshotManifest::decode(bytes).map_err(|error| unreadable(&error.to_string()))?;
        if record.format != FORMAT {
            return Err(unreadable(&format!(
                "it has format {}, this binary reads {FORMAT}; use the release that wrote it, or a newer one",
                record.format
            )));
        }
        let partition = u16::try_from(record.partition)
            .map_err(|_too_large| unreadable("its partition does not exist"))?;
        let layer = |layer: v1::SnapshotLayer| -> Result<Layer, StoreError> {
            Ok(Layer {
                covered: covered(layer.epoch, layer.seq),
                parts: layer.parts.iter().map(part).collect::<Result<_, _>>()?,
            })
        };
        Ok(Self {
            partition: PartitionId(partition),
            covered: covered(record.epoch, record.seq),
            previous: record.previous.as_ref().map(pointer).transpose()?,
            layers: record
                .layers
                .into_iter()
                .map(layer)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Pointer {
    pub(super) fn encode(&self) -> Vec<u8> {
        pointer_record(self).encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let record = v1::SnapshotPointer::decode(bytes)
            .map_err(|error| unreadable(&format!("its pointer: {error}")))?;
        pointer(&record)
    }
}

fn covered(epoch: u64, seq: u64) -> Covered {
    Covered {
        epoch: Epoch(epoch),
        seq: Seq(seq),
    }
}

fn pointer_record(pointer: &Pointer) -> v1::SnapshotPointer {
    v1::SnapshotPointer {
        epoch: pointer.covered.epoch.0,
        seq: pointer.covered.seq.0,
        hash: pointer.manifest.hash.to_vec(),
        length: pointer.manifest.length,
    }
}

fn pointer(record: &v1::SnapshotPointer) -> Result<Pointer, StoreError> {
    Ok(Pointer {
        covered: covered(record.epoch, record.seq),
        manifest: expected(&record.hash, record.length)?,
    })
}

fn part_record(part: &Part) -> v1::SnapshotPart {
    v1::SnapshotPart {
        length: part.object.length,
        hash: part.object.hash.to_vec(),
        rows: part.rows,
    }
}

fn part(record: &v1::SnapshotPart) -> Result<Part, StoreError> {
    Ok(Part {
        object: expected(&record.hash, record.length)?,
        rows: record.rows,
    })
}

fn expected(hash: &[u8], length: u64) -> Result<Expected, StoreError> {
    let hash = hash
        .try_into()
        .map_err(|_length| unreadable("a hash has another length than SHA-256"))?;
    Ok(Expected { hash, length })
}

fn unreadable(why: &str) -> StoreError {
    StoreError::Corrupt(format!("a snapshot's manifest cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::golden;

    fn sample() -> Manifest {
        let part = |byte, length| Part {
            object: Expected {
                hash: [byte; 32],
                length,
            },
            rows: length / 100,
        };
        Manifest {
            partition: PartitionId(0x102),
            covered: covered(9, 500),
            previous: Some(Pointer {
                covered: covered(7, 400),
                manifest: part(3, 90).object,
            }),
            layers: vec![
                Layer {
                    covered: covered(7, 400),
                    parts: vec![part(1, 8_000_000), part(2, 1000)],
                },
                Layer {
                    covered: covered(9, 500),
                    parts: vec![part(4, 700)],
                },
            ],
        }
    }

    #[test]
    fn manifests_and_pointers_keep_their_bytes() {
        let bytes = sample().encode();
        golden::check("snapshot-manifest", &bytes);
        assert_eq!(Manifest::decode(&bytes).unwrap(), sample());
        let pointer = sample().previous.unwrap();
        golden::check("snapshot-pointer", &pointer.encode());
        assert_eq!(Pointer::decode(&pointer.encode()).unwrap(), pointer);
    }

    #[test]
    fn deltas_are_folded_when_they_are_many_or_large() {
        let mut manifest = sample();
        assert!(!manifest.is_due_for_a_base());
        manifest.layers[1].parts[0].object.length = 4_000_501;
        assert!(manifest.is_due_for_a_base());
        let mut manifest = sample();
        let delta = manifest.layers[1].clone();
        manifest.layers.extend(vec![delta; DELTAS_MAX]);
        assert!(manifest.is_due_for_a_base());
        manifest.layers.clear();
        assert!(manifest.is_due_for_a_base());
    }
}
