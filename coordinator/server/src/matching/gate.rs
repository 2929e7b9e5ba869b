//! Whether an activity may hand out a task now: a pause, a bound on tasks at once, a rate.

use stepfleet_engine::Timestamp;

use super::bucket::Bucket;
use crate::catalog::records::ActivitySettings;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    settings: ActivitySettings,
    bucket: Option<Bucket>,
}

/// Why nothing is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    Paused,
    /// As many tasks as may be are in hand.
    Full,
    /// Until the next token.
    Until(Timestamp),
}

impl Gate {
    pub(super) fn settings(&self) -> &ActivitySettings {
        &self.settings
    }

    pub(super) fn configure(&mut self, settings: ActivitySettings, now: Timestamp) {
        if settings.rate_per_1000_s != self.settings.rate_per_1000_s {
            let rate = settings.rate_per_1000_s;
            self.bucket = rate.map(|rate| Bucket::new(rate, now));
        }
        self.settings = settings;
    }

    /// Whether tasks may wait although there are slots.
    pub(super) fn holds_back(&self) -> bool {
        let settings = &self.settings;
        settings.paused || settings.concurrency_max.is_some() || settings.rate_per_1000_s.is_some()
    }

    /// Whether a task may go while so many are in hand.
    pub(super) fn check(&mut self, in_hand: usize, now: Timestamp) -> Result<(), Shut> {
        if self.settings.paused {
            return Err(Shut::Paused);
        }
        let max = self.settings.concurrency_max;
        if max.is_some_and(|max| in_hand >= usize::try_from(max).unwrap_or(usize::MAX)) {
            return Err(Shut::Full);
        }
        match &mut self.bucket {
            Some(bucket) => bucket.check(now).map_err(Shut::Until),
            None => Ok(()),
        }
    }

    /// A task goes.
    pub(super) fn pass(&mut self) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(settings: ActivitySettings) -> Gate {
        let mut gate = Gate::default();
        gate.configure(settings, Timestamp(0));
        gate
    }

    #[test]
    fn a_rate_is_kept_over_time() {
        let mut gate = gate(ActivitySettings {
            rate_per_1000_s: Some(2_500),
            ..ActivitySettings::default()
        });
        let mut passed = Vec::new();
        for ms in 0..=2000 {
            if gate.check(0, Timestamp(ms)).is_ok() {
                gate.pass();
                passed.push(ms);
            }
        }
        assert_eq!(passed, [0, 400, 800, 1200, 1600, 2000]);
        assert_eq!(
            gate.check(0, Timestamp(2100)),
            Err(Shut::Until(Timestamp(2400)))
        );
    }

    #[test]
    fn a_fast_rate_may_catch_up_a_tenth_of_a_second() {
        let mut gate = gate(ActivitySettings {
            rate_per_1000_s: Some(1_000_000),
            ..ActivitySettings::default()
        });
        let mut passed = 0;
        while gate.check(0, Timestamp(60_000)).is_ok() {
            gate.pass();
            passed += 1;
        }
        assert_eq!(passed, 100);
    }

    #[test]
    fn a_pause_and_a_bound_shut_it() {
        let paused = ActivitySettings {
            paused: true,
            ..ActivitySettings::default()
        };
        assert_eq!(gate(paused).check(0, Timestamp(0)), Err(Shut::Paused));
        let mut bound = gate(ActivitySettings {
            concurrency_max: Some(2),
            ..ActivitySettings::default()
        });
        assert_eq!(bound.check(1, Timestamp(0)), Ok(()));
        assert_eq!(bound.check(2, Timestamp(0)), Err(Shut::Full));
    }
}
