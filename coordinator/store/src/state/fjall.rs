//! The embedded state store: one fjall database, one keyspace per table. Writes reach the operating system, never wait
//! for the disk; a checkpoint makes all of them durable. The log is the truth, so what a crash takes is written again.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, PersistMode};
use stepfleet_engine::PartitionId;

use super::{Entry, Order, Row, StateStore, TABLES, Table, check_rows, checkpoint};
use crate::error::StoreError;
use crate::log::Seq;
use crate::log::local::{Disk, SystemDisk};

/// Bytes of journals on disk at most before tables are flushed; fjall's own least.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// How much the store may take.
#[derive(Clone, Debug)]
pub struct FjallOptions {
    /// Bytes of the block cache.
    pub cache_bytes: u64,
    /// Bytes of one table's memtable; up to three of them per busy table are in memory.
    pub memtable_bytes: u64,
    /// Threads that flush and compact.
    pub threads: usize,
    /// Files kept open.
    pub files_max: usize,
    /// Writes are refused as `Full` while the disk has fewer free bytes than this. Smaller than the log's reserve: the
    /// log stops first, and checkpoints still find room. A write that met a full disk would poison the database.
    pub reserve_bytes: u64,
    /// How free space is asked for.
    pub disk: Arc<dyn Disk>,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 8 * 1024 * 1024,
            memtable_bytes: 4 * 1024 * 1024,
            threads: 1,
            files_max: 256,
            reserve_bytes: 64 * 1024 * 1024,
            disk: Arc::new(SystemDisk),
        }
    }
}

/// The store.
pub struct FjallStore {
    folder: PathBuf,
    options: FjallOptions,
    database: Database,
    /// In the order of [`TABLES`].
    keyspaces: Vec<Keyspace>,
}

impl FjallStore {
    /// Opens the store in `folder`, creating it when it is not there. Blocks.
    pub fn open(folder: &Path, options: FjallOptions) -> Result<Self, StoreError> {
        guarded(|| {
            let database = Database::builder(folder)
                .cache_size(options.cache_bytes)
                .max_cached_files(Some(options.files_max.max(10)))
                .max_journaling_size(JOURNAL_BYTES)
                .worker_threads(options.threads.max(1))
                .open()?;
            let create =
                || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
            let keyspaces = TABLES
                .iter()
                .map(|table| database.keyspace(name(*table), create))
                .collect::<Result<_, _>>()?;
            Ok((database, keyspaces))
        })
        .map(|(database, keyspaces)| Self {
            folder: folder.to_owned(),
            options,
            database,
            keyspaces,
        })
    }

    /// Bytes on disk.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        guarded(|| self.database.disk_space())
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        let at = TABLES
            .iter()
            .position(|other| *other == table)
            .expect("every table is in TABLES");
        &self.keyspaces[at]
    }

    fn check_space(&self) -> Result<(), StoreError> {
        let free = self
            .options
            .disk
            .free_bytes(&self.folder)
            .map_err(|error| {
                StoreError::Unavailable(format!("cannot ask for free space: {error}"))
            })?;
        if free < self.options.reserve_bytes {
            return Err(StoreError::Full(format!(
                "{free} bytes are free in {}, {} are kept in reserve",
                self.folder.display(),
                self.options.reserve_bytes
            )));
        }
        Ok(())
    }
}

impl StateStore for FjallStore {
    fn write(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        check_rows(&rows)?;
        self.check_space()?;
        guarded(|| {
            let mut batch = self.database.batch();
            for row in rows {
                match row.value {
                    Some(value) => batch.insert(self.keyspace(row.table), row.key, value),
                    None => batch.remove(self.keyspace(row.table), row.key),
                }
            }
            batch.commit()
        })
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if key.is_empty() {
            return Ok(None);
        }
        guarded(|| Ok(self.keyspace(table).get(key)?.map(|value| value.to_vec())))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        guarded(|| {
            let range = self.keyspace(table).range(from..to);
            let owned = |guard: fjall::Guard| {
                guard
                    .into_inner()
                    .map(|(key, value)| (key.to_vec(), value.to_vec()))
            };
            match order {
                Order::Ascending => range.take(limit).map(owned).collect(),
                Order::Descending => range.rev().take(limit).map(owned).collect(),
            }
        })
    }

    fn checkpoint(&self, covered: &[(PartitionId, Seq)]) -> Result<(), StoreError> {
        self.check_space()?;
        guarded(|| {
            self.database.persist(PersistMode::SyncAll)?;
            self.keyspace(Table::Meta)
                .insert(checkpoint::KEY, checkpoint::encode(covered))?;
            self.database.persist(PersistMode::SyncAll)
        })
    }

    fn last_checkpoint(&self) -> Result<Vec<(PartitionId, Seq)>, StoreError> {
        self.get(Table::Meta, checkpoint::KEY)?
            .map_or(Ok(Vec::new()), |value| checkpoint::decode(&value))
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Keyspace of a table; stable.
fn name(table: Table) -> &'static str {
    match table {
        Table::Meta => "meta",
        Table::Execution => "execution",
        Table::History => "history",
        Table::Listing => "listing",
        Table::Live => "live",
        Table::Control => "control",
    }
}

/// Calls the database. It panics where one of its own threads died; that is an answer here, not our end.
fn guarded<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| translate(&error)),
        Err(_) => Err(StoreError::Unavailable(
            "the state store panicked; restart the process".to_owned(),
        )),
    }
}

fn translate(error: &Error) -> StoreError {
    let text = format!("state store: {error}");
    if let Error::Io(io) | Error::Storage(fjall::LsmError::Io(io)) = error {
        let full = matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        return if full {
            StoreError::Full(text)
        } else {
            StoreError::Unavailable(text)
        };
    }
    if matches!(error, Error::Poisoned) {
        return StoreError::Unavailable(format!("{text}; restart the process"));
    }
    if matches!(error, Error::Locked | Error::KeyspaceDeleted) {
        return StoreError::Unavailable(text);
    }
    StoreError::Corrupt(text)
}
