//! Figures of the log over etcd: `cargo run --release -p stepfleet-store --features conformance --example measure_etcd`.
//! Needs etcd in PATH. Every partition has one append in flight, as a coordinator would.
#![expect(clippy::print_stdout, reason = "it is a tool that prints")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::sys::signal::Signal;
use stepfleet_engine::PartitionId;
use stepfleet_store::conformance::EtcdProcess;
use stepfleet_store::etcd::{Etcd, EtcdOptions};
use stepfleet_store::log::etcd::{EtcdLog, Node};
use stepfleet_store::{Append, BatchId, PartitionLog as _, Seq};
use tokio::task::JoinSet;

/// About what a step of an execution takes, packed.
const RECORD_BYTES: usize = 300;
const MEASURE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Counts {
    appends: AtomicU64,
    /// Microseconds of every append.
    took: std::sync::Mutex<Vec<u32>>,
    stop: AtomicBool,
}

#[tokio::main]
async fn main() {
    let flags = ["--snapshot-count=2000", "--quota-backend-bytes=4294967296"];
    for members in [1, 3] {
        println!("etcd with {members} member(s): appends/s, records/s, p50 and p99 in ms");
        for (partitions, records) in [(1, 1), (1, 256), (16, 1), (16, 64), (64, 1), (64, 64)] {
            let etcd = EtcdProcess::start(members, &flags).await;
            let log = log(&etcd);
            let (rate, mut took) = load(&log, partitions, records, MEASURE).await;
            took.sort_unstable();
            let at = |percent: usize| f64::from(took[(took.len() - 1) * percent / 100]) / 1000.0;
            let all = rate * f64::from(u32::try_from(records).unwrap_or(u32::MAX));
            println!(
                "{partitions:>3} partitions, {records:>3} records: {rate:>8.0} {all:>9.0} {:>7.2} {:>7.2}",
                at(50),
                at(99)
            );
        }
    }
    interruption("a member hangs", |etcd, member| {
        etcd.signal(member, Signal::SIGSTOP)
    })
    .await;
    interruption("a member is killed", |etcd, member| etcd.kill(member)).await;
}

fn log(etcd: &EtcdProcess) -> EtcdLog {
    let options = EtcdOptions::new(etcd.urls());
    let node = Node {
        name: "measure".to_owned(),
        address: "http://127.0.0.1:1".to_owned(),
        incarnation: 1 << 64,
    };
    EtcdLog::new(Arc::new(Etcd::new(options)), "/measure", node)
}

async fn load(log: &EtcdLog, partitions: u16, records: usize, time: Duration) -> (f64, Vec<u32>) {
    let counts = Arc::new(Counts::default());
    let mut tasks = JoinSet::new();
    for partition in (0..partitions).map(PartitionId) {
        tasks.spawn(append(log.clone(), partition, records, counts.clone()));
    }
    let begun = Instant::now();
    tokio::time::sleep(time).await;
    counts.stop.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    let count = u32::try_from(counts.appends.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    let took = std::mem::take(&mut *counts.took.lock().expect("nobody panics"));
    (f64::from(count) / begun.elapsed().as_secs_f64(), took)
}

async fn append(log: EtcdLog, partition: PartitionId, records: usize, counts: Arc<Counts>) {
    let acquired = log.acquire(partition).await.expect("etcd answers");
    let mut seq = acquired.last;
    let chunk = noise(records * RECORD_BYTES);
    while !counts.stop.load(Ordering::Relaxed) {
        seq.0 += 1;
        let append = Append {
            partition,
            epoch: acquired.epoch,
            seq,
            batch: BatchId(u128::from(seq.0)),
            chunk: chunk.clone(),
        };
        let begun = Instant::now();
        while log.append(vec![append.clone()]).await[0].is_err() {}
        let took = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        counts.took.lock().expect("nobody panics").push(took);
        counts.appends.fetch_add(1, Ordering::Relaxed);
        if seq.0.is_multiple_of(64) {
            log.trim(partition, Seq(seq.0 - 32))
                .await
                .expect("etcd answers");
        }
    }
}

/// The longest pause of appends when something happens to each of three members, one after the other.
async fn interruption(what: &str, happen: impl Fn(&mut EtcdProcess, usize)) {
    for member in 0..3 {
        let mut etcd = EtcdProcess::start(3, &["--snapshot-count=2000"]).await;
        let log = log(&etcd);
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        for partition in (0..4).map(PartitionId) {
            tasks.spawn(append(log.clone(), partition, 1, counts.clone()));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        happen(&mut etcd, member);
        tokio::time::sleep(Duration::from_secs(5)).await;
        counts.stop.store(true, Ordering::Relaxed);
        while tasks.join_next().await.is_some() {}
        let longest = counts
            .took
            .lock()
            .expect("nobody panics")
            .iter()
            .max()
            .copied();
        let longest = Duration::from_micros(longest.unwrap_or(0).into());
        println!("{what} ({member} of 3): the longest append took {longest:.2?}");
    }
}

/// Bytes that do not pack.
fn noise(length: usize) -> Bytes {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect::<Vec<u8>>().into()
}
