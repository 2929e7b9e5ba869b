//! The contract of [`StateStore`].

use stepfleet_engine::PartitionId;

use crate::log::Seq;
use crate::state::{Entry, Order, Row, StateStore, TABLES, Table};

/// Runs every clause against a new store from `make`. Panics at the first that does not hold.
pub fn store_keeps_the_contract(make: &mut dyn FnMut() -> Box<dyn StateStore>) {
    rows_come_back(&*make());
    tables_are_apart(&*make());
    scans_are_ordered_and_bounded(&*make());
    the_last_write_of_a_batch_wins(&*make());
    checkpoints_replace_each_other(&*make());
    odd_keys_are_refused(&*make());
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Row {
    Row {
        table,
        key: key.to_vec(),
        value: Some(value.to_vec()),
    }
}

fn delete(table: Table, key: &[u8]) -> Row {
    Row {
        table,
        key: key.to_vec(),
        value: None,
    }
}

fn get(store: &dyn StateStore, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    store.get(table, key).expect("rows can be read")
}

fn write(store: &dyn StateStore, rows: Vec<Row>) {
    store.write(rows).expect("rows can be written");
}

fn rows_come_back(store: &dyn StateStore) {
    assert_eq!(get(store, Table::Execution, b"a"), None);
    write(
        store,
        vec![
            put(Table::Execution, b"a", b"1"),
            put(Table::Execution, b"b", b""),
        ],
    );
    assert_eq!(get(store, Table::Execution, b"a"), Some(b"1".to_vec()));
    assert_eq!(
        get(store, Table::Execution, b"b"),
        Some(Vec::new()),
        "an empty value is a value"
    );
    write(
        store,
        vec![
            put(Table::Execution, b"a", b"2"),
            delete(Table::Execution, b"b"),
        ],
    );
    assert_eq!(get(store, Table::Execution, b"a"), Some(b"2".to_vec()));
    assert_eq!(get(store, Table::Execution, b"b"), None);
    write(store, vec![delete(Table::Execution, b"never there")]);
    write(store, Vec::new());
    let large = vec![9; 3 * 1024 * 1024];
    write(store, vec![put(Table::History, b"large", &large)]);
    assert_eq!(get(store, Table::History, b"large"), Some(large));
}

fn tables_are_apart(store: &dyn StateStore) {
    for table in TABLES {
        write(
            store,
            vec![put(table, b"key", format!("{table:?}").as_bytes())],
        );
    }
    for table in TABLES {
        assert_eq!(
            get(store, table, b"key"),
            Some(format!("{table:?}").into_bytes())
        );
    }
}

fn scans_are_ordered_and_bounded(store: &dyn StateStore) {
    let keys: [&[u8]; 6] = [b"\x00", b"a", b"a\x00", b"ab", b"b", b"\xff\xff"];
    write(
        store,
        keys.iter()
            .rev()
            .map(|key| put(Table::Listing, key, key))
            .collect(),
    );
    let scan = |from: &[u8], to: &[u8], order, limit| -> Vec<Vec<u8>> {
        let rows = store
            .scan(Table::Listing, from, to, order, limit)
            .expect("rows can be scanned");
        assert!(rows.iter().all(|(key, value): &Entry| key == value));
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(scan(b"\x00", b"\xff\xff\xff", Order::Ascending, 99), keys);
    assert_eq!(
        scan(b"a", b"b", Order::Ascending, 99),
        keys[1..4],
        "from is in, to is out"
    );
    assert_eq!(scan(b"a", b"b", Order::Descending, 2), [keys[3], keys[2]]);
    assert_eq!(scan(b"a", b"z", Order::Ascending, 1), [keys[1]]);
    assert_eq!(scan(b"a", b"z", Order::Ascending, 0).len(), 0);
    assert_eq!(
        scan(b"z", b"a", Order::Ascending, 9).len(),
        0,
        "an empty range is empty"
    );
    assert_eq!(scan(b"a", b"a", Order::Descending, 9).len(), 0);
    write(store, vec![delete(Table::Listing, b"ab")]);
    assert_eq!(
        scan(b"a", b"b", Order::Ascending, 99),
        keys[1..3],
        "deleted rows do not show"
    );
}

fn the_last_write_of_a_batch_wins(store: &dyn StateStore) {
    let twice = |first: Row, second: Row| {
        write(store, vec![first, second]);
        get(store, Table::Live, b"k")
    };
    assert_eq!(
        twice(put(Table::Live, b"k", b"1"), put(Table::Live, b"k", b"2")),
        Some(b"2".to_vec())
    );
    assert_eq!(
        twice(put(Table::Live, b"k", b"3"), delete(Table::Live, b"k")),
        None
    );
    assert_eq!(
        twice(delete(Table::Live, b"k"), put(Table::Live, b"k", b"4")),
        Some(b"4".to_vec())
    );
}

fn checkpoints_replace_each_other(store: &dyn StateStore) {
    assert_eq!(store.last_checkpoint().expect("readable"), vec![]);
    for covered in [
        vec![(PartitionId(0), Seq(5)), (PartitionId(63), Seq(1 << 40))],
        vec![(PartitionId(1), Seq(2))],
    ] {
        store
            .checkpoint(&covered)
            .expect("a checkpoint can be taken");
        assert_eq!(store.last_checkpoint().expect("readable"), covered);
    }
}

fn odd_keys_are_refused(store: &dyn StateStore) {
    for key in [Vec::new(), vec![1; 70_000]] {
        let rows = vec![
            put(Table::Listing, b"fine", b""),
            Row {
                table: Table::Listing,
                key,
                value: Some(Vec::new()),
            },
        ];
        let refused = store.write(rows);
        assert!(
            matches!(refused, Err(crate::StoreError::LimitExceeded(_))),
            "{refused:?}"
        );
        assert_eq!(
            get(store, Table::Listing, b"fine"),
            None,
            "nothing of a refused batch is written"
        );
    }
}
