//! Full disks heal by themselves, failing disks poison the log, and waiting appends share one sync.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use super::*;
use crate::log::fault::{Call, When};
use crate::log::model::Fault;

/// A disk with switches.
#[derive(Debug)]
struct FaultyDisk {
    free: AtomicU64,
    /// Kind of error that writes of frames meet, after half of the bytes are written.
    write_error: Mutex<Option<io::ErrorKind>>,
    sync_error: AtomicBool,
    syncs: AtomicU64,
    held: Mutex<bool>,
    released: Condvar,
}

impl FaultyDisk {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            free: AtomicU64::new(u64::MAX),
            write_error: Mutex::new(None),
            sync_error: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
            held: Mutex::new(false),
            released: Condvar::new(),
        })
    }

    fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }
}

impl Disk for FaultyDisk {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let error = *self.write_error.lock().unwrap();
        match error.filter(|_| offset > 0 && bytes.len() != frame::HEADER_BYTES) {
            Some(kind) => {
                SystemDisk.write_at(file, &bytes[..bytes.len() / 2], offset)?;
                Err(kind.into())
            }
            None => SystemDisk.write_at(file, bytes, offset),
        }
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        let held = self.held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if self.sync_error.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        Ok(())
    }
}

fn open_on(folder: &TempDir, disk: &Arc<FaultyDisk>) -> LocalLog {
    let disk = Arc::<FaultyDisk>::clone(disk);
    let options = Options {
        sync: Sync::Fdatasync,
        disk,
        reserve_bytes: 1000,
        ..options()
    };
    LocalLog::open(folder.path(), options).unwrap()
}

#[tokio::test]
async fn below_the_reserve_appends_are_refused_until_space_is_back() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let log = open_on(&folder, &disk);
    let epoch = acquire(&log, 1).await.epoch;
    append(&log, chunk(1, epoch, 1, 10)).await.unwrap();
    disk.free.store(999, Ordering::SeqCst);
    let refused = log
        .append(vec![
            chunk(1, epoch, 2, 10),
            chunk(1, epoch, 3, 10),
            chunk(1, epoch, 1, 10),
        ])
        .await;
    assert!(matches!(refused[0], Err(StoreError::Full(_))));
    assert!(
        matches!(refused[1], Err(StoreError::Full(_))),
        "what follows a refused chunk is refused alike"
    );
    assert_eq!(
        refused[2],
        Ok(()),
        "a resend of what is stored needs no space"
    );
    log.trim(PartitionId(1), Seq(1))
        .await
        .expect("trimming works on a full disk");
    acquire(&log, 2).await;
    assert_eq!(log.stats().refused_full, 1);
    disk.free.store(1000, Ordering::SeqCst);
    append(&log, chunk(1, epoch, 2, 10))
        .await
        .expect("it resumes by itself");
}

#[tokio::test]
async fn without_a_next_segment_appends_are_refused_and_trimming_helps() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let log = open_on(&folder, &disk);
    let epoch = acquire(&log, 1).await.epoch;
    let mut seq = 1;
    while append(&log, chunk(1, epoch, seq, 1024 * 1024))
        .await
        .is_ok()
    {
        seq += 1;
        if log.stats().segments == 2 {
            // More than the reserve, but less than another segment.
            disk.free
                .store(u64::from(SEGMENT_BYTES_MIN), Ordering::SeqCst);
        }
        assert!(seq < 20, "it never got full");
    }
    let refused = append(&log, chunk(1, epoch, seq, 1024 * 1024)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    log.trim(PartitionId(1), Seq(seq - 1)).await.unwrap();
    append(&log, chunk(1, epoch, seq, 1024 * 1024))
        .await
        .expect("a trimmed segment is room");
}

#[tokio::test]
async fn a_write_that_meets_a_full_disk_leaves_no_trace() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let log = open_on(&folder, &disk);
    let a = acquire(&log, 1).await.epoch;
    let b = acquire(&log, 2).await.epoch;
    append(&log, chunk(1, a, 1, 10)).await.unwrap();
    *disk.write_error.lock().unwrap() = Some(io::ErrorKind::StorageFull);
    let group = vec![
        chunk(1, a, 2, 40),
        chunk(1, a, 3, 40),
        chunk(2, b, 1, 40),
        chunk(2, b, 2, 40),
    ];
    for result in log.append(group).await {
        assert!(matches!(result, Err(StoreError::Full(_))), "{result:?}");
    }
    *disk.write_error.lock().unwrap() = None;
    assert_eq!(read(&log, 1, 1).await.len(), 1);
    drop(log);
    let log = open_on(&folder, &disk);
    assert_eq!(read(&log, 1, 1).await.len(), 1, "nor after reopening");
    append(&log, chunk(1, a, 2, 40)).await.unwrap();
    drop(log);
    let log = open_on(&folder, &disk);
    assert_eq!(read(&log, 1, 1).await.len(), 2);
    assert_eq!(read(&log, 2, 1).await.len(), 0);
}

