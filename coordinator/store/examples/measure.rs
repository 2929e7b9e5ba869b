//! Measures the hot paths of the store on this machine: `cargo run --release -p stepfleet-store --example measure`.
//! The folder is the first argument, so that a chosen disk can be measured; the default is a temporary one.
#![expect(clippy::print_stdout, reason = "it is a tool that prints")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use stepfleet_asl::Payload;
use stepfleet_asl::program::StateId;
use stepfleet_engine::execution::StateKind;
use stepfleet_engine::{
    Data, Event, EventBody, EventId, EventSeq, ExecutionId, FrameId, KeyHash, PartitionId,
    PayloadId, Timestamp, Variables, Worker,
};
use stepfleet_store::log::local::{Disk, LocalLog, Options, SystemDisk};
use stepfleet_store::records::record::{ChunkRecord, RecordHeader, RecordReader, encode_record};
use stepfleet_store::state::fjall::{FjallOptions, FjallStore};
use stepfleet_store::{Append, BatchId, PartitionLog, Seq};

const RUN: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = std::env::args()
        .nth(1)
        .map_or(temporary.path().to_owned(), PathBuf::from);
    state(&folder)?;
    encode();
    open(&folder)?;
    for appenders in [1, 64, 1024] {
        append(&folder, appenders)?;
    }
    Ok(())
}

/// Success of a task, exit, entry, schedule and start of the next: one step of a fleet, with one new payload.
fn events() -> Vec<Event> {
    let frame = FrameId(0);
    let payload = Payload::trusted(format!("{{\"order\":\"{}\"}}", "x".repeat(243)));
    let data = || Data {
        id: PayloadId(12),
        payload: payload.clone(),
    };
    let name = |text: &str| text.into();
    let bodies = [
        EventBody::ActivitySucceeded {
            frame,
            output: data(),
        },
        EventBody::StateExited {
            frame,
            kind: StateKind::Task,
            name: name("Reserve stock"),
            output: data(),
            assigned: Variables::default(),
            next: Some(StateId(4)),
        },
        EventBody::StateEntered {
            frame,
            state: StateId(4),
            kind: StateKind::Task,
            name: name("Charge card"),
            input: data(),
        },
        EventBody::ActivityScheduled {
            frame,
            activity: name("arn:aws:states:us-east-1:000000000000:activity:charge-card"),
            input: data(),
            timeout_seconds: Some(300),
            heartbeat_seconds: Some(30),
        },
        EventBody::ActivityStarted {
            frame,
            worker: Worker {
                name: Some(name("worker-17")),
                session: None,
            },
        },
    ];
    (40..)
        .zip(bodies)
        .map(|(previous, body)| Event {
            previous: EventId(previous),
            body,
        })
        .collect()
}

fn encode() {
    let events = events();
    let header = RecordHeader {
        hash: KeyHash(7),
        execution: ExecutionId(1 << 99),
        at: Timestamp(1_763_690_000_000),
        first_seq: EventSeq(60),
        count: 5,
    };
    let rounds = 2_000_000_u32;
    let mut chunk = BytesMut::with_capacity(300 * 1024);
    let begun = Instant::now();
    for _ in 0..rounds {
        if chunk.len() > 256 * 1024 {
            chunk.clear();
        }
        encode_record(
            &mut chunk,
            &header,
            std::hint::black_box(&events),
            PayloadId(11),
        );
    }
    let each = begun.elapsed() / rounds;
    chunk.clear();
    encode_record(&mut chunk, &header, &events, PayloadId(11));
    let bytes = chunk.freeze();
    let begun = Instant::now();
    for _ in 0..rounds / 10 {
        for record in RecordReader::new(bytes.clone()) {
            if let Ok(ChunkRecord::Execution(record)) = record {
                std::hint::black_box(record.events(&mut |_| None).expect("it was just written"));
            }
        }
    }
    let decode = begun.elapsed() / (rounds / 10);
    println!(
        "record of 5 events, 256 B payload: {} bytes, encode {each:?}, decode {decode:?}",
        bytes.len()
    );
}

