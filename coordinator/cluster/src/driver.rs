//! Carries out what the placement says, for one process: acquires partitions and gives them away, and tells whoever works
//! on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use prost::Message as _;
use stepfleet_engine::PartitionId;
use stepfleet_proto::record::v1::Owner as OwnerRecord;
use stepfleet_store::etcd::{Etcd, EtcdError, Mirror};
use stepfleet_store::log::Acquired;
use stepfleet_store::log::etcd::EtcdLog;
use stepfleet_store::{Epoch, StoreError, halves};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::member::{Membership, process_of};
use crate::placement::{self, Member, Owner, View};

/// Pause after etcd did not do what was asked.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a member's record must be gone before what it owned is taken, when nothing else says that its process is dead.
/// Longer than a living process needs to bring its record back. Milliseconds.
const GRACE_MS: i64 = 1000;

/// What happens to a partition of this process.
#[derive(Debug)]
pub enum Change {
    /// It is this process's now: bring it back from what is stored, and work.
    Taken(PartitionId, Acquired),
    /// It is to go to another member: finish what was accepted, and answer.
    Give(PartitionId, oneshot::Sender<()>),
    /// It is somebody else's already: drop it, and fail who waits.
    Lost(PartitionId),
}

/// Where a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the owner; none while it is on its way.
    pub member: Option<String>,
    /// Where the owner is reached.
    pub address: String,
    /// Its epoch.
    pub epoch: Epoch,
}

/// What this process knows of owners, and does about them.
#[derive(Debug)]
pub struct Driver {
    membership: Arc<Membership>,
    log: EtcdLog,
    owners: Mirror,
    pins: Mirror,
    partitions: u16,
    held: Mutex<BTreeMap<PartitionId, Epoch>>,
    lost: Mutex<BTreeMap<PartitionId, (Epoch, i64)>>,
    seen: Mutex<Seen>,
    /// Processes that are known to be dead, whatever their records say.
    dead: Mutex<BTreeSet<[u64; 2]>>,
    /// Processes that most members do not reach, as long as they do not.
    silent: Mutex<BTreeSet<[u64; 2]>>,
    deaths: watch::Sender<()>,
    began: Instant,
}

/// The members at the last look, to tell when they changed.
#[derive(Debug, Default)]
struct Seen {
    members: BTreeMap<String, [u64; 2]>,
    changed_at: i64,
}

impl Driver {
    /// Reads who owns what below `<prefix>/owner/`, and what is pinned below `<prefix>/pin/`.
    pub async fn open(
        etcd: Arc<Etcd>,
        prefix: &str,
        partitions: u16,
        (membership, log): (Arc<Membership>, EtcdLog),
    ) -> Result<Self, EtcdError> {
        Ok(Self {
            membership,
            log,
            owners: Mirror::open(etcd.clone(), &format!("{prefix}/owner/")).await?,
            pins: Mirror::open(etcd, &format!("{prefix}/pin/")).await?,
            partitions,
            held: Mutex::default(),
            lost: Mutex::default(),
            seen: Mutex::default(),
            dead: Mutex::default(),
            silent: Mutex::default(),
            deaths: watch::Sender::new(()),
            began: Instant::now(),
        })
    }

    /// Follows owners and pins. Runs until it is dropped.
    pub async fn follow(&self) {
        tokio::join!(self.owners.follow(), self.pins.follow());
    }

    /// Where a partition is, as far as is known here.
    pub fn place(&self, partition: PartitionId) -> Option<Place> {
        let record = self.owner_record(partition)?;
        Some(Place {
            member: (!record.1.node.is_empty()).then(|| record.1.node.clone()),
            address: record.1.address,
            epoch: record.0,
        })
    }

