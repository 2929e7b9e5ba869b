//! Workers whose connection is gone: how long each of their tasks waits for them, and what becomes of it then.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use stepfleet_engine::{TaskRef, Timestamp};

use super::Session;
use super::session::HeldTask;
use crate::catalog::records::AwayMax;
use crate::partition::Message;
use crate::partition::message::{Orphan, TaskReport};
use crate::shared::Shared;

/// How long a worker that left in order is waited for: it will not come back.
const LEFT: Duration = Duration::from_secs(1);

/// A connection that is gone, and how long its session lasts.
#[derive(Debug)]
pub(crate) struct Away {
    pub shared: Arc<Shared>,
    pub session: Arc<Session>,
    pub connection: u64,
    pub session_ttl: Duration,
    /// How long nothing had been heard of the worker when its connection ended: it was away since.
    pub silent_for: Duration,
}

impl Away {
    /// Waits for the worker. Its tasks end as lost when their activities' time is over; what a worker that left in order
    /// never received goes to others. The session ends after its own time; tasks that wait longer are then kept by
    /// their hosts, as after a restart, so that the worker may still come back to them.
    pub(crate) async fn wait(self) {
        let silent_ms = i64::try_from(self.silent_for.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp(self.shared.clock.now().0.saturating_sub(silent_ms));
        // First: whoever finds it away counts from when it was heard.
        self.session.seen(since);
        if !self.session.disconnect(self.connection) {
            return;
        }
        self.shared.fleet.departed();
        self.session.wake();
        let leaving = self.session.is_leaving();
        let whole = if leaving {
            LEFT.min(self.session_ttl)
        } else {
            self.session_ttl
        };
        let mut passed = if leaving {
            Duration::ZERO
        } else {
            self.silent_for
        };
        let sooner = if leaving {
            BTreeMap::new()
        } else {
            self.sooner_than(whole)
        };
        for (bound, activities) in sooner {
            if !self.sleep(bound.saturating_sub(passed)).await {
                return;
            }
            passed = passed.max(bound);
            let lost = self.session.take_away(self.connection, &activities);
            self.lose(lost);
        }
        if self.sleep(whole.saturating_sub(passed)).await {
            self.end(since, leaving).await;
        }
    }

    async fn end(self, since: Timestamp, leaving: bool) {
        let now = self.shared.clock.now();
        // Before the session is gone: a worker that comes back then asks the hosts, which know of these tasks already.
        let orphans = self.longer(since, leaving);
        let kept: HashSet<TaskRef> = orphans.iter().map(|orphan| orphan.task).collect();
        self.shared.partitions().adopt(&self.session, orphans).await;
        if !self
            .shared
            .fleet
            .remove(&self.session, self.connection, now)
        {
            return;
        }
        if leaving {
            self.shared.forget_order(self.session.id).await;
        }
        let mut lost = Vec::new();
        for held in self.session.abandon() {
            if leaving && !held.received {
                self.report(TaskReport::undelivered(held.task));
            } else if !kept.contains(&held.task) {
                lost.push(held.task);
            }
        }
        self.lose(lost);
    }

    /// Activities whose time is over sooner, by their times.
    fn sooner_than(&self, whole: Duration) -> BTreeMap<Duration, Vec<u32>> {
        let mut bounds: BTreeMap<Duration, Vec<u32>> = BTreeMap::new();
        for (activity, served) in (0_u32..).zip(&self.session.activities) {
            if let AwayMax::Seconds(seconds) = self.shared.away_max(&served.arn) {
                let bound = Duration::from_secs(u64::from(seconds));
                if bound < whole {
                    bounds.entry(bound).or_default().push(activity);
                }
            }
        }
        bounds
    }

    /// Tasks that wait beyond the session's time, with the end of theirs.
    fn longer(&self, since: Timestamp, leaving: bool) -> Vec<Orphan> {
        let held = self.session.held_tasks().into_iter();
        let orphan = |held: HeldTask| {
            let until = match self.away_max(&held) {
                AwayMax::Session | AwayMax::Unbounded => None,
                AwayMax::Seconds(seconds) => Some(since.plus_ms(i64::from(seconds) * 1000)),
            };
            Orphan {
                task: held.task,
                until,
            }
        };
        held.filter(|held| (held.received || !leaving) && self.outlasts(held, leaving))
            .map(orphan)
            .collect()
    }

    /// Whether a task waits for its worker beyond the end of its session. A worker that left does not come back: only what
    /// nothing but its own timeouts may end goes on.
    fn outlasts(&self, held: &HeldTask, leaving: bool) -> bool {
        match self.away_max(held) {
            AwayMax::Session => false,
            AwayMax::Seconds(seconds) => {
                !leaving && Duration::from_secs(u64::from(seconds)) > self.session_ttl
            }
            AwayMax::Unbounded => true,
        }
    }

    fn away_max(&self, held: &HeldTask) -> AwayMax {
        let index = usize::try_from(held.activity).unwrap_or(usize::MAX);
        let served = self.session.activities.get(index);
        served.map_or(AwayMax::Session, |served| self.shared.away_max(&served.arn))
    }

    fn lose(&self, tasks: Vec<TaskRef>) {
        if tasks.is_empty() {
            return;
        }
        let (worker, count) = (&self.session.about.name, tasks.len());
        tracing::warn!(worker.name = %worker, count, "a worker did not come back; its attempts end");
        for task in tasks {
            self.report(TaskReport::lost(task));
        }
    }

    fn report(&self, report: TaskReport) {
        self.shared
            .partitions()
            .send_later(report.task.hash, Message::Task(report));
    }

    /// `false` when the process ends first.
    async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

impl Shared {
    /// How long a worker may be away before its tasks of this activity end as lost.
    pub(crate) fn away_max(&self, activity_arn: &str) -> AwayMax {
        let activity = self.catalog.activity(activity_arn);
        activity.map_or(AwayMax::Session, |activity| activity.record.settings.away)
    }
}
