//! What members do with partitions, alone and all together in one thread with a made-up clock.

use super::*;

const PARTITIONS: u16 = 64;
/// Milliseconds between two looks.
const STEP: i64 = 100;

fn name(number: usize) -> MemberName {
    format!("c{number}")
}

fn view(members: usize) -> View {
    View {
        partitions: PARTITIONS,
        members: (0..members)
            .map(|number| (name(number), Member::default()))
            .collect(),
        ..View::default()
    }
}

/// A cluster of which everybody sees the same at once.
#[derive(Debug)]
struct World {
    view: View,
    now: i64,
    epoch: u64,
    takes: usize,
    moves: usize,
    /// Who has stopped without a word: others see it later.
    stopped: Vec<MemberName>,
}

impl World {
    fn new(members: usize) -> Self {
        let mut world = Self {
            view: view(members),
            now: 1_000_000,
            epoch: 0,
            takes: 0,
            moves: 0,
            stopped: Vec::new(),
        };
        world.view.changed_at = world.now;
        world
    }

    fn joins(&mut self, number: usize) {
        self.view.members.insert(name(number), Member::default());
        self.view.changed_at = self.now;
    }

    fn dies(&mut self, number: usize) {
        self.view.members.remove(&name(number));
        self.view.changed_at = self.now;
        for owner in self.view.owners.values_mut() {
            if owner.member.as_deref() == Some(&name(number)) {
                owner.lost_at = Some(self.now);
            }
        }
    }

    fn drains(&mut self, number: usize) {
        let member = self.view.members.get_mut(&name(number));
        member.expect("it is there").drains = true;
        self.view.changed_at = self.now;
    }

    /// Everybody does what it is to do, until `ms` are over. While there is nothing to do, time passes to when somebody
    /// wants to look again.
    fn run(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now <= end {
            let names = self.view.members.keys().cloned();
            let work: Vec<MemberName> = names.filter(|name| !self.stopped.contains(name)).collect();
            let (before, mut looks) = (self.epoch, Vec::new());
            for me in &work {
                let plan = plan(&self.view, me, self.now);
                for (id, seen) in plan.take {
                    self.take(id, seen, me);
                }
                if let Some((id, heir)) = plan.give {
                    self.give(id, me, heir);
                }
                looks.extend(plan.look_at);
            }
            let next = looks
                .into_iter()
                .min()
                .unwrap_or(end + STEP)
                .clamp(self.now + STEP, end + STEP);
            self.now = if self.epoch == before {
                next
            } else {
                self.now + STEP
            };
        }
    }

    fn take(&mut self, id: PartitionId, seen: Epoch, me: &str) {
        let current = self
            .view
            .owners
            .get(&id)
            .map_or(Epoch(0), |owner| owner.epoch);
        if current == seen {
            self.takes += 1;
            self.put(id, Some(me.to_owned()), None);
        }
    }

    fn give(&mut self, id: PartitionId, me: &str, heir: MemberName) {
        assert_eq!(self.view.owners[&id].member.as_deref(), Some(me));
        self.moves += 1;
        self.put(id, None, Some(heir));
    }

    fn put(&mut self, id: PartitionId, member: Option<MemberName>, heir: Option<MemberName>) {
        self.epoch += 1;
        let owner = Owner {
            lost_at: member.is_none().then_some(self.now),
            member,
            epoch: Epoch(self.epoch),
            heir,
        };
        self.view.owners.insert(id, owner);
    }

    fn shares(&self) -> BTreeMap<&str, usize> {
        counts(&self.view)
    }

    /// Partitions that nobody has, but for one that somebody has just given away.
    fn without_owner(&self) -> usize {
        let has_one = |id| {
            let owner = self.view.owners.get(&PartitionId(id));
            owner.is_some_and(|owner| {
                let just_now = Some(self.now - STEP);
                owner.lost_at.is_none() || (owner.heir.is_some() && owner.lost_at >= just_now)
            })
        };
        (0..PARTITIONS).filter(|id| !has_one(*id)).count()
    }
}

#[test]
fn members_that_start_together_share_all_partitions_at_once() {
    let mut world = World::new(3);
    world.run(0);
    assert_eq!(world.without_owner(), 0);
    assert_eq!(
        world.takes,
        usize::from(PARTITIONS),
        "nobody takes what another is to have"
    );
    let shares = world.shares();
    assert!(
        shares.values().all(|share| (20..=22).contains(share)),
        "{shares:?}"
    );
    world.run(120_000);
    assert_eq!(world.moves, 0, "nothing moves without a reason");
}

