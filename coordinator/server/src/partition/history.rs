//! Reading a history: blocks of the state store, then the tail that its host still held. Blocks may overlap after an
//! unclean end; ids decide.

use stepfleet_engine::{Data, EventId, ExecutionId, HistoryEvent, PayloadId, project};
use stepfleet_store::records::history::{self, Block};
use stepfleet_store::state::Order;
use stepfleet_store::{StoreError, Table};

use super::message::Snapshot;
use crate::catalog::storage_error;
use crate::service::error::ApiError;
use crate::shared::Shared;

/// Blocks that are read at once.
const BLOCKS: usize = 8;

/// Which events are wanted, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Ascending, behind this id.
    After(EventId),
    /// Descending, before this id.
    Before(EventId),
}

/// One reading of one history.
struct Reader<'a> {
    shared: &'a Shared,
    snapshot: &'a Snapshot,
    id: ExecutionId,
}

/// At most `limit` events.
pub(crate) fn read(
    shared: &Shared,
    snapshot: &Snapshot,
    direction: Direction,
    limit: usize,
) -> Result<Vec<HistoryEvent>, ApiError> {
    let reader = Reader {
        shared,
        snapshot,
        id: snapshot.execution.header.id,
    };
    let events = match direction {
        Direction::After(after) => reader.ascending(after, limit),
        Direction::Before(before) => reader.descending(before, limit),
    };
    events.map_err(|error| storage_error(&error))
}

impl Reader<'_> {
    fn ascending(&self, after: EventId, limit: usize) -> Result<Vec<HistoryEvent>, StoreError> {
        let mut events: Vec<HistoryEvent> = Vec::new();
        let mut last = after;
        let mut from = first_key(self.shared, self.id, EventId(after.0.saturating_add(1)))?;
        let end = history::key(self.id, self.snapshot.first_event);
        while events.len() < limit && from < end {
            let page =
                self.shared
                    .store
                    .scan(Table::History, &from, &end, Order::Ascending, BLOCKS)?;
            let Some((key, _)) = page.last() else {
                break;
            };
            from.clone_from(key);
            from.push(0);
            for (_, value) in &page {
                let block = history::decode(value)?;
                let new = self
                    .project(&block)?
                    .into_iter()
                    .filter(|event| event.id > last);
                events.extend(new.filter(|event| event.id < self.snapshot.first_event));
                last = events.last().map_or(last, |event| event.id);
            }
        }
        if events.len() < limit {
            events.extend(self.tail()?.into_iter().filter(|event| event.id > last));
        }
        events.truncate(limit);
        Ok(events)
    }

    fn descending(&self, before: EventId, limit: usize) -> Result<Vec<HistoryEvent>, StoreError> {
        let mut events: Vec<HistoryEvent> = Vec::new();
        let mut last = before;
        if before > self.snapshot.first_event {
            events.extend(
                self.tail()?
                    .into_iter()
                    .rev()
                    .filter(|event| event.id < before),
            );
            last = self.snapshot.first_event;
        }
        let (first, _) = history::range(self.id);
        let mut to = history::key(self.id, last);
        while events.len() < limit && first < to {
            let page =
                self.shared
                    .store
                    .scan(Table::History, &first, &to, Order::Descending, BLOCKS)?;
            let Some((key, _)) = page.last() else {
                break;
            };
            to.clone_from(key);
            for (_, value) in &page {
                let block = history::decode(value)?;
                events.extend(
                    self.project(&block)?
                        .into_iter()
                        .rev()
                        .filter(|event| event.id < last),
                );
                last = events.last().map_or(last, |event| event.id);
            }
        }
        events.truncate(limit);
        Ok(events)
    }

    fn tail(&self) -> Result<Vec<HistoryEvent>, StoreError> {
        self.project(&self.snapshot.tail_block())
    }

    fn project(&self, block: &Block) -> Result<Vec<HistoryEvent>, StoreError> {
        let mut failed = None;
        let mut resolve = |id: PayloadId| match self.resolve(block.header.first_event, id) {
            Ok(found) => found,
            Err(error) => {
                failed = Some(error);
                None
            }
        };
        let stored = block.events(&mut resolve);
        if let Some(error) = failed {
            return Err(error);
        }
        let public = stored?
            .into_iter()
            .filter_map(|stored| project(&stored.event, stored.id?, stored.at));
        Ok(public.collect())
    }

    /// A payload that an earlier block, or the execution itself, holds.
    fn resolve(&self, before: EventId, id: PayloadId) -> Result<Option<Data>, StoreError> {
        if let Some(data) = self.snapshot.execution.payload(id) {
            return Ok(Some(data));
        }
        let (first, _) = history::range(self.id);
        let mut to = history::key(self.id, before);
        loop {
            let page =
                self.shared
                    .store
                    .scan(Table::History, &first, &to, Order::Descending, BLOCKS)?;
            let Some((key, _)) = page.last() else {
                return Ok(None);
            };
            to.clone_from(key);
            for (_, value) in &page {
                if let Some(data) = history::decode(value)?.payload(id)? {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Key of the block that holds an event, or the first key before it.
pub(crate) fn first_key(
    shared: &Shared,
    id: ExecutionId,
    event: EventId,
) -> Result<Vec<u8>, StoreError> {
    let (from, to) = history::range_to(id, event);
    let found = shared
        .store
        .scan(Table::History, &from, &to, Order::Descending, 1)?;
    Ok(found.into_iter().next().map_or(from, |(key, _)| key))
}
