//! Control records of a single node: all in memory, each change an append to the log's system partition.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use stepfleet_engine::PartitionId;
pub(crate) use stepfleet_store::control::{ControlError, ControlStore, Entry};
use stepfleet_store::records::control as rows;
use stepfleet_store::records::record::ControlChange;
use stepfleet_store::state::Order;
use stepfleet_store::{Append, BatchId, Epoch, PartitionLog, Seq, StateStore, StoreError, Table};

use crate::fatal::Fatal;
use crate::writer::{Write, WriterHandle};

/// The partition of the log that holds control records; no execution hashes to it.
pub(crate) const SYSTEM_PARTITION: PartitionId = PartitionId(u16::MAX);
const REPLAY_BYTES: usize = 4 * 1024 * 1024;

/// The single node's records: all in memory, each change an append to the system partition.
#[derive(Debug)]
pub(crate) struct LocalControl {
    log: Arc<dyn PartitionLog>,
    writer: WriterHandle,
    records: RwLock<BTreeMap<String, Entry>>,
    end: tokio::sync::Mutex<End>,
    fatal: Fatal,
}

/// What a store of control records begins with.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Makes batch ids unique over restarts.
    pub batch_seed: u128,
    pub fatal: Fatal,
}

#[derive(Debug)]
struct End {
    epoch: Epoch,
    last: Seq,
    batch: u128,
}

impl LocalControl {
    /// Loads the rows, then applies what the log has after the checkpoint.
    pub(crate) async fn open(
        log: Arc<dyn PartitionLog>,
        store: Arc<dyn StateStore>,
        writer: WriterHandle,
        covered: Seq,
        origin: Origin,
    ) -> Result<Self, StoreError> {
        let acquired = log.acquire(SYSTEM_PARTITION).await?;
        let mut records = BTreeMap::new();
        load_rows(store.as_ref(), &mut records)?;
        let mut next = Seq(covered.0 + 1);
        let mut replayed = Vec::new();
        loop {
            let chunks = log.read_from(SYSTEM_PARTITION, next, REPLAY_BYTES).await?;
            let Some(last) = chunks.last() else {
                break;
            };
            next = Seq(last.seq.0 + 1);
            for chunk in &chunks {
                for change in rows::changes(&chunk.bytes)? {
                    apply(&mut records, &change);
                    replayed.push(rows::row(&change));
                }
            }
        }
        if !replayed.is_empty() {
            writer
                .submit(Write::Rows {
                    rows: replayed,
                    host: None,
                    written: Vec::new(),
                })
                .await;
        }
        let last = acquired.last.max(covered);
        let end = End {
            epoch: acquired.epoch,
            last,
            batch: origin.batch_seed,
        };
        Ok(Self {
            log,
            writer,
            records: RwLock::new(records),
            end: tokio::sync::Mutex::new(end),
            fatal: origin.fatal,
        })
    }

    /// What a checkpoint may cover: every change so far has been given to the writer.
    pub(crate) async fn covered(&self) -> (PartitionId, Seq) {
        (SYSTEM_PARTITION, self.end.lock().await.last)
    }

    async fn change(
        &self,
        key: String,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> Result<(), ControlError> {
        let mut end = self.end.lock().await;
        let current = self.get(&key).map(|entry| entry.version);
        if current != expected {
            return Err(ControlError::Conflict);
        }
        let change = ControlChange {
            key: key.into_bytes(),
            version: current.unwrap_or(0) + 1,
            value,
        };
        let seq = Seq(end.last.0 + 1);
        end.batch = end.batch.wrapping_add(1);
        let append = Append {
            partition: SYSTEM_PARTITION,
            epoch: end.epoch,
            seq,
            batch: BatchId(end.batch),
            chunk: rows::chunk(&change),
        };
        // The system partition is small; a refused append leaves no trace, so the same sequence is used again.
        for result in self.log.append(vec![append]).await {
            if let Err(error) = result {
                if !error.is_retryable() {
                    self.fatal
                        .fail(format!("the log cannot be written: {error}"));
                }
                return Err(error.into());
            }
        }
        end.last = seq;
        apply(
            &mut self.records.write().unwrap_or_else(PoisonError::into_inner),
            &change,
        );
        self.writer
            .submit(Write::Rows {
                rows: vec![rows::row(&change)],
                host: None,
                written: Vec::new(),
            })
            .await;
        Ok(())
    }
}

impl ControlStore for LocalControl {
    fn get(&self, key: &str) -> Option<Entry> {
        self.records
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    fn scan(&self, prefix: &str) -> Vec<(String, Entry)> {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        let from = records.range(prefix.to_owned()..);
        from.take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect()
    }

    fn refresh<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>, StoreError>> {
        // Nobody else changes them.
        Box::pin(ready(Ok(self.get(key))))
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

fn load_rows(
    store: &dyn StateStore,
    records: &mut BTreeMap<String, Entry>,
) -> Result<(), StoreError> {
    let mut from = Vec::new();
    loop {
        let page = store.scan(Table::Control, &from, &[0xff], Order::Ascending, 1000)?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        from.clone_from(last);
        from.push(0);
        for (key, value) in page {
            let (version, value) = rows::decode(&value)?;
            records.insert(
                text(key),
                Entry {
                    version,
                    value: value.into(),
                },
            );
        }
    }
}

fn apply(records: &mut BTreeMap<String, Entry>, change: &ControlChange) {
    let key = text(change.key.clone());
    let newer = records
        .get(&key)
        .is_none_or(|entry| entry.version < change.version);
    match &change.value {
        Some(value) if newer => {
            records.insert(
                key,
                Entry {
                    version: change.version,
                    value: value.as_slice().into(),
                },
            );
        }
        None if newer => {
            records.remove(&key);
        }
        Some(_) | None => {}
    }
}

fn text(key: Vec<u8>) -> String {
    String::from_utf8_lossy(&key).into_owned()
}
