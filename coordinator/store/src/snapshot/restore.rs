//! Reading a snapshot into the rows of a process: all of it or nothing.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::manifest::Manifest;
use super::part::read_part;
use super::write::blocking;
use super::{Restored, Snapshots};
use crate::error::StoreError;
use crate::state::StateStore as _;
use crate::state::partition::PartitionRows;

/// Writes rows for a restore, and none after the restore was dropped: a thread that still has some to write finds it closed.
#[derive(Debug)]
struct Target {
    rows: PartitionRows,
    is_open: Arc<Mutex<bool>>,
}

impl Snapshots {
    /// Replaces the rows of a partition by its newest snapshot; none, and nothing is touched, when there is no snapshot.
    /// After an error after the rows were begun, they are cleared and there is no checkpoint. Dropped in the middle, it leaves rows
    /// without a checkpoint, which the next restore clears.
    pub async fn restore(&self, rows: &PartitionRows) -> Result<Option<Restored>, StoreError> {
        let partition = rows.partition();
        let seen = self.pointers.read(partition).await?;
        let Some(pointer) = seen.pointer else {
            return Ok(None);
        };
        let outcome = match self.manifest(partition, &pointer).await {
            Ok(manifest) => self.restore_from(rows, &manifest).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(restored) => Ok(Some(restored)),
            // Objects leave when newer ones are pointed to; then it is no damage.
            Err(StoreError::Corrupt(what)) if self.pointers.read(partition).await? != seen => {
                Err(StoreError::Unavailable(format!(
                    "a newer snapshot of partition {} came while one was read; read that one ({what})",
                    partition.0
                )))
            }
            Err(error) => Err(error),
        }
    }

    async fn restore_from(
        &self,
        rows: &PartitionRows,
        manifest: &Manifest,
    ) -> Result<Restored, StoreError> {
        let target = Target {
            rows: rows.clone(),
            is_open: Arc::new(Mutex::new(true)),
        };
        target.call(PartitionRows::clear).await?;
        let outcome = self.fill(&target, manifest).await;
        if outcome.is_err()
            && let Err(error) = target.call(PartitionRows::clear).await
        {
            let partition = manifest.partition.0;
            tracing::error!(partition, %error, "rows of a failed restore stay, without a checkpoint");
        }
        outcome
    }

    async fn fill(&self, target: &Target, manifest: &Manifest) -> Result<Restored, StoreError> {
        let mut restored = Restored {
            covered: manifest.covered,
            rows: 0,
            bytes: 0,
        };
        for (path, part) in self.parts(manifest) {
            let damaged = |what: &dyn std::fmt::Display| {
                StoreError::Corrupt(format!("object {path}: {what}"))
            };
            let found = self.objects.get(&path, &part.object).await?;
            let bytes = found.ok_or_else(|| damaged(&"it is gone"))?;
            restored.bytes += part.object.length;
            restored.rows += part.rows;
            let written = target.call(move |rows| write_part(rows, &bytes, part.rows));
            written.await.map_err(|error| match error {
                StoreError::Corrupt(what) => damaged(&what),
                StoreError::Fenced(_)
                | StoreError::Unavailable(_)
                | StoreError::Full(_)
                | StoreError::Broken(_)
                | StoreError::LimitExceeded(_) => error,
            })?;
        }
        let covered = [(manifest.partition, manifest.covered.seq)];
        target.call(move |rows| rows.checkpoint(&covered)).await?;
        Ok(restored)
    }
}

impl Target {
    async fn call(
        &self,
        call: impl FnOnce(&PartitionRows) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (rows, is_open) = (self.rows.clone(), self.is_open.clone());
        blocking(move || {
            let is_open = is_open.lock().unwrap_or_else(PoisonError::into_inner);
            if *is_open { call(&rows) } else { Ok(()) }
        })
        .await
    }
}

impl Drop for Target {
    /// Waits for the part that is being written, if there is one.
    fn drop(&mut self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

fn write_part(rows: &PartitionRows, bytes: &Bytes, count: u64) -> Result<(), StoreError> {
    read_part(bytes, count, |page| rows.write(page))
}
