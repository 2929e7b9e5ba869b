//! Every order of events of two nodes that want one partition: requests that come late, twice or never, lost answers,
//! crashes, takeovers at any time, appends that are given up, logs that are trimmed. The rules are those of `protocol.rs`; with
//! any of them left out something is lost or doubled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::protocol::{self, Condition, Found};
use super::*;

const NODES: u8 = 2;

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    Sound,
    /// Chunks are put without any condition.
    NoFence,
    /// The owner's key must name the writer, at whatever revision.
    FenceByName,
    /// The owner's revision alone counts.
    NoAbsence,
    /// The absence of the chunk alone counts.
    NoOwner,
    /// Where the log ends is read before the acquisition, not in it.
    EndReadBefore,
}

/// How far is explored.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    acquisitions: u8,
    batches: u8,
    messages: usize,
    trims: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    store: Store,
    nodes: [Node; NODES as usize],
    wire: Vec<Message>,
    acquisitions: u8,
    batches: u8,
    /// What was told to have succeeded.
    told: BTreeMap<u8, u8>,
    /// What every log that was ever read, and every chunk that was taken, said of a sequence.
    taken: BTreeMap<u8, u8>,
    trimmed: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Store {
    revision: u64,
    owner: Option<(u64, u8)>,
    /// Sequence → (epoch, batch).
    chunks: BTreeMap<u8, (u64, u8)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    #[default]
    Idle,
    Acquiring {
        seen: u64,
        acquisition: u8,
        end: u8,
    },
    Owner {
        epoch: u64,
        last: u8,
        pending: Option<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Acquire {
        node: u8,
        acquisition: u8,
        seen: u64,
    },
    Acquired {
        node: u8,
        acquisition: u8,
        epoch: u64,
        end: u8,
    },
    Lost {
        node: u8,
        acquisition: u8,
    },
    Append {
        node: u8,
        epoch: u64,
        seq: u8,
        batch: u8,
    },
    Answer {
        node: u8,
        epoch: u64,
        seq: u8,
        batch: u8,
        found: Option<(u64, Option<u8>)>,
    },
}

impl Store {
    fn end(&self) -> u8 {
        self.chunks.keys().next_back().copied().unwrap_or(0)
    }

    fn owner_at(&self) -> u64 {
        self.owner.map_or(0, |(revision, _)| revision)
    }

    fn holds(&self, condition: Condition, writer: u8, rules: Rules) -> bool {
        match condition {
            Condition::OwnerAt(epoch) => match rules {
                Rules::NoFence | Rules::NoOwner => true,
                Rules::FenceByName => self.owner.is_some_and(|(_, name)| name == writer),
                Rules::Sound | Rules::NoAbsence | Rules::EndReadBefore => {
                    self.owner_at() == epoch.0
                }
            },
            Condition::Absent(seq) => match rules {
                Rules::NoFence | Rules::NoAbsence => true,
                Rules::Sound | Rules::FenceByName | Rules::NoOwner | Rules::EndReadBefore => {
                    !self.chunks.keys().any(|stored| u64::from(*stored) == seq.0)
                }
            },
        }
    }
}

impl World {
    /// Everything that may happen next.
    fn next(&self, rules: Rules, bounds: Bounds) -> Vec<Self> {
        let mut worlds = Vec::new();
        for (at, message) in self.wire.iter().enumerate() {
            let mut lost = self.clone();
            lost.wire.remove(at);
            let mut once = lost.clone();
            once.deliver(message, rules);
            let mut and_again = self.clone();
            and_again.deliver(message, rules);
            worlds.extend([lost, once, and_again]);
        }
        for node in 0..NODES {
            self.steps(node, bounds, &mut worlds);
        }
        worlds.retain(|world| world.wire.len() <= bounds.messages);
        for world in &mut worlds {
            world.wire.sort();
            world.wire.dedup();
        }
        worlds
    }

    fn steps(&self, id: u8, bounds: Bounds, worlds: &mut Vec<Self>) {
        let node = &self.nodes[usize::from(id)];
        if *node != Node::Idle {
            worlds.push(self.with(id, Node::Idle, None));
        }
        match *node {
            Node::Idle if self.acquisitions < bounds.acquisitions => {
                let (acquisition, seen) = (self.acquisitions + 1, self.store.owner_at());
                let end = self.store.end();
                let acquiring = Node::Acquiring {
                    seen,
                    acquisition,
                    end,
                };
                let request = Message::Acquire {
                    node: id,
                    acquisition,
                    seen,
                };
                let mut world = self.with(id, acquiring, Some(request));
                world.acquisitions = acquisition;
                worlds.push(world);
            }
            Node::Idle => {}
            Node::Acquiring {
                seen, acquisition, ..
            } => {
                let again = Message::Acquire {
                    node: id,
                    acquisition,
                    seen,
                };
                worlds.push(self.with(id, node.clone(), Some(again)));
            }
            Node::Owner {
                epoch,
                last,
                pending,
            } => {
                self.owner_steps(id, (epoch, last, pending), bounds, worlds);
            }
        }
    }

    fn owner_steps(
        &self,
        id: u8,
        (epoch, last, pending): (u64, u8, Option<u8>),
        bounds: Bounds,
        worlds: &mut Vec<Self>,
    ) {
        let seq = last + 1;
        let append = |batch| Message::Append {
            node: id,
            epoch,
            seq,
            batch,
        };
        let owner = |pending| Node::Owner {
            epoch,
            last,
            pending,
        };
        if let Some(batch) = pending {
            worlds.push(self.with(id, owner(pending), Some(append(batch))));
        } else if bounds.trims && last > self.trimmed + 1 && self.store.owner_at() == epoch {
            let mut world = self.clone();
            world.trimmed = last - 1;
            world.store.chunks.retain(|seq, _| *seq >= last);
            worlds.push(world);
        }
        // A new one, also in the place of one whose outcome nobody waits for any longer.
        if self.batches < bounds.batches {
            let batch = self.batches + 1;
            let mut world = self.with(id, owner(Some(batch)), Some(append(batch)));
            world.batches = batch;
            worlds.push(world);
        }
    }

    fn with(&self, id: u8, node: Node, message: Option<Message>) -> Self {
        let mut world = self.clone();
        world.nodes[usize::from(id)] = node;
        world.wire.extend(message);
        world
    }

    fn deliver(&mut self, message: &Message, rules: Rules) {
        match *message {
            Message::Acquire {
                node,
                acquisition,
                seen,
            } => {
                self.acquire(node, acquisition, seen);
            }
            Message::Acquired {
                node,
                acquisition,
                epoch,
                end,
            } => {
                let state = &mut self.nodes[usize::from(node)];
                if let Node::Acquiring {
                    acquisition: waiting,
                    end: before,
                    ..
                } = *state
                    && waiting == acquisition
                {
                    let last = if rules == Rules::EndReadBefore {
                        before
                    } else {
                        end
                    };
                    *state = Node::Owner {
                        epoch,
                        last,
                        pending: None,
                    };
                }
            }
            Message::Lost { node, acquisition } => {
                let state = &mut self.nodes[usize::from(node)];
                if let Node::Acquiring {
                    acquisition: waiting,
                    ..
                } = *state
                    && waiting == acquisition
                {
                    *state = Node::Idle;
                }
            }
            Message::Append {
                node,
                epoch,
                seq,
                batch,
            } => {
                self.append(node, (epoch, seq, batch), rules);
            }
            Message::Answer {
                node,
                epoch,
                seq,
                batch,
                found,
            } => {
                self.answered(node, (epoch, seq, batch), found);
            }
        }
    }

    fn acquire(&mut self, node: u8, acquisition: u8, seen: u64) {
        let [condition] = protocol::acquisition(Epoch(seen));
        let answer = if self.store.holds(condition, node, Rules::Sound) {
            self.store.revision += 1;
            self.store.owner = Some((self.store.revision, node));
            let (epoch, end) = (self.store.revision, self.store.end());
            Message::Acquired {
                node,
                acquisition,
                epoch,
                end,
            }
        } else {
            Message::Lost { node, acquisition }
        };
        self.wire.push(answer);
    }

    fn append(&mut self, node: u8, (epoch, seq, batch): (u64, u8, u8), rules: Rules) {
        let conditions = protocol::append(Epoch(epoch), Seq(u64::from(seq)));
        let holds = |condition| self.store.holds(condition, node, rules);
        let found = if conditions.into_iter().all(holds) {
            self.store.revision += 1;
            self.store.chunks.insert(seq, (epoch, batch));
            self.taken.entry(seq).or_insert(batch);
            None
        } else {
            let chunk = self.store.chunks.get(&seq).map(|(_, batch)| *batch);
            Some((self.store.owner_at(), chunk))
        };
        self.wire.push(Message::Answer {
            node,
            epoch,
            seq,
            batch,
            found,
        });
    }

    fn answered(
        &mut self,
        node: u8,
        (epoch, seq, batch): (u64, u8, u8),
        found: Option<(u64, Option<u8>)>,
    ) {
        let state = &mut self.nodes[usize::from(node)];
        let Node::Owner {
            epoch: own,
            last,
            pending,
        } = state
        else {
            return;
        };
        if (*own, *last + 1, *pending) != (epoch, seq, Some(batch)) {
            return;
        }
        let sent = Append {
            batch: BatchId(u128::from(batch)),
            ..chunk(Epoch(epoch), u64::from(seq), b"")
        };
        let verdict = found.map_or(Ok(()), |(owner, chunk)| {
            let chunk = chunk.map(|batch| BatchId(u128::from(batch)));
            protocol::judge(
                &sent,
                Found {
                    owner: Epoch(owner),
                    chunk,
                },
            )
        });
        if verdict.is_ok() {
            *last = seq;
            *pending = None;
            self.told.insert(seq, batch);
        } else {
            *state = Node::Idle;
        }
    }

    /// What is wrong, if anything is.
    fn wrong(&self) -> Option<&'static str> {
        let chunks = &self.store.chunks;
        for (seq, batch) in &self.told {
            let stored = chunks.get(seq).map(|(_, batch)| batch);
            if *seq > self.trimmed && stored != Some(batch) {
                return Some("what was told to be stored is not there");
            }
        }
        let live = || chunks.range(self.trimmed + 1..);
        // What was trimmed may come again, or what was given up in its place; nobody reads there.
        if live().any(|(seq, (_, batch))| self.taken[seq] != *batch) {
            return Some("a sequence was written twice");
        }
        let batches: BTreeSet<u8> = live().map(|(_, (_, batch))| *batch).collect();
        if batches.len() < live().count() {
            return Some("a batch is there twice");
        }
        if !live()
            .map(|(seq, _)| *seq)
            .eq(self.trimmed + 1..=self.store.end().max(self.trimmed))
        {
            return Some("the log has a hole");
        }
        if !live().map(|(_, (epoch, _))| *epoch).is_sorted() {
            return Some("a chunk of an older ownership comes after one of a newer");
        }
        let forked = self.nodes.iter().any(|node| match node {
            Node::Owner { epoch, last, .. } if *epoch == self.store.owner_at() => {
                let mut unknown = chunks.range(last + 1..).map(|(_, (writer, _))| writer);
                *last > self.store.end() || unknown.any(|writer| writer != epoch)
            }
            Node::Owner { .. } | Node::Idle | Node::Acquiring { .. } => false,
        });
        forked.then_some("the log goes on without its owner")
    }
}

