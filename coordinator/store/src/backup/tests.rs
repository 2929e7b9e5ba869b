//! What goes into a backup comes out of it, and what is damaged does not.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stepfleet_engine::PartitionId;
use tempfile::TempDir;

use super::*;
use crate::folder::{DataFolder, Format};
use crate::log::local::{LocalLog, Options, SEGMENT_BYTES_MIN, Sync};
use crate::log::model::ModelLog;
use crate::log::{Append, BatchId, Epoch, PartitionLog, Seq};
use crate::state::fjall::{FjallOptions, FjallStore};
use crate::state::memory::MemoryStore;
use crate::state::{Order, Row, StateStore, TABLES, Table};

const FORMAT: Format = Format {
    partitions: 4,
    cluster: 0xC1,
};
const SYSTEM: PartitionId = PartitionId(u16::MAX);

fn options() -> RestoreOptions {
    let log = Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        reserve_bytes: 0,
        sync: Sync::None,
        ..Options::default()
    };
    RestoreOptions {
        log,
        state: FjallOptions::default(),
    }
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Row {
    Row {
        table,
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

/// A log whose partition 0 has chunks 1 to 5, of which 3 are trimmed, and the system partition two, under two epochs.
async fn log() -> ModelLog {
    let log = ModelLog::new();
    for (partition, count) in [(PartitionId(0), 5_u64), (SYSTEM, 2)] {
        for seq in 1..=count {
            let epoch = log.acquire(partition).await.unwrap().epoch;
            let chunk = Bytes::from(format!("{partition:?} {seq}"));
            let append = Append {
                partition,
                epoch,
                seq: Seq(seq),
                batch: BatchId(seq.into()),
                chunk,
            };
            assert_eq!(log.append(vec![append]).await, [Ok(())]);
        }
    }
    log.trim(PartitionId(0), Seq(3)).await.unwrap();
    log
}

fn store() -> MemoryStore {
    let store = MemoryStore::new();
    for table in TABLES {
        let rows = (0..300_u32).map(|number| {
            put(
                table,
                &number.to_be_bytes(),
                format!("{table:?}").as_bytes(),
            )
        });
        store.write(rows.collect()).unwrap();
    }
    store
        .write(vec![put(Table::History, b"large", &vec![5; 3_000_000])])
        .unwrap();
    store
        .checkpoint(&[(PartitionId(0), Seq(3)), (PartitionId(2), Seq(70))])
        .unwrap();
    store
}

fn backup(store: &dyn StateStore, log: &ModelLog) -> Vec<u8> {
    let partitions = (0..4).map(PartitionId).chain([SYSTEM]).collect();
    let mut source = LogSource::new(Arc::new(log.clone()), partitions).unwrap();
    let mut out = Vec::new();
    let totals = write_backup(&mut out, FORMAT, store, &mut source).unwrap();
    assert_eq!(
        totals,
        Totals {
            rows: 6 * 300 + 1,
            chunks: 4
        }
    );
    out
}

fn sample() -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    backup(&store(), &runtime.block_on(log()))
}

fn restore_bytes(bytes: &[u8], target: &Path) -> Result<Totals, RestoreError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    restore(file.path(), target, &options())
}

