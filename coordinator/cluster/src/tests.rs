//! Several members in one process over a real etcd, each with its own log.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_engine::PartitionId;
use stepfleet_store::conformance::{EtcdProcess, Passing, Wire};
use stepfleet_store::etcd::{Etcd, EtcdOptions};
use stepfleet_store::log::etcd::{EtcdLog, Node};
use stepfleet_store::{Append, BatchId, Epoch, PartitionLog as _, Seq, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};

use crate::driver::{Change, Driver};
use crate::member::{Identity, MemberError, Membership};
use crate::peers::{self, Connect, Suspicions};

const PARTITIONS: u16 = 16;

/// A coordinator without anything to coordinate: it appends a chunk to each partition that it takes.
struct Coordinator {
    membership: Arc<Membership>,
    driver: Arc<Driver>,
    log: EtcdLog,
    changes: mpsc::Sender<Change>,
    owned: watch::Receiver<BTreeMap<PartitionId, Epoch>>,
    tasks: JoinSet<()>,
}

impl Coordinator {
    async fn start(etcd: &EtcdProcess, number: u128) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        Self::start_at(etcd, number, listener, address).await
    }

    /// Others reach it at an address that may not be its own.
    async fn start_at(
        etcd: &EtcdProcess,
        number: u128,
        listener: TcpListener,
        address: String,
    ) -> Self {
        let etcd = Arc::new(Etcd::new(EtcdOptions::new(etcd.urls())));
        let identity = identity(number, address);
        let log = EtcdLog::new(
            etcd.clone(),
            "/t",
            Node {
                name: identity.name.clone(),
                address: identity.address.clone(),
                incarnation: identity.incarnation,
            },
        );
        let membership = Arc::new(
            Membership::join(etcd.clone(), "/t", identity)
                .await
                .unwrap(),
        );
        let parts = (membership.clone(), log.clone());
        let driver = Arc::new(
            Driver::open(etcd.clone(), "/t", PARTITIONS, parts)
                .await
                .unwrap(),
        );
        let suspicions = Suspicions::open(etcd, "/t", membership.clone())
            .await
            .unwrap();
        let suspicions = Arc::new(suspicions);
        let (changes, receiver) = mpsc::channel(PARTITIONS.into());
        let (telling, owned) = watch::channel(BTreeMap::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener));
        tasks.spawn(work(log.clone(), receiver, telling));
        let kept = membership.clone();
        tasks.spawn(async move { drop(kept.keep().await) });
        let kept = membership.clone();
        tasks.spawn(async move { kept.follow().await });
        let driving = driver.clone();
        tasks.spawn(async move { driving.follow().await });
        let (driving, told) = (driver.clone(), changes.clone());
        tasks.spawn(async move { driving.run(told).await });
        let (driving, kept) = (driver.clone(), membership.clone());
        let connect: Connect = Arc::new(|address| Endpoint::from_shared(address.to_owned()).ok());
        let (raised, judged) = (suspicions.clone(), driver.clone());
        tasks.spawn(async move { peers::watch(&kept, &driving, &raised, &connect).await });
        tasks.spawn(async move { suspicions.watch(&judged).await });
        Self {
            membership,
            driver,
            log,
            changes,
            owned,
            tasks,
        }
    }

    /// Without a word, as a process that is killed.
    async fn dies(mut self) -> EtcdLog {
        self.tasks.shutdown().await;
        self.log
    }

    fn owned(&self) -> Vec<PartitionId> {
        self.owned.borrow().keys().copied().collect()
    }
}

fn identity(number: u128, address: String) -> Identity {
    Identity {
        name: format!("c{number}"),
        address,
        incarnation: number << 64,
        version: "0".to_owned(),
        started_at: 0,
    }
}

async fn serve(listener: TcpListener) {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let incoming = TcpListenerStream::new(listener);
    drop(
        Server::builder()
            .add_service(health)
            .serve_with_incoming(incoming)
            .await,
    );
}