    /// Takes and gives partitions until it is dropped. Whoever hears of the changes must take them in order.
    pub async fn run(&self, changes: mpsc::Sender<Change>) {
        let mut members = self.membership.changes();
        let mut owners = self.owners.changes();
        let mut pins = self.pins.changes();
        let mut deaths = self.deaths.subscribe();
        // One at a time, and beside everything else: whoever works on it may take its time to finish.
        let mut giving = FuturesUnordered::new();
        loop {
            self.drop_lost(&changes).await;
            let now = self.now();
            let view = self.view(now);
            let plan = placement::plan(&view, &self.membership.identity().name, now);
            let mut look_at = self.began + milliseconds(plan.look_at.unwrap_or(now + 60_000));
            if let Some((partition, heir)) = plan.give.filter(|_| giving.is_empty()) {
                giving.push(self.give(partition, Some(heir), &changes));
            }
            if let Err(error) = self.take(plan.take, &changes).await {
                tracing::warn!(%error, "partitions could not be taken");
                look_at = Instant::now() + PAUSE;
            }
            tokio::select! {
                _ = members.changed() => {}
                _ = owners.changed() => {}
                _ = pins.changed() => {}
                _ = deaths.changed() => {}
                Some(given) = giving.next() => {
                    if let Err(error) = given {
                        tracing::warn!(%error, "a partition could not be given");
                        sleep(PAUSE).await;
                    }
                }
                () = sleep_until(look_at) => {}
            }
        }
    }

    /// Gives away what this process has, for whoever is next in line. For the end of the process.
    pub async fn give_all(&self, changes: &mpsc::Sender<Change>) {
        let held: Vec<PartitionId> = lock(&self.held).keys().copied().collect();
        for partition in held {
            if let Err(error) = self.give(partition, None, changes).await {
                tracing::warn!(partition = partition.0, %error, "could not be given up; others find out");
            }
        }
    }

    /// A process is dead: its connections broke, and its address refuses new ones.
    pub fn died(&self, incarnation: [u64; 2]) {
        if lock(&self.dead).insert(incarnation) {
            tracing::warn!("a member is dead: its address refuses connections");
            self.deaths.send_replace(());
        }
    }

    /// It is not: it was connected to.
    pub fn lives(&self, incarnation: [u64; 2]) {
        if lock(&self.dead).remove(&incarnation) {
            self.deaths.send_replace(());
        }
    }

    /// These processes, and no others, are not reached by most members.
    pub fn silent(&self, processes: BTreeSet<[u64; 2]>) {
        let mut silent = lock(&self.silent);
        if *silent != processes {
            *silent = processes;
            self.deaths.send_replace(());
        }
    }

    /// A partition whose append was fenced: it is somebody else's.
    pub fn fenced(&self, partition: PartitionId, epoch: Epoch) {
        let mut held = lock(&self.held);
        if held.get(&partition) == Some(&epoch) {
            held.remove(&partition);
            self.deaths.send_replace(());
        }
    }

    async fn take(
        &self,
        wanted: Vec<(PartitionId, Epoch)>,
        changes: &mpsc::Sender<Change>,
    ) -> Result<(), StoreError> {
        let takes = wanted
            .iter()
            .map(|(partition, seen)| self.log.take(*partition, *seen));
        let mut result = Ok(());
        let taken = join_all(takes).await;
        for ((partition, _), taken) in wanted.into_iter().zip(taken) {
            match taken {
                Ok(Some(acquired)) => {
                    lock(&self.held).insert(partition, acquired.epoch);
                    self.refresh(partition).await;
                    let _gone = changes.send(Change::Taken(partition, acquired)).await;
                }
                // Somebody was quicker; the mirror will tell.
                Ok(None) => self.refresh(partition).await,
                Err(error) => result = Err(error),
            }
        }
        result
    }

    async fn give(
        &self,
        partition: PartitionId,
        heir: Option<String>,
        changes: &mpsc::Sender<Change>,
    ) -> Result<(), StoreError> {
        let Some(epoch) = lock(&self.held).get(&partition).copied() else {
            return Ok(());
        };
        let (answer, finished) = oneshot::channel();
        if changes.send(Change::Give(partition, answer)).await.is_ok() {
            // When nobody answers, nobody works on it any longer.
            let _gone = finished.await;
        }
        lock(&self.held).remove(&partition);
        self.log.give_up(partition, epoch, heir.as_deref()).await?;
        self.refresh(partition).await;
        Ok(())
    }

    /// Tells of partitions that others have taken.
    async fn drop_lost(&self, changes: &mpsc::Sender<Change>) {
        let held: Vec<(PartitionId, Epoch)> = lock(&self.held)
            .iter()
            .map(|(partition, epoch)| (*partition, *epoch))
            .collect();
        for (partition, epoch) in held {
            if self
                .owner_record(partition)
                .is_some_and(|(owner, _)| owner > epoch)
            {
                lock(&self.held).remove(&partition);
                let _gone = changes.send(Change::Lost(partition)).await;
            }
        }
    }

