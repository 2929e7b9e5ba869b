//! The contract of [`PartitionLog`].

use std::sync::Arc;

use bytes::Bytes;
use stepfleet_engine::PartitionId;

use crate::error::StoreError;
use crate::log::{Acquired, Append, BatchId, CHUNK_BYTES_MAX, Chunk, Epoch, PartitionLog, Seq};

const A: PartitionId = PartitionId(3);
const B: PartitionId = PartitionId(60);
const ALL: usize = usize::MAX;

/// Runs every clause against a new log from `make`. Panics at the first that does not hold.
pub async fn log_keeps_the_contract(make: &mut (dyn FnMut() -> Arc<dyn PartitionLog> + Send)) {
    chunks_come_back_in_order(&*make()).await;
    sequences_are_dense(&*make()).await;
    resends_are_recognised(&*make()).await;
    acquiring_fences_older_owners(&*make()).await;
    handing_over_fences_the_owner(&*make()).await;
    reads_are_paged(&*make()).await;
    trimmed_chunks_are_gone(&*make()).await;
    chunks_are_bounded(&*make()).await;
    one_call_serves_many_partitions(&*make()).await;
    appends_in_flight_keep_their_order(&*make()).await;
}

fn chunk(partition: PartitionId, epoch: Epoch, seq: u64, text: &str) -> Append {
    let batch = BatchId(u128::from(seq) << 64 | u128::from(epoch.0));
    Append {
        partition,
        epoch,
        seq: Seq(seq),
        batch,
        chunk: Bytes::copy_from_slice(text.as_bytes()),
    }
}

async fn acquire(log: &dyn PartitionLog, partition: PartitionId) -> Acquired {
    log.acquire(partition)
        .await
        .expect("a partition can be acquired")
}

async fn append(log: &dyn PartitionLog, append: Append) -> Result<(), StoreError> {
    let mut results = log.append(vec![append]).await;
    assert_eq!(results.len(), 1, "one answer per chunk");
    results.remove(0)
}

async fn read(log: &dyn PartitionLog, partition: PartitionId, seq: u64) -> Vec<Chunk> {
    log.read_from(partition, Seq(seq), ALL)
        .await
        .expect("chunks can be read")
}

fn texts(chunks: &[Chunk]) -> Vec<String> {
    chunks
        .iter()
        .map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned())
        .collect()
}

fn assert_fenced(result: Result<(), StoreError>) {
    assert!(
        matches!(result, Err(StoreError::Fenced(_))),
        "expected a fence, got {result:?}"
    );
}

async fn chunks_come_back_in_order(log: &dyn PartitionLog) {
    let Acquired { epoch, last } = acquire(log, A).await;
    assert_eq!(last, Seq(0), "an empty log ends at 0");
    assert_eq!(read(log, A, 1).await, vec![]);
    for (seq, text) in [(1, "one"), (2, ""), (3, "three")] {
        append(log, chunk(A, epoch, seq, text))
            .await
            .expect("the next chunk is accepted");
    }
    let chunks = read(log, A, 1).await;
    assert_eq!(texts(&chunks), ["one", "", "three"]);
    let sent = chunk(A, epoch, 3, "three");
    let expected = Chunk {
        epoch,
        seq: sent.seq,
        batch: sent.batch,
        bytes: sent.chunk,
    };
    assert_eq!(chunks[2], expected, "a chunk comes back as it was sent");
    assert_eq!(texts(&read(log, A, 3).await), ["three"]);
    assert_eq!(read(log, A, 4).await, vec![], "behind the end is nothing");
    assert_eq!(read(log, B, 1).await, vec![], "partitions are apart");
    assert_eq!(
        acquire(log, A).await.last,
        Seq(3),
        "an owner learns where the log ends"
    );
}

async fn sequences_are_dense(log: &dyn PartitionLog) {
    assert_fenced(append(log, chunk(A, Epoch(0), 1, "unowned")).await);
    let Acquired { epoch, .. } = acquire(log, A).await;
    assert_fenced(append(log, chunk(A, epoch, 2, "a gap")).await);
    assert_fenced(append(log, chunk(A, epoch, 0, "zero is no chunk")).await);
    append(log, chunk(A, epoch, 1, "one"))
        .await
        .expect("the first chunk is 1");
    assert_fenced(append(log, chunk(A, epoch, 3, "a gap")).await);
    append(log, chunk(A, epoch, 2, "two"))
        .await
        .expect("a refused chunk leaves no trace");
    assert_eq!(texts(&read(log, A, 1).await), ["one", "two"]);
}

async fn resends_are_recognised(log: &dyn PartitionLog) {
    let Acquired { epoch, .. } = acquire(log, A).await;
    for seq in 1..=3 {
        append(log, chunk(A, epoch, seq, "first"))
            .await
            .expect("accepted");
    }
    for seq in [3, 1] {
        append(log, chunk(A, epoch, seq, "again"))
            .await
            .expect("the same batch again is no error");
    }
    let other = Append {
        batch: BatchId(7),
        ..chunk(A, epoch, 3, "other")
    };
    assert_fenced(append(log, other).await);
    assert_eq!(
        texts(&read(log, A, 1).await),
        ["first"; 3],
        "a resend changes nothing"
    );
    append(log, chunk(A, epoch, 4, "next"))
        .await
        .expect("a resend does not move the end");
}