async fn work(
    log: EtcdLog,
    mut changes: mpsc::Receiver<Change>,
    owned: watch::Sender<BTreeMap<PartitionId, Epoch>>,
) {
    while let Some(change) = changes.recv().await {
        match change {
            Change::Taken(partition, acquired) => {
                let next = Seq(acquired.last.0 + 1);
                if log
                    .append(vec![chunk(partition, acquired.epoch, next)])
                    .await[0]
                    .is_ok()
                {
                    owned.send_modify(|owned| {
                        owned.insert(partition, acquired.epoch);
                    });
                }
            }
            Change::Give(partition, answer) => {
                give_up(&owned, partition);
                let _gone = answer.send(());
            }
            Change::Lost(partition) => give_up(&owned, partition),
        }
    }
}

fn give_up(owned: &watch::Sender<BTreeMap<PartitionId, Epoch>>, partition: PartitionId) {
    owned.send_modify(|owned| {
        owned.remove(&partition);
    });
}

fn chunk(partition: PartitionId, epoch: Epoch, seq: Seq) -> Append {
    Append {
        partition,
        epoch,
        seq,
        batch: BatchId(u128::from(epoch.0) << 64 | u128::from(seq.0)),
        chunk: format!("epoch {}", epoch.0).into_bytes().into(),
    }
}

/// An operator's word: each of some members is to have its part, whoever is there first.
async fn pin(etcd: &EtcdProcess, members: u16) {
    let mut client = etcd_client::Client::connect(etcd.urls(), None)
        .await
        .unwrap();
    for partition in 0..PARTITIONS {
        let name = format!("c{}", partition % members + 1);
        client
            .put(format!("/t/pin/{partition:04x}"), name, None)
            .await
            .unwrap();
    }
}

/// Waits until these own all partitions between them, each the part that it was given.
async fn all_pinned(coordinators: &[&Coordinator]) {
    let share = usize::from(PARTITIONS) / coordinators.len();
    all_shared(coordinators, |part| (share..=share + 1).contains(&part)).await;
}

/// Waits until these own all partitions between them, each one once.
async fn all_owned(coordinators: &[&Coordinator]) -> Vec<usize> {
    all_shared(coordinators, |_| true).await
}

async fn all_shared(coordinators: &[&Coordinator], fits: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut watches: Vec<_> = coordinators.iter().map(|one| one.owned.clone()).collect();
    loop {
        let shares: Vec<Vec<PartitionId>> = coordinators.iter().map(|one| one.owned()).collect();
        let mut all: Vec<PartitionId> = shares.iter().flatten().copied().collect();
        all.sort();
        let parts: Vec<usize> = shares.iter().map(Vec::len).collect();
        if all.into_iter().eq((0..PARTITIONS).map(PartitionId))
            && parts.iter().all(|part| fits(*part))
        {
            return parts;
        }
        let changed = watches.iter_mut().map(|watch| Box::pin(watch.changed()));
        drop(futures::future::select_all(changed).await);
    }
}

#[tokio::test]
async fn members_share_the_partitions_and_take_over_from_one_that_died() {
    let etcd = EtcdProcess::start(1, &[]).await;
    pin(&etcd, 3).await;
    let (first, second) = (
        Coordinator::start(&etcd, 1).await,
        Coordinator::start(&etcd, 2).await,
    );
    let third = Coordinator::start(&etcd, 3).await;
    all_pinned(&[&first, &second, &third]).await;
    let had = third.owned();
    assert_eq!(had.len(), 5);
    let epochs = third.owned.borrow().clone();
    let late = third.dies().await;
    let shares = all_owned(&[&first, &second]).await;
    assert_eq!(shares.iter().sum::<usize>(), usize::from(PARTITIONS));
    for partition in had {
        let chunks = first
            .log
            .read_from(partition, Seq(1), usize::MAX)
            .await
            .unwrap();
        let next = Seq(chunks.last().unwrap().seq.0 + 1);
        let result = late
            .append(vec![chunk(partition, epochs[&partition], next)])
            .await
            .remove(0);
        assert!(matches!(result, Err(StoreError::Fenced(_))), "{result:?}");
        assert!(chunks.is_sorted_by_key(|chunk| chunk.epoch), "one history");
    }
}