/// All worlds within the bounds, nearest first: how many there are, or what goes wrong after how many steps.
fn explore(rules: Rules, bounds: Bounds) -> Result<usize, (&'static str, usize)> {
    let mut seen = BTreeSet::from([World::default()]);
    let mut ahead = VecDeque::from([(World::default(), 0)]);
    while let Some((world, steps)) = ahead.pop_front() {
        for next in world.next(rules, bounds) {
            if let Some(wrong) = next.wrong() {
                return Err((wrong, steps + 1));
            }
            if !seen.contains(&next) {
                seen.insert(next.clone());
                ahead.push_back((next, steps + 1));
            }
        }
    }
    Ok(seen.len())
}

const BOUNDS: Bounds = Bounds {
    acquisitions: 3,
    batches: 2,
    messages: 2,
    trims: false,
};

#[test]
fn nothing_is_lost_doubled_or_forked_in_any_order_of_events() {
    let worlds = explore(Rules::Sound, BOUNDS).expect("the rules are sound");
    assert!(worlds > 1000, "only {worlds} worlds were reached");
}

#[test]
fn a_trimmed_log_keeps_its_end_in_any_order_of_events() {
    let bounds = Bounds {
        acquisitions: 2,
        batches: 3,
        trims: true,
        ..BOUNDS
    };
    let worlds = explore(Rules::Sound, bounds).expect("the rules are sound");
    assert!(worlds > 1000, "only {worlds} worlds were reached");
}

#[test]
fn every_rule_is_needed() {
    let weaker = [
        Rules::NoFence,
        Rules::FenceByName,
        Rules::NoAbsence,
        Rules::NoOwner,
        Rules::EndReadBefore,
    ];
    for rules in weaker {
        let found = explore(rules, BOUNDS);
        assert!(found.is_err(), "{rules:?}: {found:?}");
    }
}
