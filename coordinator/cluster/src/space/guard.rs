//! What the sizes of etcd's database mean, and what is to be done about them. Pure: who looks and acts is in `space.rs`.
//!
//! etcd holds the *file* against its quota. What is deleted leaves the *used* part of it when its revision is compacted, and
//! the file only when a member is defragmented. So the state goes by what is used; but a file at the quota raises the alarm even
//! if nothing in it is used. What a compaction freed is counted only when etcd writes again: if nobody else does, `Touch`.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// From here on, in percent of the quota that are used, snapshots and trims are asked for.
const TIGHT: u64 = 70;
/// That ends below this, so that the state does not flap.
const TIGHT_UNTIL: u64 = 60;
/// From here on nothing new is started: what is left is for completing what was.
const REFUSE: u64 = 85;
/// That ends below this.
const REFUSE_UNTIL: u64 = 75;
/// A file of so many percent of the quota is about to raise the alarm, whatever is used in it.
const FILE_MAX: u64 = 95;
/// The alarm is disarmed when every file is smaller: there is room for snapshots, without which nothing can be trimmed.
const FILE_DISARM: u64 = 90;
/// From here on, in percent that are used, less history is kept: a state above `Plenty` should come from what the cluster
/// has not trimmed, never from what was not compacted yet.
const BUSY: u64 = 40;
/// From here on, as little as possible.
const PRESSED: u64 = 60;
/// Smaller files are not defragmented.
const FILE_LARGE: u64 = 70;
/// Percent of the quota that a defragmentation must free, since the member serves nothing meanwhile.
const GAIN: u64 = 25;
/// The same when it is pressing.
const GAIN_PRESSED: u64 = 5;

/// How long a compaction goes on in a member after it was asked for.
const COMPACTION: Duration = Duration::from_secs(30);

/// How much room etcd has for what the cluster writes. Each state includes what the ones before it ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing is to be done.
    Plenty,
    /// Take snapshots and trim what they cover.
    Tight,
    /// Refuse new executions; what completes those that are open still passes.
    RefuseStarts,
    /// etcd has raised its alarm: nothing but deletions passes until it is disarmed.
    Full,
}

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// What is younger is not compacted. A mirror that lags further behind reads everything again.
    pub keep: Duration,
    /// The time from one compaction to the next.
    pub compact_every: Duration,
}

/// How the space is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceOptions {
    /// Bytes that the database may have, where etcd does not tell (before 3.6): its `--quota-backend-bytes`.
    pub quota: u64,
    /// How often the members are asked.
    pub look_every: Duration,
    /// While little is used.
    pub calm: Pace,
    /// From two fifths on.
    pub busy: Pace,
    /// From three fifths on: at full speed 2 GiB are written in half a minute.
    pub pressed: Pace,
    /// The time from one defragmentation of a member to its next.
    pub defragment_every: Duration,
    /// The same when it is pressing.
    pub defragment_pressed_every: Duration,
    /// How long etcd may be full before every coordinator sees to it: the one that should may hang.
    pub patience: Duration,
}

/// What the members say at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Since the process began to look.
    pub now: Duration,
    pub revision: i64,
    pub sizes: Vec<Size>,
    /// Members that did not answer.
    pub silent: usize,
    /// Members that raised the alarm.
    pub alarmed: Vec<u64>,
}

/// The database of a member, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Its place among the endpoints.
    pub at: usize,
    pub id: u64,
    pub leads: bool,
    pub used: u64,
    pub file: u64,
    /// None where it does not tell.
    pub quota: Option<u64>,
}

/// Something to be done to etcd. Twice does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Compact(i64),
    /// Writes a key, so that sizes are true.
    Touch,
    /// Takes the alarm of a member away.
    Disarm(u64),
    Defragment {
        at: usize,
        id: u64,
    },
}

/// What is remembered from one look to the next.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    options: SpaceOptions,
    state: State,
    /// Percent of the quota, of the member that uses most.
    used: u64,
    /// When which revision was the newest; both grow.
    revisions: VecDeque<(Duration, i64)>,
    compacted: Option<(Duration, i64)>,
    defragmented: BTreeMap<u64, Duration>,
}

impl Default for SpaceOptions {
    fn default() -> Self {
        let pace = |keep, compact_every| Pace {
            keep: Duration::from_secs(keep),
            compact_every: Duration::from_secs(compact_every),
        };
        Self {
            quota: 2 * 1024 * 1024 * 1024,
            look_every: Duration::from_secs(1),
            calm: pace(300, 60),
            // Mirrors are never further behind than from one list to the next.
            busy: pace(45, 10),
            pressed: pace(5, 2),
            defragment_every: Duration::from_secs(600),
            defragment_pressed_every: Duration::from_secs(10),
            patience: Duration::from_secs(20),
        }
    }
}

impl Guard {
    pub(super) fn new(options: SpaceOptions) -> Self {
        Self {
            options,
            state: State::Plenty,
            used: 0,
            revisions: VecDeque::new(),
            compacted: None,
            defragmented: BTreeMap::new(),
        }
    }

    /// Takes note of a look. When nobody answered the state stays.
    pub(super) fn see(&mut self, look: &Look) -> State {
        let newest = self.revisions.back().map_or(0, |(_, revision)| *revision);
        self.revisions
            .push_back((look.now, look.revision.max(newest)));
        let is_old = |at: &(Duration, i64)| at.0 + self.options.keep_max() <= look.now;
        // The newest of those that are old enough is still needed.
        while self.revisions.get(1).is_some_and(is_old) {
            self.revisions.pop_front();
        }
        if !look.sizes.is_empty() {
            self.used = self.most(look, |size| size.used);
            self.state = self.next(look);
        }
        self.state
    }