#[tokio::test]
async fn a_member_that_leaves_gives_everything_to_the_next_in_line() {
    let etcd = EtcdProcess::start(1, &[]).await;
    pin(&etcd, 2).await;
    let (first, second) = (
        Coordinator::start(&etcd, 1).await,
        Coordinator::start(&etcd, 2).await,
    );
    all_pinned(&[&first, &second]).await;
    second.membership.drain(true).await.unwrap();
    assert_eq!(all_owned(&[&first]).await, [usize::from(PARTITIONS)]);
    second.driver.give_all(&second.changes).await;
    second.membership.leave().await.unwrap();
    assert_eq!(second.owned(), []);
    let place = first.driver.place(PartitionId(0)).unwrap();
    assert_eq!(place.member.as_deref(), Some("c1"));
    assert_eq!(place.address, first.membership.identity().address);
}

/// Its lease is kept, and etcd answers it: only the others do not reach it.
#[tokio::test]
async fn partitions_of_a_member_that_nobody_reaches_are_taken_until_it_is_reached() {
    let etcd = EtcdProcess::start(1, &[]).await;
    pin(&etcd, 3).await;
    let (first, second) = (
        Coordinator::start(&etcd, 1).await,
        Coordinator::start(&etcd, 2).await,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = Wire::to(&listener.local_addr().unwrap().to_string()).await;
    let third = Coordinator::start_at(&etcd, 3, listener, wire.url()).await;
    all_pinned(&[&first, &second, &third]).await;
    wire.pass(Passing::Nothing);
    all_owned(&[&first, &second]).await;
    // It hears of it by its fenced owner's keys.
    let mut owned = third.owned.clone();
    owned.wait_for(BTreeMap::is_empty).await.unwrap();

    // Whoever is reached again is a member again, and is given its part.
    wire.pass(Passing::Everything);
    all_pinned(&[&first, &second, &third]).await;
}

#[tokio::test]
async fn revoked_leases_of_living_members_move_nothing() {
    let etcd = EtcdProcess::start(1, &[]).await;
    pin(&etcd, 2).await;
    let (first, second) = (
        Coordinator::start(&etcd, 1).await,
        Coordinator::start(&etcd, 2).await,
    );
    all_pinned(&[&first, &second]).await;
    let before = (first.owned.borrow().clone(), second.owned.borrow().clone());
    let mut client = etcd_client::Client::connect(etcd.urls(), None)
        .await
        .unwrap();
    let mut members = first.membership.changes();
    for lease in client.leases().await.unwrap().leases() {
        client.lease_revoke(lease.id()).await.unwrap();
    }
    // Everybody announces itself again; only then would an owner that was missed be replaced.
    let both = |records: Vec<stepfleet_proto::record::v1::Member>| records.len() == 2;
    while !both(first.membership.members()) {
        members.changed().await.unwrap();
    }
    let third = Coordinator::start(&etcd, 3).await;
    all_owned(&[&first, &second, &third]).await;
    let after = (first.owned.borrow().clone(), second.owned.borrow().clone());
    assert_eq!(before, after, "no partition has a new epoch");
}

#[tokio::test]
async fn a_name_belongs_to_one_address() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let first = Coordinator::start(&etcd, 1).await;
    let store = || Arc::new(Etcd::new(EtcdOptions::new(etcd.urls())));
    let mut other = identity(1, "http://127.0.0.1:1".to_owned());
    other.incarnation += 1;
    let refused = Membership::join(store(), "/t", other).await.unwrap_err();
    assert!(
        matches!(&refused, MemberError::NameTaken { name, .. } if name == "c1"),
        "{refused}"
    );

    // The same address is the same coordinator, restarted.
    let mut again = first.membership.identity().clone();
    again.incarnation += 1;
    let restarted = Membership::join(store(), "/t", again).await.unwrap();
    assert_eq!(restarted.members().len(), 1);
}
