//! Blocks come back with the public ids of their events.

use proptest::collection::vec;
use proptest::prelude::*;
use stepfleet_engine::KeyHash;

use super::*;
use crate::records::arbitrary::{data, event};
use crate::records::record::{RecordHeader, encode_record};

const EXECUTION: ExecutionId = ExecutionId(77);

/// Records as an execution writes them, one after another; payloads 1 to `known` came before.
fn write(decisions: &[Vec<Event>], known: u32) -> Vec<u8> {
    let mut records = Vec::new();
    let (mut seq, mut floor) = (1, known);
    for events in decisions {
        let count = u32::try_from(events.len()).unwrap();
        let (hash, at) = (KeyHash(1), Timestamp(1000 + i64::try_from(seq).unwrap()));
        let header = RecordHeader {
            hash,
            execution: EXECUTION,
            at,
            first_seq: EventSeq(seq),
            count,
        };
        encode_record(&mut records, &header, events, PayloadId(floor));
        seq += u64::from(count);
        floor = events
            .iter()
            .filter_map(|event| event.body.data())
            .map(|data| data.id.0)
            .fold(floor, u32::max);
    }
    records
}

proptest! {
    #[test]
    fn blocks_come_back(decisions in vec(vec(event(), 1..5), 1..6), first in 1..1000_u64) {
        let records = write(&decisions, 500);
        let header = tally(EventId(first), &records.clone().into()).unwrap();
        prop_assert_eq!(usize::try_from(header.count).unwrap(), decisions.len());
        let block = decode(&encode(&header, &records)).unwrap();
        prop_assert_eq!(block.header, header);
        prop_assert_eq!(&block.records[..], &records[..]);
        let stored = block.events(&mut |id| Some(data(id.0))).unwrap();
        let written: Vec<Event> = decisions.concat();
        prop_assert_eq!(stored.iter().map(|stored| stored.event.clone()).collect::<Vec<_>>(), written);
        let seqs: Vec<u64> = stored.iter().map(|stored| stored.seq.0).collect();
        prop_assert!(seqs.iter().copied().eq(1..=seqs.len() as u64));
        let ids: Vec<u64> = stored.iter().filter_map(|stored| Some(stored.id?.0)).collect();
        prop_assert!(ids.iter().copied().eq(first..=header.last_event.0));
        prop_assert!(stored.iter().all(|stored| stored.id.is_some() == stored.event.body.is_public()));
    }

    #[test]
    fn payloads_are_found_in_their_block(decisions in vec(vec(event(), 1..5), 1..6)) {
        let records: Bytes = write(&decisions, 0).into();
        let block = Block { header: tally(EventId(1), &records).unwrap(), records };
        let mut first = decisions.concat().into_iter().filter_map(|event| event.body.data().cloned());
        if let Some(data) = first.next() {
            prop_assert_eq!(block.payload(data.id).unwrap(), Some(data));
        }
        prop_assert_eq!(block.payload(PayloadId(0)).unwrap(), None);
        prop_assert_eq!(block.payload(PayloadId(100_000)).unwrap(), None);
    }

    #[test]
    fn keys_order_as_events_do(a: u128, b: u128, x: u64, y: u64) {
        let (left, right) = ((ExecutionId(a), EventId(x)), (ExecutionId(b), EventId(y)));
        let keys = (key(left.0, left.1), key(right.0, right.1));
        prop_assert_eq!(keys.0.cmp(&keys.1), left.cmp(&right));
        prop_assert_eq!(parse_key(&keys.0).unwrap(), left);
        let (from, to) = range(left.0);
        prop_assert!(from <= keys.0 && keys.0 < to);
        prop_assert_eq!(from <= keys.1 && keys.1 < to, a == b);
    }

    #[test]
    fn damaged_blocks_never_panic(decisions in vec(vec(event(), 1..3), 1..3), at in any::<prop::sample::Index>(), with: u8) {
        let records = write(&decisions, 0);
        let mut bytes = encode(&tally(EventId(1), &records.clone().into()).unwrap(), &records);
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(block) = decode(&bytes) {
            drop(block.events(&mut |_| None));
        }
    }
}

#[test]
fn the_block_of_an_event_is_the_last_that_begins_at_or_before_it() {
    use crate::state::memory::MemoryStore;
    use crate::state::{Order, StateStore as _};
    let store = MemoryStore::new();
    for first in [1, 10, 20] {
        let header = BlockHeader {
            first_event: EventId(first),
            ..BlockHeader::default()
        };
        store.write(vec![row(EXECUTION, &header, b"")]).unwrap();
    }
    for (event, expected) in [(1, 1), (9, 1), (10, 10), (15, 10), (u64::MAX, 20)] {
        let (from, to) = range_to(EXECUTION, EventId(event));
        let rows = store
            .scan(Table::History, &from, &to, Order::Descending, 1)
            .unwrap();
        assert_eq!(
            parse_key(&rows[0].0).unwrap().1,
            EventId(expected),
            "event {event}"
        );
    }
}
