//! What a member is to take and to give away, from what it sees. Pure: no clock, no I/O; every member that sees the same
//! says the same about everybody.

mod wishes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use stepfleet_engine::PartitionId;
use stepfleet_store::Epoch;

pub use wishes::{Wishes, wishes};

/// How long the next in line waits for each one before it, when a partition has lost its owner. Milliseconds.
pub const RANK_MS: i64 = 200;
/// How long members must have been the same before load is made even. Milliseconds.
pub const SETTLED_MS: i64 = 30_000;
/// A partition moves from a living owner only when the fullest member has this much more than its share. Percent.
pub const IMBALANCE_PERCENT: usize = 10;

/// A name of a member.
pub type MemberName = String;

/// What a member sees. Times are milliseconds of its own clock, from any beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Partitions of the cluster.
    pub partitions: u16,
    /// Those that are there, by name.
    pub members: BTreeMap<MemberName, Member>,
    /// Who owns what.
    pub owners: BTreeMap<PartitionId, Owner>,
    /// Where partitions are to be whatever the placement says: an operator's word.
    pub pins: BTreeMap<PartitionId, MemberName>,
    /// When a member came or went last.
    pub changed_at: i64,
}

/// A member that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// It is about to leave: nothing is given to it, and what it has goes to others.
    pub drains: bool,
}

/// The owner of a partition, as its key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// None when it was given up.
    pub member: Option<MemberName>,
    /// Revision of the key.
    pub epoch: Epoch,
    /// For whom it was given up.
    pub heir: Option<MemberName>,
    /// Since when the owner is not there, as far as is seen here.
    pub lost_at: Option<i64>,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To acquire, if the owner's key still has this revision (0: there is none).
    pub take: Vec<(PartitionId, Epoch)>,
    /// To give to another member: one at a time.
    pub give: Option<(PartitionId, MemberName)>,
    /// When to look again, if nothing is seen before.
    pub look_at: Option<i64>,
}

/// What `me` is to do.
pub fn plan(view: &View, me: &str, now: i64) -> Plan {
    let wishes = wishes(view);
    let mut plan = Plan::default();
    for id in (0..view.partitions).map(PartitionId) {
        let owner = view.owners.get(&id);
        let Some(since) = without_owner_since(owner, view.changed_at) else {
            continue;
        };
        let Some(rank) = rank(view, &wishes, (id, owner), me) else {
            continue;
        };
        let turn = since.saturating_add(RANK_MS.saturating_mul(rank));
        if turn <= now {
            plan.take
                .push((id, owner.map_or(Epoch(0), |owner| owner.epoch)));
        } else {
            plan.look_at = plan.look_at.into_iter().chain([turn]).min();
        }
    }
    plan.give = give(view, &wishes, me, now);
    let evens_at = view.changed_at.saturating_add(SETTLED_MS);
    if plan.give.is_none() && now < evens_at {
        plan.look_at = plan.look_at.into_iter().chain([evens_at]).min();
    }
    plan
}

/// Since when nobody who is there owns it; none while somebody does.
fn without_owner_since(owner: Option<&Owner>, changed_at: i64) -> Option<i64> {
    let Some(owner) = owner else {
        return Some(changed_at);
    };
    if owner.member.is_none() {
        // What was given up waits for nobody: its heir is first in line.
        return Some(owner.lost_at.unwrap_or(changed_at));
    }
    owner.lost_at
}

/// How many are before `me` in the line for a partition without an owner.
fn rank(
    view: &View,
    wishes: &Wishes,
    (id, owner): (PartitionId, Option<&Owner>),
    me: &str,
) -> Option<i64> {
    let heir = owner.and_then(|owner| owner.heir.as_deref());
    let is_there = |name: &&str| view.members.get(*name).is_some_and(|member| !member.drains);
    let first = heir.filter(is_there).or_else(|| wishes.of(id));
    let line = first
        .into_iter()
        .chain(wishes.line(id).filter(|name| Some(*name) != first));
    let rank = line.take_while(|name| *name != me).count();
    let is_in_line = view.members.get(me).is_some_and(|member| !member.drains);
    is_in_line.then(|| i64::try_from(rank).unwrap_or(i64::MAX))
}

/// The next partition to give away: to where it was pinned, from a member that leaves, or for an even load.
fn give(view: &View, wishes: &Wishes, me: &str, now: i64) -> Option<(PartitionId, MemberName)> {
    let owned = |id: &PartitionId| {
        view.owners
            .get(id)?
            .member
            .as_deref()
            .filter(|name| *name == me)
    };
    let mine: Vec<PartitionId> = view
        .owners
        .keys()
        .copied()
        .filter(|id| owned(id).is_some())
        .collect();
    let elsewhere = |id: &PartitionId| {
        let wished = wishes.of(*id).filter(|name| *name != me)?;
        Some((*id, wished.to_owned()))
    };
    // Whose pin is not there is to have it later; until then it stays.
    let is_there = |id: &PartitionId| wishes.of(*id) == view.pins.get(id).map(String::as_str);
    let pinned = mine
        .iter()
        .filter(|id| view.pins.contains_key(id) && is_there(id));
    if let Some(pinned) = pinned.copied().find_map(|id| elsewhere(&id)) {
        return Some(pinned);
    }
    if view.members.get(me).is_some_and(|member| member.drains) {
        return mine.iter().find_map(elsewhere);
    }
    let settled = now >= view.changed_at.saturating_add(SETTLED_MS);
    if !settled || someone_waits(view) || !is_uneven(view) {
        return None;
    }
    let counts = counts(view);
    let has = |name: &str| counts.get(name).copied().unwrap_or(0);
    // A movement that would only exchange who has more is none.
    let helps = |(_, to): &(PartitionId, MemberName)| has(me) > has(to) + 1;
    let free = mine.iter().filter(|id| !view.pins.contains_key(id));
    free.filter_map(elsewhere).find(helps)
}

/// Whether a partition is on its way, or nobody has it: first things first.
fn someone_waits(view: &View) -> bool {
    let owned = view
        .owners
        .values()
        .filter(|owner| owner.member.is_some() && owner.lost_at.is_none());
    owned.count() < usize::from(view.partitions)
}

fn is_uneven(view: &View) -> bool {
    let counts = counts(view);
    let members = view
        .members
        .values()
        .filter(|member| !member.drains)
        .count();
    let share = usize::from(view.partitions).div_ceil(members.max(1));
    let allowed = share + (share * IMBALANCE_PERCENT).div_ceil(100);
    let most = counts.values().copied().max().unwrap_or(0);
    most > allowed || counts.len() < members.min(usize::from(view.partitions))
}

fn counts(view: &View) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in view
        .owners
        .values()
        .filter_map(|owner| owner.member.as_deref())
    {
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}
