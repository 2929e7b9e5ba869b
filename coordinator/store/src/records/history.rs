//! Blocks of history. Key: execution id 16, first event id 8, so that paging either way is a seek. Value: a header and
//! the records as they stood in the log, lz4.
//!
//! A block holds whole records. Its first event id is that of its first public event; internal events have none.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::Message as _;
use stepfleet_engine::{Data, Event, EventId, EventSeq, ExecutionId, PayloadId, Timestamp};
use stepfleet_proto::record::v1;

use super::convert::corrupt;
use super::keys;
use super::record::{ChunkRecord, RawRecord, RecordReader};
use super::wire::Wire;
use crate::error::StoreError;
use crate::state::{Row, Table};

/// Bytes of records in a block at most, before compression. A block is closed long before.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockHeader {
    /// Public ids. A block without public events has `last_event = first_event - 1`.
    pub first_event: EventId,
    /// The last public event in this block.
    pub last_event: EventId,
    /// Ids of the payloads that stand in this block; 0 when none does.
    pub first_payload: PayloadId,
    /// The greatest of those ids; 0 when no payload stands here.
    pub last_payload: PayloadId,
    /// Records.
    pub count: u32,
}

/// A block, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Ids and counts, as stored beside the records.
    pub header: BlockHeader,
    /// Records with tags and lengths, as in the log.
    pub records: Bytes,
}

/// An event as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its public id; internal events have none.
    pub id: Option<EventId>,
    /// Its number among all events of the execution, internal ones included.
    pub seq: EventSeq,
    /// Time of the decision, milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// With its payload, if it has one.
    pub event: Event,
}

/// Key of the block that begins with this event.
pub fn key(execution: ExecutionId, first_event: EventId) -> Vec<u8> {
    let mut key = keys::execution(execution);
    key.extend_from_slice(&first_event.0.to_be_bytes());
    key
}

/// Execution and first event of a key.
pub fn parse_key(key: &[u8]) -> Result<(ExecutionId, EventId), StoreError> {
    let execution = keys::execution_of(key)?;
    let event = key[16..]
        .try_into()
        .map_err(|_| corrupt(format_args!("history key of {} bytes", key.len())))?;
    Ok((execution, EventId(u64::from_be_bytes(event))))
}

/// Range of all blocks of an execution: from, to.
pub fn range(execution: ExecutionId) -> (Vec<u8>, Vec<u8>) {
    let from = keys::execution(execution);
    let to = keys::after_prefix(&from);
    (from, to)
}

/// Range whose last block is the one that holds this event: scan it in descending order, limit 1.
pub fn range_to(execution: ExecutionId, event: EventId) -> (Vec<u8>, Vec<u8>) {
    (
        keys::execution(execution),
        key(execution, EventId(event.0.saturating_add(1))),
    )
}

/// Encodes a block of records that stand as in the log.
pub fn encode(header: &BlockHeader, records: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(records);
    let mut out = Vec::with_capacity(packed.len() + 40);
    let mut wire = Wire(&mut out);
    wire.uint(1, header.first_event.0);
    wire.uint(2, header.last_event.0);
    wire.uint(3, header.first_payload.0);
    wire.uint(4, header.last_payload.0);
    wire.uint(5, header.count);
    wire.uint(6, records.len() as u64);
    wire.bytes(7, &packed);
    out
}

/// The row of a block.
pub fn row(execution: ExecutionId, header: &BlockHeader, records: &[u8]) -> Row {
    Row {
        table: Table::History,
        key: key(execution, header.first_event),
        value: Some(encode(header, records)),
    }
}

/// Reads the header without unpacking.
pub fn decode_header(value: &[u8]) -> Result<BlockHeader, StoreError> {
    read(value).map(|block| header(&block))
}

