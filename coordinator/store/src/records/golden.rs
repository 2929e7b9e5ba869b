//! Golden bytes: what a released format looks like. Today's code reads them and writes the same. A file is never
//! changed after its release; `STEPFLEET_WRITE_GOLDEN=1` writes those that are missing.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use stepfleet_engine::execution::Status;
use stepfleet_engine::{
    Attempt, Event, EventId, EventSeq, ExecutionId, KeyHash, PayloadId, Timestamp,
};

use super::arbitrary::{BODIES, Parts};
use super::history::BlockHeader;
use super::listing::Summary;
use super::live::{Live, Offer};
use super::record::{
    ChunkRecord, ControlChange, RecordHeader, RecordReader, encode_express_end, encode_record,
};
use super::{control, execution, history, listing, live};
use crate::state::Row;

fn sample() -> Parts {
    Parts::sample()
}

/// The same in a block with variables, which the first releases did not have.
fn with_variables() -> Parts {
    Parts {
        variables: vec![("größe".into(), 7), ("order".into(), 200)],
        ..sample()
    }
}

/// The same of a release with redrives.
fn with_redrives() -> Parts {
    Parts {
        redrives: true,
        ..sample()
    }
}

/// The same of a release that keeps when tasks of integrations were scheduled.
fn with_times() -> Parts {
    Parts {
        times: true,
        ..with_redrives()
    }
}

/// The same of a release that keeps progress.
fn with_progress() -> Parts {
    Parts {
        progress: true,
        ..with_times()
    }
}

/// The same of a release whose tasks of integrations may be begun by workers.
fn with_connectors() -> Parts {
    Parts {
        connectors: true,
        ..with_times()
    }
}

/// Compares today's bytes with the file's, 32 bytes a line in hexadecimal.
pub(crate) fn check(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/golden/v1")
        .join(format!("{name}.hex"));
    let hex = |line: &[u8]| {
        line.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            + "\n"
    };
    let today: String = bytes.chunks(32).map(hex).collect();
    if std::env::var_os("STEPFLEET_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, &today).unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        golden, today,
        "the format of {name} changed; released formats are for ever"
    );
}

/// Kinds of events of the first release; `record` holds these.
const FIRST_BODIES: usize = 39;
/// The same with `EvaluationFailed`.
const EVALUATION_BODIES: usize = 40;
/// The same with `ExecutionRedriven`.
const REDRIVE_BODIES: usize = 41;
/// The same with `ProgressRecorded`.
const PROGRESS_BODIES: usize = 42;

fn events(parts: &Parts, bodies: Range<usize>) -> Vec<Event> {
    bodies
        .map(|body| Event {
            previous: EventId(body as u64),
            body: parts.body(body),
        })
        .collect()
}

fn records(parts: &Parts, bodies: Range<usize>) -> Vec<u8> {
    let header = RecordHeader {
        hash: KeyHash(0xBEEF),
        execution: ExecutionId(0x1122_3344_5566_7788_99AA_BBCC_DDEE_FF00),
        at: Timestamp(1_763_690_000_456),
        first_seq: EventSeq(130),
        count: u32::try_from(bodies.len()).unwrap(),
    };
    let mut records = Vec::new();
    encode_record(&mut records, &header, &events(parts, bodies), PayloadId(1));
    records
}

#[test]
fn records_keep_their_bytes() {
    let releases = [
        ("record", sample(), 0..FIRST_BODIES),
        ("record_variables", with_variables(), 0..FIRST_BODIES),
        (
            "record_evaluation_failed",
            sample(),
            FIRST_BODIES..EVALUATION_BODIES,
        ),
        (
            "record_redriven",
            with_redrives(),
            EVALUATION_BODIES..REDRIVE_BODIES,
        ),
        (
            "record_progress",
            with_progress(),
            REDRIVE_BODIES..PROGRESS_BODIES,
        ),
        (
            "record_connectors",
            with_connectors(),
            PROGRESS_BODIES..BODIES,
        ),
        ("record_started_redrivable", with_redrives(), 0..1),
    ];
    for (name, parts, bodies) in releases {
        let bytes = records(&parts, bodies.clone());
        check(name, &bytes);
        let Some(Ok(ChunkRecord::Execution(record))) = RecordReader::new(bytes.into()).next()
        else {
            panic!("no record")
        };
        assert_eq!(
            record.events(&mut |_| None).unwrap(),
            events(&parts, bodies)
        );
    }
}

#[test]
fn control_changes_keep_their_bytes() {
    let put = ControlChange {
        key: b"machine/m".to_vec(),
        version: 9,
        value: Some(b"{}".to_vec()),
    };
    let delete = ControlChange {
        value: None,
        version: 10,
        ..put.clone()
    };
    let bytes = [control::chunk(&put), control::chunk(&delete)].concat();
    check("control_change", &bytes);
    assert_eq!(control::changes(&bytes.into()).unwrap(), [put, delete]);
}

