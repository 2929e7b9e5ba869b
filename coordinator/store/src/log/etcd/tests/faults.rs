//! Lost answers, requests that come late, members that hang or die.

use std::time::Duration;

use nix::sys::signal::Signal;

use tokio::task::JoinSet;

use super::*;
use crate::conformance::{Passing, Wire};

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_in_the_log_once() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let wire = Wire::to(&etcd.urls()[0]).await;
    let log = log_at(vec![wire.url(), etcd.urls()[0].clone()], "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    append(&log, chunk(epoch, 1, b"one")).await.unwrap();
    wire.pass(Passing::Requests);
    append(&log, chunk(epoch, 2, b"two"))
        .await
        .expect("another way shows that it is there");
    wire.pass(Passing::Everything);
    append(&log, chunk(epoch, 3, b"three")).await.unwrap();
    assert_eq!(texts(&log).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn an_acquisition_whose_answer_was_lost_is_made_once() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let wire = Wire::to(&etcd.urls()[0]).await;
    let log = log_at(vec![wire.url(), etcd.urls()[0].clone()], "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    append(&log, chunk(epoch, 1, b"one")).await.unwrap();
    let seen = log.requests.owner(A).await.unwrap();
    wire.pass(Passing::Requests);
    let taken = log.requests.take(A, seen, 77).await.unwrap();
    let taken = taken.expect("the second answer tells of the first");
    assert_eq!(taken.acquired.last, Seq(1));
    assert_eq!(log.requests.owner(A).await.unwrap(), taken.acquired.epoch);
}

/// The same node loses its partition and acquires it again while an append of before is still on its way: were the
/// fence the owner's name, it would land.
#[tokio::test]
async fn an_append_of_an_earlier_ownership_of_the_same_node_never_lands() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let wire = Wire::to(&etcd.urls()[0]).await;
    let through_wire = log_at(vec![wire.url()], "/t", 1);
    let older = through_wire.acquire(A).await.unwrap().epoch;
    append(&through_wire, chunk(older, 1, b"one"))
        .await
        .unwrap();
    wire.pass(Passing::Nothing);
    let mut late = JoinSet::new();
    late.spawn(through_wire.append(vec![chunk(older, 2, b"late")]));

    let again = log_at(etcd.urls(), "/t", 1);
    let newer = again.acquire(A).await.unwrap();
    assert_eq!(newer.last, Seq(1));
    wire.pass(Passing::Everything);
    let late = late.join_next().await.unwrap().unwrap().remove(0);
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    append(&again, chunk(newer.epoch, 2, b"two")).await.unwrap();
    assert_eq!(texts(&again).await, ["one", "two"]);
}

/// A request that hung in one member comes after its resend through another, and after the log was trimmed past it.
#[tokio::test]
async fn a_request_that_comes_after_its_chunk_was_trimmed_changes_nothing() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let wire = Wire::to(&etcd.urls()[0]).await;
    let log = log_at(vec![wire.url(), etcd.urls()[0].clone()], "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    wire.pass(Passing::Nothing);
    append(&log, chunk(epoch, 1, b"one")).await.unwrap();
    append(&log, chunk(epoch, 2, b"two")).await.unwrap();
    log.trim(A, Seq(1)).await.unwrap();
    wire.pass(Passing::Everything);
    append(&log, chunk(epoch, 3, b"three")).await.unwrap();
    let next = log_at(etcd.urls(), "/t", 2);
    let acquired = next.acquire(A).await.unwrap();
    assert_eq!(acquired.last, Seq(3));
    let found = next.read_from(A, Seq(2), usize::MAX).await.unwrap();
    let found: Vec<&[u8]> = found.iter().map(|chunk| &chunk.bytes[..]).collect();
    assert_eq!(found, [&b"two"[..], b"three"]);
}

#[tokio::test]
async fn appends_go_on_while_members_hang_or_die() {
    let mut etcd = EtcdProcess::start(3, &[]).await;
    let log = log_at(etcd.urls(), "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    let mut sent = 0;
    for member in 0..3 {
        etcd.signal(member, Signal::SIGSTOP);
        for _ in 0..20 {
            sent += 1;
            retried(&log, chunk(epoch, sent, sent.to_string().as_bytes())).await;
        }
        etcd.signal(member, Signal::SIGCONT);
        etcd.kill(member);
        for _ in 0..20 {
            sent += 1;
            retried(&log, chunk(epoch, sent, sent.to_string().as_bytes())).await;
        }
        etcd.restart(member);
    }
    let expected: Vec<String> = (1..=sent).map(|seq| seq.to_string()).collect();
    assert_eq!(texts(&log).await, expected);
}

/// As a host does: the same chunk again until the outcome is known.
async fn retried(log: &EtcdLog, wanted: Append) {
    for _ in 0..20 {
        match append(log, wanted.clone()).await {
            Err(error) if error.is_retryable() => {}
            result => return result.expect("nobody else owns it"),
        }
    }
    panic!("no member takes the chunk");
}

#[tokio::test]
async fn a_member_that_was_left_is_asked_again_when_it_answers() {
    let etcd = EtcdProcess::start(3, &[]).await;
    let store = Arc::new(Etcd::new(EtcdOptions::new(etcd.urls())));
    let get = || store.call(|mut client| async move { client.get("x", None).await });
    get().await.unwrap();
    let first = store.pinned().to_owned();
    etcd.signal(0, Signal::SIGSTOP);
    get().await.expect("another member answers");
    assert_ne!(store.pinned(), first);
    etcd.signal(0, Signal::SIGCONT);
    let mut probe = JoinSet::new();
    let probed = store.clone();
    probe.spawn(async move { probed.probe().await });
    let all_answer = async {
        while store.answering() < 3 {
            get().await.expect("members answer");
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), all_answer).await;
    found.expect("the probe finds that it answers");
}

/// Its place in line is left; whoever is behind waits for those before it all the same.
#[tokio::test]
async fn an_append_that_is_dropped_lets_nobody_past_the_one_before() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let log = log_at(etcd.urls(), "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    let first = log.append(vec![chunk(epoch, 1, b"one")]);
    let dropped = log.append(vec![chunk(epoch, 2, b"dropped")]);
    let mut last = log.append(vec![chunk(epoch, 2, b"two")]);
    drop(dropped);
    let waits = tokio::time::timeout(Duration::from_millis(1), &mut last).await;
    waits.expect_err("the first has not begun");
    assert_eq!(first.await, [Ok(())]);
    assert_eq!(last.await, [Ok(())]);
    assert_eq!(texts(&log).await, ["one", "two"]);
}
