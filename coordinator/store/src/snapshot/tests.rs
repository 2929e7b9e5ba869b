//! Snapshots over a real etcd.

mod damage;
mod faults;
mod store;

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use stepfleet_engine::PartitionId;

use super::manifest::Pointer;
use super::objects::Expected;
use super::*;
use crate::conformance::EtcdProcess;
use crate::etcd::EtcdOptions;
use crate::log::PartitionLog as _;
use crate::log::etcd::{EtcdLog, Node};
use crate::state::memory::MemoryStore;
use crate::state::partition::PartitionRows;
use crate::state::{StateStore as _, Table};

const A: PartitionId = PartitionId(3);

/// A cluster with an owner of its partition.
#[derive(Debug)]
struct Cluster {
    etcd: Arc<Etcd>,
    prefix: String,
    objects: Arc<dyn ObjectStore>,
    epoch: Epoch,
}

impl Cluster {
    async fn new(etcd: &EtcdProcess, prefix: &str, objects: Arc<dyn ObjectStore>) -> Self {
        let mut cluster = Self {
            etcd: Arc::new(Etcd::new(EtcdOptions::new(etcd.urls()))),
            prefix: prefix.to_owned(),
            objects,
            epoch: Epoch(0),
        };
        cluster.epoch = cluster.acquire().await;
        cluster
    }

    /// Another process takes the partition.
    async fn acquire(&self) -> Epoch {
        let node = Node {
            name: "n".to_owned(),
            address: "http://127.0.0.1:1".to_owned(),
            incarnation: 1 << 64,
        };
        let log = EtcdLog::new(self.etcd.clone(), &self.prefix, node);
        log.acquire(A).await.unwrap().epoch
    }

    fn snapshots(&self) -> Snapshots {
        self.snapshots_in(self.objects.clone())
    }

    fn snapshots_in(&self, objects: Arc<dyn ObjectStore>) -> Snapshots {
        let options = SnapshotOptions {
            part_bytes: 4 * 1024,
            ..SnapshotOptions::new("backups/cluster", &self.prefix)
        };
        Snapshots::new(objects, self.etcd.clone(), &options)
    }

    async fn write(&self, rows: &PartitionRows, changes: Option<Changes>) -> Written {
        let written = self.snapshots().write(rows, self.epoch, changes).await;
        written.unwrap()
    }

    /// What another process restores.
    async fn restored(&self) -> (Covered, Vec<Row>) {
        let rows = empty();
        let restored = self.snapshots().restore(&rows).await.unwrap();
        (restored.expect("there is a snapshot").covered, all(&rows))
    }

    async fn objects(&self) -> Vec<String> {
        let found = self.snapshots().objects.list(A).await.unwrap();
        let mut names: Vec<_> = found.iter().map(|found| found.path.to_string()).collect();
        names.sort();
        names
    }
}

fn empty() -> PartitionRows {
    PartitionRows::new(Arc::new(MemoryStore::new()), A)
}

/// Bytes that hardly pack.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

fn put(table: Table, number: u64, seed: u64) -> Row {
    Row {
        table,
        key: number.to_be_bytes().to_vec(),
        value: Some(noise(seed, 300)),
    }
}

/// Rows of several tables with a checkpoint, some 60 KiB.
fn filled(seq: u64) -> PartitionRows {
    let rows = empty();
    for table in [Table::Execution, Table::History, Table::Live, Table::Meta] {
        let page = (0..50).map(|number| put(table, number, number + table as u64 * 1000));
        rows.write(page.collect()).unwrap();
    }
    rows.checkpoint(&[(A, Seq(seq))]).unwrap();
    rows
}

fn all(rows: &PartitionRows) -> Vec<Row> {
    let all: Result<Vec<Row>, StoreError> = part::all_rows(rows.clone()).collect();
    all.unwrap()
}

/// Changes the rows and says what changed.
fn change(rows: &PartitionRows, since: u64, seq: u64, changed: Vec<Row>) -> Changes {
    rows.write(changed.clone()).unwrap();
    rows.checkpoint(&[(A, Seq(seq))]).unwrap();
    Changes {
        since: Seq(since),
        rows: Box::new(changed.into_iter().map(Ok)),
    }
}

/// Everything that a snapshot needs is there.
async fn is_whole(snapshots: &Snapshots, pointer: &Pointer) {
    let manifest = snapshots.manifest(A, pointer).await.unwrap();
    for (path, part) in snapshots.parts(&manifest) {
        let found = snapshots.objects.get(&path, &part.object).await;
        assert!(found.unwrap().is_some(), "{path}");
    }
}