    /// What is to be done after the last look, in this order.
    pub(super) fn actions(&self, look: &Look) -> Vec<Action> {
        let compaction = self.compaction(look.now).map(Action::Compact);
        let touch = match self.state {
            State::Tight | State::RefuseStarts => Some(Action::Touch),
            State::Plenty | State::Full => None,
        };
        let disarms = self.can_disarm(look).then_some(&look.alarmed);
        let disarms = disarms.into_iter().flatten().copied().map(Action::Disarm);
        let defragmentation = self.defragmentation(look);
        compaction
            .into_iter()
            .chain(touch)
            .chain(disarms)
            .chain(defragmentation)
            .collect()
    }

    /// Takes note that an action is being carried out.
    pub(super) fn began(&mut self, action: Action, now: Duration) {
        match action {
            Action::Compact(revision) => self.compacted = Some((now, revision)),
            Action::Defragment { at: _, id } => {
                self.defragmented.insert(id, now);
            }
            Action::Touch | Action::Disarm(_) => {}
        }
    }

    /// One that did not work is not put off: when etcd is full its revision stays, and with it what is to be compacted.
    pub(super) fn failed(&mut self, action: Action) {
        match action {
            Action::Compact(_) => self.compacted = None,
            Action::Touch | Action::Disarm(_) | Action::Defragment { .. } => {}
        }
    }

    fn next(&self, look: &Look) -> State {
        if !look.alarmed.is_empty() {
            return State::Full;
        }
        let (used, file) = (self.used, self.most(look, |size| size.file));
        let refused = self.state >= State::RefuseStarts;
        let refuse = if refused { REFUSE_UNTIL } else { REFUSE };
        let was_tight = self.state >= State::Tight;
        let tight = if was_tight { TIGHT_UNTIL } else { TIGHT };
        if used >= refuse || file >= self.file_max() {
            State::RefuseStarts
        } else if used >= tight {
            State::Tight
        } else {
            State::Plenty
        }
    }

    fn compaction(&self, now: Duration) -> Option<i64> {
        let pace = self.pace();
        let (is_due, done) = match self.compacted {
            Some((at, revision)) => (at + pace.compact_every <= now, revision),
            None => (true, 0),
        };
        let mut old = self.revisions.iter().rev();
        let (_, revision) = old.find(|(seen, _)| *seen + pace.keep <= now)?;
        (is_due && *revision > done).then_some(*revision)
    }

    fn can_disarm(&self, look: &Look) -> bool {
        let has_room = |size: &Size| self.percent(size, size.file) < FILE_DISARM;
        // One that is silent may be full: it raises the alarm again when it comes back, and is defragmented then.
        !look.sizes.is_empty() && look.sizes.iter().all(has_room)
    }

    /// One member at a time, since it serves nothing meanwhile, and the leader last, since another one has to be elected.
    fn defragmentation(&self, look: &Look) -> Option<Action> {
        let file = self.most(look, |size| size.file);
        let is_pressed = self.state == State::Full || file >= self.file_max();
        // One that is silent and one that defragments may be a majority. And where much is written, the file soon is as
        // large again.
        if !is_pressed && (look.silent > 0 || self.used >= BUSY) {
            return None;
        }
        let options = &self.options;
        let (gain, every) = if is_pressed {
            (GAIN_PRESSED, options.defragment_pressed_every)
        } else {
            (GAIN, options.defragment_every)
        };
        let is_worth_it = |size: &&Size| {
            let free = size.file.saturating_sub(size.used);
            let last = self.defragmented.get(&size.id);
            // Nothing is written when it is full, so what a compaction frees is not seen.
            let may_gain = self.state == State::Full
                && self.compacted.is_some_and(|(at, _)| {
                    look.now < at + COMPACTION || last.is_none_or(|last| *last <= at)
                });
            self.percent(size, size.file) >= FILE_LARGE
                && (may_gain || self.percent(size, free) >= gain)
                && last.is_none_or(|last| *last + every <= look.now)
        };
        let worth_it = look.sizes.iter().filter(is_worth_it);
        let next = worth_it.min_by_key(|size| (size.leads, size.at))?;
        Some(Action::Defragment {
            at: next.at,
            id: next.id,
        })
    }

    /// The size of a file, in percent, that alone is a reason to refuse starts.
    fn file_max(&self) -> u64 {
        if self.state >= State::RefuseStarts {
            FILE_DISARM
        } else {
            FILE_MAX
        }
    }

    fn pace(&self) -> &Pace {
        if self.state >= State::RefuseStarts || self.used >= PRESSED {
            &self.options.pressed
        } else if self.used >= BUSY {
            &self.options.busy
        } else {
            &self.options.calm
        }
    }

    /// Of the member that has most, in percent of its quota.
    fn most(&self, look: &Look, bytes: fn(&Size) -> u64) -> u64 {
        let parts = look
            .sizes
            .iter()
            .map(|size| self.percent(size, bytes(size)));
        parts.max().unwrap_or(0)
    }

    fn percent(&self, size: &Size, bytes: u64) -> u64 {
        let quota = size.quota.unwrap_or(self.options.quota);
        bytes.saturating_mul(100) / quota.max(1)
    }
}

impl SpaceOptions {
    fn keep_max(&self) -> Duration {
        self.calm.keep.max(self.busy.keep).max(self.pressed.keep)
    }
}
