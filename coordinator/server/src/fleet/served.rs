//! Which activities are served, and which are needed and are not.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::alarm::Unserved;
use super::session::{Labels, Served};
use crate::matching::Queue;
use crate::matching::placement::satisfies;
use crate::shared::Shared;

impl Shared {
    /// Whether a worker serves this activity: connected and taking tasks, away and perhaps coming back, or polling.
    pub(crate) fn is_served(&self, arn: &str) -> bool {
        let now = self.clock.now();
        let queue = self.matching.known(arn);
        let polled = |queue: &Arc<Queue>| queue.required().is_empty() && queue.is_polled(now);
        queue.as_ref().is_some_and(polled)
            || self.fleet.sessions().iter().any(|session| {
                let serves = |served: &Served| {
                    served.arn.as_ref() == arn
                        && satisfies(&session.about.labels, &served.queue.required())
                };
                session.serves() && session.activities.iter().any(serves)
            })
    }

    /// What tasks of this activity wait for that no worker has, and how many: labels that the activity requires and
    /// that the tasks ask for.
    pub(crate) fn unplaceable(&self, arn: &str) -> Vec<(Labels, u64)> {
        let Some(queue) = self.matching.known(arn) else {
            return Vec::new();
        };
        let (required, mut asked) = (queue.required(), queue.asked());
        let polled = required.is_empty() && queue.is_polled(self.clock.now());
        let sessions = self.fleet.sessions();
        asked.retain(|(asked, _)| {
            let placeable = |session: &Arc<super::Session>| {
                let labels = &session.about.labels;
                session.serves()
                    && session.activities.iter().any(|served| *served.arn == *arn)
                    && satisfies(labels, &required)
                    && satisfies(labels, asked)
            };
            let by_poller = polled && asked.is_empty();
            !(by_poller || sessions.iter().any(placeable))
        });
        let merged = asked.into_iter().map(|(asked, count)| {
            let mut labels = Labels::clone(&required);
            labels.extend(Labels::clone(&asked));
            (labels, count)
        });
        merged.filter(|(labels, _)| !labels.is_empty()).collect()
    }

    /// Whether it is needed and nobody serves it.
    pub(crate) fn is_unserved(&self, arn: &str) -> bool {
        let needed = || {
            let queued = self.matching.known(arn).map(|queue| queue.depth());
            queued.is_some_and(|queued| queued > 0) || self.named().contains(arn)
        };
        !self.is_served(arn) && needed()
    }

    /// Activities that definitions name, and those of connectors that exist: an integration without one is none.
    fn named(&self) -> BTreeSet<Arc<str>> {
        let named = self.catalog.activities_named();
        let connectors = named.connectors.iter().filter_map(|(namespace, name)| {
            let activity = self
                .catalog
                .activity(&self.arns.activity(namespace, name))?;
            Some(activity.record.arn.clone())
        });
        named.activities.iter().cloned().chain(connectors).collect()
    }

    /// All that are needed and that nobody serves, by ARN.
    pub(crate) fn unserved(&self) -> Vec<Unserved> {
        let now = self.clock.now();
        let mut needed = self.named();
        let mut served: BTreeSet<Arc<str>> = BTreeSet::new();
        for (arn, queue) in self.matching.queues() {
            if queue.required().is_empty() && queue.is_polled(now) {
                served.insert(arn);
            } else if queue.depth() > 0 {
                needed.insert(arn);
            }
        }
        for session in self.fleet.sessions() {
            if session.serves() {
                let able = session
                    .activities
                    .iter()
                    .filter(|of| satisfies(&session.about.labels, &of.queue.required()));
                served.extend(able.map(|of| of.arn.clone()));
            }
        }
        let unserved = needed.difference(&served).map(|arn| Unserved {
            arn: arn.clone(),
            exists: self.catalog.activity_exists(arn),
            queued: self.matching.known(arn).map_or(0, |queue| queue.depth()),
        });
        unserved.collect()
    }
}
