//! Log records: what a chunk holds. A chunk is the encoding of `Chunk` in `chunk.proto`: tagged, length-delimited records
//! in the order in which they were decided. 1: the events of one decision. 2: a control change. 3: reserved. 4: the end of
//! an Express execution.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf as _, BufMut, Bytes};
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use stepfleet_asl::Payload;
use stepfleet_engine::EventSeq;
use stepfleet_engine::{Data, Event, ExecutionId, KeyHash, PayloadId, Timestamp};
use stepfleet_proto::record::v1;

use super::convert::{corrupt, hash, wide};
use super::event::{self, put_event};
use super::wire::{Out, Wire};
use crate::error::StoreError;

const EXECUTION: u32 = 1;
const CONTROL: u32 = 2;
const EXPRESS_END: u32 = 4;

/// Fields of `ExecutionRecord` that repeat, behind its header.
const PAYLOAD: u32 = 7;
const EVENT: u32 = 8;

/// What stands before the events of one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Leads to the partition of the execution, whatever the number of partitions.
    pub hash: KeyHash,
    /// The execution that was decided on.
    pub execution: ExecutionId,
    /// Time of the decision, and of every event in it.
    pub at: Timestamp,
    /// Number of the first event; the others follow without gaps.
    pub first_seq: EventSeq,
    /// Number of events.
    pub count: u32,
}

/// One change of a control row; without a value the row is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlChange {
    /// Key in [`Table::Control`](crate::Table::Control).
    pub key: Vec<u8>,
    /// Counts the row's changes from its creation, from 1; replay passes over a change no newer than the row.
    pub version: u64,
    /// The new content; none deletes.
    pub value: Option<Vec<u8>>,
}

/// The events of one decision, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Decoded already, so that a reader can skip the rest.
    pub header: RecordHeader,
    /// The record with its tag and length, as it stands in the chunk.
    pub raw: Bytes,
    /// Payloads and events.
    body: Bytes,
}

/// One record of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkRecord {
    /// The events of one decision of one execution.
    Execution(RawRecord),
    /// A change of one control row.
    Control(ControlChange),
    /// An Express execution has ended, and its start needs no other run.
    ExpressEnd(ExecutionId),
}

/// The records of a chunk, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct RecordReader {
    rest: Bytes,
}

/// Writes the events of one decision behind what `out` holds. A payload is written, with its text, before the first
/// event that names it when its id is greater than `payload_floor`, the execution's last payload before the decision.
pub fn encode_record<O: BufMut + std::ops::DerefMut<Target = [u8]>>(
    out: &mut O,
    header: &RecordHeader,
    events: &[Event],
    payload_floor: PayloadId,
) {
    debug_assert_eq!(
        usize::try_from(header.count),
        Ok(events.len()),
        "a record counts its events"
    );
    Wire(out).record(EXECUTION, |wire| {
        put_record_header(wire, header);
        let mut written = Written {
            floor: payload_floor.0,
            near: [0; 4],
            far: BTreeSet::new(),
        };
        for event in events {
            if let Some(data) = event.body.data()
                && written.is_new(data.id.0)
            {
                put_payload(wire, data);
            }
            wire.message(EVENT, |wire| put_event(wire, event));
        }
    });
}

/// Writes a control change behind what `out` holds.
pub fn encode_control<O: BufMut + std::ops::DerefMut<Target = [u8]>>(
    out: &mut O,
    change: &ControlChange,
) {
    Wire(out).record(CONTROL, |wire| {
        wire.bytes(1, &change.key);
        wire.uint(2, change.version);
        if let Some(value) = &change.value {
            wire.bytes(3, value);
        }
    });
}

/// Writes that an Express execution has ended behind what `out` holds.
pub fn encode_express_end<O: BufMut + std::ops::DerefMut<Target = [u8]>>(
    out: &mut O,
    execution: ExecutionId,
) {
    Wire(out).message(EXPRESS_END, |wire| wire.wide(1, execution.0));
}

fn put_record_header<O: Out>(wire: &mut Wire<'_, O>, header: &RecordHeader) {
    wire.uint(1, header.hash.0);
    wire.wide(2, header.execution.0);
    wire.int(4, header.at.0);
    wire.uint(5, header.first_seq.0);
    wire.uint(6, header.count);
}

fn put_payload<O: Out>(wire: &mut Wire<'_, O>, data: &Data) {
    wire.message_of(PAYLOAD, data.payload.len() + 12, |wire| {
        wire.uint(1, data.id.0);
        wire.string(2, data.payload.text());
    });
}

/// Which payloads a record holds already. Ids grow by one, so nearly all of them are near the floor.
#[derive(Debug)]
struct Written {
    floor: u32,
    near: [u64; 4],
    far: BTreeSet<u32>,
}

