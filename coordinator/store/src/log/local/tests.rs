//! What only the local log has to show: durability, damage, recycling, full and failing disks.

mod damage;
mod faults;
mod recycling;

use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::conformance::log_keeps_the_contract;
use crate::log::BatchId;
use crate::log::fault::FaultLog;
use crate::log::model::ModelLog;

fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        reserve_bytes: 0,
        sync: Sync::None,
        ..Options::default()
    }
}

fn open(folder: &TempDir) -> LocalLog {
    LocalLog::open(folder.path(), options()).unwrap()
}

fn chunk(partition: u16, epoch: Epoch, seq: u64, bytes: usize) -> Append {
    let fill = seq.to_le_bytes()[0];
    Append {
        partition: PartitionId(partition),
        epoch,
        seq: Seq(seq),
        batch: BatchId(u128::from(seq) + 1000),
        chunk: Bytes::from(vec![fill; bytes]),
    }
}

async fn acquire(log: &LocalLog, partition: u16) -> Acquired {
    log.acquire(PartitionId(partition)).await.unwrap()
}

async fn append(log: &LocalLog, append: Append) -> Result<(), StoreError> {
    log.append(vec![append]).await.remove(0)
}

async fn read(log: &LocalLog, partition: u16, seq: u64) -> Vec<Chunk> {
    log.read_from(PartitionId(partition), Seq(seq), usize::MAX)
        .await
        .unwrap()
}

#[tokio::test]
async fn local_log_keeps_the_contract() {
    let mut folders = Vec::new();
    log_keeps_the_contract(&mut || {
        let folder = TempDir::new().unwrap();
        let log = open(&folder);
        folders.push(folder);
        Arc::new(log)
    })
    .await;
}

#[tokio::test]
async fn synced_local_log_keeps_the_contract() {
    let mut folders = Vec::new();
    log_keeps_the_contract(&mut || {
        let folder = TempDir::new().unwrap();
        let log = LocalLog::open(
            folder.path(),
            Options {
                sync: Sync::Fdatasync,
                ..options()
            },
        )
        .unwrap();
        folders.push(folder);
        Arc::new(log)
    })
    .await;
}

#[tokio::test]
async fn model_log_keeps_the_contract() {
    log_keeps_the_contract(&mut || Arc::new(ModelLog::new())).await;
}

#[tokio::test]
async fn wrapped_log_keeps_the_contract() {
    log_keeps_the_contract(&mut || {
        Arc::new(FaultLog::new(Arc::new(ModelLog::new()), Box::new(|_| None)))
    })
    .await;
}

#[tokio::test]
async fn everything_answered_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let epoch = {
        let log = open(&folder);
        let epoch = acquire(&log, 1).await.epoch;
        for seq in 1..=5 {
            append(&log, chunk(1, epoch, seq, 100)).await.unwrap();
        }
        log.trim(PartitionId(1), Seq(2)).await.unwrap();
        acquire(&log, 2).await;
        epoch
    };
    let log = open(&folder);
    let chunks = read(&log, 1, 3).await;
    assert_eq!(
        chunks.iter().map(|chunk| chunk.seq.0).collect::<Vec<_>>(),
        [3, 4, 5]
    );
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.epoch == epoch && chunk.bytes.len() == 100)
    );
    assert!(
        log.read_from(PartitionId(1), Seq(2), 1).await.is_err(),
        "trim positions are kept"
    );
    append(&log, chunk(1, epoch, 5, 100))
        .await
        .expect("a resend is recognised across restarts");
    append(&log, chunk(1, epoch, 6, 100))
        .await
        .expect("an owner goes on under its epoch");
    assert_eq!(
        acquire(&log, 1).await,
        Acquired {
            epoch: Epoch(epoch.0 + 1),
            last: Seq(6)
        }
    );
    assert_eq!(
        acquire(&log, 2).await,
        Acquired {
            epoch: Epoch(2),
            last: Seq(0)
        }
    );
    assert_eq!(
        log.partitions(),
        [(PartitionId(1), Seq(6)), (PartitionId(2), Seq(0))]
    );
}

#[tokio::test]
async fn many_reopenings_lose_nothing_and_take_no_space() {
    let folder = TempDir::new().unwrap();
    for round in 1..=20 {
        let log = open(&folder);
        let acquired = acquire(&log, 1).await;
        assert_eq!(acquired.last, Seq(round - 1));
        append(&log, chunk(1, acquired.epoch, round, 10))
            .await
            .unwrap();
        assert_eq!(read(&log, 1, 1).await.len() as u64, round);
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().count() <= 3);
}

#[tokio::test]
async fn dropping_the_log_commits_what_was_queued() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder);
    let epoch = acquire(&log, 1).await.epoch;
    let flying: Vec<_> = (1..=20)
        .map(|seq| log.append(vec![chunk(1, epoch, seq, 1000)]))
        .collect();
    drop(log);
    for results in futures::future::join_all(flying).await {
        results[0].clone().unwrap();
    }
    assert_eq!(read(&open(&folder), 1, 1).await.len(), 20);
}

#[tokio::test]
async fn a_restored_partition_continues_where_the_backup_ended() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder);
    log.restore(PartitionId(1), Epoch(7), Seq(41))
        .await
        .unwrap();
    assert!(matches!(
        log.restore(PartitionId(1), Epoch(8), Seq(1)).await,
        Err(StoreError::Fenced(_))
    ));
    append(&log, chunk(1, Epoch(7), 42, 10)).await.unwrap();
    drop(log);
    let log = open(&folder);
    assert_eq!(read(&log, 1, 42).await.len(), 1);
    assert_eq!(
        acquire(&log, 1).await,
        Acquired {
            epoch: Epoch(8),
            last: Seq(42)
        }
    );
}

#[test]
fn small_segments_are_refused() {
    let folder = TempDir::new().unwrap();
    let small = Options {
        segment_bytes: 4096,
        ..options()
    };
    assert!(matches!(
        LocalLog::open(folder.path(), small),
        Err(StoreError::LimitExceeded(_))
    ));
}