async fn acquiring_fences_older_owners(log: &dyn PartitionLog) {
    let older = acquire(log, A).await.epoch;
    append(log, chunk(A, older, 1, "one"))
        .await
        .expect("accepted");
    let newer = acquire(log, A).await;
    assert!(newer.epoch > older, "epochs grow");
    assert_eq!(newer.last, Seq(1));
    assert_fenced(append(log, chunk(A, older, 2, "late")).await);
    assert_fenced(append(log, chunk(A, older, 1, "one")).await);
    assert_fenced(append(log, chunk(A, Epoch(newer.epoch.0 + 1), 2, "early")).await);
    append(log, chunk(A, newer.epoch, 2, "two"))
        .await
        .expect("the owner appends");
    let chunks = read(log, A, 1).await;
    assert_eq!(
        chunks.iter().map(|chunk| chunk.epoch).collect::<Vec<_>>(),
        [older, newer.epoch]
    );
}

async fn handing_over_fences_the_owner(log: &dyn PartitionLog) {
    let first = acquire(log, A).await.epoch;
    append(log, chunk(A, first, 1, "one"))
        .await
        .expect("accepted");
    log.hand_over(A, first)
        .await
        .expect("the owner may give up");
    assert_fenced(append(log, chunk(A, first, 2, "late")).await);
    let second = acquire(log, A).await;
    assert!(second.epoch > first);
    assert_eq!(second.last, Seq(1));
    log.hand_over(A, first)
        .await
        .expect("an old owner's hand-over changes nothing");
    append(log, chunk(A, second.epoch, 2, "two"))
        .await
        .expect("the new owner stays");
    assert_fenced(log.hand_over(A, Epoch(second.epoch.0 + 5)).await);
}

async fn reads_are_paged(log: &dyn PartitionLog) {
    let Acquired { epoch, .. } = acquire(log, A).await;
    for seq in 1..=10 {
        append(log, chunk(A, epoch, seq, &"x".repeat(100)))
            .await
            .expect("accepted");
    }
    let lengths = |chunks: Vec<Chunk>| chunks.iter().map(|chunk| chunk.seq.0).collect::<Vec<_>>();
    let page = |seq, bytes| log.read_from(A, Seq(seq), bytes);
    assert_eq!(lengths(page(1, 350).await.expect("readable")), [1, 2, 3]);
    assert_eq!(
        lengths(page(4, 0).await.expect("readable")),
        [4],
        "at least one"
    );
    assert_eq!(lengths(page(9, 1000).await.expect("readable")), [9, 10]);
}

async fn trimmed_chunks_are_gone(log: &dyn PartitionLog) {
    let Acquired { epoch, .. } = acquire(log, A).await;
    for seq in 1..=4 {
        append(log, chunk(A, epoch, seq, "text"))
            .await
            .expect("accepted");
    }
    log.trim(A, Seq(2)).await.expect("trimmed");
    log.trim(A, Seq(1))
        .await
        .expect("trimming less is no error");
    assert_eq!(read(log, A, 3).await.len(), 2);
    let below = log.read_from(A, Seq(2), ALL).await;
    assert!(
        matches!(below, Err(StoreError::Corrupt(_))),
        "a hole is not passed over: {below:?}"
    );
    assert_fenced(append(log, chunk(A, epoch, 1, "text")).await);
    log.trim(A, Seq(4)).await.expect("all of it may be trimmed");
    assert_eq!(read(log, A, 5).await, vec![]);
    append(log, chunk(A, epoch, 5, "text"))
        .await
        .expect("a trimmed log goes on where it ended");
    let beyond = log.trim(A, Seq(9)).await;
    assert!(
        matches!(beyond, Err(StoreError::Corrupt(_))),
        "a checkpoint ahead of its log: {beyond:?}"
    );
    assert_eq!(acquire(log, A).await.last, Seq(5));
}

async fn chunks_are_bounded(log: &dyn PartitionLog) {
    let Acquired { epoch, .. } = acquire(log, A).await;
    let of = |bytes: usize| Append {
        chunk: Bytes::from(vec![7; bytes]),
        ..chunk(A, epoch, 1, "")
    };
    let over = append(log, of(CHUNK_BYTES_MAX + 1)).await;
    assert!(
        matches!(over, Err(StoreError::LimitExceeded(_))),
        "{over:?}"
    );
    append(log, of(CHUNK_BYTES_MAX))
        .await
        .expect("the bound itself is allowed");
    assert_eq!(read(log, A, 1).await[0].bytes.len(), CHUNK_BYTES_MAX);
}

async fn one_call_serves_many_partitions(log: &dyn PartitionLog) {
    let a = acquire(log, A).await.epoch;
    let b = acquire(log, B).await.epoch;
    let results = log
        .append(vec![
            chunk(A, a, 1, "a1"),
            chunk(B, b, 2, "a gap"),
            chunk(B, b, 1, "b1"),
            chunk(A, a, 2, "a2"),
            chunk(A, a, 2, "a2"),
        ])
        .await;
    let accepted: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(
        accepted,
        [true, false, true, true, true],
        "each chunk has its own answer: {results:?}"
    );
    assert_eq!(texts(&read(log, A, 1).await), ["a1", "a2"]);
    assert_eq!(texts(&read(log, B, 1).await), ["b1"]);
    assert_eq!(
        log.append(Vec::new()).await.len(),
        0,
        "an empty call is answered"
    );
}

async fn appends_in_flight_keep_their_order(log: &dyn PartitionLog) {
    let Acquired { epoch, .. } = acquire(log, A).await;
    let flying: Vec<_> = (1..=50)
        .map(|seq| log.append(vec![chunk(A, epoch, seq, "text")]))
        .collect();
    for results in futures::future::join_all(flying).await {
        results[0]
            .clone()
            .expect("calls take effect in the order in which they were made");
    }
    assert_eq!(read(log, A, 1).await.len(), 50);
}
