//! Which refused or lost calls are repeated, and after how long.

use std::time::Duration;

use crate::backoff::{Backoff, jittered};
use crate::error::Error;

/// Whether a call may be sent again when it is not known what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice has the effect of once.
    Safe,
    /// The caller decides.
    Never,
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts {
    left: u32,
    backoff: Backoff,
}

impl Attempts {
    pub(crate) fn new(repeat: Repeat, retries: u32) -> Self {
        let left = match repeat {
            Repeat::Safe => retries,
            Repeat::Never => 0,
        };
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        Self { left, backoff }
    }

    /// Whether the request has to be kept for another attempt.
    pub(crate) fn more(&self) -> bool {
        self.left > 0
    }

    /// How long to wait before the next attempt.
    ///
    /// # Errors
    /// The error itself when there is no next attempt.
    pub(crate) fn after(&mut self, error: Error) -> Result<Duration, Error> {
        if self.left == 0 || !error.is_retryable() {
            return Err(error);
        }
        self.left -= 1;
        let own = self.backoff.next_delay();
        // The hint is a lower bound; jitter goes on top so that a throttled fleet does not come back in step.
        Ok(error.retry_after().map_or(own, |hint| hint + jittered(own)))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn throttled(retry_after: Option<Duration>) -> Error {
        let (reason, message) = ("ThrottlingException".to_owned(), String::new());
        Error::Api {
            reason,
            message,
            retry_after,
            code: Code::ResourceExhausted,
        }
    }

    #[test]
    fn a_hint_is_waited_for_in_full() {
        let hint = Duration::from_secs(3);
        let delay = Attempts::new(Repeat::Safe, 1)
            .after(throttled(Some(hint)))
            .unwrap();
        assert!(delay >= hint, "{delay:?}");
    }

    #[test]
    fn attempts_end() {
        let mut attempts = Attempts::new(Repeat::Safe, 2);
        let lost = || Error::Transport("gone".to_owned());
        assert!(attempts.after(lost()).is_ok() && attempts.after(lost()).is_ok());
        assert!(attempts.after(lost()).is_err());
    }

    #[test]
    fn unsafe_calls_and_refusals_are_not_repeated() {
        let lost = Error::Transport("gone".to_owned());
        assert!(Attempts::new(Repeat::Never, 4).after(lost).is_err());
        assert!(
            Attempts::new(Repeat::Safe, 4)
                .after(throttled(None))
                .is_err()
        );
    }
}
