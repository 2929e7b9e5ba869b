//! The pointer to the newest snapshot, a key in etcd. It moves under the same condition as the log: the writer owns the
//! partition. So one who lost it can move nothing back.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse};
use stepfleet_engine::PartitionId;

use super::manifest::Pointer;
use crate::error::StoreError;
use crate::etcd::Etcd;
use crate::log::Epoch;
use crate::log::etcd::keys::Keys;
use crate::log::etcd::{protocol, requests};

/// The pointers of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Pointers {
    etcd: Arc<Etcd>,
    keys: Keys,
}

/// A pointer as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) pointer: Option<Pointer>,
    revision: i64,
}

impl Pointers {
    pub(super) fn new(etcd: Arc<Etcd>, prefix: &str) -> Self {
        Self {
            etcd,
            keys: Keys::new(prefix),
        }
    }

    pub(super) async fn read(&self, partition: PartitionId) -> Result<Seen, StoreError> {
        let key = self.keys.snapshot(partition);
        let answer = self.etcd.call(|mut client| {
            let key = key.clone();
            async move { client.get(key, None).await }
        });
        answer
            .await?
            .kvs()
            .first()
            .map_or(Ok(Seen::default()), seen)
    }

    /// Points to a newer snapshot, if the partition is owned under the epoch and nobody has moved the pointer.
    pub(super) async fn set(
        &self,
        partition: PartitionId,
        epoch: Epoch,
        before: &Seen,
        pointer: &Pointer,
    ) -> Result<(), StoreError> {
        let key = self.keys.snapshot(partition);
        let mut conditions = requests::compares(&self.keys, partition, &protocol::owned(epoch));
        conditions.push(Compare::mod_revision(
            key.clone(),
            CompareOp::Equal,
            before.revision,
        ));
        let owner = self.keys.owner(partition);
        let txn = Txn::new()
            .when(conditions)
            .and_then([TxnOp::put(key.clone(), pointer.encode(), None)])
            .or_else([
                TxnOp::get(owner, Some(GetOptions::new().with_keys_only())),
                TxnOp::get(key, None),
            ]);
        let answer = self.etcd.txn(&txn).await?;
        if answer.succeeded() {
            return Ok(());
        }
        let mut found = answer.op_responses().into_iter().map(|found| match found {
            TxnOpResponse::Get(found) => found.kvs().first().cloned(),
            TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
        });
        let owner = found.next().flatten().map_or(0, |kv| kv.mod_revision());
        if owner != epoch.0.cast_signed() {
            return Err(StoreError::Fenced(format!(
                "partition {} is at epoch {owner}, its snapshot came under {}",
                partition.0, epoch.0
            )));
        }
        let now = found.next().flatten().as_ref().map(seen).transpose()?;
        // The request had reached etcd before, and its answer was lost.
        if now.is_some_and(|now| now.pointer == Some(*pointer)) {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!(
            "another snapshot of partition {} was taken at the same time; the next one goes on from it",
            partition.0
        )))
    }

    /// Whether the partition is owned under the epoch, so that a whole snapshot is not written for nothing.
    pub(super) async fn check_owner(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> Result<(), StoreError> {
        let key = self.keys.owner(partition);
        let answer = self.etcd.call(|mut client| {
            let key = key.clone();
            async move { client.get(key, None).await }
        });
        let found = answer.await.map_err(StoreError::from)?;
        let owner = found.kvs().first().map_or(0, KeyValue::mod_revision);
        if owner > epoch.0.cast_signed() {
            return Err(StoreError::Fenced(format!(
                "partition {} is at epoch {owner}, its snapshot was begun under {}",
                partition.0, epoch.0
            )));
        }
        Ok(())
    }
}

fn seen(kv: &KeyValue) -> Result<Seen, StoreError> {
    Ok(Seen {
        pointer: Some(Pointer::decode(kv.value())?),
        revision: kv.mod_revision(),
    })
}