impl Written {
    /// Whether a payload must be written now; it counts as written afterwards.
    fn is_new(&mut self, id: u32) -> bool {
        let Some(distance) = id.checked_sub(self.floor + 1) else {
            return false;
        };
        let word = usize::try_from(distance / 64)
            .ok()
            .and_then(|word| self.near.get_mut(word));
        let Some(word) = word else {
            return self.far.insert(id);
        };
        let bit = 1 << (distance % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

impl RecordReader {
    /// Reads the records of a chunk or of a history block.
    pub fn new(chunk: Bytes) -> Self {
        Self { rest: chunk }
    }

    fn read(&mut self) -> Result<ChunkRecord, StoreError> {
        let start = self.rest.clone();
        let (tag, mut body) = take_field(&mut self.rest)?;
        let raw = start.slice(..start.len() - self.rest.len());
        match tag {
            EXECUTION => {
                let header = record_header(&mut body)?;
                Ok(ChunkRecord::Execution(RawRecord { header, raw, body }))
            }
            CONTROL => {
                let change = v1::ControlChange::decode(body)
                    .map_err(|error| corrupt(format_args!("control change: {error}")))?;
                let v1::ControlChange {
                    key,
                    version,
                    value,
                } = change;
                Ok(ChunkRecord::Control(ControlChange {
                    key,
                    version,
                    value,
                }))
            }
            EXPRESS_END => {
                let end = v1::ExpressEnd::decode(body)
                    .map_err(|error| corrupt(format_args!("end of an execution: {error}")))?;
                let id = wide(end.execution_high, end.execution_low);
                Ok(ChunkRecord::ExpressEnd(ExecutionId(id)))
            }
            kind => Err(corrupt(format_args!("record of unknown kind {kind}"))),
        }
    }
}

impl Iterator for RecordReader {
    type Item = Result<ChunkRecord, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.rest.clear();
        }
        Some(record)
    }
}

impl RawRecord {
    /// Reads the events. `resolve` finds payloads that earlier records hold; those of this record are found here.
    pub fn events(
        &self,
        resolve: &mut dyn FnMut(PayloadId) -> Option<Data>,
    ) -> Result<Vec<Event>, StoreError> {
        let mut own = BTreeMap::new();
        let mut events = Vec::with_capacity(
            usize::try_from(self.header.count).map_or(0, |count| count.min(4096)),
        );
        let located = |error: StoreError| {
            corrupt(format_args!(
                "record of execution {}: {error}",
                self.header.execution
            ))
        };
        let mut body = self.body.clone();
        while !body.is_empty() {
            match take_field(&mut body)? {
                (PAYLOAD, field) => {
                    let data = payload(field)?;
                    own.insert(data.id, data);
                }
                (EVENT, field) => {
                    let mut find = |id| own.get(&id).cloned().or_else(|| resolve(id));
                    events.push(event::decode(&field, &mut find).map_err(located)?);
                }
                (tag, _) => return Err(corrupt(format_args!("record with unknown field {tag}"))),
            }
        }
        if u32::try_from(events.len()) != Ok(self.header.count) {
            let count = self.header.count;
            return Err(corrupt(format_args!(
                "record of {count} events holds {}",
                events.len()
            )));
        }
        Ok(events)
    }

    /// The payloads that stand in this record.
    pub fn payloads(&self) -> Result<Vec<Data>, StoreError> {
        let mut payloads = Vec::new();
        let mut body = self.body.clone();
        while !body.is_empty() {
            if let (PAYLOAD, field) = take_field(&mut body)? {
                payloads.push(payload(field)?);
            }
        }
        Ok(payloads)
    }
}

/// Takes one length-delimited field off the front.
fn take_field(bytes: &mut Bytes) -> Result<(u32, Bytes), StoreError> {
    let broken = |what: &dyn std::fmt::Display| corrupt(format_args!("record: {what}"));
    let (tag, wire_type) = decode_key(bytes).map_err(|error| broken(&error))?;
    if wire_type != WireType::LengthDelimited {
        return Err(broken(&format_args!("field {tag} has no length")));
    }
    let length = decode_varint(bytes).map_err(|error| broken(&error))?;
    match usize::try_from(length) {
        Ok(length) if length <= bytes.remaining() => Ok((tag, bytes.split_to(length))),
        Ok(_) | Err(_) => Err(broken(&format_args!(
            "{length} bytes announced, {} there",
            bytes.remaining()
        ))),
    }
}

/// Takes the header's fields off the front of a record.
fn record_header(body: &mut Bytes) -> Result<RecordHeader, StoreError> {
    let broken = |error| corrupt(format_args!("record header: {error}"));
    let mut end = body.clone();
    loop {
        let rest = end.clone();
        if rest.is_empty() {
            break;
        }
        let (tag, wire_type) = decode_key(&mut end).map_err(broken)?;
        if tag >= PAYLOAD {
            end = rest;
            break;
        }
        skip_field(wire_type, tag, &mut end, DecodeContext::default()).map_err(broken)?;
    }
    let header = body.split_to(body.len() - end.len());
    let header = v1::ExecutionRecord::decode(header).map_err(broken)?;
    Ok(RecordHeader {
        hash: hash(header.hash)?,
        execution: ExecutionId(wide(header.execution_high, header.execution_low)),
        at: Timestamp(header.at),
        first_seq: EventSeq(header.first_seq),
        count: header.count,
    })
}

fn payload(field: Bytes) -> Result<Data, StoreError> {
    let payload =
        v1::Payload::decode(field).map_err(|error| corrupt(format_args!("payload: {error}")))?;
    Ok(Data {
        id: PayloadId(payload.id),
        payload: Payload::trusted(payload.text),
    })
}