/// The system's disk, with the time of every sync: a disk's mood changes by the second, so appends are compared with the
/// syncs of their own run, never with those of a probe before it.
#[derive(Debug, Default)]
struct TimedDisk(Mutex<Vec<Duration>>);

impl Disk for TimedDisk {
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        SystemDisk.free_bytes(folder)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        SystemDisk.write_at(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let begun = Instant::now();
        SystemDisk.sync(file)?;
        self.0
            .lock()
            .expect("nobody panics with it")
            .push(begun.elapsed());
        Ok(())
    }
}

/// The times at 10, 50, 90 and 99 of 100, and the mean.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100];
    let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).expect("few times");
    format!(
        "p10 {:?}, p50 {:?}, p90 {:?}, p99 {:?}, mean {mean:?}",
        at(10),
        at(50),
        at(90),
        at(99)
    )
}

fn open(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let folder = folder.join("open");
    for what in ["new", "again"] {
        let begun = Instant::now();
        let log = LocalLog::open(&folder, Options::default())?;
        let opened = begun.elapsed();
        runtime.block_on(log.acquire(PartitionId(0)))?;
        println!(
            "open log ({what}): {opened:?}, first acquire after {:?}",
            begun.elapsed()
        );
    }
    Ok(std::fs::remove_dir_all(folder)?)
}

fn append(folder: &Path, appenders: u64) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let folder = folder.join(format!("append-{appenders}"));
    let disk = Arc::new(TimedDisk::default());
    let options = Options {
        disk: Arc::<TimedDisk>::clone(&disk),
        ..Options::default()
    };
    let log: Arc<LocalLog> = Arc::new(LocalLog::open(&folder, options)?);
    let chunk = Bytes::from(vec![5; 512]);
    let end = Instant::now() + RUN;
    let (mut count, mut times) = (0, Vec::new());
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for number in 0..appenders {
            let (log, chunk) = (Arc::clone(&log), chunk.clone());
            tasks.push(runtime.spawn(one(log, number, chunk, end)));
        }
        for task in tasks {
            let latencies = task.await.expect("appenders do not panic");
            count += latencies.len();
            times.extend(latencies);
        }
    });
    let (rate, stats) = (count as f64 / RUN.as_secs_f64(), log.stats());
    let per_group = stats.chunks as f64 / stats.groups as f64;
    println!("{appenders} appenders: {rate:.0} appends/s of 512 B, {per_group:.1} a group");
    println!("  append: {}", spread(times));
    let syncs = std::mem::take(&mut *disk.0.lock().expect("nobody panics with it"));
    println!(
        "  its fdatasyncs ({}, of {} groups): {}",
        syncs.len(),
        stats.groups,
        spread(syncs)
    );
    drop(log);
    Ok(std::fs::remove_dir_all(folder)?)
}

async fn one(log: Arc<LocalLog>, number: u64, chunk: Bytes, end: Instant) -> Vec<Duration> {
    let partition = PartitionId(u16::try_from(number).expect("few appenders"));
    let epoch = log.acquire(partition).await.expect("the log works").epoch;
    let mut times = Vec::new();
    let mut seq = 0;
    while Instant::now() < end {
        seq += 1;
        let append = Append {
            partition,
            epoch,
            seq: Seq(seq),
            batch: BatchId(seq.into()),
            chunk: chunk.clone(),
        };
        let begun = Instant::now();
        log.append(vec![append])
            .await
            .remove(0)
            .expect("the log works");
        times.push(begun.elapsed());
        if seq % 1000 == 0 {
            log.trim(partition, Seq(seq)).await.expect("the log works");
        }
    }
    times
}

fn state(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let folder = folder.join("state");
    let before = resident_kib()?;
    let begun = Instant::now();
    let store = FjallStore::open(&folder, FjallOptions::default())?;
    println!(
        "open state store (new): {:?}, resident {before} -> {} KiB",
        begun.elapsed(),
        resident_kib()?
    );
    drop(store);
    let begun = Instant::now();
    let store = FjallStore::open(&folder, FjallOptions::default())?;
    println!("open state store (again): {:?}", begun.elapsed());
    drop(store);
    Ok(std::fs::remove_dir_all(folder)?)
}

fn resident_kib() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
