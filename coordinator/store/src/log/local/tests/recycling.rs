//! Segments follow each other, are reused when trimmed, and a missing one is noticed.

use super::*;

const LARGE: usize = 1024 * 1024;

fn files(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path()).unwrap().count()
}

#[tokio::test]
async fn chunks_run_on_over_segments() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder);
    let epoch = acquire(&log, 1).await.epoch;
    for seq in 1..=20 {
        append(&log, chunk(1, epoch, seq, LARGE)).await.unwrap();
    }
    assert_eq!(log.stats().segments, 5);
    drop(log);
    let log = open(&folder);
    let chunks = read(&log, 1, 1).await;
    assert_eq!(chunks.len(), 20);
    assert!(chunks.iter().all(|chunk| {
        chunk
            .bytes
            .iter()
            .all(|byte| *byte == chunk.seq.0.to_le_bytes()[0])
    }));
    append(&log, chunk(1, epoch, 21, LARGE)).await.unwrap();
}

#[tokio::test]
async fn trimmed_segments_are_used_again() {
    let folder = TempDir::new().unwrap();
    let mut log = open(&folder);
    let epoch = acquire(&log, 1).await.epoch;
    // A quiet partition needs nothing in the log to be remembered.
    let quiet = acquire(&log, 2).await.epoch;
    append(&log, chunk(2, quiet, 1, 10)).await.unwrap();
    log.trim(PartitionId(2), Seq(1)).await.unwrap();
    for seq in 1..=100 {
        append(&log, chunk(1, epoch, seq, LARGE)).await.unwrap();
        if seq % 10 == 0 {
            log.trim(PartitionId(1), Seq(seq - 2)).await.unwrap();
        }
        if seq % 33 == 0 {
            drop(log);
            log = open(&folder);
        }
    }
    assert!(log.stats().segments <= 3, "{:?}", log.stats());
    drop(log);
    assert!(files(&folder) <= 8, "{} files", files(&folder));
    let log = open(&folder);
    assert_eq!(read(&log, 1, 99).await.len(), 2);
    assert_eq!(
        acquire(&log, 2).await,
        Acquired {
            epoch: Epoch(quiet.0 + 1),
            last: Seq(1)
        }
    );
}

#[tokio::test]
async fn a_missing_segment_is_refused() {
    for missing in 0..4 {
        let folder = TempDir::new().unwrap();
        let log = open(&folder);
        let epoch = acquire(&log, 1).await.epoch;
        for seq in 1..=14 {
            append(&log, chunk(1, epoch, seq, LARGE)).await.unwrap();
        }
        drop(log);
        std::fs::remove_file(segment::SegmentFile::path(folder.path(), missing)).unwrap();
        match LocalLog::open(folder.path(), options()) {
            Err(StoreError::Corrupt(text)) => {
                assert!(missing < 3 && text.contains("missing"), "{text}")
            }
            other => {
                let log = other.unwrap();
                assert!(
                    read(&log, 1, 1).await.len() >= 12,
                    "the newest file was only prepared or is the very end"
                );
                assert_eq!(missing, 3);
            }
        }
    }
}

#[tokio::test]
async fn a_copied_segment_is_refused() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder);
    acquire(&log, 1).await;
    drop(log);
    let path = |slot| segment::SegmentFile::path(folder.path(), slot);
    std::fs::copy(path(0), path(77)).unwrap();
    let error = LocalLog::open(folder.path(), options())
        .unwrap_err()
        .to_string();
    assert!(error.contains("both segment 1"), "{error}");
}

#[tokio::test]
async fn leftovers_of_interrupted_preparations_are_cleaned_up() {
    let folder = TempDir::new().unwrap();
    let path = |slot| segment::SegmentFile::path(folder.path(), slot);
    std::fs::write(path(5), b"").unwrap();
    std::fs::write(path(6), vec![0; 5000]).unwrap();
    std::fs::write(folder.path().join("notes.txt"), b"not ours").unwrap();
    let log = open(&folder);
    let epoch = acquire(&log, 1).await.epoch;
    append(&log, chunk(1, epoch, 1, 10)).await.unwrap();
    assert!(!path(5).exists() && !path(6).exists());
    assert!(folder.path().join("notes.txt").exists());
}

#[tokio::test]
async fn another_segment_size_reads_what_is_there() {
    let folder = TempDir::new().unwrap();
    let log = open(&folder);
    let epoch = acquire(&log, 1).await.epoch;
    append(&log, chunk(1, epoch, 1, LARGE)).await.unwrap();
    drop(log);
    let larger = Options {
        segment_bytes: 2 * SEGMENT_BYTES_MIN,
        ..options()
    };
    let log = LocalLog::open(folder.path(), larger.clone()).unwrap();
    for seq in 2..=20 {
        append(&log, chunk(1, epoch, seq, LARGE)).await.unwrap();
    }
    log.trim(PartitionId(1), Seq(15)).await.unwrap();
    drop(log);
    assert_eq!(read(&open(&folder), 1, 16).await.len(), 5);
}

#[tokio::test]
async fn reads_during_trims_and_reuse_are_right_or_refused() {
    let folder = TempDir::new().unwrap();
    let log = Arc::new(open(&folder));
    let epoch = acquire(&log, 1).await.epoch;
    for seq in 1..=60 {
        append(&log, chunk(1, epoch, seq, LARGE)).await.unwrap();
        let reading = log.read_from(
            PartitionId(1),
            Seq(seq.saturating_sub(3).max(1)),
            usize::MAX,
        );
        log.trim(PartitionId(1), Seq(seq.saturating_sub(2)))
            .await
            .unwrap();
        match reading.await {
            Ok(chunks) => assert!(
                chunks
                    .iter()
                    .all(|chunk| chunk.bytes[0] == chunk.seq.0.to_le_bytes()[0])
            ),
            Err(error) => assert!(error.to_string().contains("trimmed"), "{error}"),
        }
    }
}
