//! A state store in memory: for tests, simulation and ephemeral servers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use stepfleet_engine::PartitionId;

use super::{Entry, Order, Row, StateStore, Table, check_rows, checkpoint};
use crate::error::StoreError;
use crate::log::Seq;

type Tables = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Rows in ordered maps.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables
            .lock()
            .expect("no code panics while it holds the tables")
    }
}

impl StateStore for MemoryStore {
    fn write(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        check_rows(&rows)?;
        let mut tables = self.lock();
        for row in rows {
            let table = tables.entry(row.table).or_default();
            match row.value {
                Some(value) => drop(table.insert(row.key, value)),
                None => drop(table.remove(&row.key)),
            }
        }
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .lock()
            .get(&table)
            .and_then(|rows| rows.get(key).cloned()))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let tables = self.lock();
        let Some(rows) = tables.get(&table).filter(|_| from < to) else {
            return Ok(Vec::new());
        };
        let range = rows.range::<[u8], _>((
            std::ops::Bound::Included(from),
            std::ops::Bound::Excluded(to),
        ));
        let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match order {
            Order::Ascending => range.take(limit).map(owned).collect(),
            Order::Descending => range.rev().take(limit).map(owned).collect(),
        })
    }

    fn checkpoint(&self, covered: &[(PartitionId, Seq)]) -> Result<(), StoreError> {
        let value = Some(checkpoint::encode(covered));
        self.write(vec![Row {
            table: Table::Meta,
            key: checkpoint::KEY.to_vec(),
            value,
        }])
    }

    fn last_checkpoint(&self) -> Result<Vec<(PartitionId, Seq)>, StoreError> {
        self.get(Table::Meta, checkpoint::KEY)?
            .map_or(Ok(Vec::new()), |value| checkpoint::decode(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::store_keeps_the_contract;

    #[test]
    fn memory_store_keeps_the_contract() {
        store_keeps_the_contract(&mut || Box::new(MemoryStore::new()));
    }
}
