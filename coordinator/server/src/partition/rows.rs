use std::sync::Arc;
use bytes::BytesMut;
use stepfleet_engine::{Event, ExecutionId, PayloadId, Timestamp, Attempt};
use stepfleet_engine::execution::{Execution, Status};
use stepfleet_store::Row;
use super::resident::{Resident, Tail};
use super::message::Loaded;
use crate::shared::Shared;
use crate::service::api::ExecutionItem;
use crate::service::error::ApiError;
pub fn encode(_c: &mut BytesMut, _e: &Execution, _at: Timestamp, _f: u64, _p: PayloadId, _ev: &[Event]) { unimplemented!() }
impl Tail { pub fn append(&mut self, _b: &[u8], _e: &Execution, _ev: &[Event]) {} pub fn clear(&mut self) {} }
pub fn closed(_r: &mut Resident) -> Vec<Row> { unimplemented!() }
pub fn live(_r: &mut Resident) -> Vec<Row> { unimplemented!() }
pub fn load(_s: &Shared, _id: ExecutionId) -> Result<Option<Box<Loaded>>, ApiError> { unimplemented!() }
pub fn read(_s: &Shared, _id: ExecutionId) -> Result<Option<Execution>, ApiError> { unimplemented!() }
pub fn item(_e: &Execution) -> ExecutionItem { unimplemented!() }
pub fn closed_items(_s: &Shared, _n: &str, _m: &str, _st: Option<Status>, _b: Option<(Timestamp, ExecutionId)>, _l: usize) -> Result<Vec<((Timestamp, ExecutionId), ExecutionItem)>, ApiError> { unimplemented!() }
pub fn expired(_s: &Shared, _n: &str, _m: &str, _c: Timestamp, _l: usize) -> Result<Vec<Row>, ApiError> { unimplemented!() }
pub fn is_held_by_session(_e: &Execution) -> bool { unimplemented!() }
pub fn has_heartbeat(_e: &Execution) -> bool { unimplemented!() }
pub fn live_activity(_e: &Execution, _a: Attempt) -> Option<Arc<str>> { unimplemented!() }
