//! An object store that fails, and writers that die.

use super::store::{Fault, Faulty};
use super::*;

/// A cluster with a snapshot at 5, and the rows at 6 with what changed.
async fn begun(
    etcd: &EtcdProcess,
    prefix: &str,
    objects: &Arc<InMemory>,
) -> (Cluster, PartitionRows, Vec<Row>) {
    let cluster = Cluster::new(etcd, prefix, objects.clone()).await;
    let rows = filled(4);
    cluster.write(&rows, None).await;
    rows.checkpoint(&[(A, Seq(5))]).unwrap();
    cluster.write(&rows, None).await;
    let older = all(&rows);
    rows.write(vec![put(Table::Live, 3, 77)]).unwrap();
    rows.checkpoint(&[(A, Seq(6))]).unwrap();
    (cluster, rows, older)
}

#[tokio::test]
async fn a_failing_object_store_leaves_the_older_snapshot_and_the_next_try_goes_on() {
    let etcd = EtcdProcess::start(1, &[]).await;
    for fault in [Fault::Denied, Fault::Down, Fault::AnswerLost] {
        for call in 0.. {
            let objects = Arc::new(InMemory::new());
            let prefix = format!("/{fault:?}/{call}");
            let (cluster, rows, older) = begun(&etcd, &prefix, &objects).await;
            let faulty = Faulty::at(objects, call, fault);
            let snapshots = cluster.snapshots_in(faulty.clone());
            let written = snapshots.write(&rows, cluster.epoch, None).await;
            if let Err(error) = &written {
                assert!(error.is_retryable(), "{error}");
                assert!(error.to_string().contains("the next snapshot tries again"));
                let (covered, restored) = cluster.restored().await;
                assert_eq!(covered.seq, Seq(5), "nothing more may be trimmed");
                assert_eq!(restored, older);
            }
            cluster.write(&rows, None).await;
            let (covered, restored) = cluster.restored().await;
            assert_eq!((covered.seq, restored), (Seq(6), all(&rows)));
            if !faulty.has_failed() {
                assert!(call > 8, "list, get, parts, manifest and deletions failed");
                break;
            }
        }
    }
}

#[tokio::test]
async fn errors_of_the_object_store_say_what_to_do() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let objects = Arc::new(InMemory::new());
    let (cluster, rows, _) = begun(&etcd, "/t", &objects).await;
    let advice = [
        (Fault::Denied, "let the coordinator's credentials"),
        (Fault::Down, "check that it is up"),
        (Fault::Hangs, "check that it is up and reachable"),
    ];
    for (fault, advice) in advice {
        let failing = || {
            let faulty = Faulty::from(objects.clone(), 1, fault);
            let mut snapshots = cluster.snapshots_in(faulty);
            snapshots.objects.be_patient_for(Duration::from_millis(50));
            snapshots
        };
        let refused = failing().write(&rows, cluster.epoch, None).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(error.to_string().contains(advice), "{error}");
        let target = filled(1);
        // The manifest can be read, a part cannot.
        let refused = failing().restore(&target).await.unwrap_err();
        assert!(refused.to_string().contains(advice), "{refused}");
        assert_eq!(all(&target).len(), 0, "never half of a snapshot");
        assert_eq!(target.last_checkpoint().unwrap(), []);
    }
}

#[tokio::test]
async fn a_writer_that_dies_at_any_step_leaves_a_usable_snapshot() {
    let etcd = EtcdProcess::start(1, &[]).await;
    for fault in [Fault::Hangs, Fault::HangsAfter] {
        for call in 0.. {
            let objects = Arc::new(InMemory::new());
            let prefix = format!("/{fault:?}/{call}");
            let (cluster, rows, older) = begun(&etcd, &prefix, &objects).await;
            let faulty = Faulty::at(objects, call, fault);
            let snapshots = cluster.snapshots_in(faulty.clone());
            tokio::select! {
                written = snapshots.write(&rows, cluster.epoch, None) => drop(written.unwrap()),
                () = faulty.reached.notified() => {}
            }
            let (covered, restored) = cluster.restored().await;
            let expected = if covered.seq == Seq(5) {
                older
            } else {
                all(&rows)
            };
            assert_eq!(restored, expected);

            // A new owner goes on, and what the dead one left goes.
            let epoch = cluster.acquire().await;
            for seq in [7, 8] {
                rows.checkpoint(&[(A, Seq(seq))]).unwrap();
                let written = cluster.snapshots().write(&rows, epoch, None).await;
                assert_eq!(written.unwrap().covered.seq, Seq(seq));
            }
            assert_eq!(cluster.restored().await.1, all(&rows));
            let names = cluster.objects().await;
            let of_new = format!("/{:016x}-", epoch.0);
            assert!(names.iter().all(|name| name.contains(&of_new)), "{names:?}");
            if !faulty.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_restore_that_dies_at_any_step_is_begun_anew() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let objects = Arc::new(InMemory::new());
    let (cluster, _, older) = begun(&etcd, "/t", &objects).await;
    for call in 0.. {
        let faulty = Faulty::at(objects.clone(), call, Fault::Hangs);
        let snapshots = cluster.snapshots_in(faulty.clone());
        let target = empty();
        let has_ended = tokio::select! {
            restored = snapshots.restore(&target) => restored.is_ok(),
            () = faulty.reached.notified() => false,
        };
        let covered = target.last_checkpoint().unwrap();
        assert_eq!(covered.len(), usize::from(has_ended));
        cluster.snapshots().restore(&target).await.unwrap();
        assert_eq!(all(&target), older);
        if has_ended {
            assert!(call > 5, "manifest and parts hung");
            break;
        }
    }
}
