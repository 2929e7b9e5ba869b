//! Delays between attempts: doubling, capped, jittered so that a fleet does not come back in step.

use std::time::Duration;

/// Doubling delays between `first` and `longest`.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The next delay: between half of the current step and all of it.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.longest);
        jittered(step)
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Between a half and all of `duration`.
pub(crate) fn jittered(duration: Duration) -> Duration {
    let share = f64::from(random_u32()) / f64::from(u32::MAX);
    duration.mul_f64(0.5 + share / 2.0)
}

/// 128 random bits in hexadecimal.
pub(crate) fn random_id() -> String {
    format!(
        "{:08x}{:08x}{:08x}{:08x}",
        random_u32(),
        random_u32(),
        random_u32(),
        random_u32()
    )
}

fn random_u32() -> u32 {
    getrandom::u32().expect("the operating system gives random numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_start_over_after_a_reset() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 3);
        for longest in [second, second * 2, second * 3, second * 3] {
            let delay = backoff.next_delay();
            assert!(
                delay <= longest && delay >= longest / 2,
                "{delay:?} for {longest:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next_delay() <= second);
    }

    #[test]
    fn ids_are_long_and_differ() {
        let (one, other) = (random_id(), random_id());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
