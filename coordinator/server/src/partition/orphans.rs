//! Tasks whose workers have no session here: those of before a restart, and those that wait longer for their workers than
//! a session lasts. A worker that comes back claims them; the others end as lost when their time is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_engine::execution::{Execution, Header};
use stepfleet_engine::{SessionId, TaskRef, Timestamp};

use super::Partitions;
use super::desk::{Desk, task_ref};
use super::host::Host;
use super::message::{Claimed, Message, Orphan, TaskReport};
use super::resident::Slot as Place;
use super::tasks;
use crate::catalog::records::AwayMax;
use crate::fleet::Session;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    by_session: BTreeMap<SessionId, Vec<Orphan>>,
    /// When the first of them is looked at.
    pub(super) until: Option<Timestamp>,
}

impl Orphans {
    fn add(&mut self, session: SessionId, orphan: Orphan) {
        self.until = [self.until, orphan.until].into_iter().flatten().min();
        self.by_session.entry(session).or_default().push(orphan);
    }

    /// Those whose time is over, with their sessions.
    fn due(&mut self, now: Timestamp) -> Vec<(SessionId, TaskRef)> {
        let mut due = Vec::new();
        self.until = None;
        self.by_session.retain(|session, orphans| {
            orphans.retain(|orphan| {
                let waits = orphan.until.is_none_or(|until| until > now);
                if waits {
                    self.until = [self.until, orphan.until].into_iter().flatten().min();
                } else {
                    due.push((*session, orphan.task));
                }
                waits
            });
            !orphans.is_empty()
        });
        due
    }
}

impl Desk {
    /// Attempts that workers were given before a restart. It was not they who were away, so each has the time of a session
    /// at least.
    pub(super) fn find_orphans(&self, orphans: &mut Orphans, execution: &Execution) {
        for (session, attempt) in tasks::held(execution) {
            let task = task_ref(execution, attempt);
            let activity = tasks::live_activity(execution, attempt);
            let away = activity.map_or(AwayMax::Session, |arn| self.shared.away_max(&arn));
            let ttl = self.shared.session_ttl_ms;
            let wait = match away {
                AwayMax::Session => Some(ttl),
                AwayMax::Seconds(seconds) => Some(ttl.max(i64::from(seconds) * 1000)),
                AwayMax::Unbounded => None,
            };
            let until = wait.map(|wait| self.now().plus_ms(wait));
            orphans.add(session, Orphan { task, until });
        }
    }
}

impl Host {
    /// A session ends before these tasks of it do.
    pub(super) fn adopt_orphans(&mut self, session: SessionId, orphans: Vec<Orphan>) {
        // Of those that nothing but their own timeouts ends, some are over by now.
        let mut known = std::mem::take(&mut self.orphans.by_session);
        for tasks in known.values_mut() {
            tasks.retain(|orphan| self.live_activity(&orphan.task).is_some());
        }
        known.retain(|_, tasks| !tasks.is_empty());
        self.orphans.by_session = known;
        for orphan in orphans {
            self.orphans.add(session, orphan);
        }
    }

    /// Ends the tasks of workers that did not come back in time.
    pub(super) fn lose_orphans(&mut self, now: Timestamp) {
        if self.orphans.until.is_none_or(|until| until > now) {
            return;
        }
        for (session, task) in self.orphans.due(now) {
            if !self.is_held(session, &task) {
                self.task(TaskReport::lost(task));
            }
        }
    }

    /// A worker is back whose session was not known: what it still holds goes on, what it never got is offered again.
    pub(super) fn claim(&mut self, session: SessionId, held: Vec<TaskRef>) -> Vec<Claimed> {
        let orphans = self.orphans.by_session.remove(&session);
        for Orphan { task, .. } in orphans.unwrap_or_default() {
            if !held.contains(&task) && !self.is_held(session, &task) {
                self.task(TaskReport::undelivered(task));
            }
        }
        let claimed = |task: TaskRef| {
            let live = self.live_activity(&task);
            Claimed {
                over: live.is_none() && !self.is_waited_for(&task),
                live,
                task,
            }
        };
        held.into_iter().map(claimed).collect()
    }

    /// Whether a start that is done may still be waited for: the result that says so may have come before.
    fn is_waited_for(&self, task: &TaskRef) -> bool {
        let Some(Place::Resident(resident)) = self.slots.get(&task.execution) else {
            return task.attempt.is_start();
        };
        let execution = &resident.execution;
        execution.header.incarnation == task.incarnation
            && tasks::is_waited_for(execution, task.attempt)
    }

    /// Whether its worker came back for it while its session was still known.
    fn is_held(&self, session: SessionId, task: &TaskRef) -> bool {
        let session = self.desk.shared.fleet.session(session);
        session.is_some_and(|session| session.holds(task))
    }

    fn live_activity(&self, task: &TaskRef) -> Option<(Arc<str>, Arc<Header>)> {
        let Some(Place::Resident(resident)) = self.slots.get(&task.execution) else {
            return None;
        };
        if resident.execution.header.incarnation != task.incarnation {
            return None;
        }
        let activity = tasks::live_activity(&resident.execution, task.attempt)?;
        Some((activity, resident.execution.header.clone()))
    }
}

impl Partitions {
    /// Gives tasks that outlast their session to their hosts, and waits until those have them before what comes later.
    pub(crate) async fn adopt(&self, session: &Session, orphans: Vec<Orphan>) {
        for (index, host) in self.hosts().iter().enumerate() {
            let of_host = |orphan: &&Orphan| self.host_index(orphan.task.hash) == index;
            let orphans: Vec<Orphan> = orphans.iter().filter(of_host).copied().collect();
            if !orphans.is_empty() {
                let session = session.id;
                host.send_admitted(Message::Orphans { session, orphans })
                    .await;
            }
        }
    }
}
