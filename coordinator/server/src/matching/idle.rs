//! The free slots of one activity, by the kinds of their workers. They are hints: a slot that is taken is reserved with its
//! worker, which alone knows whether it is still free.

use std::collections::{BTreeMap, VecDeque};

use super::Slot;
use super::kind::{Asked, Kind};
use super::placement::satisfies;
use super::queue::At;
use crate::catalog::records::ActivitySettings;
use crate::fleet::credits::Reserved;

/// Idle slots that are not worth looking through.
const PURGE_MIN: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Idle {
    groups: BTreeMap<Kind, VecDeque<Slot>>,
    len: usize,
    /// Length at which stale slots are looked for: twice what was left the last time.
    purge_at: usize,
}

/// Slots that count, by worker: no more than it says are free.
#[derive(Debug, Default)]
pub(super) struct Worth(BTreeMap<(u128, u32), u32>);

impl Idle {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Slots that are free.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        let mut worth = Worth::default();
        let slots = self.groups.values().flatten();
        slots.filter(move |slot| worth.counts(slot))
    }

    /// Kinds of workers that may have a free slot, in the order in which they are used.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.groups.keys().cloned().collect()
    }

    pub(super) fn push(&mut self, slot: Slot) {
        if self.len >= self.purge_at.max(PURGE_MIN) {
            self.purge();
            self.purge_at = self.len * 2;
        }
        self.groups.entry(slot.kind()).or_default().push_back(slot);
        self.len += 1;
    }

    /// A slot for a task that asks for this, reserved.
    pub(super) fn take(
        &mut self,
        asked: &Asked,
        settings: &ActivitySettings,
        at: At<'_>,
    ) -> Option<Slot> {
        let mut found = None;
        let mut emptied = false;
        let ramp = settings.ramp.as_ref();
        for (kind, group) in &mut self.groups {
            if satisfies(&kind.labels, &settings.requires) && kind.serves(asked, ramp) {
                found = first_reserved(group, &mut self.len, at);
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

    /// A slot of a worker of just this kind, reserved.
    pub(super) fn take_of(&mut self, kind: &Kind, at: At<'_>) -> Option<Slot> {
        let group = self.groups.get_mut(kind)?;
        let found = first_reserved(group, &mut self.len, at);
        if group.is_empty() {
            self.groups.remove(kind);
        }
        found
    }

    /// Forgets slots that are void.
    pub(super) fn purge(&mut self) {
        let mut worth = Worth::default();
        for group in self.groups.values_mut() {
            group.retain(|slot| worth.counts(slot));
        }
        self.groups.retain(|_, group| !group.is_empty());
        self.len = self.groups.values().map(VecDeque::len).sum();
    }
}

impl Worth {
    fn counts(&mut self, slot: &Slot) -> bool {
        match slot {
            Slot::Session {
                session,
                activity,
                epoch,
            } => {
                let counted = self.0.entry((session.id.0, *activity)).or_insert(0);
                let counts = *counted < session.free_slots(*activity, *epoch);
                *counted += u32::from(counts);
                counts
            }
            Slot::Poller { answer, .. } => !answer.is_closed(),
        }
    }
}

/// Takes slots out until one is good.
fn first_reserved(group: &mut VecDeque<Slot>, len: &mut usize, at: At<'_>) -> Option<Slot> {
    loop {
        let slot = group.pop_front()?;
        *len -= 1;
        match slot.reserve(at) {
            Reserved::Yes => return Some(slot),
            Reserved::Void | Reserved::Parked(_) => {}
        }
    }
}