#[test]
fn ends_of_express_executions_keep_their_bytes() {
    let ended = ExecutionId(0x1122_3344_5566_7788_99AA_BBCC_DDEE_FF00);
    let mut bytes = Vec::new();
    encode_express_end(&mut bytes, ended);
    check("express_end", &bytes);
    let read: Vec<_> = RecordReader::new(bytes.into()).collect();
    assert_eq!(read, [Ok(ChunkRecord::ExpressEnd(ended))]);
}

#[test]
fn snapshots_keep_their_bytes() {
    for (name, parts) in [
        ("execution", sample()),
        ("execution_variables", with_variables()),
        ("execution_redriven", with_redrives()),
        ("execution_task_times", with_times()),
        ("execution_progress", with_progress()),
        ("execution_connectors", with_connectors()),
    ] {
        let frames = (0..8)
            .map(|work| parts.frame(2, work))
            .chain((0..4).map(|phase| parts.frame(phase, 0)));
        let sample = parts.execution(Status::Running, frames.collect());
        let bytes = execution::encode(&sample);
        check(name, &bytes);
        assert_eq!(execution::decode(&bytes).unwrap(), sample);
    }
}

#[test]
fn history_blocks_keep_their_bytes() {
    let records = records(&sample(), 0..FIRST_BODIES);
    let header: BlockHeader = history::tally(EventId(100), &records.clone().into()).unwrap();
    let bytes = history::encode(&header, &records);
    check("history", &bytes);
    let block = history::decode(&bytes).unwrap();
    assert_eq!((block.header, &block.records[..]), (header, &records[..]));
}

#[test]
fn summaries_keep_their_bytes() {
    let sample = Summary::of(&sample().execution(Status::Succeeded, Vec::new()));
    let qualified = format!("{}:", sample.machine_name);
    let by_qualifier = |row: &Row| {
        let mut parts = row.key.windows(qualified.len());
        parts.any(|part| part == qualified.as_bytes())
    };
    // The first releases had the lists of state machines alone.
    let (later, first): (Vec<Row>, Vec<Row>) = sample.close().into_iter().partition(by_qualifier);
    for (name, rows) in [("listing", first), ("listing-qualified", later)] {
        let bytes: Vec<u8> = rows
            .into_iter()
            .flat_map(|row| [row.key, row.value.unwrap_or_default()])
            .flatten()
            .collect();
        check(name, &bytes);
    }
    assert_eq!(listing::decode(&listing::encode(&sample)).unwrap(), sample);
}

#[test]
fn summaries_of_redriven_executions_keep_their_bytes() {
    let sample = Summary::of(&with_redrives().execution(Status::Failed, Vec::new()));
    let bytes = listing::encode(&sample);
    check("listing-redriven", &bytes);
    assert_eq!(listing::decode(&bytes).unwrap(), sample);
}

#[test]
fn live_rows_keep_their_bytes() {
    let attempt = Attempt {
        entry: EventId(30),
        attempt: 2,
        generation: 1,
    };
    let offer = Offer {
        activity: Arc::clone(&sample().name),
        attempt,
        scheduled_at: Timestamp(sample().at),
        placement: None,
    };
    let sample = Live {
        hash: KeyHash(9),
        deadline: Some(Timestamp(sample().at)),
        offers: vec![offer],
        machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m".into(),
        runs_since: Timestamp(sample().at - 5),
        callback_since: Some(Timestamp(sample().at - 1)),
        held_by_session: true,
    };
    let bytes = live::encode(&sample);
    check("live", &bytes);
    assert_eq!(live::decode(&bytes).unwrap(), sample);
}

#[test]
fn live_rows_of_tasks_that_ask_for_a_worker_keep_their_bytes() {
    let offer = Offer {
        activity: "arn:aws:states:us-east-1:000000000000:activity:a".into(),
        attempt: Attempt {
            entry: EventId(2),
            attempt: 0,
            generation: 0,
        },
        scheduled_at: Timestamp(sample().at),
        placement: Some(r#"{"requires":{"region":"eu"},"priority":9}"#.into()),
    };
    let sample = Live {
        hash: KeyHash(9),
        deadline: None,
        offers: vec![offer],
        machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m".into(),
        runs_since: Timestamp(sample().at),
        callback_since: None,
        held_by_session: false,
    };
    let bytes = live::encode(&sample);
    check("live-placed", &bytes);
    assert_eq!(live::decode(&bytes).unwrap(), sample);
}

#[test]
fn control_rows_keep_their_bytes() {
    let bytes = control::encode(12, b"value");
    check("control", &bytes);
    assert_eq!(control::decode(&bytes).unwrap(), (12, b"value".to_vec()));
}
