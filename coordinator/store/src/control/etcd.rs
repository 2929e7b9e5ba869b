//! Control records of a cluster: keys of etcd, and a mirror of them in every coordinator.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message as _;
use stepfleet_proto::record::v1::ControlRecord;

use super::{ControlError, ControlStore, Entry};
use crate::error::StoreError;
use crate::etcd::{Etcd, EtcdError, Kept, Mirror};
use crate::log::halves;

/// Records below a prefix of etcd.
#[derive(Debug)]
pub struct EtcdControl {
    etcd: Arc<Etcd>,
    mirror: Mirror,
    incarnation: u128,
    writes: AtomicU64,
}

impl EtcdControl {
    /// Reads the records below `<prefix>/control/`. `incarnation` is drawn by the process: it tells its writes from
    /// those of others.
    pub async fn open(
        etcd: Arc<Etcd>,
        prefix: &str,
        incarnation: u128,
    ) -> Result<Self, StoreError> {
        let mirror = Mirror::open(etcd.clone(), &format!("{prefix}/control/")).await?;
        Ok(Self {
            etcd,
            mirror,
            incarnation,
            writes: AtomicU64::new(0),
        })
    }

    /// Follows what others change. Runs until it is dropped.
    pub async fn follow(&self) {
        self.mirror.follow().await;
    }

    async fn change(
        &self,
        key: String,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> Result<(), ControlError> {
        let count = self.writes.fetch_add(1, Ordering::Relaxed);
        let write = self.incarnation.wrapping_add(u128::from(count));
        let record = value.map(|value| {
            let [write_high, write_low] = halves(write);
            let record = ControlRecord {
                write_high,
                write_low,
                value,
            };
            record.encode_to_vec()
        });
        let full = self.mirror.full(&key);
        let is_expected = match expected {
            Some(version) => {
                Compare::mod_revision(full.clone(), CompareOp::Equal, version.cast_signed())
            }
            None => Compare::create_revision(full.clone(), CompareOp::Equal, 0),
        };
        let change = match &record {
            Some(record) => TxnOp::put(full.clone(), record.clone(), None),
            None => TxnOp::delete(full.clone(), None),
        };
        let txn = Txn::new()
            .when([is_expected])
            .and_then([change])
            .or_else([TxnOp::get(full, None)]);
        let attempts = AtomicU64::new(0);
        let answer = self.etcd.call(|client| {
            attempts.fetch_add(1, Ordering::Relaxed);
            let (mut kv, txn) = (client.kv_client(), txn.clone());
            async move { kv.txn(txn).await }
        });
        let answer = answer.await.map_err(StoreError::from)?;
        let revision = answer
            .header()
            .map_or(0, |header| header.revision().cast_unsigned());
        if answer.succeeded() {
            self.mirror.learn(&key, revision, record.as_deref());
            return Ok(());
        }
        let found = answer
            .op_responses()
            .into_iter()
            .find_map(|found| match found {
                TxnOpResponse::Get(mut found) => found.take_kvs().pop(),
                TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
            });
        let stored = found.as_ref().map(etcd_client::KeyValue::value);
        let version = found
            .as_ref()
            .map_or(revision, |kv| kv.mod_revision().cast_unsigned());
        self.mirror.learn(&key, version, stored);
        // An answer was lost, and this is the second time: the write is there, or what was to go is gone.
        // (One that another has changed since cannot be told from one that never was: a conflict, either way.)
        let is_again = attempts.load(Ordering::Relaxed) > 1;
        let is_done =
            is_again && stored == record.as_deref() && (record.is_some() || expected.is_some());
        if is_done {
            Ok(())
        } else {
            Err(ControlError::Conflict)
        }
    }
}

impl ControlStore for EtcdControl {
    fn get(&self, key: &str) -> Option<Entry> {
        self.mirror.get(key).and_then(|kept| entry(key, &kept))
    }

    fn scan(&self, prefix: &str) -> Vec<(String, Entry)> {
        let kept = self.mirror.scan(prefix).into_iter();
        kept.filter_map(|(key, kept)| Some((entry(&key, &kept)?, key)))
            .map(|(entry, key)| (key, entry))
            .collect()
    }

    fn refresh<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        let refreshed = async move {
            let kept: Result<_, EtcdError> = self.mirror.refresh(key).await;
            Ok(kept?.and_then(|kept| entry(key, &kept)))
        };
        refreshed.boxed()
    }

    fn put(
        &self,
        key: String,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'_, Result<(), ControlError>> {
        Box::pin(self.change(key, expected, value))
    }
}

/// What somebody else has put there is no record.
fn entry(key: &str, kept: &Kept) -> Option<Entry> {
    match ControlRecord::decode(&*kept.value) {
        Ok(record) => Some(Entry {
            version: kept.version,
            value: record.value.into(),
        }),
        Err(error) => {
            tracing::error!(key, %error, "a control record cannot be read");
            None
        }
    }
}
