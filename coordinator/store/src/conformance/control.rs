//! The contract of [`ControlStore`].

use crate::control::{ControlError, ControlStore, Entry};

/// Runs every clause against an empty store. Panics at the first that does not hold.
pub async fn control_keeps_the_contract(store: &dyn ControlStore) {
    records_are_compared_and_set(store).await;
    deleted_records_are_made_anew(store).await;
    records_are_listed_by_prefix(store).await;
    one_of_many_wins(store).await;
}

async fn put(
    store: &dyn ControlStore,
    key: &str,
    expected: Option<u64>,
    value: Option<&str>,
) -> Result<(), ControlError> {
    let value = value.map(|value| value.as_bytes().to_vec());
    store.put(key.to_owned(), expected, value).await
}

async fn entry(store: &dyn ControlStore, key: &str) -> Option<Entry> {
    let known = store.get(key);
    let fresh = store.refresh(key).await.expect("records can be read");
    assert_eq!(known, fresh, "whoever changed a record sees it at once");
    known
}

fn text(entry: &Entry) -> String {
    String::from_utf8_lossy(&entry.value).into_owned()
}

async fn records_are_compared_and_set(store: &dyn ControlStore) {
    assert_eq!(entry(store, "a").await, None);
    assert_eq!(
        put(store, "a", Some(1), Some("x")).await,
        Err(ControlError::Conflict)
    );
    put(store, "a", None, Some("one")).await.expect("it is new");
    let first = entry(store, "a").await.expect("it is there");
    assert_eq!(text(&first), "one");
    assert_eq!(
        put(store, "a", None, Some("x")).await,
        Err(ControlError::Conflict)
    );
    assert_eq!(
        put(store, "a", None, Some("one")).await,
        Err(ControlError::Conflict)
    );
    put(store, "a", Some(first.version), Some("two"))
        .await
        .expect("the version is right");
    let second = entry(store, "a").await.expect("it is there");
    assert!(second.version > first.version, "versions grow");
    assert_eq!(text(&second), "two");
    let stale = put(store, "a", Some(first.version), Some("x")).await;
    assert_eq!(stale, Err(ControlError::Conflict));
    assert_eq!(
        entry(store, "a").await,
        Some(second),
        "a conflict changes nothing"
    );
}

async fn deleted_records_are_made_anew(store: &dyn ControlStore) {
    put(store, "b", None, Some("one")).await.expect("it is new");
    let first = entry(store, "b").await.expect("it is there");
    let other = first.version + 1;
    assert_eq!(
        put(store, "b", Some(other), None).await,
        Err(ControlError::Conflict)
    );
    put(store, "b", Some(first.version), None)
        .await
        .expect("it is there");
    assert_eq!(entry(store, "b").await, None);
    put(store, "b", None, Some(""))
        .await
        .expect("its key is free again");
    assert_eq!(
        entry(store, "b").await.map(|entry| text(&entry)),
        Some(String::new())
    );
}

async fn records_are_listed_by_prefix(store: &dyn ControlStore) {
    for key in ["list/b", "list/a", "list", "lisu", "list/c/d"] {
        put(store, key, None, Some(key)).await.expect("it is new");
    }
    let listed = store.scan("list/");
    let keys: Vec<&str> = listed.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["list/a", "list/b", "list/c/d"]);
    assert!(listed.iter().all(|(key, entry)| *key == text(entry)));
}

async fn one_of_many_wins(store: &dyn ControlStore) {
    let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let tries = texts
        .iter()
        .map(|text| put(store, "race", None, Some(text)));
    let results = futures::future::join_all(tries).await;
    let won: Vec<usize> = (0..20).filter(|at| results[*at].is_ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = entry(store, "race").await.expect("somebody won");
    assert_eq!(text(&winner), texts[won[0]]);
}
