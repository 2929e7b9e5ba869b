//! The log over a real etcd.

mod faults;
mod model;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::*;
use crate::conformance::{EtcdProcess, log_keeps_the_contract};
use crate::etcd::EtcdOptions;
use crate::log::{BatchId, CHUNK_BYTES_MAX};

const A: PartitionId = PartitionId(3);

fn node(incarnation: u128) -> Node {
    Node {
        name: format!("n{incarnation}"),
        address: "http://127.0.0.1:1".to_owned(),
        incarnation: incarnation << 64,
    }
}

fn log_at(urls: Vec<String>, prefix: &str, incarnation: u128) -> EtcdLog {
    let etcd = Arc::new(Etcd::new(EtcdOptions::new(urls)));
    EtcdLog::new(etcd, prefix, node(incarnation))
}

fn chunk(epoch: Epoch, seq: u64, bytes: &[u8]) -> Append {
    Append {
        partition: A,
        epoch,
        seq: Seq(seq),
        batch: BatchId(u128::from(seq) << 64 | u128::from(epoch.0)),
        chunk: Bytes::copy_from_slice(bytes),
    }
}

async fn append(log: &EtcdLog, append: Append) -> Result<(), StoreError> {
    log.append(vec![append]).await.remove(0)
}

async fn texts(log: &EtcdLog) -> Vec<String> {
    let chunks = log.read_from(A, Seq(1), usize::MAX).await.unwrap();
    let text = |chunk: &Chunk| String::from_utf8_lossy(&chunk.bytes).into_owned();
    chunks.iter().map(text).collect()
}

/// Bytes that do not pack.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn etcd_log_keeps_the_contract() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let count = AtomicUsize::new(0);
    log_keeps_the_contract(&mut || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        Arc::new(log_at(etcd.urls(), &format!("/contract/{number}"), 1))
    })
    .await;
}

#[tokio::test]
async fn another_process_reads_what_was_appended_and_takes_over() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let first = log_at(etcd.urls(), "/t", 1);
    let older = first.acquire(A).await.unwrap();
    append(&first, chunk(older.epoch, 1, b"one")).await.unwrap();
    append(&first, chunk(older.epoch, 2, b"two")).await.unwrap();
    first.trim(A, Seq(1)).await.unwrap();

    let second = log_at(etcd.urls(), "/t", 2);
    let newer = second.acquire(A).await.unwrap();
    assert!(newer.epoch > older.epoch);
    assert_eq!(newer.last, Seq(2));
    let late = append(&first, chunk(older.epoch, 3, b"late")).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    append(&second, chunk(newer.epoch, 3, b"three"))
        .await
        .unwrap();
    let late = first.trim(A, Seq(2)).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    let gave_up = first.hand_over(A, older.epoch).await;
    gave_up.expect("somebody else owns it already");
    append(&second, chunk(newer.epoch, 4, b"four"))
        .await
        .unwrap();
    let chunks = second.read_from(A, Seq(2), usize::MAX).await.unwrap();
    let epochs: Vec<Epoch> = chunks.iter().map(|chunk| chunk.epoch).collect();
    assert_eq!(epochs, [older.epoch, newer.epoch, newer.epoch]);
}

#[tokio::test]
async fn a_chunk_too_long_for_a_request_comes_back_whole() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let log = log_at(etcd.urls(), "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    let long = noise(CHUNK_BYTES_MAX);
    append(&log, chunk(epoch, 1, &long)).await.unwrap();
    append(&log, chunk(epoch, 1, &long))
        .await
        .expect("a resend");
    append(&log, chunk(epoch, 2, b"next")).await.unwrap();
    let other = log_at(etcd.urls(), "/t", 2);
    let chunks = other.read_from(A, Seq(1), usize::MAX).await.unwrap();
    assert_eq!(chunks.len(), 2);
    assert!(chunks[0].bytes == long, "every byte is there");

    log.trim(A, Seq(1)).await.unwrap();
    let everything = client(&etcd)
        .await
        .get("/t/", Some(prefix()))
        .await
        .unwrap();
    let keys = everything.kvs().iter().map(|kv| kv.key_str().unwrap());
    let keys: Vec<&str> = keys.collect();
    let expected = ["/t/log/0003/0000000000000002", "/t/owner/0003"];
    assert_eq!(keys, expected, "its pieces leave with it");
}