#[tokio::test]
async fn a_failed_sync_poisons_the_log() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let log = open_on(&folder, &disk);
    let epoch = acquire(&log, 1).await.epoch;
    append(&log, chunk(1, epoch, 1, 10)).await.unwrap();
    disk.hold(true);
    let first = log.append(vec![chunk(1, epoch, 2, 10)]);
    let waiting = log.append(vec![chunk(1, epoch, 3, 10)]);
    disk.sync_error.store(true, Ordering::SeqCst);
    disk.hold(false);
    for result in [first.await.remove(0), waiting.await.remove(0)] {
        assert!(matches!(result, Err(StoreError::Broken(_))), "{result:?}");
    }
    disk.sync_error.store(false, Ordering::SeqCst);
    let syncs = disk.syncs.load(Ordering::SeqCst);
    for result in [
        append(&log, chunk(1, epoch, 4, 10)).await,
        log.trim(PartitionId(1), Seq(1)).await,
    ] {
        let text = result.unwrap_err().to_string();
        assert!(text.contains("until the process is restarted"), "{text}");
    }
    assert!(log.acquire(PartitionId(1)).await.is_err());
    assert_eq!(
        disk.syncs.load(Ordering::SeqCst),
        syncs,
        "the descriptor is never synced again"
    );
    drop(log);
    let log = open_on(&folder, &disk);
    assert!(
        acquire(&log, 1).await.last >= Seq(1),
        "what was answered is there"
    );
}

#[tokio::test]
async fn a_failed_write_poisons_the_log() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let log = open_on(&folder, &disk);
    let epoch = acquire(&log, 1).await.epoch;
    *disk.write_error.lock().unwrap() = Some(io::ErrorKind::Other);
    let failed = append(&log, chunk(1, epoch, 1, 100)).await;
    assert!(matches!(failed, Err(StoreError::Broken(_))), "{failed:?}");
    *disk.write_error.lock().unwrap() = None;
    assert!(append(&log, chunk(1, epoch, 1, 100)).await.is_err());
}

#[tokio::test]
async fn appends_that_wait_share_one_sync() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let log = open_on(&folder, &disk);
    let mut epochs = Vec::new();
    for partition in 0..64 {
        epochs.push(acquire(&log, partition).await.epoch);
    }
    let before = log.stats().groups;
    disk.hold(true);
    let flying: Vec<_> = (0..64_u16)
        .zip(&epochs)
        .map(|(partition, epoch)| log.append(vec![chunk(partition, *epoch, 1, 100)]))
        .collect();
    disk.hold(false);
    for results in futures::future::join_all(flying).await {
        assert_eq!(results, [Ok(())]);
    }
    let groups = log.stats().groups - before;
    assert!(groups <= 2, "64 appends took {groups} groups");
    assert_eq!(log.stats().chunks, 64);
}

#[tokio::test]
async fn an_answer_waits_for_its_sync() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let log = open_on(&folder, &disk);
    let epoch = acquire(&log, 1).await.epoch;
    disk.hold(true);
    let mut waiting = log.append(vec![chunk(1, epoch, 1, 10)]);
    let resend = log.append(vec![chunk(1, epoch, 1, 10)]);
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(
        log.shared.index().state(1).last,
        0,
        "nothing is visible before its sync"
    );
    disk.hold(false);
    assert_eq!(waiting.await, [Ok(())]);
    assert_eq!(resend.await, [Ok(())]);
}

#[tokio::test]
async fn a_lost_answer_is_found_out_by_a_resend() {
    let (folder, disk) = (TempDir::new().unwrap(), FaultyDisk::new());
    let inner = Arc::new(open_on(&folder, &disk));
    let mut whens = vec![When::Before, When::After].into_iter();
    let log = FaultLog::new(
        inner,
        Box::new(move |call| (call == Call::Append).then(|| whens.next()).flatten()),
    );
    let epoch = log.acquire(PartitionId(1)).await.unwrap().epoch;
    for expected in [false, false, true, true] {
        let result = log.append(vec![chunk(1, epoch, 1, 10)]).await.remove(0);
        assert_eq!(result.is_ok(), expected, "{result:?}");
    }
    assert_eq!(
        log.read_from(PartitionId(1), Seq(1), 100)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_model_shows_every_failure() {
    let log = ModelLog::new();
    let epoch = log.acquire(PartitionId(1)).await.unwrap().epoch;
    let send = |seq| log.append(vec![chunk(1, epoch, seq, 10)]);
    for (fault, stored) in [(Fault::Refuse, 0), (Fault::Full, 0), (Fault::LoseAnswer, 1)] {
        log.inject(fault);
        let error = send(1).await.remove(0).unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(
            log.read_from(PartitionId(1), Seq(1), 100)
                .await
                .unwrap()
                .len(),
            stored
        );
    }
    assert_eq!(send(1).await, [Ok(())]);
    log.hold();
    let mut held = send(2);
    assert!(futures::poll!(&mut held).is_pending());
    log.release();
    assert_eq!(held.await, [Ok(())]);
    assert_eq!(log.appends(), 5);
}
