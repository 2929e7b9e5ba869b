//! The member records: this process keeps its own under a lease, and mirrors those of all. That one is there is a hint that
//! its process lives, and no more than that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp, TxnOpResponse};
use prost::Message as _;
use stepfleet_proto::record::v1::Member as Record;
use stepfleet_store::etcd::{Etcd, EtcdError, Mirror};
use stepfleet_store::halves;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How long the record of a process stays that keeps its lease no longer. Seconds; etcd takes no fewer than 2.
pub const LEASE_S: i64 = 5;
/// How often the lease is kept.
const KEEP_EVERY: Duration = Duration::from_millis(1500);

/// Who this process is in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Unique in the cluster, and the same after a restart.
    pub name: String,
    /// Where other members reach it.
    pub address: String,
    /// Drawn by the process.
    pub incarnation: u128,
    /// Version of the program.
    pub version: String,
    /// Milliseconds since the epoch.
    pub started_at: i64,
}

/// The process of a member: one that is restarted is another.
pub(crate) fn process_of(record: &Record) -> [u64; 2] {
    [record.incarnation_high, record.incarnation_low]
}

/// Why a process cannot be, or is no longer, a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// Another process uses the name.
    #[error(
        "another coordinator is called {name:?}, at {address}: give each one a name of its own"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Where the other one is.
        address: String,
    },
    /// etcd did not do what was asked.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
}

/// This process among the members.
#[derive(Debug)]
pub struct Membership {
    etcd: Arc<Etcd>,
    identity: Identity,
    mirror: Mirror,
    /// 0 while there is none.
    lease: AtomicI64,
    drains: AtomicBool,
}

impl Membership {
    /// Joins the members below `<prefix>/member/`. Waits for the lease of a process with the same name at another address.
    pub async fn join(
        etcd: Arc<Etcd>,
        prefix: &str,
        identity: Identity,
    ) -> Result<Self, MemberError> {
        let mirror = Mirror::open(etcd.clone(), &format!("{prefix}/member/")).await?;
        let membership = Self {
            etcd,
            identity,
            mirror,
            lease: AtomicI64::new(0),
            drains: AtomicBool::new(false),
        };
        for second in 0..=LEASE_S + 1 {
            match membership.announce().await {
                // A process that was killed a moment ago.
                Err(MemberError::NameTaken { .. }) if second <= LEASE_S => {
                    sleep(Duration::from_secs(1)).await;
                }
                result => {
                    result?;
                    break;
                }
            }
        }
        Ok(membership)
    }

