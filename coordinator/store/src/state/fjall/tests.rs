//! What only the embedded store has to show.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::conformance::store_keeps_the_contract;

#[derive(Debug)]
struct FreeBytes(AtomicU64);

impl Disk for FreeBytes {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    fn write_at(&self, _: &File, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

fn put(key: &[u8], value: &[u8]) -> Row {
    Row {
        table: Table::Execution,
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

#[test]
fn fjall_store_keeps_the_contract() {
    let mut folders = Vec::new();
    store_keeps_the_contract(&mut || {
        let folder = TempDir::new().unwrap();
        let store = FjallStore::open(folder.path(), FjallOptions::default()).unwrap();
        folders.push(folder);
        Box::new(store)
    });
}

#[test]
fn a_checkpoint_and_its_rows_are_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let covered = [(PartitionId(4), Seq(9))];
    {
        let store = FjallStore::open(folder.path(), FjallOptions::default()).unwrap();
        store.write(vec![put(b"a", b"1")]).unwrap();
        store.checkpoint(&covered).unwrap();
        store.write(vec![put(b"b", b"2")]).unwrap();
    }
    let store = FjallStore::open(folder.path(), FjallOptions::default()).unwrap();
    assert_eq!(store.last_checkpoint().unwrap(), covered);
    assert_eq!(
        store.get(Table::Execution, b"a").unwrap(),
        Some(b"1".to_vec())
    );
    assert_eq!(
        store.get(Table::Execution, b"b").unwrap(),
        Some(b"2".to_vec()),
        "closed in good order"
    );
}

#[test]
fn many_rows_survive_flushes_and_compactions() {
    let folder = TempDir::new().unwrap();
    let options = FjallOptions {
        memtable_bytes: 64 * 1024,
        ..FjallOptions::default()
    };
    let key = |number: u32| number.to_be_bytes();
    {
        let store = FjallStore::open(folder.path(), options.clone()).unwrap();
        for start in (0..20_000).step_by(100) {
            let rows = (start..start + 100)
                .map(|number| put(&key(number), &[number.to_le_bytes()[0]; 64]))
                .collect();
            store.write(rows).unwrap();
        }
        store.checkpoint(&[]).unwrap();
    }
    let store = FjallStore::open(folder.path(), options).unwrap();
    let rows = store
        .scan(
            Table::Execution,
            &key(0),
            &key(u32::MAX),
            Order::Ascending,
            usize::MAX,
        )
        .unwrap();
    assert_eq!(rows.len(), 20_000);
    assert!(
        rows.iter()
            .zip(0..)
            .all(|((found, _), number)| *found == key(number))
    );
}

#[test]
fn a_full_disk_refuses_writes_and_heals_by_itself() {
    let folder = TempDir::new().unwrap();
    let disk = Arc::new(FreeBytes(AtomicU64::new(u64::MAX)));
    let options = FjallOptions {
        disk: Arc::<FreeBytes>::clone(&disk),
        ..FjallOptions::default()
    };
    let store = FjallStore::open(folder.path(), options).unwrap();
    disk.0.store(1024, Ordering::SeqCst);
    assert!(matches!(
        store.write(vec![put(b"a", b"1")]),
        Err(StoreError::Full(_))
    ));
    assert!(matches!(store.checkpoint(&[]), Err(StoreError::Full(_))));
    assert_eq!(
        store.get(Table::Execution, b"a").unwrap(),
        None,
        "reads go on"
    );
    disk.0.store(u64::MAX, Ordering::SeqCst);
    store.write(vec![put(b"a", b"1")]).unwrap();
}

#[test]
fn a_panic_of_the_database_is_an_answer() {
    let result: Result<(), StoreError> = guarded(|| panic!("a lock is poisoned"));
    assert!(matches!(result, Err(StoreError::Unavailable(_))));
    assert!(matches!(
        translate(&Error::Poisoned),
        StoreError::Unavailable(_)
    ));
    assert!(matches!(
        translate(&Error::Io(ErrorKind::StorageFull.into())),
        StoreError::Full(_)
    ));
    assert!(matches!(
        translate(&Error::Unrecoverable),
        StoreError::Corrupt(_)
    ));
}

#[test]
fn a_second_opening_is_refused() {
    let folder = TempDir::new().unwrap();
    let first = FjallStore::open(folder.path(), FjallOptions::default()).unwrap();
    assert!(matches!(
        FjallStore::open(folder.path(), FjallOptions::default()),
        Err(StoreError::Unavailable(_))
    ));
    drop(first);
    FjallStore::open(folder.path(), FjallOptions::default()).unwrap();
}
