//! Lists are in AWS's order, and executions move between them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::records::arbitrary::summary;
use crate::state::memory::MemoryStore;
use crate::state::{Order, StateStore as _};

fn list(
    store: &MemoryStore,
    status: Option<Status>,
    after: Option<Cursor>,
    limit: usize,
) -> Vec<Summary> {
    let (from, to) = range("1", "m", status, after);
    let rows = store
        .scan(Table::Listing, &from, &to, Order::Ascending, limit)
        .unwrap();
    rows.into_iter()
        .map(|(_, value)| decode(&value).unwrap())
        .collect()
}

proptest! {
    #[test]
    fn summaries_come_back(summary in summary()) {
        prop_assert_eq!(decode(&encode(&summary)).unwrap(), summary);
    }

    #[test]
    fn cursors_come_back_and_order_newest_first(a: (i64, u128), b: (i64, u128)) {
        let cursor = |(sort, id)| Cursor { sort: Timestamp(sort), id: ExecutionId(id) };
        prop_assert_eq!(Cursor::decode(&cursor(a).encode()), Some(cursor(a)));
        prop_assert_eq!(cursor(a).encode().cmp(&cursor(b).encode()), b.cmp(&a));
    }

    #[test]
    fn pages_show_every_execution_once_newest_first(summaries in vec(summary(), 0..20), page in 1..6_usize) {
        let store = MemoryStore::new();
        for summary in &summaries {
            store.write(summary.put()).unwrap();
        }
        let mut expected = summaries;
        expected.sort_by_key(|summary| std::cmp::Reverse((summary.cursor().sort, summary.id)));
        let mut listed = Vec::new();
        loop {
            let next = list(&store, None, listed.last().map(Summary::cursor), page);
            if next.is_empty() {
                break;
            }
            listed.extend(next);
        }
        prop_assert_eq!(&listed, &expected);
        let failed: Vec<Summary> = expected.into_iter().filter(|summary| summary.status == Status::Failed).collect();
        prop_assert_eq!(list(&store, Some(Status::Failed), None, 99), failed);
    }

    #[test]
    fn a_closed_execution_moves_and_a_deleted_one_is_gone(summary in summary(), closed_at: i64) {
        let store = MemoryStore::new();
        let running = Summary { status: Status::Running, closed_at: None, ..summary };
        store.write(running.put()).unwrap();
        let closed = Summary { status: Status::Aborted, closed_at: Some(Timestamp(closed_at)), ..running };
        store.write(closed.close()).unwrap();
        prop_assert_eq!(list(&store, Some(Status::Running), None, 9), vec![]);
        for status in [None, Some(Status::Aborted)] {
            prop_assert_eq!(list(&store, status, None, 9), vec![closed.clone()]);
        }
        store.write(closed.delete()).unwrap();
        prop_assert_eq!(list(&store, None, None, 9), vec![]);
    }

    #[test]
    fn retention_finds_what_closed_before(sample in summary(), times in vec(-5..5_i64, 0..10), limit in -5..5_i64) {
        let store = MemoryStore::new();
        for (id, time) in times.iter().enumerate() {
            let (id, closed_at) = (ExecutionId(id as u128), Some(Timestamp(*time)));
            let closed = Summary { id, closed_at, status: Status::Failed, ..sample.clone() };
            store.write(closed.put()).unwrap();
        }
        let (from, to) = range_before("1", "m", Status::Failed, Timestamp(limit));
        let found = store.scan(Table::Listing, &from, &to, Order::Ascending, 99).unwrap().len();
        prop_assert_eq!(found, times.iter().filter(|time| **time < limit).count());
    }
}

#[test]
fn what_a_version_started_is_listed_by_it() {
    let mut runner = TestRunner::deterministic();
    let sample = summary().new_tree(&mut runner).unwrap().current();
    let arn = |qualifier: &str| Some(Arc::from(format!("arn:m:{qualifier}")));
    let started = |id, version, alias| Summary {
        id: ExecutionId(id),
        status: Status::Running,
        closed_at: None,
        version_arn: version,
        alias_arn: alias,
        ..sample.clone()
    };
    let store = MemoryStore::new();
    let summaries = [
        started(1, None, None),
        started(2, arn("7"), None),
        started(3, arn("8"), arn("live")),
    ];
    for summary in &summaries {
        store.write(summary.put()).unwrap();
    }
    let ids = |name: &str, status| {
        let (from, to) = range("1", name, status, None);
        let rows = store.scan(Table::Listing, &from, &to, Order::Ascending, 9);
        let id = |(_, value): &(Vec<u8>, Vec<u8>)| decode(value).unwrap().id.0;
        rows.unwrap().iter().map(id).collect::<Vec<u128>>()
    };
    let lists = |status| ["m:7", "m:8", "m:live"].map(|name| ids(name, status));
    assert_eq!(lists(None), [vec![2], vec![3], vec![3]]);
    assert_eq!(lists(Some(Status::Running)), lists(None));
    assert_eq!(ids("m", None), [3, 2, 1]);
    let closed = Summary {
        status: Status::Failed,
        closed_at: Some(Timestamp(9)),
        ..summaries[2].clone()
    };
    store.write(closed.close()).unwrap();
    assert_eq!(lists(Some(Status::Running)), [vec![2], vec![], vec![]]);
    assert_eq!(lists(Some(Status::Failed)), [vec![], vec![3], vec![3]]);
    store.write(closed.delete()).unwrap();
    assert_eq!(lists(None), [vec![2], vec![], vec![]]);
}

#[test]
fn machines_whose_names_share_a_beginning_are_apart() {
    let (from, to) = range("1", "order", None, None);
    for other in ["order-2", "orders", "orde"] {
        let (key, _) = range("1", other, None, None);
        assert!(!(from <= key && key < to), "{other}");
    }
}
