//! Which activities are served, and which are needed and are not.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::alarm::Unserved;
use crate::shared::Shared;

impl Shared {
    /// Whether a worker serves this activity: connected and taking tasks, away and perhaps coming back, or polling.
    pub(crate) fn is_served(&self, arn: &str) -> bool {
        let now = self.clock.now();
        let polled = |queue: Arc<crate::matching::Queue>| queue.is_polled(now);
        self.matching.known(arn).is_some_and(polled)
            || self.fleet.sessions().iter().any(|session| {
                let serves = |served: &super::session::Served| served.arn.as_ref() == arn;
                session.serves() && session.activities.iter().any(serves)
            })
    }

    /// Whether it is needed and nobody serves it.
    pub(crate) fn is_unserved(&self, arn: &str) -> bool {
        let needed = || {
            let queued = self.matching.known(arn).map(|queue| queue.report().queued);
            queued.is_some_and(|queued| queued > 0) || self.catalog.activities_named().contains(arn)
        };
        !self.is_served(arn) && needed()
    }

    /// All that are needed and that nobody serves, by ARN.
    pub(crate) fn unserved(&self) -> Vec<Unserved> {
        let now = self.clock.now();
        let named = self.catalog.activities_named();
        let mut needed: BTreeSet<Arc<str>> = named.iter().cloned().collect();
        let mut served: BTreeSet<Arc<str>> = BTreeSet::new();
        for (arn, queue) in self.matching.queues() {
            if queue.is_polled(now) {
                served.insert(arn);
            } else if queue.report().queued > 0 {
                needed.insert(arn);
            }
        }
        for session in self.fleet.sessions() {
            if session.serves() {
                served.extend(session.activities.iter().map(|of| of.arn.clone()));
            }
        }
        let unserved = needed.difference(&served).map(|arn| Unserved {
            arn: arn.clone(),
            exists: self.catalog.activity_exists(arn),
            queued: self
                .matching
                .known(arn)
                .map_or(0, |queue| queue.report().queued),
        });
        unserved.collect()
    }
}
