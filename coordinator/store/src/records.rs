//! Stored records, one module per kind: key layout, encode, decode, range helpers. Values are protobuf messages of
//! `stepfleet.record.v1`, written by hand (no copies on the hot path) and read by generated code.
//!
//! Numbers compare in keys as they do in memory because they are written big-endian.

#[cfg(test)]
mod arbitrary;
pub mod control;
pub(crate) mod convert;
mod event;
pub mod execution;
#[cfg(test)]
pub(crate) mod golden;
pub mod history;
mod keys;
pub mod listing;
pub mod live;
pub mod record;
mod wire;
