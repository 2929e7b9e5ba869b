//! Keeps etcd from running full: once it is, nothing can be written and no partition can be taken over. Every coordinator
//! watches how much room there is and tells who starts executions and who takes snapshots; one of them compacts, defragments and
//! disarms the alarm.

mod guard;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Client, Compare, CompareOp, PutOptions, StatusResponse,
    Txn, TxnOp,
};
use futures::FutureExt as _;
use futures::future::{Fuse, FusedFuture as _, join_all};
use stepfleet_store::etcd::{Etcd, EtcdError};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::guard::{Action, Guard, Look, Size};
pub use self::guard::{Pace, SpaceOptions, State};
use crate::member::Membership;

/// How long a member may take to tell its sizes.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a defragmentation may take: a member does some 100 MB/s.
const DEFRAGMENTATION: Duration = Duration::from_secs(120);

/// Watches the space of etcd for one coordinator.
#[derive(Debug)]
pub struct Space {
    etcd: Arc<Etcd>,
    membership: Arc<Membership>,
    /// Names who does what is to be done, under the lease of its member record.
    key: String,
    options: SpaceOptions,
    state: watch::Sender<State>,
}

impl Space {
    /// `prefix` is the cluster's, and ends with no slash.
    pub fn new(
        etcd: Arc<Etcd>,
        prefix: &str,
        membership: Arc<Membership>,
        options: SpaceOptions,
    ) -> Self {
        Self {
            etcd,
            membership,
            key: format!("{prefix}/ctl/maintenance"),
            options,
            state: watch::Sender::new(State::Plenty),
        }
    }

