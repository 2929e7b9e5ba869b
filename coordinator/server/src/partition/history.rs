use crate::shared::Shared;
use crate::service::error::ApiError;
use super::message::Snapshot;
use stepfleet_engine::{EventId, HistoryEvent};
pub enum Direction { After(EventId), Before(EventId) }
pub fn read(_s: &Shared, _n: &Snapshot, _d: Direction, _l: usize) -> Result<Vec<HistoryEvent>, ApiError> { unimplemented!() }
