//! A success that is sent again: whether its task was closed by that very success. The recorded events tell, internal
//! ones included: they alone count attempts that never got scheduled, and hand-outs.

#[cfg(test)]
mod tests;

use stepfleet_asl::Payload;
use stepfleet_engine::event::EventBody;
use stepfleet_engine::{Attempt, Data, EventSeq, FrameId};
use stepfleet_store::records::history::{self, Block, StoredEvent};
use stepfleet_store::state::Order;
use stepfleet_store::{StoreError, Table};

use super::api::Caller;
use super::error::ApiError;
use super::{Place, Service};
use crate::catalog::storage_error;
use crate::partition::going_down;
use crate::partition::history::first_key;
use crate::partition::message::Snapshot;
use crate::shared::Shared;

/// Blocks that are read at once.
const BLOCKS: usize = 8;
/// Reads of blocks at most. A repeat whose answer lies further from the state's entry is refused like any late one.
const READS_MAX: usize = 16;

impl Service {
    /// Whether the task of this token was closed by a success of this token with this output, byte by byte. False where
    /// the history no longer shows it.
    ///
    /// # Errors
    /// `InvalidToken`; the state store cannot be read; the coordinator is going down.
    pub(crate) async fn closed_by(
        &self,
        caller: &Caller,
        token: &str,
        output: &str,
    ) -> Result<bool, ApiError> {
        let task = self.open_token(token)?;
        let place = Place {
            id: task.execution,
            hash: task.hash,
        };
        let Some(snapshot) = self.snapshot(place).await? else {
            return Ok(false);
        };
        let header = &snapshot.execution.header;
        if header.namespace != caller.namespace || header.incarnation != task.incarnation {
            return Ok(false);
        }
        let search = Search::new(task.attempt, output);
        let shared = self.shared.clone();
        let found =
            crate::task::blocking("read history", move || search.through(&shared, &snapshot));
        let found = found.await.map_err(|_panic| going_down())?;
        found.map_err(|error| storage_error(&error))
    }
}

/// A reading of the stay that an attempt belongs to.
#[derive(Debug)]
struct Search {
    wanted: Attempt,
    output: String,
    stay: Option<Stay>,
}

/// Where the reading stands, once it has found the state's entry.
#[derive(Clone, Copy, Debug)]
struct Stay {
    frame: FrameId,
    attempt: Attempt,
    last: EventSeq,
}

impl Search {
    fn new(wanted: Attempt, output: &str) -> Self {
        Self {
            wanted,
            output: output.to_owned(),
            stay: None,
        }
    }

    /// Reads the blocks from the state's entry on, then what the host still held.
    fn through(mut self, shared: &Shared, snapshot: &Snapshot) -> Result<bool, StoreError> {
        let id = snapshot.execution.header.id;
        let mut from = first_key(shared, id, self.wanted.entry)?;
        let (_, end) = history::range_to(id, snapshot.first_event);
        for _ in 0..READS_MAX {
            let page = shared
                .store
                .scan(Table::History, &from, &end, Order::Ascending, BLOCKS)?;
            let Some((key, _)) = page.last() else {
                let found = self.block(&snapshot.tail_block())?;
                return Ok(found.unwrap_or(false));
            };
            from.clone_from(key);
            from.push(0);
            for (_, value) in &page {
                if let Some(found) = self.block(&history::decode(value)?)? {
                    return Ok(found);
                }
            }
        }
        Ok(false)
    }

    fn block(&mut self, block: &Block) -> Result<Option<bool>, StoreError> {
        // A task's output always stands in the record of its success. No other payload is looked at, and none that a
        // client sends is as short as this one.
        let unread = Payload::trusted("");
        let events = block.events(&mut |id| {
            let payload = unread.clone();
            Some(Data { id, payload })
        })?;
        Ok(events.iter().find_map(|stored| self.event(stored)))
    }

    /// Takes the next event; tells the answer once it is known.
    fn event(&mut self, stored: &StoredEvent) -> Option<bool> {
        let body = &stored.event.body;
        let Some(stay) = &mut self.stay else {
            if stored.id == Some(self.wanted.entry) {
                return self.enter(stored);
            }
            return None;
        };
        // Blocks may overlap.
        if stored.seq <= stay.last {
            return None;
        }
        // A block of internal events alone gives its place to the next one. What it counted is unknown then.
        if stored.seq.0 != stay.last.0 + 1 {
            return Some(false);
        }
        stay.last = stored.seq;
        if matches!(body, EventBody::ExecutionRedriven { .. }) {
            return stay.next_attempt(self.wanted);
        }
        if body.frame() != Some(stay.frame) {
            return None;
        }
        if let EventBody::ActivitySucceeded { output, .. }
        | EventBody::TaskSucceeded { output, .. } = body
        {
            return (stay.attempt == self.wanted).then(|| output.payload.text() == self.output);
        }
        if matches!(body, EventBody::RetryScheduled { .. }) {
            return stay.next_attempt(self.wanted);
        }
        if matches!(body, EventBody::ActivityReoffered { .. }) {
            stay.attempt.generation = stay.attempt.generation.saturating_add(1);
        }
        // An aborted one may go on when the execution is redriven.
        let is_over = matches!(
            body,
            EventBody::StateEntered { .. } | EventBody::StateExited { .. }
        );
        is_over.then_some(false)
    }

    fn enter(&mut self, stored: &StoredEvent) -> Option<bool> {
        let EventBody::StateEntered { frame, .. } = stored.event.body else {
            return Some(false);
        };
        self.stay = Some(Stay {
            frame,
            attempt: Attempt {
                entry: self.wanted.entry,
                attempt: 0,
                generation: 0,
            },
            last: stored.seq,
        });
        None
    }
}

impl Stay {
    /// Another attempt begins, if it is not too late for the wanted one.
    fn next_attempt(&mut self, wanted: Attempt) -> Option<bool> {
        self.attempt.attempt = self.attempt.attempt.saturating_add(1);
        self.attempt.generation = 0;
        (self.attempt.attempt > wanted.attempt).then_some(false)
    }
}
