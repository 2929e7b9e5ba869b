//! Where every live chunk stands, and which segments are still needed. Holds durable facts only: the writer adds to it
//! after its sync.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use super::segment::Segment;
use crate::log::BatchId;
use crate::log::admission::PartitionState;

/// A chunk's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) segment: u64,
    /// Of the frame, which the payload follows.
    pub(super) offset: u32,
    /// Bytes of the payload.
    pub(super) length: u32,
    pub(super) seq: u64,
    pub(super) batch: BatchId,
}

/// Partitions and segments.
#[derive(Debug, Default)]
pub(super) struct Index {
    partitions: BTreeMap<u16, Partition>,
    segments: BTreeMap<u64, Live>,
}

#[derive(Debug, Default)]
struct Partition {
    state: PartitionState,
    /// Chunks `trimmed + 1 ..= last`, dense.
    chunks: VecDeque<Entry>,
}

#[derive(Debug)]
struct Live {
    segment: Segment,
    /// The last chunk of each partition in it.
    last: BTreeMap<u16, u64>,
}

impl Index {
    pub(super) fn state(&self, partition: u16) -> PartitionState {
        self.partitions
            .get(&partition)
            .map(|partition| partition.state)
            .unwrap_or_default()
    }

    pub(super) fn states(&self) -> impl Iterator<Item = (u16, PartitionState)> + '_ {
        self.partitions
            .iter()
            .map(|(number, partition)| (*number, partition.state))
    }

    pub(super) fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn segment_count(&self) -> u64 {
        self.segments.len() as u64
    }

    pub(super) fn entry(&self, partition: u16, seq: u64) -> Option<Entry> {
        let partition = self.partitions.get(&partition)?;
        let at = seq.checked_sub(partition.state.trimmed + 1)?;
        partition.chunks.get(usize::try_from(at).ok()?).copied()
    }

    /// Entries with their segments, until their payloads exceed `bytes_max`; at least one when there is one.
    pub(super) fn entries(
        &self,
        partition: u16,
        seqs: RangeInclusive<u64>,
        bytes_max: usize,
    ) -> Vec<(Entry, Segment)> {
        let mut bytes = 0_usize;
        let mut found = Vec::new();
        for entry in seqs.map_while(|seq| self.entry(partition, seq)) {
            bytes = bytes.saturating_add(usize::try_from(entry.length).unwrap_or(usize::MAX));
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            let Some(live) = self.segments.get(&entry.segment) else {
                break;
            };
            found.push((entry, live.segment.clone()));
        }
        found
    }

    pub(super) fn add_segment(&mut self, segment: &Segment) {
        let live = Live {
            segment: segment.clone(),
            last: BTreeMap::new(),
        };
        self.segments.entry(segment.number).or_insert(live);
    }

    /// Sets everything but the chunks.
    pub(super) fn set_state(&mut self, partition: u16, state: PartitionState) {
        let entry = self.partitions.entry(partition).or_default();
        while entry
            .chunks
            .front()
            .is_some_and(|chunk| chunk.seq <= state.trimmed)
        {
            entry.chunks.pop_front();
        }
        entry.state = state;
    }

    /// Adds the next chunk of a partition. `set_state` follows.
    pub(super) fn add_chunk(&mut self, partition: u16, entry: Entry) {
        self.partitions
            .entry(partition)
            .or_default()
            .chunks
            .push_back(entry);
        if let Some(live) = self.segments.get_mut(&entry.segment) {
            live.last.insert(partition, entry.seq);
        }
    }

    /// Removes segments that nothing needs any more and that come before `current`, oldest first; a needed one keeps
    /// all that follow it, so that live segments are always consecutive.
    pub(super) fn take_unneeded(&mut self, current: u64) -> Vec<Segment> {
        let mut unneeded = Vec::new();
        while let Some(first) = self.segments.first_entry() {
            let needed = first.get().last.iter().any(|(partition, seq)| {
                *seq > self
                    .partitions
                    .get(partition)
                    .map_or(0, |p| p.state.trimmed)
            });
            if *first.key() >= current || needed {
                break;
            }
            unneeded.push(first.remove().segment);
        }
        unneeded
    }

    /// A partition whose chunks are not all there, with the sequences of the first gap.
    pub(super) fn first_gap(&self) -> Option<(u16, RangeInclusive<u64>)> {
        self.partitions.iter().find_map(|(number, partition)| {
            let first = partition
                .chunks
                .front()
                .map_or(partition.state.last + 1, |chunk| chunk.seq);
            (first > partition.state.trimmed + 1)
                .then_some((*number, partition.state.trimmed + 1..=first - 1))
        })
    }
}
