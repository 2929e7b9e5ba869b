//! The rows of one partition within a store of several: their keys begin with the partition. So a partition comes and goes
//! as a whole, and what stays behind when it moves to another process is found without looking at anything else.

use std::sync::Arc;

use stepfleet_engine::PartitionId;

use super::{Entry, Order, Row, StateStore, TABLES, Table, checkpoint};
use crate::error::StoreError;
use crate::log::Seq;

/// Rows that are deleted at once.
const DELETE_ROWS: usize = 1000;

/// A store of one partition, inside another store.
#[derive(Clone, Debug)]
pub struct PartitionRows {
    inner: Arc<dyn StateStore>,
    partition: PartitionId,
}

impl PartitionRows {
    /// The rows of a partition. The inner store must hold nothing but rows of partitions.
    pub fn new(inner: Arc<dyn StateStore>, partition: PartitionId) -> Self {
        Self { inner, partition }
    }

    /// The partition whose rows these are.
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Deletes everything of the partition; what a crash in the middle leaves, another call deletes. First goes what a checkpoint
    /// covers, so that nobody takes the rest for the whole.
    pub fn clear(&self) -> Result<(), StoreError> {
        for table in TABLES {
            loop {
                let page = self.scan(table, &[], &END, Order::Ascending, DELETE_ROWS)?;
                if page.is_empty() {
                    break;
                }
                let rows = page.into_iter().map(|(key, _)| Row {
                    table,
                    key,
                    value: None,
                });
                self.write(rows.collect())?;
            }
        }
        self.inner.checkpoint(&[])
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        let partition = self.partition.0.to_be_bytes();
        [&partition, key].concat()
    }
}

/// Behind all keys: the first byte of none is this high.
pub(crate) const END: [u8; 20] = [0xff; 20];

impl StateStore for PartitionRows {
    fn write(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        super::check_rows(&rows)?;
        let of_it = rows.into_iter().map(|row| Row {
            key: self.key(&row.key),
            ..row
        });
        self.inner.write(of_it.collect())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if key.is_empty() {
            return Ok(None);
        }
        self.inner.get(table, &self.key(key))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (from, to) = (self.key(from), self.key(to));
        let mut entries = self.inner.scan(table, &from, &to, order, limit)?;
        for (key, _) in &mut entries {
            key.drain(..2);
        }
        Ok(entries)
    }

    fn checkpoint(&self, covered: &[(PartitionId, Seq)]) -> Result<(), StoreError> {
        // What was written so far becomes durable before it is said to be covered, and that too.
        self.inner.checkpoint(&[])?;
        self.write(vec![Row {
            table: Table::Meta,
            key: checkpoint::KEY.to_vec(),
            value: Some(checkpoint::encode(covered)),
        }])?;
        self.inner.checkpoint(&[])
    }

    fn last_checkpoint(&self) -> Result<Vec<(PartitionId, Seq)>, StoreError> {
        let covered = self.get(Table::Meta, checkpoint::KEY)?;
        covered.map_or(Ok(Vec::new()), |value| checkpoint::decode(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::store_keeps_the_contract;
    use crate::state::memory::MemoryStore;

    fn of(inner: &Arc<MemoryStore>, partition: u16) -> PartitionRows {
        PartitionRows::new(inner.clone(), PartitionId(partition))
    }

    fn row(key: &[u8]) -> Row {
        Row {
            table: Table::Live,
            key: key.to_vec(),
            value: Some(b"x".to_vec()),
        }
    }

    fn all(rows: &PartitionRows) -> Vec<Entry> {
        rows.scan(Table::Live, &[], &END, Order::Ascending, 10_000)
            .unwrap()
    }

    #[test]
    fn rows_of_a_partition_keep_the_contract() {
        store_keeps_the_contract(&mut || Box::new(of(&Arc::new(MemoryStore::new()), 7)));
    }

    #[test]
    fn partitions_do_not_see_each_other_and_leave_as_a_whole() {
        let inner = Arc::new(MemoryStore::new());
        let partitions = [0, 1, 255, 256, u16::MAX].map(|partition| of(&inner, partition));
        for rows in &partitions {
            let keys = (0..2500_u16).map(|key| row(&key.to_be_bytes()));
            rows.write(keys.collect()).unwrap();
            rows.checkpoint(&[(rows.partition, Seq(u64::from(rows.partition.0)))])
                .unwrap();
        }
        partitions[1].clear().unwrap();
        for (at, rows) in partitions.iter().enumerate() {
            let expected = if at == 1 { 0 } else { 2500 };
            assert_eq!(all(rows).len(), expected);
            let covered = rows.last_checkpoint().unwrap();
            assert_eq!(covered.len(), usize::from(at != 1));
        }
    }
}
