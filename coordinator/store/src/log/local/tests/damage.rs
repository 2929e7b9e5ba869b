//! Torn tails are cut, everything else is refused.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::log::local::scan::{Scanned, scan};

/// A closed log: three groups of one chunk, then one group of three chunks in three partitions.
struct Written {
    folder: TempDir,
    path: PathBuf,
    /// Offsets of the six chunks, and the end.
    offsets: Vec<u64>,
}

fn written() -> Written {
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let log = open(&folder);
    let offsets = runtime.block_on(async {
        let epochs = [
            acquire(&log, 0).await.epoch,
            acquire(&log, 1).await.epoch,
            acquire(&log, 2).await.epoch,
        ];
        for seq in 1..=3 {
            append(&log, chunk(0, epochs[0], seq, 40)).await.unwrap();
        }
        let group = vec![
            chunk(0, epochs[0], 4, 40),
            chunk(1, epochs[1], 1, 40),
            chunk(2, epochs[2], 1, 40),
        ];
        assert!(log.append(group).await.iter().all(Result::is_ok));
        let index = log.shared.index();
        let places = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (2, 1)];
        places.map(|(partition, seq)| u64::from(index.entry(partition, seq).unwrap().offset))
    });
    drop(log);
    let mut offsets = offsets.to_vec();
    offsets.push(offsets[5] + frame::framed_bytes(40) as u64);
    let path = SegmentPath::of(&folder);
    Written {
        folder,
        path,
        offsets,
    }
}

struct SegmentPath;

impl SegmentPath {
    fn of(folder: &TempDir) -> PathBuf {
        segment::SegmentFile::path(folder.path(), 0)
    }
}

impl Written {
    fn overwrite(&self, offset: u64, bytes: &[u8]) {
        OpenOptions::new()
            .write(true)
            .open(&self.path)
            .unwrap()
            .write_all_at(bytes, offset)
            .unwrap();
    }

    fn scan(&self) -> Result<Scanned, StoreError> {
        scan(self.folder.path(), &options())
    }

    /// How many of the six chunks are in the index.
    fn survivors(&self) -> Result<usize, StoreError> {
        let index = self.scan()?.index;
        Ok(index
            .states()
            .map(|(_, state)| usize::try_from(state.last).unwrap())
            .sum())
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_there() {
    let written = written();
    let original = std::fs::read(&written.path).unwrap();
    let (first, end) = (written.offsets[3], written.offsets[6]);
    for cut in (first..end).rev() {
        written.overwrite(cut, &[0xEE]);
        written.overwrite(cut + 1, &vec![0; usize::try_from(end - cut - 1).unwrap()]);
        let whole = written
            .offsets
            .iter()
            .skip(1)
            .filter(|offset| **offset <= cut)
            .count();
        assert_eq!(written.survivors().unwrap(), whole, "cut at {cut}");
    }
    std::fs::write(&written.path, original).unwrap();
    assert_eq!(written.survivors().unwrap(), 6);
}

#[test]
fn a_file_cut_short_anywhere_in_its_tail_is_read_up_to_there() {
    let written = written();
    for cut in (written.offsets[3]..written.offsets[6]).rev().step_by(7) {
        OpenOptions::new()
            .write(true)
            .open(&written.path)
            .unwrap()
            .set_len(cut)
            .unwrap();
        let whole = written
            .offsets
            .iter()
            .skip(1)
            .filter(|offset| **offset <= cut)
            .count();
        assert_eq!(written.survivors().unwrap(), whole, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_log_with_a_torn_group_goes_on_and_never_sees_its_remains() {
    for torn in [3, 4] {
        let written = tokio::task::spawn_blocking(written).await.unwrap();
        written.overwrite(written.offsets[torn], &[0; 8]);
        let log = open(&written.folder);
        let acquired = acquire(&log, 0).await;
        assert_eq!(usize::try_from(acquired.last.0).unwrap(), torn.min(4));
        // The next chunk ends exactly where a whole frame of the torn group stands.
        append(&log, chunk(0, acquired.epoch, acquired.last.0 + 1, 40))
            .await
            .unwrap();
        drop(log);
        let log = open(&written.folder);
        assert_eq!(read(&log, 0, 1).await.len() as u64, acquired.last.0 + 1);
        assert_eq!(read(&log, 2, 1).await.len(), 0, "the remains stay dead");
    }
}

#[test]
fn a_bad_frame_before_a_later_group_is_refused_with_its_place() {
    let written = written();
    written.overwrite(written.offsets[1] + 70, &[0xFF]);
    let error = written.scan().unwrap_err().to_string();
    let place = format!(
        "{} (segment 1) is damaged at offset {}",
        written.path.display(),
        written.offsets[1]
    );
    assert!(
        error.contains(&place) && error.contains("restore a backup"),
        "{error}"
    );
}

#[test]
fn a_damaged_header_of_a_used_segment_is_refused() {
    let written = written();
    written.overwrite(9, &[0xFF]);
    let error = written.scan().unwrap_err().to_string();
    assert!(error.contains("the header of"), "{error}");
}

#[test]
fn a_damaged_ledger_of_a_used_segment_is_refused() {
    let written = written();
    written.overwrite(4096 + 66, &[0xFF]);
    assert!(matches!(written.scan(), Err(StoreError::Corrupt(_))));
}

#[test]
fn a_format_of_a_newer_release_is_refused() {
    let written = written();
    let mut header = std::fs::read(&written.path).unwrap()[..32].to_vec();
    header[8] = 9;
    let checksum = crc32fast::hash(&header[..28]).to_le_bytes();
    header[28..].copy_from_slice(&checksum);
    written.overwrite(0, &header);
    let error = written.scan().unwrap_err().to_string();
    assert!(
        error.contains("log format 9, this release reads 1"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever single bit flips, no wrong chunk is read: damage before the last group is refused, damage in it cuts.
    #[test]
    fn a_flipped_bit_never_passes(at in 0.0..1.0_f64, bit in 0..8_u32) {
        let written = written();
        let original = std::fs::read(&written.path).unwrap();
        let (first, last, end) = (4096, written.offsets[3], written.offsets[6]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a small length")]
        let at = first + ((end - first) as f64 * at) as u64;
        let index = usize::try_from(at).unwrap();
        written.overwrite(at, &[original[index] ^ (1 << bit)]);
        match written.survivors() {
            Ok(survivors) if at >= last => prop_assert!(survivors < 6),
            Ok(survivors) => prop_assert!(original[index] == 0 && survivors == 6, "{at} passed"),
            Err(error) => prop_assert!(matches!(error, StoreError::Corrupt(_)) && at < last, "{error}"),
        }
    }

    /// After a power loss any part of the last group may be missing, in any order.
    #[test]
    fn a_group_torn_in_any_order_is_cut(lost in proptest::collection::vec(any::<bool>(), 39)) {
        let written = written();
        let (start, end) = (written.offsets[3], written.offsets[6]);
        for (piece, lost) in lost.iter().enumerate() {
            let at = start + piece as u64 * 8;
            if *lost && at < end {
                written.overwrite(at, &[0; 8]);
            }
        }
        let survivors = written.survivors().unwrap();
        prop_assert!((3..=6).contains(&survivors));
    }
}
