//! What workers were told: to drain, or to go on after all. It is durable before it is told and before whoever asked is
//! answered, so that a worker that has not heard it when this process ends is told by the next one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepfleet_engine::SessionId;
use stepfleet_proto::v1::Order;

use super::Session;
use crate::catalog::control_error;
use crate::catalog::records::{Versioned, write};
use crate::control::ControlStore as _;
use crate::service::error::ApiError;
use crate::shared::Shared;

const PREFIX: &str = "worker-order/";
/// How long the word for a worker is kept that does not come back.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// `worker-order/<session id>`: the last word to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OrderRecord {
    drains: bool,
    /// Milliseconds since the epoch.
    told_at: i64,
}

impl Shared {
    /// Tells a worker to drain, or to go on: its session as it is then, when that changes something.
    pub(crate) async fn tell(
        &self,
        session: &Arc<Session>,
        order: Order,
    ) -> Result<Option<Arc<Session>>, ApiError> {
        if !session.heeds(order) {
            return Ok(None);
        }
        // Two who tell workers something at once may both forget the same.
        if let Err(error) = self.forget_old_orders().await {
            tracing::debug!(%error, "what workers were told long ago is kept until the next is told something");
        }
        let record = OrderRecord {
            drains: order == Order::Drain,
            told_at: self.clock.now().0,
        };
        let key = key(session.id);
        let expected = self.control.get(&key).map(|entry| entry.version);
        self.put_order(key, expected, Some(write(&record))).await?;
        // It may have come back meanwhile, with other activities.
        let current = self.fleet.session(session.id);
        let session = current.unwrap_or_else(|| session.clone());
        Ok(session.order(order).then_some(session))
    }

    /// The last word to a worker, if there was one.
    pub(crate) fn told(&self, session: SessionId) -> Result<Option<Order>, ApiError> {
        let Some(entry) = self.control.get(&key(session)) else {
            return Ok(None);
        };
        let stored = Versioned::<OrderRecord>::read(&entry)?;
        Ok(Some(match stored.record.drains {
            true => Order::Drain,
            false => Order::Resume,
        }))
    }

    /// A worker has left and does not come back.
    pub(super) async fn forget_order(&self, session: SessionId) {
        let key = key(session);
        let Some(entry) = self.control.get(&key) else {
            return;
        };
        if let Err(error) = self.put_order(key, Some(entry.version), None).await {
            tracing::debug!(%error, "what a worker was told is kept for some days");
        }
    }

    async fn forget_old_orders(&self) -> Result<(), ApiError> {
        let is_old = |told_at: i64| self.clock.now().0.saturating_sub(told_at) > KEPT_MS;
        for (key, entry) in self.control.scan(PREFIX) {
            let told_at = Versioned::<OrderRecord>::read(&entry)?.record.told_at;
            let is_known = session_of(&key).is_some_and(|id| self.fleet.session(id).is_some());
            if is_old(told_at) && !is_known {
                self.put_order(key, Some(entry.version), None).await?;
            }
        }
        Ok(())
    }

    async fn put_order(
        &self,
        key: String,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> Result<(), ApiError> {
        let put = self.control.put(key, expected, value).await;
        put.map_err(|error| control_error(&error))
    }
}

fn key(session: SessionId) -> String {
    format!("{PREFIX}{:032x}", session.0)
}

fn session_of(key: &str) -> Option<SessionId> {
    let digits = key.strip_prefix(PREFIX)?;
    u128::from_str_radix(digits, 16).ok().map(SessionId)
}
