//! The tasks of one activity that wait, fair between state machines: each machine has its turn, so that a flood of one
//! makes nobody else wait. Among a machine's own tasks priority comes first, then age.
//!
//! Tasks that ask for the same labels, and that a ramp sends to the same builds, stand in one *lane*; a slot takes from the
//! lanes that it may serve. Turns are start-time fair queueing with tasks of the size of their machine's weight: a machine that has just begun to wait comes before those that were
//! served since.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stepfleet_engine::{Attempt, ExecutionId, Timestamp};

use super::kind::{Asked, Kind, Ramp, Side};
use super::{Offer, TaskKey};

/// Where a task stands among those of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(Reverse<u8>, Timestamp, TaskKey);
/// What a task of weight 1 moves its machine's turn on.
const STEP: u64 = 1_000_000;
/// Greatest weight of a machine.
pub(crate) const WEIGHT_MAX: u32 = 1000;
/// Weights of state machines, by ARN; 1 where none is set.
pub(crate) type Weights = BTreeMap<String, u32>;
/// Whose turn it is: the least comes first. The second number tells equal ones apart by arrival.
type Turn = (u64, u64);

#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// By what the tasks ask for.
    lanes: BTreeMap<Asked, Lane>,
    ramp: Option<Ramp>,
    weights: Arc<Weights>,
    /// The turn that was served last.
    clock: u64,
    arrivals: u64,
    len: usize,
    ages: BTreeMap<Timestamp, u64>,
}

#[derive(Debug, Default)]
struct Lane {
    turns: BTreeSet<(Turn, Arc<str>)>,
    /// By state machine.
    flows: BTreeMap<Arc<str>, Flow>,
    len: u64,
}

#[derive(Debug)]
struct Flow {
    turn: Turn,
    tasks: BTreeMap<Place, Offer>,
}

impl Place {
    pub(super) fn of(offer: &Offer) -> Self {
        Self(Reverse(offer.priority()), offer.scheduled_at, offer.key())
    }
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Since when the oldest waits.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.ages.first_key_value().map(|(at, _)| *at)
    }

    /// What waiting tasks ask for, and how many of them.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&Asked, u64)> {
        self.lanes.iter().map(|(asked, lane)| (asked, lane.len))
    }

    /// Takes settings over that decide about turns; tasks that wait follow them at once.
    pub(super) fn configure(&mut self, ramp: Option<&Ramp>, weights: &Arc<Weights>) {
        self.weights = weights.clone();
        if self.ramp.as_ref() == ramp {
            return;
        }
        self.ramp = ramp.cloned();
        let lanes = std::mem::take(&mut self.lanes).into_values();
        let flows = lanes.flat_map(|lane| lane.flows.into_values());
        let offers: Vec<Offer> = flows.flat_map(|flow| flow.tasks.into_values()).collect();
        self.ages.clear();
        self.len = 0;
        offers.into_iter().for_each(|offer| self.push(offer));
    }

    /// What a task asks for, its ramp included.
    pub(super) fn asked_by(&self, offer: &Offer) -> Asked {
        Asked {
            requires: offer.requires().clone(),
            side: Side::of(offer.execution, self.ramp.as_ref()),
        }
    }

    pub(super) fn push(&mut self, offer: Offer) {
        self.arrivals += 1;
        let lane = self.lanes.entry(self.asked_by(&offer)).or_default();
        let flow = lane.flows.entry(offer.machine.clone()).or_insert_with(|| {
            let turn = (self.clock, self.arrivals);
            lane.turns.insert((turn, offer.machine.clone()));
            let tasks = BTreeMap::new();
            Flow { turn, tasks }
        });
        let at = offer.scheduled_at;
        if flow.tasks.insert(Place::of(&offer), offer).is_none() {
            lane.len += 1;
            self.len += 1;
            *self.ages.entry(at).or_insert(0) += 1;
        }
    }

    /// Whether a task waits that a worker of this kind may have.
    pub(super) fn has(&self, kind: &Kind) -> bool {
        let ramp = self.ramp.as_ref();
        self.lanes.keys().any(|asked| kind.serves(asked, ramp))
    }

    /// The next task for a worker of this kind.
    pub(super) fn take(&mut self, kind: &Kind) -> Option<Offer> {
        let ramp = self.ramp.as_ref();
        let fits = self
            .lanes
            .iter()
            .filter(|(asked, _)| kind.serves(asked, ramp));
        let turns = fits.filter_map(|(asked, lane)| Some((lane.turns.first()?.0, asked)));
        let (turn, asked) = turns.min()?;
        let asked = asked.clone();
        let lane = self.lanes.get_mut(&asked)?;
        let (_, machine) = lane.turns.pop_first()?;
        let flow = lane.flows.get_mut(&machine)?;
        let (_, offer) = flow.tasks.pop_first()?;
        self.clock = turn.0;
        self.arrivals += 1;
        if flow.tasks.is_empty() {
            lane.flows.remove(&machine);
        } else {
            let weight = self.weights.get(&*machine).copied().unwrap_or(1).max(1);
            flow.turn = (turn.0 + STEP / u64::from(weight), self.arrivals);
            lane.turns.insert((flow.turn, machine));
        }
        self.gone(&asked, &offer);
        Some(offer)
    }

    /// Takes a task out that is over.
    pub(super) fn withdraw(&mut self, offer: &Offer) -> bool {
        let asked = &self.asked_by(offer);
        let Some(lane) = self.lanes.get_mut(asked) else {
            return false;
        };
        let Some(flow) = lane.flows.get_mut(&offer.machine) else {
            return false;
        };
        if flow.tasks.remove(&Place::of(offer)).is_none() {
            return false;
        }
        if flow.tasks.is_empty() {
            let turn = flow.turn;
            lane.turns.remove(&(turn, offer.machine.clone()));
            lane.flows.remove(&offer.machine);
        }
        self.gone(asked, offer);
        true
    }

    /// Some of the tasks that were scheduled by then.
    pub(super) fn older(&self, until: Timestamp, limit: usize) -> Vec<Offer> {
        let flows = self.lanes.values().flat_map(|lane| lane.flows.values());
        let tasks = flows.flat_map(|flow| flow.tasks.values());
        let older = tasks.filter(|offer| offer.scheduled_at <= until);
        older.take(limit).cloned().collect()
    }

    fn gone(&mut self, asked: &Asked, offer: &Offer) {
        self.len -= 1;
        if let Some(lane) = self.lanes.get_mut(asked) {
            lane.len -= 1;
            if lane.len == 0 {
                self.lanes.remove(asked);
            }
        }
        if let Some(count) = self.ages.get_mut(&offer.scheduled_at) {
            *count -= 1;
            if *count == 0 {
                self.ages.remove(&offer.scheduled_at);
            }
        }
    }
}

/// Names an attempt as it is offered.
pub(super) fn key(execution: ExecutionId, attempt: Attempt) -> TaskKey {
    (
        execution,
        attempt.entry,
        attempt.attempt,
        attempt.generation,
    )
}