    /// Keeps the record until the membership is dropped, or another process takes the name.
    pub async fn keep(&self) -> MemberError {
        let (mut changes, mut ticks) = (self.changes(), interval(KEEP_EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Err(error) = self.keep_lease().await {
                        tracing::debug!(%error, "the lease of the member record was not kept");
                    }
                }
                // It may be this one's record that is gone: etcd has revoked leases in error before.
                _ = changes.changed() => {}
            }
            if self.is_announced() {
                if self.lease.load(Ordering::Acquire) != 0 {
                    continue;
                }
            } else {
                // Whatever took the record took its lease, or it was not this one's.
                self.lease.store(0, Ordering::Release);
            }
            match self.announce().await {
                Err(error @ MemberError::NameTaken { .. }) => return error,
                Err(MemberError::Etcd(error)) => {
                    tracing::warn!(%error, "etcd does not take the member record; others may take over");
                }
                Ok(()) => tracing::info!("the member record is there again"),
            }
        }
    }

    /// Follows the other members. Runs until it is dropped.
    pub async fn follow(&self) {
        self.mirror.follow().await;
    }

    /// Counts changes of members.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.mirror.changes()
    }

    /// All members that are known here, this one among them.
    pub fn members(&self) -> Vec<Record> {
        let kept = self.mirror.scan("");
        kept.iter()
            .filter_map(|(_, kept)| Record::decode(&*kept.value).ok())
            .collect()
    }

    /// Who this process is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Says that this process is about to leave, or stays after all.
    pub async fn drain(&self, drains: bool) -> Result<(), MemberError> {
        self.drains.store(drains, Ordering::Release);
        self.announce().await
    }

    /// Takes the record away: others need not wait for the lease.
    pub async fn leave(&self) -> Result<(), EtcdError> {
        let lease = self.lease.swap(0, Ordering::AcqRel);
        if lease == 0 {
            return Ok(());
        }
        let revoked = self
            .etcd
            .call(|mut client| async move { client.lease_revoke(lease).await });
        match revoked.await {
            Ok(_) | Err(EtcdError::NoLease(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The lease that everything of this process is kept under; none while there is none.
    pub fn lease(&self) -> Option<i64> {
        Some(self.lease.load(Ordering::Acquire)).filter(|lease| *lease != 0)
    }

    fn is_announced(&self) -> bool {
        let kept = self.mirror.get(&self.identity.name);
        kept.is_some_and(|kept| *kept.value == self.record().encode_to_vec())
    }

    /// The record of this process, as it should be.
    pub fn record(&self) -> Record {
        let [incarnation_high, incarnation_low] = halves(self.identity.incarnation);
        Record {
            name: self.identity.name.clone(),
            address: self.identity.address.clone(),
            incarnation_high,
            incarnation_low,
            version: self.identity.version.clone(),
            started_at: self.identity.started_at,
            drains: self.drains.load(Ordering::Acquire),
        }
    }

    /// Puts the record under a lease, a new one if the one of before is gone.
    async fn announce(&self) -> Result<(), MemberError> {
        match self.put_record().await {
            Err(MemberError::Etcd(EtcdError::NoLease(_))) => {
                self.lease.store(0, Ordering::Release);
                self.put_record().await
            }
            result => result,
        }
    }

    async fn put_record(&self) -> Result<(), MemberError> {
        let lease = self.leased().await?;
        let name = self.identity.name.as_str();
        let value = self.record().encode_to_vec();
        loop {
            let found = self.mirror.refresh(name).await?;
            let other = found.as_ref().and_then(|kept| self.is_other(&kept.value));
            if let Some(other) = other {
                return Err(MemberError::NameTaken {
                    name: name.to_owned(),
                    address: other.address,
                });
            }
            let key = self.mirror.full(name);
            let revision = found.map_or(0, |kept| kept.version.cast_signed());
            let options = PutOptions::new().with_lease(lease);
            let txn = Txn::new()
                .when([Compare::mod_revision(
                    key.clone(),
                    CompareOp::Equal,
                    revision,
                )])
                .and_then([TxnOp::put(key, value.clone(), Some(options))]);
            let answer = self.etcd.txn(&txn).await?;
            if let Some(TxnOpResponse::Put(_)) = answer.op_responses().first() {
                let revision = answer.header().map_or(0, |header| header.revision());
                self.mirror
                    .learn(name, revision.cast_unsigned(), Some(&value));
                return Ok(());
            }
            // Somebody was in between, or an answer was lost: look again.
        }
    }

    /// Another process that has the name, at another address: this one, restarted, would have the same.
    fn is_other(&self, value: &[u8]) -> Option<Record> {
        let record = Record::decode(value).ok()?;
        let own = halves(self.identity.incarnation);
        let is_own = process_of(&record) == own;
        (!is_own && record.address != self.identity.address).then_some(record)
    }

    async fn leased(&self) -> Result<i64, EtcdError> {
        let known = self.lease.load(Ordering::Acquire);
        if known != 0 {
            return Ok(known);
        }
        let granted = self
            .etcd
            .call(|mut client| async move { client.lease_grant(LEASE_S, None).await });
        let lease = granted.await?.id();
        self.lease.store(lease, Ordering::Release);
        Ok(lease)
    }

    async fn keep_lease(&self) -> Result<(), EtcdError> {
        let lease = self.lease.load(Ordering::Acquire);
        if lease == 0 {
            return Ok(());
        }
        let kept = self.etcd.call(|mut client| async move {
            // Keeps it once, and reads the answer.
            client.lease_keep_alive(lease).await.map(drop)
        });
        match kept.await {
            // It ran out while nobody kept it.
            Err(EtcdError::NoLease(_)) => {
                self.lease.store(0, Ordering::Release);
                Ok(())
            }
            kept => kept,
        }
    }
}