#[tokio::test]
async fn rows_come_back_in_another_process() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let cluster = Cluster::new(&etcd, "/t", Arc::new(local.with_fsync(true))).await;
    let none = cluster.snapshots().restore(&filled(9)).await.unwrap();
    assert_eq!(none, None);
    assert_eq!(cluster.snapshots().covered(A).await.unwrap(), None);

    let rows = filled(5);
    let written = cluster.write(&rows, None).await;
    assert!(written.is_base);
    assert_eq!((written.rows, written.covered.seq), (200, Seq(5)));
    let target = filled(2);
    target.write(vec![put(Table::Control, 7, 7)]).unwrap();
    let restored = cluster.snapshots().restore(&target).await.unwrap().unwrap();
    assert_eq!(restored.covered, written.covered);
    assert_eq!(
        all(&target),
        all(&rows),
        "and what was there before is gone"
    );
    assert_eq!(target.last_checkpoint().unwrap(), [(A, Seq(5))]);
    let names = cluster.objects().await;
    assert!(names.len() > 5, "several parts: {names:?}");

    let again = cluster.write(&rows, None).await;
    assert_eq!((again.rows, again.covered), (0, written.covered));
}

#[tokio::test]
async fn changes_are_layers_until_they_are_folded_and_old_objects_leave() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let cluster = Cluster::new(&etcd, "/t", Arc::new(InMemory::new())).await;
    let rows = filled(1);
    cluster.write(&rows, None).await;
    let mut bases = Vec::new();
    for seq in 2..20 {
        let mut changed: Vec<Row> = (0..20)
            .map(|number| put(Table::Execution, number + seq, seq * 100 + number))
            .collect();
        changed.push(Row {
            value: None,
            ..put(Table::History, seq, 0)
        });
        let changes = change(&rows, seq - 1, seq, changed);
        let snapshots = cluster.snapshots();
        let before = snapshots.pointers.read(A).await.unwrap().pointer.unwrap();
        let written = cluster.write(&rows, Some(changes)).await;
        is_whole(&snapshots, &before).await;
        if written.is_base {
            bases.push(seq);
        } else {
            assert_eq!(written.rows, 21);
        }
        let (covered, restored) = cluster.restored().await;
        assert_eq!(covered.seq, Seq(seq));
        assert_eq!(restored, all(&rows));
    }
    assert!(bases.len() > 1 && bases.len() < 6, "{bases:?}");
    let names = cluster.objects().await;
    let manifests = names.iter().filter(|name| name.contains("/manifest-"));
    assert_eq!(manifests.count(), 2, "the newest and the one before");
    let oldest = format!("backups/cluster/snap/0003/{:016x}-", cluster.epoch.0);
    let seq = |name: &String| u64::from_str_radix(&name[oldest.len()..][..16], 16).unwrap();
    let last_base = *bases.last().unwrap();
    let least = names.iter().map(seq).min().unwrap();
    assert!(
        least >= last_base - 1 || bases.contains(&least),
        "{names:?}"
    );
}

#[tokio::test]
async fn changes_since_a_snapshot_that_is_not_there_make_a_base() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let cluster = Cluster::new(&etcd, "/t", Arc::new(InMemory::new())).await;
    let rows = filled(1);
    let changes = change(&rows, 0, 1, Vec::new());
    assert!(cluster.write(&rows, Some(changes)).await.is_base);
    let changes = change(&rows, 2, 3, vec![put(Table::Live, 900, 1)]);
    assert!(cluster.write(&rows, Some(changes)).await.is_base);
    let changes = change(&rows, 1, 4, Vec::new());
    let written = cluster.write(&rows, Some(changes)).await;
    assert!(!written.is_base, "changes may begin earlier");
    assert_eq!(written.rows, 0);
    assert_eq!(cluster.restored().await.1, all(&rows));
}

#[tokio::test]
async fn one_who_lost_the_partition_moves_no_pointer() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let cluster = Cluster::new(&etcd, "/t", Arc::new(InMemory::new())).await;
    let rows = filled(5);
    cluster.write(&rows, None).await;
    let older = cluster.snapshots();
    let seen = older.pointers.read(A).await.unwrap();
    let epoch = cluster.acquire().await;
    rows.checkpoint(&[(A, Seq(9))]).unwrap();

    let late = older.write(&rows, cluster.epoch, None).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    let pointer = Pointer {
        covered: Covered {
            epoch: cluster.epoch,
            seq: Seq(9),
        },
        manifest: Expected::of(b"late"),
    };
    let late = older.pointers.set(A, cluster.epoch, &seen, &pointer).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    assert_eq!(older.pointers.read(A).await.unwrap(), seen);

    let newer = cluster.snapshots().write(&rows, epoch, None).await.unwrap();
    assert_eq!(newer.covered, Covered { epoch, seq: Seq(9) });
    let late = older.pointers.set(A, epoch, &seen, &pointer).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    let now = older.covered(A).await.unwrap();
    assert_eq!(now, Some(newer.covered));
}

#[tokio::test]
async fn a_pointer_that_is_set_twice_is_set() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let cluster = Cluster::new(&etcd, "/t", Arc::new(InMemory::new())).await;
    let snapshots = cluster.snapshots();
    let seen = snapshots.pointers.read(A).await.unwrap();
    let pointer = Pointer {
        covered: Covered {
            epoch: cluster.epoch,
            seq: Seq(1),
        },
        manifest: Expected::of(b"manifest"),
    };
    for _ in 0..2 {
        let set = snapshots.pointers.set(A, cluster.epoch, &seen, &pointer);
        set.await.unwrap();
    }
    assert_eq!(snapshots.covered(A).await.unwrap(), Some(pointer.covered));
}
