//! Snapshot of an execution: everything that `Execution` holds, each payload once. Key: execution id, 16 bytes.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use stepfleet_engine::{Execution, ExecutionId};

use super::keys;
use crate::error::StoreError;
use crate::state::{Row, Table};

pub use decode::decode;
pub use encode::encode;

/// Key of an execution's snapshot.
pub fn key(execution: ExecutionId) -> Vec<u8> {
    keys::execution(execution)
}

/// The execution of a key.
pub fn execution_of(key: &[u8]) -> Result<ExecutionId, StoreError> {
    keys::execution_of(key)
}

/// The row of an execution's snapshot.
pub fn row(execution: &Execution) -> Row {
    Row {
        table: Table::Execution,
        key: key(execution.header.id),
        value: Some(encode(execution)),
    }
}
