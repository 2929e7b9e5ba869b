//! The ledger: every partition's state as it stands when a segment begins. With it, segments before may go, and a
//! missing one is noticed.

use std::collections::BTreeMap;

use super::PARTITIONS_MAX;
use super::frame::{self, u32_at, u64_at};
use crate::log::admission::PartitionState;

/// Bytes of the largest ledger with its frame.
pub(super) const BYTES_MAX: usize = frame::framed_bytes(8 + PARTITIONS_MAX * ENTRY_BYTES);

const ENTRY_BYTES: usize = 26;

/// What a segment's first frame says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// Where the frames of the previous segment end; 0 when there is none.
    pub(super) previous_end: u32,
    pub(super) states: BTreeMap<u16, PartitionState>,
}

impl Ledger {
    /// Layout: previous end 4, count 4, then per partition: number 2, epoch 8, last 8, trimmed 8.
    pub(super) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.states.len()).expect("partitions are bounded");
        let mut out = Vec::with_capacity(8 + self.states.len() * ENTRY_BYTES);
        out.extend_from_slice(&self.previous_end.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        for (partition, state) in &self.states {
            out.extend_from_slice(&partition.to_le_bytes());
            out.extend_from_slice(&state.epoch.to_le_bytes());
            out.extend_from_slice(&state.last.to_le_bytes());
            out.extend_from_slice(&state.trimmed.to_le_bytes());
        }
        out
    }

    /// None when the bytes are not a ledger.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, entries) = bytes.split_at_checked(8)?;
        let count = usize::try_from(u32_at(head, 4)).ok()?;
        if entries.len() != count.checked_mul(ENTRY_BYTES)? {
            return None;
        }
        let states = entries
            .chunks_exact(ENTRY_BYTES)
            .map(|entry| {
                let state = PartitionState {
                    epoch: u64_at(entry, 2),
                    last: u64_at(entry, 10),
                    trimmed: u64_at(entry, 18),
                };
                (u16::from_le_bytes([entry[0], entry[1]]), state)
            })
            .collect();
        Some(Self {
            previous_end: u32_at(head, 0),
            states,
        })
    }
}
