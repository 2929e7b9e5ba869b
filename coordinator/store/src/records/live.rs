//! What a live execution waits for: so that a start reads no snapshots. Key: execution id, 16 bytes.

use std::sync::Arc;

use prost::Message as _;
use stepfleet_engine::{Attempt, EventId, ExecutionId, KeyHash, Timestamp};
use stepfleet_proto::record::v1;

use super::convert::{corrupt, hash};
use super::keys;
use super::wire::Wire;
use crate::error::StoreError;
use crate::state::{Row, Table};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Leads to the partition of the execution.
    pub hash: KeyHash,
    /// When something is due next.
    pub deadline: Option<Timestamp>,
    /// Activity tasks that no worker has taken.
    pub offers: Vec<Offer>,
    /// For lists.
    pub machine_arn: Arc<str>,
    /// Start of the execution or its newest redrive, milliseconds since the Unix epoch.
    pub runs_since: Timestamp,
    /// Since when its oldest open callback waits.
    pub callback_since: Option<Timestamp>,
    /// Whether a worker's session holds a task of it: such an execution is loaded at start.
    pub held_by_session: bool,
}

/// An activity task that waits for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// ARN of the activity.
    pub activity: Arc<str>,
    /// The attempt that a worker would take.
    pub attempt: Attempt,
    /// When the task was scheduled, milliseconds since the Unix epoch.
    pub scheduled_at: Timestamp,
    /// What it asks of its worker: the text of its input's member for that.
    pub placement: Option<Arc<str>>,
}

/// Key of an execution.
pub fn key(execution: ExecutionId) -> Vec<u8> {
    keys::execution(execution)
}

/// The execution of a key.
pub fn execution_of(key: &[u8]) -> Result<ExecutionId, StoreError> {
    keys::execution_of(key)
}

/// The row of an execution, or its deletion.
pub fn row(execution: ExecutionId, live: Option<&Live>) -> Row {
    Row {
        table: Table::Live,
        key: key(execution),
        value: live.map(encode),
    }
}

/// Encodes a value.
pub fn encode(live: &Live) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + 96 * live.offers.len());
    let mut wire = Wire(&mut out);
    wire.uint(1, live.hash.0);
    wire.optional_int(2, live.deadline.map(|at| at.0));
    for offer in &live.offers {
        wire.message(3, |wire| {
            wire.string(1, &offer.activity);
            wire.uint(2, offer.attempt.entry.0);
            wire.uint(3, offer.attempt.attempt);
            wire.uint(4, offer.attempt.generation);
            wire.int(5, offer.scheduled_at.0);
            wire.optional_string(6, offer.placement.as_deref());
        });
    }
    wire.string(4, &live.machine_arn);
    wire.int(5, live.runs_since.0);
    wire.optional_int(6, live.callback_since.map(|at| at.0));
    wire.uint(7, u32::from(live.held_by_session));
    out
}

/// Decodes a value.
pub fn decode(value: &[u8]) -> Result<Live, StoreError> {
    let live =
        v1::Live::decode(value).map_err(|error| corrupt(format_args!("live row: {error}")))?;
    let offers = live.offers.into_iter().map(|offer| Offer {
        activity: offer.activity.into(),
        attempt: Attempt {
            entry: EventId(offer.entry),
            attempt: offer.attempt,
            generation: offer.generation,
        },
        scheduled_at: Timestamp(offer.scheduled_at),
        placement: offer.placement.map(Arc::from),
    });
    Ok(Live {
        hash: hash(live.hash)?,
        deadline: live.deadline.map(Timestamp),
        offers: offers.collect(),
        machine_arn: live.machine_arn.into(),
        runs_since: Timestamp(live.runs_since),
        callback_since: live.callback_since.map(Timestamp),
        held_by_session: live.held_by_session,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::arbitrary;

    proptest! {
        #[test]
        fn live_rows_come_back(live in arbitrary::live()) {
            prop_assert_eq!(decode(&encode(&live)).unwrap(), live);
        }

        #[test]
        fn keys_come_back_and_order_as_ids_do(a: u128, b: u128) {
            let (a, b) = (ExecutionId(a), ExecutionId(b));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(execution_of(&key(a)).unwrap(), a);
        }
    }
}
