//! Taking a snapshot: parts, then the manifest, then the pointer; then what is of no use any more is deleted.

use std::collections::{BTreeMap, BTreeSet};

use object_store::path::Path;
use stepfleet_engine::PartitionId;

use super::manifest::{Layer, Manifest, Part, Pointer};
use super::objects::{Expected, Found};
use super::part::{Encoded, Rows, all_rows, next_part};
use super::pointer::Seen;
use super::{Changes, Covered, Snapshots, Written};
use crate::error::StoreError;
use crate::log::{Epoch, Seq};
use crate::state::StateStore as _;
use crate::state::partition::PartitionRows;

/// What a writer finds.
#[derive(Debug)]
struct Before {
    seen: Seen,
    /// The pointed snapshot, when all of it can be built upon.
    manifest: Option<Manifest>,
    objects: Vec<Found>,
}

impl Snapshots {
    /// What the newest snapshot of a partition covers; the log may be trimmed up to it.
    pub async fn covered(&self, partition: PartitionId) -> Result<Option<Covered>, StoreError> {
        let seen = self.pointers.read(partition).await?;
        Ok(seen.pointer.map(|pointer| pointer.covered))
    }

    /// Writes a snapshot at the rows' last checkpoint, for the owner at `epoch`. With changes, only these are written, where
    /// the newest snapshot allows it. Rows may go on changing: replay from the checkpoint makes them agree; retention must
    /// rest meanwhile. Nothing but what the answer covers may be trimmed. Dropped or failed, it leaves the older snapshot
    /// as it was, and the next call goes on.
    pub async fn write(
        &self,
        rows: &PartitionRows,
        epoch: Epoch,
        changes: Option<Changes>,
    ) -> Result<Written, StoreError> {
        let partition = rows.partition();
        let seq = checkpoint_of(rows).await?;
        let covered = Covered { epoch, seq };
        self.pointers.check_owner(partition, epoch).await?;
        let seen = self.pointers.read(partition).await?;
        if let Some(pointer) = seen.pointer.filter(|pointer| pointer.covered.seq >= seq) {
            return Ok(nothing_new(pointer.covered));
        }
        let before = self.before(partition, seen).await?;
        let usable = before.manifest.as_ref().filter(|manifest| {
            let since = changes.as_ref().map(|changes| changes.since);
            since.is_some_and(|since| since <= manifest.covered.seq)
                && !manifest.is_due_for_a_base()
        });
        let (mut layers, source) = match (usable, changes) {
            (Some(manifest), Some(changes)) => (manifest.layers.clone(), changes.rows),
            (None, _) | (_, None) => (Vec::new(), all_rows(rows.clone())),
        };
        let is_base = layers.is_empty();
        let layer = self.write_layer(partition, covered, source).await?;
        let (count, bytes) = (layer.rows(), layer.bytes());
        if is_base || !layer.parts.is_empty() {
            layers.push(layer);
        }
        let manifest = Manifest {
            partition,
            covered,
            previous: seen.pointer,
            layers,
        };
        self.point_to(&manifest, &seen).await?;
        Ok(Written {
            covered,
            rows: count,
            bytes,
            is_base,
            deleted: self.clean(&manifest, &before).await,
        })
    }

    async fn before(&self, partition: PartitionId, seen: Seen) -> Result<Before, StoreError> {
        let objects = self.objects.list(partition).await?;
        let manifest = match &seen.pointer {
            None => None,
            Some(pointer) => match self.manifest(partition, pointer).await {
                Ok(manifest) => Some(manifest),
                // The rows are here: a new base makes up for what is lost in the object store.
                Err(error @ StoreError::Corrupt(_)) => {
                    tracing::error!(partition = partition.0, %error, "snapshot is damaged; all rows are written anew");
                    None
                }
                Err(error) => return Err(error),
            },
        };
        let lengths: BTreeMap<&Path, u64> = objects
            .iter()
            .map(|found| (&found.path, found.length))
            .collect();
        let is_whole = |manifest: &Manifest| {
            let parts = self.parts(manifest);
            let mut lost =
                parts.filter(|(path, part)| lengths.get(path) != Some(&part.object.length));
            lost.next().is_none()
        };
        let manifest = manifest.filter(is_whole);
        Ok(Before {
            seen,
            manifest,
            objects,
        })
    }

    async fn write_layer(
        &self,
        partition: PartitionId,
        covered: Covered,
        mut source: Rows,
    ) -> Result<Layer, StoreError> {
        let part_bytes = self.part_bytes;
        let mut parts = Vec::new();
        loop {
            let taken = blocking(move || {
                let part = next_part(&mut source, part_bytes)?;
                Ok((source, part))
            });
            let (rest, part) = taken.await?;
            source = rest;
            let Some(Encoded { bytes, rows }) = part else {
                return Ok(Layer { covered, parts });
            };
            let object = Expected::of(&bytes);
            let path = self
                .objects
                .part(partition, covered, parts.len(), &object.hash);
            self.objects.put(&path, bytes).await?;
            parts.push(Part { object, rows });
        }
    }