#[tokio::test]
async fn chunks_of_many_partitions_share_requests() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let log = log_at(etcd.urls(), "/t", 1);
    let mut chunks = Vec::new();
    for partition in (0..200).map(PartitionId) {
        let epoch = log.acquire(partition).await.unwrap().epoch;
        let of_it = |seq, text: &[u8]| Append {
            partition,
            ..chunk(epoch, seq, text)
        };
        chunks.extend([of_it(1, b"one"), of_it(2, b"two")]);
    }
    let revision = |answer: etcd_client::GetResponse| answer.header().unwrap().revision();
    let mut client = client(&etcd).await;
    let before = revision(client.get("x", None).await.unwrap());
    let results = log.append(chunks).await;
    assert_eq!(results, vec![Ok(()); 400]);
    let writes = revision(client.get("x", None).await.unwrap()) - before;
    assert_eq!(writes, 10, "five requests for 200 partitions, twice");
}

#[tokio::test]
async fn chunks_of_different_callers_share_requests_while_others_are_under_way() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let log = log_at(etcd.urls(), "/t", 1);
    let mut epochs = Vec::new();
    for partition in (0..40).map(PartitionId) {
        epochs.push(log.acquire(partition).await.unwrap().epoch);
    }
    let revision = |answer: etcd_client::GetResponse| answer.header().unwrap().revision();
    let mut client = client(&etcd).await;
    let before = revision(client.get("x", None).await.unwrap());
    let callers = (0..40)
        .map(PartitionId)
        .zip(epochs)
        .map(|(partition, epoch)| {
            log.append(vec![Append {
                partition,
                ..chunk(epoch, 1, b"one")
            }])
        });
    let results = futures::future::join_all(callers).await;
    assert!(results.iter().flatten().all(Result::is_ok), "{results:?}");
    let writes = revision(client.get("x", None).await.unwrap()) - before;
    assert!(writes <= 8, "{writes} requests for 40 callers");
}

#[tokio::test]
async fn a_full_etcd_refuses_chunks_and_lets_the_log_be_trimmed() {
    let etcd = EtcdProcess::start(1, &["--quota-backend-bytes=8000000"]).await;
    let log = log_at(etcd.urls(), "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    let filler = noise(400_000);
    let mut last = 0;
    let refusal = loop {
        match append(&log, chunk(epoch, last + 1, &filler)).await {
            Ok(()) => last += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, StoreError::Full(_)), "{refusal:?}");
    assert!(refusal.is_retryable());
    log.trim(A, Seq(last))
        .await
        .expect("deletions need no space");

    let mut client = client(&etcd).await;
    let status = client.get("x", None).await.unwrap();
    let revision = status.header().unwrap().revision();
    let physically = etcd_client::CompactionOptions::new().with_physical();
    client.compact(revision, Some(physically)).await.unwrap();
    client.defragment().await.unwrap();
    let kind = etcd_client::AlarmType::Nospace;
    let get = etcd_client::AlarmAction::Get;
    for alarm in client.alarm(get, kind, None).await.unwrap().alarms() {
        let mut of_member = etcd_client::AlarmOptions::new();
        of_member.with_member(alarm.member_id());
        let disarm = etcd_client::AlarmAction::Deactivate;
        client.alarm(disarm, kind, Some(of_member)).await.unwrap();
    }
    append(&log, chunk(epoch, last + 1, &filler))
        .await
        .expect("there is space again");
    let found = log.read_from(A, Seq(last + 1), usize::MAX).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_damaged_chunk_is_refused_and_named() {
    let etcd = EtcdProcess::start(1, &[]).await;
    let log = log_at(etcd.urls(), "/t", 1);
    let epoch = log.acquire(A).await.unwrap().epoch;
    append(&log, chunk(epoch, 1, b"some text that is long enough"))
        .await
        .unwrap();
    let key = "/t/log/0003/0000000000000001";
    let mut client = client(&etcd).await;
    let stored = client.get(key, None).await.unwrap().kvs()[0]
        .value()
        .to_vec();
    for at in 0..stored.len() {
        let mut damaged = stored.clone();
        damaged[at] ^= 0x10;
        client.put(key, damaged, None).await.unwrap();
        let found = log.read_from(A, Seq(1), usize::MAX).await;
        match found {
            Err(StoreError::Corrupt(text)) => assert!(text.contains("chunk 1"), "{text}"),
            // Who wrote it is not part of the chunk.
            Ok(chunks) => assert_eq!(&chunks[0].bytes[..], b"some text that is long enough"),
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
}

async fn client(etcd: &EtcdProcess) -> etcd_client::Client {
    etcd_client::Client::connect(etcd.urls(), None)
        .await
        .unwrap()
}

fn prefix() -> etcd_client::GetOptions {
    etcd_client::GetOptions::new().with_prefix()
}