#[test]
fn partitions_of_a_member_that_died_are_taken_at_once_by_those_who_are_to_have_them() {
    let mut world = World::new(3);
    world.run(0);
    let before = world.view.owners.clone();
    world.dies(1);
    world.run(0);
    assert_eq!(world.without_owner(), 0);
    let others = before
        .iter()
        .filter(|(_, owner)| owner.member.as_deref() != Some("c1"));
    for (id, owner) in others {
        assert_eq!(
            world.view.owners[id].member, owner.member,
            "the living keep theirs"
        );
    }
    world.run(60_000);
    assert!(
        world.shares().into_values().all(|share| share <= 36),
        "{:?}",
        world.shares()
    );
}

#[test]
fn the_next_in_line_takes_what_the_first_does_not() {
    let mut world = World::new(3);
    world.run(0);
    world.dies(0);
    // It is there for all to see, and does nothing.
    world.stopped.push(name(1));
    world.run(RANK_MS - STEP);
    assert!(world.without_owner() > 0);
    world.run(RANK_MS);
    assert_eq!(world.without_owner(), 0);
}

#[test]
fn a_member_that_joins_gets_its_share_in_small_steps_and_no_more() {
    let mut world = World::new(3);
    world.run(0);
    world.joins(3);
    world.run(SETTLED_MS - 100);
    assert_eq!(world.moves, 0, "it might leave again");
    world.run(60_000);
    assert_eq!(world.without_owner(), 0);
    let shares = world.shares();
    assert!(
        shares.values().all(|share| (12..=18).contains(share)),
        "{shares:?}"
    );
    assert!(
        world.moves <= 20,
        "{} movements for a share of 16",
        world.moves
    );
    let moves = world.moves;
    world.run(300_000);
    assert_eq!(world.moves, moves, "it comes to rest");
}

#[test]
fn a_member_that_drains_gives_everything_away() {
    let mut world = World::new(3);
    world.run(0);
    world.drains(2);
    world.run(60_000);
    assert_eq!(world.shares().get("c2"), None);
    assert_eq!(world.without_owner(), 0);
    world.dies(2);
    let takes = world.takes;
    world.run(60_000);
    assert_eq!(world.takes, takes, "nobody misses it");
}

#[test]
fn a_pinned_partition_goes_where_it_was_put_and_stays() {
    let mut world = World::new(3);
    world.run(0);
    let id = PartitionId(7);
    let there = world.view.owners[&id].member.clone();
    let other = (0..3)
        .map(name)
        .find(|name| Some(name) != there.as_ref())
        .unwrap();
    world.view.pins.insert(id, other.clone());
    world.run(1000);
    assert_eq!(world.view.owners[&id].member.as_ref(), Some(&other));
    world.run(120_000);
    assert_eq!(world.view.owners[&id].member, Some(other));
    assert_eq!(world.without_owner(), 0);
}

#[test]
fn a_partition_that_is_pinned_to_somebody_who_is_not_there_stays() {
    let mut world = World::new(3);
    world.run(0);
    for id in 0..PARTITIONS {
        world.view.pins.insert(PartitionId(id), "nobody".to_owned());
    }
    world.run(300_000);
    assert_eq!((world.moves, world.without_owner()), (0, 0));
}

#[test]
fn the_last_member_has_everything_and_a_drain_of_it_changes_nothing() {
    let mut world = World::new(2);
    world.run(0);
    world.dies(0);
    world.run(0);
    world.drains(1);
    world.run(60_000);
    assert_eq!(world.shares().get("c1"), Some(&usize::from(PARTITIONS)));
}

#[test]
fn whatever_comes_and_goes_every_partition_has_an_owner_soon() {
    for seed in 0..200_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) % bound
        };
        let mut world = World::new(3);
        world.run(0);
        for _ in 0..10 {
            let number = usize::try_from(draw(5)).unwrap();
            if world.view.members.contains_key(&name(number)) {
                if world.view.members.len() > 1 {
                    world.dies(number);
                }
            } else {
                world.joins(number);
            }
            world.run(i64::try_from(draw(40_000)).unwrap());
            world.run(1000);
            assert_eq!(world.without_owner(), 0, "seed {seed}");
        }
        world.run(200_000);
        let share = usize::from(PARTITIONS).div_ceil(world.view.members.len());
        let shares = world.shares();
        let most = shares.values().copied().max().unwrap();
        assert!(
            most <= share + share.div_ceil(10),
            "seed {seed}: {shares:?}"
        );
        let moves = world.moves;
        world.run(200_000);
        assert_eq!(world.moves, moves, "seed {seed} does not come to rest");
    }
}
