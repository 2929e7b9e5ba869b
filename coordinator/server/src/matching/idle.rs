//! The free slots of one activity, by the labels of their workers. Those with the fewest labels go first, so that workers
//! that can do what others cannot stay free for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Slot;
use super::placement::satisfies;
use crate::fleet::session::Labels;

/// Idle slots that are not worth looking through.
const PURGE_MIN: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Idle {
    /// By number of labels, then by labels.
    groups: BTreeMap<(usize, Arc<Labels>), VecDeque<Slot>>,
    len: usize,
    /// Length at which stale slots are looked for: twice what was left the last time.
    purge_at: usize,
}

impl Idle {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.groups.values().flatten()
    }

    /// Labels of workers that may have a free slot, in the order in which they are used.
    pub(super) fn labels(&self) -> Vec<Arc<Labels>> {
        self.groups
            .keys()
            .map(|(_, labels)| labels.clone())
            .collect()
    }

    pub(super) fn push(&mut self, slot: Slot) {
        if self.len >= self.purge_at.max(PURGE_MIN) {
            self.purge();
            self.purge_at = self.len * 2;
        }
        let labels = slot.labels();
        let group = self.groups.entry((labels.len(), labels)).or_default();
        group.push_back(slot);
        self.len += 1;
    }

    /// A slot of a worker that has all these labels.
    pub(super) fn take(&mut self, all: [&Labels; 2]) -> Option<Slot> {
        let mut found = None;
        let mut emptied = false;
        for ((_, labels), group) in &mut self.groups {
            if all.iter().all(|asked| satisfies(labels, asked)) {
                found = first_valid(group, &mut self.len);
                emptied |= group.is_empty();
                if found.is_some() {
                    break;
                }
            }
        }
        if emptied {
            self.groups.retain(|_, group| !group.is_empty());
        }
        found
    }

    /// A slot of a worker with just these labels.
    pub(super) fn take_of(&mut self, labels: &Arc<Labels>) -> Option<Slot> {
        let key = (labels.len(), labels.clone());
        let group = self.groups.get_mut(&key)?;
        let found = first_valid(group, &mut self.len);
        if group.is_empty() {
            self.groups.remove(&key);
        }
        found
    }

    /// Forgets slots that are void.
    pub(super) fn purge(&mut self) {
        for group in self.groups.values_mut() {
            group.retain(Slot::is_valid);
        }
        self.groups.retain(|_, group| !group.is_empty());
        self.len = self.groups.values().map(VecDeque::len).sum();
    }
}

/// Takes slots out until one is good.
fn first_valid(group: &mut VecDeque<Slot>, len: &mut usize) -> Option<Slot> {
    loop {
        let slot = group.pop_front()?;
        *len -= 1;
        if slot.is_valid() {
            return Some(slot);
        }
    }
}