    /// How much room there is; `Plenty` before the first look.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Watches, and does what is to be done when it is this coordinator's turn. Runs until it is dropped.
    pub async fn run(&self) {
        let (began, mut guard) = (Instant::now(), Guard::new(self.options));
        let mut full_since = None;
        let mut ticks = interval(self.options.look_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Looks go on meanwhile: a defragmentation is long.
        let mut work = pin!(Fuse::terminated());
        loop {
            tokio::select! {
                failed = &mut work => {
                    let failed: Vec<Action> = failed;
                    failed.into_iter().for_each(|action| guard.failed(action));
                    continue;
                }
                _ = ticks.tick() => {}
            }
            let look = match self.look(began).await {
                Ok(look) => look,
                Err(error) => {
                    tracing::warn!(%error, "etcd does not tell how much room it has");
                    continue;
                }
            };
            let state = guard.see(&look);
            self.tell(state, &look);
            full_since = (state == State::Full).then(|| full_since.unwrap_or(look.now));
            let is_neglected =
                full_since.is_some_and(|since| since + self.options.patience <= look.now);
            let actions = guard.actions(&look);
            if actions.is_empty() || !work.is_terminated() {
                continue;
            }
            if is_neglected || self.is_mine().await {
                for action in &actions {
                    guard.began(*action, look.now);
                }
                work.set(self.carry_out(actions).fuse());
            }
        }
    }

    fn tell(&self, state: State, look: &Look) {
        let before = *self.state.borrow();
        if before == state {
            return;
        }
        self.state.send_replace(state);
        let sizes = &look.sizes;
        match state {
            State::Plenty => tracing::info!(?before, ?sizes, "etcd has plenty of room"),
            State::Tight => tracing::warn!(?before, ?sizes, "etcd's room gets tight"),
            State::RefuseStarts => {
                tracing::warn!(?before, ?sizes, "etcd is almost full: no new executions");
            }
            State::Full => tracing::error!(?before, ?sizes, "etcd is full"),
        }
    }

    async fn look(&self, began: Instant) -> Result<Look, EtcdError> {
        let status = |at| async move {
            let ask = |mut client: Client| async move { client.status().await };
            Some((at, self.etcd.call_at(at, ANSWER, ask).await.ok()?))
        };
        let count = self.etcd.members();
        let answers: Vec<_> = join_all((0..count).map(status)).await;
        let answers: Vec<(usize, StatusResponse)> = answers.into_iter().flatten().collect();
        let mut look = Look {
            silent: count - answers.len(),
            ..Look::default()
        };
        let mut is_wrong = false;
        for (at, status) in &answers {
            is_wrong |= !status.errors().is_empty();
            let Some(header) = status.header() else {
                continue;
            };
            look.revision = look.revision.max(header.revision());
            let id = header.member_id();
            // Two endpoints may be the same member.
            if look.sizes.iter().all(|size| size.id != id) {
                look.sizes.push(size_of(*at, id, status));
            }
        }
        // The question goes through all members, so only when one says that there is something.
        if is_wrong {
            look.alarmed = self.alarmed().await?;
        }
        look.now = began.elapsed();
        Ok(look)
    }

    async fn alarmed(&self) -> Result<Vec<u64>, EtcdError> {
        let answer = self.etcd.call(|mut client| async move {
            let (get, no_space) = (AlarmAction::Get, AlarmType::Nospace);
            client.alarm(get, no_space, None).await
        });
        let answer = answer.await?;
        let alarms = answer.alarms().iter();
        let of_space = alarms.filter(|alarm| alarm.alarm() == AlarmType::Nospace);
        Ok(of_space.map(|alarm| alarm.member_id()).collect())
    }

    /// Whether this coordinator does what is to be done. It saves work, no more: two doing it do no harm.
    async fn is_mine(&self) -> bool {
        match self.claim().await {
            Ok(is_mine) => is_mine,
            // Nobody has the key, and nobody can take it any more.
            Err(EtcdError::NoSpace(_)) => true,
            Err(error) => {
                tracing::debug!(%error, "who maintains etcd is not known");
                false
            }
        }
    }

    async fn claim(&self) -> Result<bool, EtcdError> {
        let name = self.membership.identity().name.as_bytes();
        let key = self.key.as_str();
        let found = self
            .etcd
            .call(|mut client| async move { client.get(key, None).await });
        if let Some(found) = found.await?.kvs().first() {
            return Ok(found.value() == name);
        }
        let Some(lease) = self.membership.lease() else {
            return Ok(false);
        };
        let options = PutOptions::new().with_lease(lease);
        let txn = Txn::new()
            .when([Compare::create_revision(key, CompareOp::Equal, 0)])
            .and_then([TxnOp::put(key, name, Some(options))]);
        Ok(self.etcd.txn(&txn).await?.succeeded())
    }

    /// Writes the key once more, while this coordinator has it.
    async fn touch(&self) -> Result<(), EtcdError> {
        let name = self.membership.identity().name.as_bytes();
        let key = self.key.as_str();
        let options = PutOptions::new().with_ignore_lease();
        let txn = Txn::new()
            .when([Compare::value(key, CompareOp::Equal, name)])
            .and_then([TxnOp::put(key, name, Some(options))]);
        self.etcd.txn(&txn).await.map(drop)
    }

    /// Answers what did not work.
    async fn carry_out(&self, actions: Vec<Action>) -> Vec<Action> {
        let mut failed = Vec::new();
        for action in actions {
            match self.act(action).await {
                Ok(()) => tracing::debug!(?action, "etcd maintained"),
                Err(error) => {
                    tracing::warn!(?action, %error, "etcd was not maintained");
                    failed.push(action);
                }
            }
        }
        failed
    }

    async fn act(&self, action: Action) -> Result<(), EtcdError> {
        match action {
            Action::Compact(revision) => {
                let done = self
                    .etcd
                    .call(|mut client| async move { client.compact(revision, None).await });
                match done.await {
                    // Somebody was quicker, or the first answer was lost.
                    Ok(_) | Err(EtcdError::Compacted(_)) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Action::Touch => self.touch().await,
            Action::Disarm(member) => {
                let done = self.etcd.call(|mut client| async move {
                    let mut options = AlarmOptions::new();
                    options.with_member(member);
                    let (disarm, no_space) = (AlarmAction::Deactivate, AlarmType::Nospace);
                    client.alarm(disarm, no_space, Some(options)).await
                });
                done.await.map(drop)
            }
            Action::Defragment { at, id: _ } => {
                let ask = |mut client: Client| async move { client.defragment().await };
                self.etcd.call_at(at, DEFRAGMENTATION, ask).await.map(drop)
            }
        }
    }
}

fn size_of(at: usize, id: u64, status: &StatusResponse) -> Size {
    let bytes = |number: i64| u64::try_from(number).unwrap_or(0);
    Size {
        at,
        id,
        leads: status.leader() == id,
        used: bytes(status.raft_used_db_size()),
        file: bytes(status.db_size()),
        quota: Some(bytes(status.db_size_quota())).filter(|quota| *quota > 0),
    }
}