#[test]
fn a_backup_comes_back() {
    let target = TempDir::new().unwrap();
    let totals = restore_bytes(&sample(), target.path()).unwrap();
    assert_eq!(
        totals,
        Totals {
            rows: 1801,
            chunks: 4
        }
    );
    let folder = DataFolder::open_or_create(
        target.path(),
        Format {
            partitions: 64,
            cluster: 0,
        },
    )
    .unwrap();
    assert_eq!(folder.format(), FORMAT);
    let restored = FjallStore::open(&folder.state_path(), FjallOptions::default()).unwrap();
    let original = store();
    assert_eq!(
        restored.last_checkpoint().unwrap(),
        original.last_checkpoint().unwrap()
    );
    for table in TABLES {
        let all = |store: &dyn StateStore| {
            store
                .scan(table, &[0], &[255; 9], Order::Ascending, 9999)
                .unwrap()
        };
        if table != Table::Meta {
            assert_eq!(all(&restored), all(&original));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let log = LocalLog::open(&folder.log_path(), options().log).unwrap();
        let chunks = log
            .read_from(PartitionId(0), Seq(4), usize::MAX)
            .await
            .unwrap();
        let texts: Vec<&[u8]> = chunks.iter().map(|chunk| &chunk.bytes[..]).collect();
        assert_eq!(texts, [b"PartitionId(0) 4", b"PartitionId(0) 5"]);
        assert_eq!(
            log.read_from(SYSTEM, Seq(1), usize::MAX)
                .await
                .unwrap()
                .len(),
            2
        );
        let acquired = log.acquire(PartitionId(0)).await.unwrap();
        assert_eq!(
            (acquired.last, acquired.epoch),
            (Seq(5), Epoch(6)),
            "epochs go on growing"
        );
        let quiet = log.acquire(PartitionId(2)).await.unwrap();
        assert_eq!(
            quiet.last,
            Seq(70),
            "a covered partition without chunks goes on where it was"
        );
        log.trim(PartitionId(2), Seq(70)).await.unwrap();
    });
}

#[test]
fn a_folder_in_use_or_not_empty_is_refused() {
    let target = TempDir::new().unwrap();
    let bytes = sample();
    let used = DataFolder::open_or_create(target.path(), FORMAT).unwrap();
    let error = restore_bytes(&bytes, target.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("in use"), "{error}");
    drop(used);
    let error = restore_bytes(&bytes, target.path())
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("is not empty"), "{error}");
}

#[test]
fn a_damaged_backup_is_refused_before_anything_is_written() {
    let bytes = sample();
    let target = TempDir::new().unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let error = restore_bytes(&damaged, target.path()).unwrap_err();
        assert!(
            matches!(error, RestoreError::Store(crate::StoreError::Corrupt(_))),
            "{at}: {error}"
        );
        let short = restore_bytes(&bytes[..at], target.path()).unwrap_err();
        assert!(
            matches!(short, RestoreError::Store(crate::StoreError::Corrupt(_))),
            "{at}: {short}"
        );
    }
    let long = [&bytes[..], b"x"].concat();
    assert!(restore_bytes(&long, target.path()).is_err());
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
    restore_bytes(&bytes, target.path()).unwrap();
}

#[test]
fn frames_cannot_be_exchanged() {
    use super::frame::{BACKUP, FrameReader, FrameWriter, Kind};
    let mut bytes = Vec::new();
    let mut frames = FrameWriter::begin(&mut bytes, BACKUP).unwrap();
    frames.write(Kind::Rows, b"same length 1").unwrap();
    frames.write(Kind::Rows, b"same length 2").unwrap();
    frames.finish().unwrap();
    let (head, frames) = bytes.split_at(12);
    let (first, second) = frames.split_at(frames.len() / 2);
    let exchanged = [head, second, first].concat();
    assert!(
        FrameReader::begin(&exchanged[..], BACKUP)
            .unwrap()
            .read()
            .is_err()
    );
}

#[test]
fn other_files_are_refused() {
    let target = TempDir::new().unwrap();
    let error = restore_bytes(b"-- MySQL dump 10.13", target.path())
        .unwrap_err()
        .to_string();
    assert_eq!(error, "storage corrupt: this is not a Stepfleet backup");
    let error = restore(Path::new("/nowhere"), target.path(), &options())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot read the backup /nowhere"),
        "{error}"
    );
}

#[test]
fn a_failing_output_is_reported() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut source = LogSource::new(Arc::new(ModelLog::new()), Vec::new()).unwrap();
    let failed = write_backup(&mut Full, FORMAT, &MemoryStore::new(), &mut source);
    assert!(
        matches!(failed, Err(crate::StoreError::Unavailable(_))),
        "{failed:?}"
    );
}
