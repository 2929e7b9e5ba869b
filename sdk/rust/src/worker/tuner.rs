//! How many slots an activity has, from what its host is doing. Pure: readings in, slots out.

/// What a worker may use of its host, and how many slots an activity may have for that.
///
/// Once a second: beyond a target the activity gets fewer slots, in the measure in which the target is exceeded; below both
/// it gets more, as long as it uses those that it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Targets {
    /// Share of the processors' time, 0 to 1; of the limit of the worker's control group, where one is set.
    pub cpu: f64,
    /// Share of the memory, 0 to 1; likewise.
    pub memory: f64,
    /// Fewest slots, at least 1: what it begins with.
    pub slots_min: u32,
    /// Most slots.
    pub slots_max: u32,
    /// Slots that are added in one second at most.
    pub ramp: u32,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            cpu: 0.8,
            memory: 0.8,
            slots_min: 1,
            slots_max: 256,
            ramp: 4,
        }
    }
}

/// What the host is doing: shares of what there is, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
}

/// Below this share of a target there is room for more: slots that came and go about a target would only thrash.
const ROOM: f64 = 0.95;

impl Targets {
    /// What is wrong with them.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        if !is_share(self.cpu) || !is_share(self.memory) {
            return Err("targets of CPU and memory are above 0 and at most 1");
        }
        if self.slots_min == 0 || self.slots_min > self.slots_max {
            return Err("the fewest slots are at least 1 and at most the most");
        }
        if self.ramp == 0 {
            return Err("at least 1 slot must be added in a second");
        }
        Ok(())
    }

    /// The slots after a second in which the host did this, with so many slots and so many of them in use.
    pub(crate) fn next(&self, usage: Usage, slots: u32, used: u32) -> u32 {
        let fill = (usage.cpu / self.cpu).max(usage.memory / self.memory);
        let next = if fill > 1.0 {
            // What is not used adds nothing to what the host does.
            shrunk(slots.min(used.max(1)), fill)
        } else if fill < ROOM && used >= slots {
            slots.saturating_add(self.ramp)
        } else {
            slots
        };
        next.clamp(self.slots_min, self.slots_max)
    }
}

/// At least one fewer, at least half of them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and what was a u32"
)]
fn shrunk(slots: u32, fill: f64) -> u32 {
    let fitting = (f64::from(slots) / fill.min(2.0)).floor() as u32;
    fitting.min(slots.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_what_the_host_does() {
        let targets = Targets {
            slots_min: 2,
            slots_max: 20,
            ..Targets::default()
        };
        for (cpu, memory, slots, used, expect) in [
            // Room, and all in use: more, up to the most.
            (0.10, 0.10, 4, 4, 8),
            (0.10, 0.10, 18, 18, 20),
            (0.10, 0.10, 20, 20, 20),
            // Room that nobody needs.
            (0.10, 0.10, 8, 7, 8),
            // About the target: nothing changes.
            (0.78, 0.10, 8, 8, 8),
            (0.80, 0.10, 8, 8, 8),
            // Beyond it, by either: fewer in that measure.
            (0.88, 0.10, 11, 11, 10),
            (0.10, 0.96, 12, 12, 10),
            (0.81, 0.10, 10, 10, 9),
            // Of those that are used.
            (0.90, 0.10, 20, 8, 7),
            (0.90, 0.10, 20, 0, 2),
            // Never less than half at once, nor than the fewest.
            (4.00, 0.10, 16, 16, 8),
            (1.00, 1.00, 2, 2, 2),
        ] {
            let usage = Usage { cpu, memory };
            let next = targets.next(usage, slots, used);
            assert_eq!(next, expect, "{usage:?} {slots} {used}");
        }
    }

    #[test]
    fn a_load_that_each_slot_makes_is_met_and_kept() {
        let targets = Targets {
            slots_max: 100,
            ..Targets::default()
        };
        // Each task takes 2 % of the processors.
        let mut slots = targets.slots_min;
        let mut seen = Vec::new();
        for _ in 0..60 {
            let usage = Usage {
                cpu: f64::from(slots) * 0.02,
                memory: 0.3,
            };
            slots = targets.next(usage, slots, slots);
            seen.push(slots);
        }
        assert!(
            seen[30..].iter().all(|slots| (36..=41).contains(slots)),
            "{seen:?}"
        );
    }

    #[test]
    fn targets_that_cannot_be_are_refused() {
        let bad = |change: fn(&mut Targets)| {
            let mut targets = Targets::default();
            change(&mut targets);
            targets.check().is_err()
        };
        assert!(Targets::default().check().is_ok());
        assert!(bad(|it| it.cpu = 0.0) && bad(|it| it.memory = 1.1) && bad(|it| it.cpu = f64::NAN));
        assert!(
            bad(|it| it.slots_min = 0) && bad(|it| it.slots_min = 300) && bad(|it| it.ramp = 0)
        );
    }
}
