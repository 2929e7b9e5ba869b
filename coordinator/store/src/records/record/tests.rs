//! Records come back as they were written, and what cannot be trusted is refused by name.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use stepfleet_engine::EventBody;

use super::*;
use crate::records::arbitrary::{BODIES, data, event, parts};

fn header(count: usize) -> RecordHeader {
    RecordHeader {
        hash: KeyHash(0xBEEF),
        execution: ExecutionId(0x0123_4567_89AB_CDEF_0011_2233_4455_6677),
        at: Timestamp(1_763_690_000_123),
        first_seq: EventSeq(40),
        count: u32::try_from(count).unwrap(),
    }
}

fn chunk_of(events: &[Event], floor: u32) -> Bytes {
    let mut chunk = BytesMut::new();
    encode_record(&mut chunk, &header(events.len()), events, PayloadId(floor));
    chunk.freeze()
}

fn read_one(chunk: &Bytes) -> Result<RawRecord, StoreError> {
    match RecordReader::new(chunk.clone()).next().unwrap()? {
        ChunkRecord::Execution(record) => Ok(record),
        other @ (ChunkRecord::Control(_) | ChunkRecord::ExpressEnd(_)) => panic!("{other:?}"),
    }
}

/// What an execution held before the record.
fn known(floor: u32) -> impl FnMut(PayloadId) -> Option<Data> {
    move |id| (id.0 <= floor).then(|| data(id.0))
}

proptest! {
    #[test]
    fn events_come_back(events in vec(event(), 0..12), floor in 0..300_u32) {
        let chunk = chunk_of(&events, floor);
        let record = read_one(&chunk).unwrap();
        prop_assert_eq!(record.header, header(events.len()));
        prop_assert_eq!(&record.raw, &chunk);
        prop_assert_eq!(record.events(&mut known(floor)).unwrap(), events);
    }

    #[test]
    fn the_generated_reader_agrees(events in vec(event(), 0..12)) {
        let chunk = v1::Chunk::decode(chunk_of(&events, 0)).unwrap();
        let record = &chunk.executions[0];
        prop_assert_eq!(record.events.len(), events.len());
        prop_assert_eq!(record.at, header(0).at.0);
        let named = events.iter().filter_map(|event| event.body.data()).map(|data| data.id.0);
        let named: BTreeSet<u32> = named.collect();
        let stored: Vec<u32> = record.payloads.iter().map(|payload| payload.id).collect();
        prop_assert_eq!(stored.len(), named.len(), "each payload once");
        prop_assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), named);
    }

    #[test]
    fn damaged_chunks_never_panic(events in vec(event(), 1..4), at in any::<prop::sample::Index>(), with: u8) {
        let mut bytes = chunk_of(&events, 0).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = with;
        for record in RecordReader::new(bytes.into()) {
            if let Ok(ChunkRecord::Execution(record)) = record {
                drop(record.events(&mut |_| None));
                drop(record.payloads());
            }
        }
    }
}

#[test]
fn every_kind_of_event_comes_back() {
    let parts = sample_parts();
    let events: Vec<Event> = (0..BODIES)
        .map(|body| Event {
            previous: EventId3,
            body: parts.body(body),
        })
        .collect();
    assert_eq!(
        read_one(&chunk_of(&events, 0))
            .unwrap()
            .events(&mut |_| None)
            .unwrap(),
        events
    );
}

#[expect(non_upper_case_globals, reason = "reads as a value")]
const EventId3: stepfleet_engine::EventId = stepfleet_engine::EventId(3);

fn sample_parts() -> crate::records::arbitrary::Parts {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    parts().new_tree(&mut runner).unwrap().current()
}

#[test]
fn a_chunk_holds_many_records_of_both_kinds() {
    let mut chunk = Vec::new();
    let event = Event {
        previous: EventId3,
        body: EventBody::ExecutionSucceeded { output: data(1) },
    };
    encode_record(&mut chunk, &header(1), &[event], PayloadId(1));
    let change = ControlChange {
        key: b"k".to_vec(),
        version: 2,
        value: None,
    };
    encode_control(&mut chunk, &change);
    encode_record(&mut chunk, &header(0), &[], PayloadId(1));
    let records: Vec<ChunkRecord> = RecordReader::new(chunk.into())
        .collect::<Result<_, _>>()
        .unwrap();
    let kinds: Vec<bool> = records
        .iter()
        .map(|record| matches!(record, ChunkRecord::Control(_)))
        .collect();
    assert_eq!(kinds, [false, true, false]);
}

#[test]
fn a_large_payload_is_written_once_and_not_again() {
    let payload = Data {
        id: PayloadId(9),
        payload: Payload::trusted(format!("\"{}\"", "x".repeat(200_000))),
    };
    let body = || EventBody::ExecutionSucceeded {
        output: payload.clone(),
    };
    let events = [
        Event {
            previous: EventId3,
            body: body(),
        },
        Event {
            previous: EventId3,
            body: body(),
        },
    ];
    let first = chunk_of(&events, 8);
    assert!(first.len() < 200_200);
    assert!(
        chunk_of(&events, 9).len() < 100,
        "a payload of an earlier record is only named"
    );
    assert_eq!(
        read_one(&first).unwrap().events(&mut |_| None).unwrap(),
        events
    );
}

fn corrupt_text(chunk: Vec<u8>) -> String {
    let read = read_one(&chunk.into()).and_then(|record| record.events(&mut |_| None));
    match read {
        Err(StoreError::Corrupt(text)) => text,
        other => panic!("expected damage, got {other:?}"),
    }
}

#[test]
fn what_a_release_does_not_know_is_named() {
    let mut unknown_event = Vec::new();
    Wire(&mut unknown_event).record(EXECUTION, |wire| {
        put_record_header(wire, &header(1));
        wire.message(EVENT, |wire| {
            wire.uint(1, 7_u32);
            wire.message(99, |_| {});
        });
    });
    assert!(corrupt_text(unknown_event).ends_with("event of unknown kind 99"));
    let mut notice = Vec::new();
    Wire(&mut notice).record(3, |_| {});
    assert_eq!(corrupt_text(notice), "record of unknown kind 3");
}

#[test]
fn what_is_missing_is_named() {
    let event = Event {
        previous: EventId3,
        body: EventBody::ExecutionSucceeded { output: data(5) },
    };
    let chunk = chunk_of(std::slice::from_ref(&event), 5);
    assert!(corrupt_text(chunk.to_vec()).ends_with("event names payload 5, which is nowhere"));
    assert!(corrupt_text(chunk[..chunk.len() - 1].to_vec()).contains("bytes announced"));
    let mut miscounted = Vec::new();
    Wire(&mut miscounted).record(EXECUTION, |wire| put_record_header(wire, &header(2)));
    assert_eq!(corrupt_text(miscounted), "record of 2 events holds 0");
}