    fn view(&self, now: i64) -> View {
        let mut dead = lock(&self.dead).clone();
        dead.extend(lock(&self.silent).iter());
        let mut records = self.membership.members();
        records.retain(|record| !dead.contains(&process_of(record)));
        // Whatever became of its record: this process is there.
        let own = self.membership.record();
        if !records.iter().any(|record| record.name == own.name) {
            records.push(own);
        }
        let named = records
            .iter()
            .map(|record| (record.name.clone(), process_of(record)));
        let ids: BTreeMap<String, [u64; 2]> = named.collect();
        let changed_at = {
            let mut seen = lock(&self.seen);
            if seen.members != ids {
                seen.members.clone_from(&ids);
                seen.changed_at = now;
            }
            seen.changed_at
        };
        let members = records.into_iter().map(|record| {
            let member = Member {
                drains: record.drains,
            };
            (record.name, member)
        });
        let owners = (0..self.partitions)
            .map(PartitionId)
            .filter_map(|partition| {
                let (epoch, record) = self.owner_record(partition)?;
                let lost_at = self.lost_at((partition, epoch), &record, (&ids, &dead), now);
                Some((partition, owner(epoch, record, lost_at)))
            });
        View {
            partitions: self.partitions,
            members: members.collect(),
            owners: owners.collect(),
            pins: self.pinned(),
            changed_at,
        }
    }

    /// Since when an owner counts as gone; may be to come.
    fn lost_at(
        &self,
        (partition, epoch): (PartitionId, Epoch),
        record: &OwnerRecord,
        (ids, dead): (&BTreeMap<String, [u64; 2]>, &BTreeSet<[u64; 2]>),
        now: i64,
    ) -> Option<i64> {
        let process = [record.incarnation_high, record.incarnation_low];
        let named = ids.get(&record.node);
        let works = if process == halves(self.membership.identity().incarnation) {
            lock(&self.held).contains_key(&partition)
        } else {
            named == Some(&process)
        };
        let mut lost = lock(&self.lost);
        if works && !record.node.is_empty() {
            lost.remove(&partition);
            return None;
        }
        let since = match lost.get(&partition) {
            Some((of, since)) if *of == epoch => *since,
            Some(_) | None => now,
        };
        lost.insert(partition, (epoch, since));
        // Its process ended for certain when it gave the partition up, came back as another one, or was seen to be dead.
        let is_certain = record.node.is_empty() || named.is_some() || dead.contains(&process);
        Some(if is_certain { since } else { since + GRACE_MS })
    }

    fn pinned(&self) -> BTreeMap<PartitionId, String> {
        let pins = self.pins.scan("").into_iter();
        let pin = |(key, kept): (String, stepfleet_store::etcd::Kept)| {
            let partition = PartitionId(u16::from_str_radix(&key, 16).ok()?);
            Some((partition, String::from_utf8(kept.value.to_vec()).ok()?))
        };
        pins.filter_map(pin).collect()
    }

    fn owner_record(&self, partition: PartitionId) -> Option<(Epoch, OwnerRecord)> {
        let kept = self.owners.get(&key(partition))?;
        let record = OwnerRecord::decode(&*kept.value).ok()?;
        Some((Epoch(kept.version), record))
    }

    async fn refresh(&self, partition: PartitionId) {
        if let Err(error) = self.owners.refresh(&key(partition)).await {
            tracing::debug!(partition = partition.0, %error, "the owner could not be read");
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

fn owner(epoch: Epoch, record: OwnerRecord, lost_at: Option<i64>) -> Owner {
    let given = Some(record.heir).filter(|heir| !heir.is_empty());
    let member = Some(record.node).filter(|name| !name.is_empty());
    // A process that was restarted is the first to take what it had.
    let heir = given.or_else(|| member.clone().filter(|_| lost_at.is_some()));
    Owner {
        member,
        epoch,
        heir,
        lost_at,
    }
}

fn key(partition: PartitionId) -> String {
    format!("{:04x}", partition.0)
}

fn milliseconds(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
