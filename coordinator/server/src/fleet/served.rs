//! Which activities are served, and which are needed and are not.

use std::collections::BTreeSet;
use std::sync::Arc;

use stepfleet_engine::Timestamp;

use super::alarm::Unserved;
use super::session::{Labels, Served, Session};
use crate::matching::Queue;
use crate::matching::kind::{Kind, Ramp, Side};
use crate::matching::placement::satisfies;
use crate::shared::Shared;

/// Waiting tasks that no worker may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unplaceable {
    pub labels: Labels,
    pub queued: u64,
    /// What they wait for besides the labels, for people; mostly empty.
    pub reason: String,
}

impl Shared {
    /// Whether a worker serves this activity: connected and taking tasks, away and perhaps coming back, or polling.
    pub(crate) fn is_served(&self, arn: &str) -> bool {
        let now = self.clock.now();
        let queue = self.matching.known(arn);
        let polled = |queue: &Arc<Queue>| polled(queue, now);
        queue.as_ref().is_some_and(polled)
            || self.fleet.sessions().iter().any(|session| {
                let serves = |served: &Served| *served.arn == *arn && may_serve(session, served);
                session.serves() && session.activities.iter().any(serves)
            })
    }

    /// Tasks of this activity that wait for what no worker is: labels that the activity requires and that the tasks ask
    /// for, the build that a ramp sends them to, the worker that their executions keep to.
    pub(crate) fn unplaceable(&self, arn: &str) -> Vec<Unplaceable> {
        let Some(queue) = self.matching.known(arn) else {
            return Vec::new();
        };
        let (required, ramp) = (queue.required(), queue.ramp());
        let mut kinds: Vec<Kind> = Vec::new();
        for session in self.fleet.sessions() {
            let mut activities = session.activities.iter();
            if session.serves() && activities.any(|served| *served.arn == *arn) {
                kinds.push(Kind::of(&session));
            }
        }
        if queue.is_polled(self.clock.now()) {
            kinds.push(Kind::poller());
        }
        kinds.retain(|kind| satisfies(&kind.labels, &required));
        let mut unplaceable = Vec::new();
        for (asked, queued) in queue.asked() {
            if kinds.iter().any(|kind| kind.serves(&asked, ramp.as_ref())) {
                continue;
            }
            let mut labels = Labels::clone(&required);
            labels.extend(Labels::clone(&asked.requires));
            let reason = reason(asked.side, ramp.as_ref());
            if !(labels.is_empty() && reason.is_empty()) {
                unplaceable.push(Unplaceable {
                    labels,
                    queued,
                    reason,
                });
            }
        }
        let awaited = queue.awaited().into_iter();
        unplaceable.extend(awaited.map(|(worker, queued)| Unplaceable {
            labels: Labels::new(),
            queued,
            reason: format!(
                "the worker '{worker}', which their executions keep to and which is away"
            ),
        }));
        unplaceable
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
            if polled(&queue, now) {
                served.insert(arn);
            } else if queue.depth() > 0 {
                needed.insert(arn);
            }
        }
        for session in self.fleet.sessions() {
            if session.serves() {
                let activities = session.activities.iter();
                let able = activities.filter(|served| may_serve(&session, served));
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

/// Whether any task of its activity may go to the worker.
fn may_serve(session: &Session, served: &Served) -> bool {
    satisfies(&session.about.labels, &served.queue.required())
        && admits(&served.queue, &session.about.build_id)
}

fn polled(queue: &Queue, now: Timestamp) -> bool {
    queue.required().is_empty() && queue.is_polled(now) && admits(queue, "")
}

fn admits(queue: &Queue, build: &str) -> bool {
    queue.ramp().is_none_or(|ramp| ramp.admits(build))
}

fn reason(side: Side, ramp: Option<&Ramp>) -> String {
    let build = ramp.map_or("", |ramp| &ramp.build);
    match side {
        Side::Any => String::new(),
        Side::Build => format!("a worker of build '{build}', which a ramp sends them to"),
        Side::Others => format!("a worker of another build than '{build}', by a ramp"),
    }
}
