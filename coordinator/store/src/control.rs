//! Control records: state machines, revisions, activities, credentials, settings. Few, small, compared and set. One trait; what
//! keeps them is the system partition of a log on a single node, and etcd in a cluster.

pub mod etcd;

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::error::StoreError;

/// One record. The version grows with every change of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What a change of the record must expect.
    pub version: u64,
    /// As it was set.
    pub value: Arc<[u8]>,
}

/// Why a change did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The record is not at the expected version.
    #[error("the record was changed by somebody else")]
    Conflict,
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Records by key, with compare-and-set.
pub trait ControlStore: Debug + Send + Sync {
    /// A record. In a cluster it may be a moment old; see [`ControlStore::refresh`].
    fn get(&self, key: &str) -> Option<Entry>;
    /// Records whose key begins with `prefix`, by key.
    fn scan(&self, prefix: &str) -> Vec<(String, Entry)>;
    /// A record as it is now, whoever changed it: what is missing or too old is asked for before that is told to anybody.
    fn refresh<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StoreError>>;
    /// Sets (or with `None` deletes) a record, if its version is `expected` (`None`: it does not exist). Durable when
    /// it answers.
    fn put(
        &self,
        key: String,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'_, Result<(), ControlError>>;
}
