//! What the disk itself can do, measured beside every benchmark: without it, figures of two machines say nothing.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::Context as _;
use nix::sys::stat::{major, minor};

use crate::clock::Stopwatch;

const BLOCK_BYTES: u64 = 4096;
const SYNCS: u64 = 500;
/// Of the kernel's counters, whatever the device has.
const SECTOR_BYTES: f64 = 512.0;

/// Seconds of one 4 KiB write and its fdatasync (median and 99th percentile), to a file that was written before: the
/// file system has no blocks to allocate and no size to change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Measures in `folder`; takes less than a second on an SSD.
pub(crate) fn disk(folder: &Path) -> anyhow::Result<Disk> {
    let path = folder.join("disk-probe");
    let mut times =
        measure(&path).with_context(|| format!("cannot measure in {}", folder.display()))?;
    std::fs::remove_file(&path)?;
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        times
            .get(times.len() * percent / 100)
            .copied()
            .unwrap_or(f64::NAN)
    };
    Ok(Disk {
        p50: at(50),
        p99: at(99),
    })
}

/// Bytes that have been written to the device under `folder`, by anybody; `None` where the kernel does not tell.
/// (`write_bytes` of a process counts whole folios of the page cache: a hundred times too much for small writes.)
pub(crate) fn written_bytes(folder: &Path) -> Option<f64> {
    let device = std::fs::metadata(folder).ok()?.dev();
    let path = format!("/sys/dev/block/{}:{}/stat", major(device), minor(device));
    let stat = std::fs::read_to_string(path).ok()?;
    let sectors: f64 = stat.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * SECTOR_BYTES)
}

fn measure(path: &Path) -> std::io::Result<Vec<f64>> {
    let file = File::create(path)?;
    let block = [0_u8; 4096];
    for number in 0..SYNCS {
        file.write_all_at(&block, number * BLOCK_BYTES)?;
    }
    file.sync_all()?;
    (0..SYNCS)
        .map(|number| {
            let watch = Stopwatch::start();
            file.write_all_at(&block, number * BLOCK_BYTES)?;
            file.sync_data()?;
            Ok(watch.seconds())
        })
        .collect()
}
