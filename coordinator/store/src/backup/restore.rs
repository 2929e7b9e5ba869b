//! Making a data folder from a backup: everything is checked before anything is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use stepfleet_engine::PartitionId;
use tokio::runtime::Runtime;

use super::Totals;
use super::frame::{
    BACKUP, FrameReader, Kind, decode_chunks, decode_format, decode_rows, decode_totals,
};
use super::write::runtime;
use crate::error::StoreError;
use crate::folder::{DataFolder, FolderError, Format};
use crate::log::local::{self, LocalLog};
use crate::log::{Append, Chunk, Epoch, PartitionLog as _, Seq};
use crate::state::fjall::{FjallOptions, FjallStore};
use crate::state::{StateStore as _, checkpoint};

/// How the new folder is written.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Segment size, disk reserve and sync of the new log.
    pub log: local::Options,
    /// How the new state store is opened.
    pub state: FjallOptions,
}

/// Why a restore failed. The folder is unusable then, if it was begun.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup file cannot be opened or read.
    #[error("cannot read the backup {}: {source}", path.display())]
    Read {
        /// The backup file.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The target is in use, not empty, or cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The backup is corrupt, or the new log or state store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the first pass learns.
#[derive(Debug, Default)]
struct Contents {
    totals: Totals,
    format: Option<Format>,
    /// By partition: the last chunk that the rows cover.
    covered: Vec<(PartitionId, Seq)>,
    partitions: BTreeMap<PartitionId, Seen>,
}

/// A partition's chunks in a backup.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    epoch: Epoch,
    last: Seq,
}

/// Makes the data folder `target`, which must be empty or not exist. Blocks.
pub fn restore(
    file: &Path,
    target: &Path,
    options: &RestoreOptions,
) -> Result<Totals, RestoreError> {
    let mut contents = Contents::default();
    read_all(file, |kind, bytes| contents.take(kind, &bytes))?;
    let format = contents.checked_format()?;
    let folder = DataFolder::begin_restore(target, format)?;
    let store = FjallStore::open(&folder.state_path(), options.state.clone())?;
    let log = LocalLog::open(&folder.log_path(), options.log.clone())?;
    let runtime = runtime()?;
    for (partition, seen) in &contents.partitions {
        let base = contents.covered(*partition);
        runtime.block_on(log.restore(*partition, Epoch(seen.epoch.0.max(1)), base))?;
    }
    read_all(file, |kind, bytes| match kind {
        Kind::Rows => store.write(decode_rows(&bytes)?),
        Kind::Chunks => {
            let (partition, chunks) = decode_chunks(&bytes)?;
            let epoch = contents
                .partitions
                .get(&partition)
                .map_or(Epoch(1), |seen| seen.epoch);
            append(&runtime, &log, (partition, epoch), chunks)
        }
        Kind::Format | Kind::Checkpoint | Kind::Changes | Kind::End => Ok(()),
    })?;
    store.checkpoint(&contents.covered)?;
    drop((store, log));
    folder.restored()?;
    Ok(contents.totals)
}

/// Reads a backup's frames up to its end, which must be the file's.
fn read_all(
    path: &Path,
    mut each: impl FnMut(Kind, Vec<u8>) -> Result<(), StoreError>,
) -> Result<(), RestoreError> {
    let unreadable = |source| RestoreError::Read {
        path: path.to_owned(),
        source,
    };
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut frames = FrameReader::begin(file, BACKUP)?;
    loop {
        let (kind, bytes) = frames.read()?;
        each(kind, bytes)?;
        if kind == Kind::End {
            break;
        }
    }
    if !frames.is_at_end().map_err(unreadable)? {
        return Err(StoreError::Corrupt("the backup goes on behind its end".to_owned()).into());
    }
    Ok(())
}

impl Contents {
    fn take(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), StoreError> {
        match kind {
            Kind::Format => self.format = Some(decode_format(bytes)?),
            Kind::Checkpoint => {
                self.covered = checkpoint::decode(bytes)?;
                for (partition, seq) in &self.covered {
                    self.partitions.insert(
                        *partition,
                        Seen {
                            epoch: Epoch(1),
                            last: *seq,
                        },
                    );
                }
            }
            Kind::Rows => self.totals.rows += decode_rows(bytes)?.len() as u64,
            Kind::Chunks => {
                let (partition, chunks) = decode_chunks(bytes)?;
                self.totals.chunks += chunks.len() as u64;
                let seen = self.partitions.entry(partition).or_default();
                for chunk in chunks {
                    if chunk.seq.0 != seen.last.0 + 1 {
                        let (partition, last, seq) = (partition.0, seen.last.0, chunk.seq.0);
                        return Err(StoreError::Corrupt(format!(
                            "the backup holds chunk {seq} of partition {partition} after {last}"
                        )));
                    }
                    *seen = Seen {
                        epoch: seen.epoch.max(chunk.epoch),
                        last: chunk.seq,
                    };
                }
            }
            Kind::Changes => {
                return Err(StoreError::Corrupt(
                    "the backup holds part of a snapshot".to_owned(),
                ));
            }
            Kind::End => {
                let totals = decode_totals(bytes)?;
                if totals != self.totals {
                    return Err(StoreError::Corrupt(format!(
                        "the backup holds {:?} of {totals:?}",
                        self.totals
                    )));
                }
            }
        }
        Ok(())
    }

    fn checked_format(&self) -> Result<Format, StoreError> {
        self.format
            .ok_or_else(|| StoreError::Corrupt("the backup does not say its format".to_owned()))
    }

    fn covered(&self, partition: PartitionId) -> Seq {
        self.covered
            .iter()
            .find(|(of, _)| *of == partition)
            .map_or(Seq(0), |(_, seq)| *seq)
    }
}

/// Appends under the last epoch of the backup: older ones are over.
fn append(
    runtime: &Runtime,
    log: &LocalLog,
    (partition, epoch): (PartitionId, Epoch),
    chunks: Vec<Chunk>,
) -> Result<(), StoreError> {
    let appends = chunks.into_iter().map(|chunk| Append {
        partition,
        epoch,
        seq: chunk.seq,
        batch: chunk.batch,
        chunk: chunk.bytes,
    });
    runtime
        .block_on(log.append(appends.collect()))
        .into_iter()
        .collect()
}
