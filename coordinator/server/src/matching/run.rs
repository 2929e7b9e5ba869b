//! What the matching does by itself: handing pairs to their hosts, and going on when a rate gives the next token.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_engine::{Attempt, ExecutionId};

use super::Pairs;
use super::queue::Parked;
use crate::partition::Message;
use crate::shared::Shared;

/// A queue that asks while others are slept for waits no longer than this.
const SLEEP_MAX: Duration = Duration::from_millis(20);

impl Shared {
    /// Lets these tasks start.
    pub(crate) fn hand_out(&self, pairs: Pairs) {
        for (offer, slot) in pairs {
            self.partitions()
                .send_later(offer.hash, Message::Slot { offer, slot });
        }
    }

    /// A task is no longer in a worker's hands; another one may go.
    pub(crate) fn task_left(&self, activity: &str, execution: ExecutionId, attempt: Attempt) {
        if let Some(queue) = self.matching.known(activity) {
            self.hand_out(queue.left(execution, attempt, self.clock.now()));
        }
    }
}

/// Hands out what rates allow, when they allow it, until the process ends.
pub(crate) async fn pace(shared: Arc<Shared>) {
    let pace = shared.matching.pace.clone();
    loop {
        pace.asked().await;
        let mut waiting: BTreeSet<Arc<str>> = pace.take();
        let mut workers: Vec<Parked> = pace.take_workers();
        while !waiting.is_empty() || !workers.is_empty() {
            let mut next = None;
            workers.retain(|parked| {
                let at = shared.fleet.unpark(parked, shared.clock.now());
                next = [next, at].into_iter().flatten().min();
                at.is_some()
            });
            waiting.retain(|arn| {
                let Some(queue) = shared.matching.known(arn) else {
                    return false;
                };
                let now = shared.clock.now();
                shared.hand_out(queue.pump(now));
                let at = queue.next_token_at(now);
                next = [next, at].into_iter().flatten().min();
                at.is_some()
            });
            // Those that are still waiting asked again by being looked at.
            waiting.extend(pace.take());
            workers.extend(pace.take_workers());
            if let Some(at) = next {
                let ms = at.0.saturating_sub(shared.clock.now().0).max(1);
                let sleep = Duration::from_millis(u64::try_from(ms).unwrap_or(1));
                tokio::time::sleep(sleep.min(SLEEP_MAX)).await;
            }
        }
    }
}