/// Reads and unpacks a block.
pub fn decode(value: &[u8]) -> Result<Block, StoreError> {
    let block = read(value)?;
    let header = header(&block);
    let bytes = usize::try_from(block.bytes).unwrap_or(usize::MAX);
    if bytes > BLOCK_BYTES_MAX {
        return Err(corrupt(format_args!("history block of {bytes} bytes")));
    }
    let records = lz4_flex::block::decompress(&block.records, bytes)
        .map_err(|error| corrupt(format_args!("history block: {error}")))?;
    if records.len() != bytes {
        return Err(corrupt(format_args!(
            "history block of {bytes} bytes unpacks to {}",
            records.len()
        )));
    }
    Ok(Block {
        header,
        records: records.into(),
    })
}

/// What records of one execution hold, when `first_event` is the id that its next public event has.
pub fn tally(first_event: EventId, records: &Bytes) -> Result<BlockHeader, StoreError> {
    let mut header = BlockHeader {
        first_event,
        ..BlockHeader::default()
    };
    let mut next = first_event.0;
    for record in raw_records(records) {
        let record = record?;
        for payload in record.payloads()? {
            let first = header.first_payload.0;
            header.first_payload = PayloadId(if first == 0 {
                payload.id.0
            } else {
                first.min(payload.id.0)
            });
            header.last_payload = header.last_payload.max(payload.id);
        }
        // Only whether events are public counts here, so any payload will do.
        let events = record.events(&mut |id| {
            Some(Data {
                id,
                payload: stepfleet_asl::Payload::empty_object(),
            })
        })?;
        next += events.iter().filter(|event| event.body.is_public()).count() as u64;
        header.count += 1;
    }
    header.last_event = EventId(next - 1);
    Ok(header)
}

impl Block {
    /// All events in order. `resolve` finds payloads of earlier blocks.
    pub fn events(
        &self,
        resolve: &mut dyn FnMut(PayloadId) -> Option<Data>,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut own: std::collections::BTreeMap<PayloadId, Data> =
            std::collections::BTreeMap::new();
        let mut next = self.header.first_event.0;
        let mut stored = Vec::new();
        for record in raw_records(&self.records) {
            let record = record?;
            own.extend(record.payloads()?.into_iter().map(|data| (data.id, data)));
            let events = record.events(&mut |id| own.get(&id).cloned().or_else(|| resolve(id)))?;
            for (event, seq) in events.into_iter().zip(record.header.first_seq.0..) {
                let id = event.body.is_public().then_some(EventId(next));
                next += u64::from(id.is_some());
                stored.push(StoredEvent {
                    id,
                    seq: EventSeq(seq),
                    at: record.header.at,
                    event,
                });
            }
        }
        Ok(stored)
    }

    /// A payload that stands in this block.
    pub fn payload(&self, id: PayloadId) -> Result<Option<Data>, StoreError> {
        if id < self.header.first_payload || id > self.header.last_payload {
            return Ok(None);
        }
        for record in raw_records(&self.records) {
            if let Some(data) = record?.payloads()?.into_iter().find(|data| data.id == id) {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

fn raw_records(records: &Bytes) -> impl Iterator<Item = Result<RawRecord, StoreError>> + use<> {
    RecordReader::new(records.clone()).map(|record| match record? {
        ChunkRecord::Execution(record) => Ok(record),
        ChunkRecord::Control(_) => Err(corrupt("history block with a control change")),
        ChunkRecord::ExpressEnd(_) => Err(corrupt("history block with the end of an execution")),
    })
}

fn read(value: &[u8]) -> Result<v1::HistoryBlock, StoreError> {
    v1::HistoryBlock::decode(value).map_err(|error| corrupt(format_args!("history block: {error}")))
}

fn header(block: &v1::HistoryBlock) -> BlockHeader {
    BlockHeader {
        first_event: EventId(block.first_event),
        last_event: EventId(block.last_event),
        first_payload: PayloadId(block.first_payload),
        last_payload: PayloadId(block.last_payload),
        count: block.count,
    }
}