    async fn point_to(&self, manifest: &Manifest, seen: &Seen) -> Result<(), StoreError> {
        let (partition, covered) = (manifest.partition, manifest.covered);
        let bytes = manifest.encode();
        let pointer = Pointer {
            covered,
            manifest: Expected::of(&bytes),
        };
        let path = self
            .objects
            .manifest(partition, covered, &pointer.manifest.hash);
        self.objects.put(&path, bytes.into()).await?;
        self.pointers
            .set(partition, covered.epoch, seen, &pointer)
            .await
    }

    /// Deletes what neither the newest snapshot nor the one before needs, of writers that cannot point to it any more: those of
    /// older epochs, and earlier attempts of this one. What cannot be deleted now is found again the next time.
    async fn clean(&self, manifest: &Manifest, before: &Before) -> u64 {
        let (partition, newest) = (manifest.partition, manifest.covered);
        let mut needed: BTreeSet<Path> = self.parts(manifest).map(|(path, _)| path).collect();
        if let Some(previous) = &before.manifest {
            needed.extend(self.parts(previous).map(|(path, _)| path));
        }
        if let Some(pointer) = &before.seen.pointer {
            let hash = &pointer.manifest.hash;
            needed.insert(self.objects.manifest(partition, pointer.covered, hash));
        }
        // The new manifest may be of an earlier attempt, and have been listed.
        let hash = Expected::of(&manifest.encode()).hash;
        needed.insert(self.objects.manifest(partition, newest, &hash));
        let is_over = |found: &&Found| {
            let writer = self.objects.written_for(partition, &found.path);
            writer.is_some_and(|writer| (writer.epoch, writer.seq) <= (newest.epoch, newest.seq))
                && !needed.contains(&found.path)
        };
        let mut deleted = 0;
        for found in before.objects.iter().filter(is_over) {
            if let Err(error) = self.objects.delete(&found.path).await {
                tracing::warn!(partition = partition.0, %error, "old snapshot stays for now");
                break;
            }
            deleted += 1;
        }
        deleted
    }

    /// The parts of a snapshot and where they are, in the order in which they are read.
    pub(super) fn parts(&self, manifest: &Manifest) -> impl Iterator<Item = (Path, Part)> {
        let partition = manifest.partition;
        manifest.layers.iter().flat_map(move |layer| {
            let parts = layer.parts.iter().enumerate();
            parts.map(move |(index, part)| {
                let hash = &part.object.hash;
                let path = self.objects.part(partition, layer.covered, index, hash);
                (path, *part)
            })
        })
    }

    /// The manifest that a pointer names.
    pub(super) async fn manifest(
        &self,
        partition: PartitionId,
        pointer: &Pointer,
    ) -> Result<Manifest, StoreError> {
        let (covered, expected) = (pointer.covered, &pointer.manifest);
        let path = self.objects.manifest(partition, covered, &expected.hash);
        let damaged = |what: &str| StoreError::Corrupt(format!("object {path}: {what}"));
        let found = self.objects.get(&path, expected).await?;
        let bytes = found.ok_or_else(|| damaged("it is gone"))?;
        let manifest = Manifest::decode(&bytes).map_err(|error| damaged(&error.to_string()))?;
        if manifest.partition != partition || manifest.covered != covered {
            return Err(damaged("it is of another snapshot than is pointed to"));
        }
        Ok(manifest)
    }
}

fn nothing_new(covered: Covered) -> Written {
    Written {
        covered,
        rows: 0,
        bytes: 0,
        is_base: false,
        deleted: 0,
    }
}

async fn checkpoint_of(rows: &PartitionRows) -> Result<Seq, StoreError> {
    let (rows, partition) = (rows.clone(), rows.partition());
    let covered = blocking(move || rows.last_checkpoint()).await?;
    let of_it = covered.into_iter().find(|(of, _)| *of == partition);
    of_it.map(|(_, seq)| seq).ok_or_else(|| {
        StoreError::Unavailable(format!(
            "partition {} has no checkpoint yet; take one before its snapshot",
            partition.0
        ))
    })
}

/// Makes calls that block, on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let outcome = tokio::task::spawn_blocking(call).await;
    outcome.unwrap_or_else(|error| {
        Err(StoreError::Broken(format!(
            "a thread of a snapshot ended: {error}"
        )))
    })
}
