//! Objects that are not what was written.

use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::*;

/// A snapshot of a base and a delta.
async fn written(etcd: &EtcdProcess) -> (Cluster, PartitionRows) {
    let cluster = Cluster::new(etcd, "/t", Arc::new(InMemory::new())).await;
    let rows = filled(5);
    cluster.write(&rows, None).await;
    let changes = change(&rows, 5, 6, vec![put(Table::Live, 3, 77)]);
    assert!(!cluster.write(&rows, Some(changes)).await.is_base);
    (cluster, rows)
}

/// What a restore reads.
async fn objects(cluster: &Cluster) -> Vec<Path> {
    let snapshots = cluster.snapshots();
    let seen = snapshots.pointers.read(A).await.unwrap();
    let pointer = seen.pointer.unwrap();
    let manifest = snapshots.manifest(A, &pointer).await.unwrap();
    let mut paths: Vec<Path> = snapshots.parts(&manifest).map(|(path, _)| path).collect();
    let hash = &pointer.manifest.hash;
    paths.push(snapshots.objects.manifest(A, pointer.covered, hash));
    paths
}

async fn is_refused(cluster: &Cluster, path: &Path) {
    let target = empty();
    let refused = cluster.snapshots().restore(&target).await;
    let Err(StoreError::Corrupt(what)) = refused else {
        panic!("{path}: {refused:?}")
    };
    assert!(what.contains(path.as_ref()), "{what} names {path}");
    assert_eq!(all(&target).len(), 0, "never half of a snapshot");
    assert_eq!(target.last_checkpoint().unwrap(), []);
}

#[tokio::test]
async fn damage_of_any_object_is_found_and_named() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let (cluster, rows) = written(&etcd).await;
    let paths = objects(&cluster).await;
    assert!(paths.len() > 7);
    for path in paths {
        let good = cluster.objects.get(&path).await.unwrap();
        let good = good.bytes().await.unwrap();
        let length = good.len();
        for at in [0, 9, length / 3, length / 2, length - 1] {
            let mut bad = good.to_vec();
            bad[at] ^= 1 << (at % 8);
            cluster.objects.put(&path, bad.into()).await.unwrap();
            is_refused(&cluster, &path).await;
        }
        let cut = good.slice(..length - 1);
        cluster.objects.put(&path, cut.into()).await.unwrap();
        is_refused(&cluster, &path).await;
        cluster.objects.delete(&path).await.unwrap();
        is_refused(&cluster, &path).await;
        cluster.objects.put(&path, good.into()).await.unwrap();
    }
    assert_eq!(cluster.restored().await.1, all(&rows));
}

#[tokio::test]
async fn what_is_lost_is_written_anew_by_the_next_snapshot() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let (cluster, rows) = written(&etcd).await;
    let mut seq = 6;
    for path in objects(&cluster).await {
        let names = objects(&cluster).await;
        let lost = names
            .iter()
            .find(|name| **name == path)
            .unwrap_or(&names[0]);
        cluster.objects.delete(lost).await.unwrap();
        seq += 1;
        let changes = change(&rows, seq - 1, seq, vec![put(Table::Live, 4, seq)]);
        assert!(cluster.write(&rows, Some(changes)).await.is_base, "{lost}");
        assert_eq!(cluster.restored().await.1, all(&rows));
    }
}
