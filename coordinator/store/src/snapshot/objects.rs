//! The object store: names, patience, and what its refusals mean. Every failure but damage may pass by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use stepfleet_engine::PartitionId;
use tokio::time::timeout;

use super::Covered;
use crate::error::StoreError;
use crate::log::{Epoch, Seq};

/// SHA-256 of an object.
pub(super) type Hash = [u8; 32];

/// The objects of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    patience: Duration,
}

/// An object that is there.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: Path,
    pub(super) length: u64,
}

/// What an object must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) hash: Hash,
    pub(super) length: u64,
}

impl Expected {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            hash: Sha256::digest(bytes).into(),
            length: bytes.len() as u64,
        }
    }
}

impl Objects {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: &str, patience: Duration) -> Self {
        Self {
            store,
            folder: Path::from(folder),
            patience,
        }
    }

    #[cfg(test)]
    pub(super) fn be_patient_for(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Of part number `index` of what was written for `covered`.
    pub(super) fn part(
        &self,
        partition: PartitionId,
        covered: Covered,
        index: usize,
        hash: &Hash,
    ) -> Path {
        self.object(partition, covered, &format!("{index:06}"), hash)
    }

    pub(super) fn manifest(&self, partition: PartitionId, covered: Covered, hash: &Hash) -> Path {
        self.object(partition, covered, "manifest", hash)
    }

    /// For whose snapshot an object was written; none for what was not written by this code.
    pub(super) fn written_for(&self, partition: PartitionId, path: &Path) -> Option<Covered> {
        let below = path.as_ref().strip_prefix(self.of(partition).as_ref())?;
        let (folder, _name) = below.strip_prefix('/')?.split_once('/')?;
        let (epoch, seq) = folder.split_once('-')?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        Some(Covered {
            epoch: Epoch(number(epoch)?),
            seq: Seq(number(seq)?),
        })
    }

    pub(super) async fn put(&self, path: &Path, bytes: Bytes) -> Result<(), StoreError> {
        let put = self.store.put(path, bytes.into());
        self.in_time("write", path, put).await?;
        Ok(())
    }

    /// An object as it was written; `Corrupt` when it is another one by now. None when it is gone.
    pub(super) async fn get(
        &self,
        path: &Path,
        expected: &Expected,
    ) -> Result<Option<Bytes>, StoreError> {
        let damaged = |what: &str| StoreError::Corrupt(format!("object {path}: {what}"));
        let get = async {
            match self.store.get(path).await {
                // Nothing is read of what has the wrong size: it could be of any.
                Ok(found) if found.meta.size != expected.length => Ok(Some(None)),
                Ok(found) => Ok(Some(Some(found.bytes().await?))),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let Some(found) = self.in_time("read", path, get).await? else {
            return Ok(None);
        };
        let bytes = found.ok_or_else(|| damaged("it has another length than was written"))?;
        if Expected::of(&bytes) != *expected {
            return Err(damaged("its SHA-256 is not that of what was written"));
        }
        Ok(Some(bytes))
    }

    /// Every object of a partition.
    pub(super) async fn list(&self, partition: PartitionId) -> Result<Vec<Found>, StoreError> {
        let folder = self.of(partition);
        let list = self.store.list(Some(&folder)).map_ok(|meta| Found {
            path: meta.location,
            length: meta.size,
        });
        self.in_time("list", &folder, list.try_collect()).await
    }

    /// What is gone already is fine.
    pub(super) async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        let delete = async {
            match self.store.delete(path).await {
                Err(Error::NotFound { .. }) => Ok(()),
                outcome => outcome,
            }
        };
        self.in_time("delete", path, delete).await
    }

    fn of(&self, partition: PartitionId) -> Path {
        let folder = self.folder.clone();
        folder.join("snap").join(format!("{:04x}", partition.0))
    }

    fn object(
        &self,
        partition: PartitionId,
        Covered { epoch, seq }: Covered,
        name: &str,
        hash: &Hash,
    ) -> Path {
        let digits: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        self.of(partition)
            .join(format!("{:016x}-{:016x}", epoch.0, seq.0))
            .join(format!("{name}-{digits}"))
    }

    async fn in_time<T>(
        &self,
        what: &str,
        path: &Path,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        match timeout(self.patience, call).await {
            Ok(outcome) => outcome.map_err(|error| refused(what, path, &error)),
            Err(_elapsed) => Err(StoreError::Unavailable(format!(
                "the object store did not {what} {path} within {:?}: check that it is up and reachable from here; the next snapshot tries again",
                self.patience
            ))),
        }
    }
}

/// Says what to do; the log keeps what is not in a snapshot meanwhile.
fn refused(what: &str, path: &Path, error: &Error) -> StoreError {
    let advice = if matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
    ) {
        "let the coordinator's credentials list, read, write and delete there"
    } else if matches!(error, Error::NotFound { .. }) {
        "check that the bucket or folder exists"
    } else {
        "check that it is up, reachable from here and has space"
    };
    StoreError::Unavailable(format!(
        "the object store does not {what} {path}: {advice}; the next snapshot tries again ({error})"
    ))
}
