//! Where every partition would be, were nobody to own anything: rendezvous hashing with a bound on each member's share. A
//! member that comes or goes moves little more than its own share.

use std::collections::BTreeMap;

use stepfleet_engine::PartitionId;
use xxhash_rust::xxh3::xxh3_64;

use super::View;

/// The wished owner of each partition, and who would be next.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    wished: Vec<Option<String>>,
    lines: Vec<Vec<String>>,
}

impl Wishes {
    /// The wished owner; none while nobody is there.
    pub fn of(&self, partition: PartitionId) -> Option<&str> {
        self.wished.get(usize::from(partition.0))?.as_deref()
    }

    /// All who could own it, most wished first.
    pub fn line(&self, partition: PartitionId) -> impl Iterator<Item = &str> {
        let line = self.lines.get(usize::from(partition.0));
        line.into_iter().flatten().map(String::as_str)
    }
}

/// The same for everybody who sees the same members and pins.
pub fn wishes(view: &View) -> Wishes {
    let stays = view.members.iter().filter(|(_, member)| !member.drains);
    let names: Vec<&str> = stays.map(|(name, _)| name.as_str()).collect();
    let most = usize::from(view.partitions).div_ceil(names.len().max(1));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wishes = Wishes::default();
    for id in (0..view.partitions).map(PartitionId) {
        let mut line = names.clone();
        line.sort_by_key(|name| std::cmp::Reverse(weight(name, id)));
        let pinned = view.pins.get(&id).map(String::as_str);
        let pinned = line.iter().copied().find(|name| Some(*name) == pinned);
        let count = |name: &&str| counts.get(name).copied().unwrap_or(0);
        let wished = pinned.or_else(|| line.iter().copied().find(|name| count(name) < most));
        if let Some(name) = wished {
            *counts.entry(name).or_insert(0) += 1;
        }
        wishes.wished.push(wished.map(str::to_owned));
        wishes
            .lines
            .push(line.into_iter().map(str::to_owned).collect());
    }
    wishes
}

fn weight(name: &str, partition: PartitionId) -> u64 {
    let key = [name.as_bytes(), &partition.0.to_be_bytes()].concat();
    xxh3_64(&key)
}
