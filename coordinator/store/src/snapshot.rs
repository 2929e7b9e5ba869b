//! Snapshots of a partition's rows in an object store, so that a process that never had them can take the partition over and
//! the log in etcd can be trimmed: a manifest, the parts that it names, and a key in etcd that points to the newest. Objects
//! are named by what they hold (`<folder>/snap/<pppp>/<epoch>-<seq>/<n>-<hash>` and `.../manifest-<hash>`) and never change, so
//! an attempt that is made again, or one that died, damages nothing that is pointed to. The pointer moves on the condition
//! that the writer owns the partition and the covered sequence grows. Nothing else may leave the log than what it covers.

mod manifest;
mod objects;
mod part;
mod pointer;
mod restore;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;

use self::objects::Objects;
use self::pointer::Pointers;
use crate::error::StoreError;
use crate::etcd::Etcd;
use crate::log::{Epoch, Seq};
use crate::state::Row;

/// Where snapshots are, and how long the object store may take.
#[derive(Clone, Debug)]
pub struct SnapshotOptions {
    /// Folder of the cluster's objects, as `<prefix>/<cluster>`.
    pub folder: String,
    /// Prefix of the cluster's keys in etcd; the log's.
    pub prefix: String,
    /// How long the object store may take for one object.
    pub patience: Duration,
    /// Bytes at which a part ends.
    pub part_bytes: usize,
}

/// The snapshots of a cluster.
#[derive(Clone, Debug)]
pub struct Snapshots {
    objects: Objects,
    pointers: Pointers,
    part_bytes: usize,
}

/// Rows that changed since an earlier snapshot.
pub struct Changes {
    /// All changes are there that were made after the rows covered this sequence.
    pub since: Seq,
    /// As the rows are now, read in the order of a backup (executions before histories); one without a value was deleted.
    pub rows: Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>,
}

/// What covers a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Epoch under which the snapshot was written.
    pub epoch: Epoch,
    /// The last chunk that it covers.
    pub seq: Seq,
}

/// What a call of [`Snapshots::write`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The newest snapshot; the log may be trimmed up to it.
    pub covered: Covered,
    /// Rows that were written. None when the pointed snapshot covers the rows' checkpoint already.
    pub rows: u64,
    /// Bytes of new objects.
    pub bytes: u64,
    /// Whether all rows were written, and not just changes.
    pub is_base: bool,
    /// Old objects that were deleted.
    pub deleted: u64,
}

/// What a call of [`Snapshots::restore`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the rows cover now: the log is read from the next chunk on.
    pub covered: Covered,
    /// Rows in all layers.
    pub rows: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

impl SnapshotOptions {
    /// The usual sizes and times.
    pub fn new(folder: &str, prefix: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            prefix: prefix.to_owned(),
            patience: Duration::from_secs(60),
            part_bytes: 8 * 1024 * 1024,
        }
    }
}

impl Snapshots {
    /// Snapshots in an object store, pointed to from etcd.
    pub fn new(objects: Arc<dyn ObjectStore>, etcd: Arc<Etcd>, options: &SnapshotOptions) -> Self {
        Self {
            objects: Objects::new(objects, &options.folder, options.patience),
            pointers: Pointers::new(etcd, &options.prefix),
            part_bytes: options.part_bytes,
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}
