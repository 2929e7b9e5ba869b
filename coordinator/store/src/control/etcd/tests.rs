//! Records over a real etcd, and what other coordinators see of them.

use std::future::Future;

use nix::sys::signal::Signal;
use tokio::task::JoinSet;

use super::*;
use crate::conformance::{EtcdProcess, control_keeps_the_contract};
use crate::etcd::EtcdOptions;

async fn control(urls: Vec<String>, incarnation: u128) -> Arc<EtcdControl> {
    let etcd = Arc::new(Etcd::new(EtcdOptions::new(urls)));
    Arc::new(
        EtcdControl::open(etcd, "/t", incarnation << 64)
            .await
            .unwrap(),
    )
}

/// Follows for as long as the set lives.
fn follow(control: &Arc<EtcdControl>) -> JoinSet<()> {
    let (mut tasks, control) = (JoinSet::new(), control.clone());
    tasks.spawn(async move { control.follow().await });
    tasks
}

async fn until<T>(control: &EtcdControl, mut look: impl FnMut() -> Option<T>) -> T {
    let mut changes = control.mirror.changes();
    loop {
        if let Some(found) = look() {
            return found;
        }
        changes.changed().await.unwrap();
    }
}

async fn put(control: &EtcdControl, key: &str, value: &str) {
    let expected = control
        .refresh(key)
        .await
        .unwrap()
        .map(|entry| entry.version);
    let value = Some(value.as_bytes().to_vec());
    control.put(key.to_owned(), expected, value).await.unwrap();
}

fn text(control: &EtcdControl, key: &str) -> Option<String> {
    let entry = control.get(key)?;
    Some(String::from_utf8_lossy(&entry.value).into_owned())
}

#[tokio::test]
async fn etcd_control_keeps_the_contract() {
    let etcd = EtcdProcess::start(1, &[]).await;
    control_keeps_the_contract(&*control(etcd.urls(), 1).await).await;
}

#[tokio::test]
async fn others_see_changes_and_ask_for_what_they_miss() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let first = control(etcd.urls(), 1).await;
    put(&first, "before", "x").await;
    let second = control(etcd.urls(), 2).await;
    assert_eq!(text(&second, "before").as_deref(), Some("x"));
    put(&first, "a", "one").await;
    assert_eq!(second.get("a"), None, "nobody told it yet");
    assert!(second.refresh("a").await.unwrap().is_some());
    assert_eq!(text(&second, "a").as_deref(), Some("one"));

    let _following = follow(&second);
    put(&first, "a", "two").await;
    put(&first, "b", "three").await;
    until(&second, || (text(&second, "b")? == "three").then_some(())).await;
    assert_eq!(text(&second, "a").as_deref(), Some("two"));
    let version = first.get("b").unwrap().version;
    first
        .put("b".to_owned(), Some(version), None)
        .await
        .unwrap();
    until(&second, || second.get("b").is_none().then_some(())).await;
}

#[tokio::test]
async fn a_change_by_another_is_a_conflict_that_shows_what_is_there() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let first = control(etcd.urls(), 1).await;
    let second = control(etcd.urls(), 2).await;
    put(&first, "a", "one").await;
    let same = second
        .put("a".to_owned(), None, Some(b"one".to_vec()))
        .await;
    assert_eq!(
        same,
        Err(ControlError::Conflict),
        "it was not this one's write"
    );
    assert_eq!(text(&second, "a").as_deref(), Some("one"));
}

#[tokio::test]
async fn a_mirror_goes_on_when_its_member_hangs() {
    let etcd = EtcdProcess::start(3, &[]).await;
    let (first, second) = (control(etcd.urls(), 1).await, control(etcd.urls(), 2).await);
    let _following = follow(&second);
    put(&first, "a", "one").await;
    until(&second, || second.get("a")).await;
    etcd.signal(0, Signal::SIGSTOP);
    insist(|| first.refresh("a")).await;
    put(&first, "a", "two").await;
    // Its own member hangs too; a request tells it so.
    insist(|| second.refresh("x")).await;
    put(&first, "b", "three").await;
    until(&second, || second.get("b")).await;
    assert_eq!(text(&second, "a").as_deref(), Some("two"));
    etcd.signal(0, Signal::SIGCONT);
}

/// The first requests may find the members without a leader.
async fn insist<F: Future<Output = Result<Option<Entry>, StoreError>>>(request: impl Fn() -> F) {
    for _ in 0..20 {
        if request().await.is_ok() {
            return;
        }
    }
    panic!("no member answers");
}
