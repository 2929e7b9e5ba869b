//! A small etcd that is filled through the log, and guarded by two coordinators.

use nix::sys::signal::Signal;
use stepfleet_engine::PartitionId;
use stepfleet_store::conformance::EtcdProcess;
use stepfleet_store::etcd::EtcdOptions;
use stepfleet_store::log::etcd::{EtcdLog, Node};
use stepfleet_store::{Append, BatchId, Epoch, PartitionLog as _, Seq, StoreError};
use tokio::task::JoinSet;

use super::*;
use crate::member::Identity;

const A: PartitionId = PartitionId(3);
const QUOTA: u64 = 16 * 1024 * 1024;
const CHUNK_BYTES: usize = 32 * 1024;

/// Two coordinators, one of which has a partition.
struct Cluster {
    etcd: EtcdProcess,
    store: Arc<Etcd>,
    log: EtcdLog,
    epoch: Epoch,
    seq: u64,
    spaces: Vec<Arc<Space>>,
    _tasks: JoinSet<()>,
}

impl Cluster {
    async fn start(members: usize) -> Self {
        let quota = format!("--quota-backend-bytes={QUOTA}");
        let etcd = EtcdProcess::start(members, &[&quota]).await;
        let store = Arc::new(Etcd::new(EtcdOptions::new(etcd.urls())));
        let mut tasks = JoinSet::new();
        let probed = store.clone();
        tasks.spawn(async move { probed.probe().await });
        let mut spaces = Vec::new();
        for number in [1, 2] {
            spaces.push(coordinator(&store, number, &mut tasks).await);
        }
        let node = Node {
            name: "c1".to_owned(),
            address: "http://127.0.0.1:1".to_owned(),
            incarnation: 1 << 64,
        };
        let log = EtcdLog::new(store.clone(), "/t", node);
        let epoch = log.acquire(A).await.unwrap().epoch;
        Self {
            etcd,
            store,
            log,
            epoch,
            seq: 0,
            spaces,
            _tasks: tasks,
        }
    }

    async fn append(&mut self) -> Result<(), StoreError> {
        let seq = self.seq + 1;
        let append = Append {
            partition: A,
            epoch: self.epoch,
            seq: Seq(seq),
            batch: BatchId(seq.into()),
            chunk: noise(CHUNK_BYTES, seq).into(),
        };
        let result = self.log.append(vec![append]).await.remove(0);
        self.seq += u64::from(result.is_ok());
        result
    }

    /// Appends without regard to the guard until etcd is full.
    async fn fill(&mut self) {
        loop {
            match self.append().await {
                Ok(()) => {}
                Err(StoreError::Full(_)) => return self.until(|state| state == State::Full).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn trim(&self) {
        self.log.trim(A, Seq(self.seq)).await.unwrap();
    }

    /// Until both coordinators say so.
    async fn until(&self, is_so: impl Fn(State) -> bool) {
        for space in &self.spaces {
            let mut state = space.state();
            state.wait_for(|state| is_so(*state)).await.unwrap();
        }
    }

    async fn file(&self, member: usize) -> Option<u64> {
        let ask = |mut client: Client| async move { client.status().await };
        let status = self.store.call_at(member, ANSWER, ask).await.ok()?;
        u64::try_from(status.db_size()).ok()
    }
}

async fn coordinator(store: &Arc<Etcd>, number: u128, tasks: &mut JoinSet<()>) -> Arc<Space> {
    let identity = Identity {
        name: format!("c{number}"),
        address: format!("http://127.0.0.1:{number}"),
        incarnation: number << 64,
        version: "0".to_owned(),
        started_at: 0,
    };
    let membership = Membership::join(store.clone(), "/t", identity)
        .await
        .unwrap();
    let membership = Arc::new(membership);
    let kept = membership.clone();
    tasks.spawn(async move { drop(kept.keep().await) });
    let followed = membership.clone();
    tasks.spawn(async move { followed.follow().await });
    let space = Arc::new(Space::new(store.clone(), "/t", membership, quick()));
    let running = space.clone();
    tasks.spawn(async move { running.run().await });
    space
}

/// As by default, but for a quota that is filled in a moment.
fn quick() -> SpaceOptions {
    let pace = Pace {
        keep: Duration::from_millis(500),
        compact_every: Duration::from_millis(200),
    };
    SpaceOptions {
        quota: QUOTA,
        look_every: Duration::from_millis(50),
        calm: pace,
        busy: pace,
        pressed: pace,
        defragment_every: Duration::from_secs(2),
        defragment_pressed_every: Duration::from_secs(1),
        patience: Duration::from_secs(2),
    }
}

/// Bytes that do not pack.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn starts_are_refused_before_appends_fail_and_a_trim_ends_that() {
    let mut cluster = Cluster::start(1).await;
    let mut state = cluster.spaces[0].state();
    let mut seen = vec![State::Plenty];
    // A fifth of the quota in a second, as a large one is filled at full speed several times over.
    let mut paced = interval(Duration::from_millis(10));
    while *seen.last().unwrap() != State::RefuseStarts {
        paced.tick().await;
        cluster
            .append()
            .await
            .expect("there is room for what is open");
        if state.has_changed().unwrap() {
            seen.push(*state.borrow_and_update());
        }
    }
    assert_eq!(seen, [State::Plenty, State::Tight, State::RefuseStarts]);
    for _ in 0..5 {
        cluster.append().await.expect("completions pass");
    }
    cluster.trim().await;
    cluster.until(|state| state == State::Plenty).await;
    cluster.append().await.unwrap();
    let mut changes = cluster.spaces[0].state();
    while cluster.file(0).await.unwrap() > QUOTA * 7 / 10 {
        assert_eq!(*changes.borrow_and_update(), State::Plenty);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn etcd_that_is_full_comes_back_without_anybody() {
    let mut cluster = Cluster::start(1).await;
    cluster.fill().await;
    cluster.trim().await;
    cluster.until(|state| state == State::Plenty).await;
    for _ in 0..10 {
        cluster.append().await.expect("the alarm is gone");
    }
}

#[tokio::test]
async fn a_coordinator_that_hangs_keeps_nobody_from_making_room() {
    let mut cluster = Cluster::start(1).await;
    let put =
        |mut client: Client| async move { client.put("/t/ctl/maintenance", "hangs", None).await };
    cluster.store.call(put).await.unwrap();
    cluster.fill().await;
    cluster.trim().await;
    cluster.until(|state| state == State::Plenty).await;
    cluster.append().await.expect("the alarm is gone");
}

#[tokio::test]
async fn a_member_that_hangs_keeps_nobody_from_making_room() {
    let mut cluster = Cluster::start(3).await;
    cluster.fill().await;
    cluster.etcd.signal(2, Signal::SIGSTOP);
    cluster.trim().await;
    cluster.until(|state| state == State::Plenty).await;
    cluster.append().await.expect("the alarm is gone");
    cluster.etcd.signal(2, Signal::SIGCONT);
    // Its file is as large as it was until it is defragmented too.
    while cluster.file(2).await.is_none_or(|file| file > QUOTA / 2) {
        tokio::task::yield_now().await;
    }
    cluster.until(|state| state == State::Plenty).await;
    cluster.append().await.expect("still");
}
