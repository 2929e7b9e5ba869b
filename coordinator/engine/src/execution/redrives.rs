//! What an execution remembers of its redrives.

use std::sync::Arc;

use crate::execution::Execution;
use crate::ids::Timestamp;
use crate::limits::{CLIENT_TOKEN_MS_MAX, CLIENT_TOKENS_MAX};

/// How often, when last, and by whose requests an execution was redriven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redrives {
    pub count: u32,
    /// The newest one.
    pub at: Timestamp,
    /// The newest requests that named themselves, oldest first: one that is repeated gets its old answer.
    pub by_token: Vec<Redrive>,
}

/// One request with a client token, and when it was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    pub client_token: Arc<str>,
    pub at: Timestamp,
}

impl Redrives {
    /// Takes down one more. Tokens that no longer count are forgotten.
    pub(crate) fn add(&mut self, count: u32, at: Timestamp, client_token: Option<&Arc<str>>) {
        self.count = count;
        self.at = at;
        self.by_token.retain(|redrive| redrive.counts(at));
        if let Some(client_token) = client_token {
            let surplus = (self.by_token.len() + 1).saturating_sub(CLIENT_TOKENS_MAX);
            self.by_token.drain(..surplus);
            let client_token = client_token.clone();
            self.by_token.push(Redrive { client_token, at });
        }
    }
}

impl Redrive {
    fn counts(&self, now: Timestamp) -> bool {
        now < self.at.plus_ms(CLIENT_TOKEN_MS_MAX)
    }
}

impl Execution {
    /// How often it was redriven.
    pub fn redrive_count(&self) -> u32 {
        self.redrives.as_ref().map_or(0, |redrives| redrives.count)
    }

    /// When it was last redriven.
    pub fn redriven_at(&self) -> Option<Timestamp> {
        self.redrives.as_ref().map(|redrives| redrives.at)
    }

    /// Its start, or its newest redrive: a running execution stands in lists by it.
    pub fn runs_since(&self) -> Timestamp {
        self.redriven_at().unwrap_or(self.started_at)
    }

    /// When the request with this token was carried out, while that is remembered.
    pub fn redriven_by(&self, client_token: &str, now: Timestamp) -> Option<Timestamp> {
        let mut remembered = self.redrives.as_ref()?.by_token.iter();
        let same =
            |redrive: &&Redrive| *redrive.client_token == *client_token && redrive.counts(now);
        remembered.find(same).map(|redrive| redrive.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(redrives: &Redrives) -> Vec<&str> {
        let tokens = redrives.by_token.iter();
        tokens.map(|redrive| &*redrive.client_token).collect()
    }

    #[test]
    fn the_newest_tokens_are_remembered_for_their_time() {
        let mut redrives = Redrives::default();
        for number in 1..=12 {
            let token = Arc::from(number.to_string());
            redrives.add(number, Timestamp(i64::from(number)), Some(&token));
        }
        assert_eq!(redrives.by_token.len(), CLIENT_TOKENS_MAX);
        assert_eq!(tokens(&redrives).first(), Some(&"3"));
        redrives.add(13, Timestamp(6 + CLIENT_TOKEN_MS_MAX), None);
        assert_eq!(tokens(&redrives), ["7", "8", "9", "10", "11", "12"]);
        assert_eq!(
            (redrives.count, redrives.at.0),
            (13, 6 + CLIENT_TOKEN_MS_MAX)
        );
    }
}
