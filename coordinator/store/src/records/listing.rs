//! Lists of executions. Key: list 1 (0 all, else the status), namespace, 0, state machine, 0, sort time descending 8,
//! id descending 16. Key order is list order: newest first. Value: a summary. What was started by a version or an alias
//! also stands in lists of those, below the state machine's name with `:` and the qualifier behind it.
//!
//! An execution sorts by its start or its newest redrive while it runs and by its stop afterwards, as `ListExecutions`
//! does.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use prost::Message as _;
use stepfleet_engine::execution::Status;
use stepfleet_engine::{Execution, ExecutionId, KeyHash, Timestamp};
use stepfleet_proto::record::v1;

use super::convert::{corrupt, hash, status, status_number, wide};
use super::keys;
use super::wire::Wire;
use crate::error::StoreError;
use crate::state::{Row, Table};

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Breaks ties between equal sort times.
    pub id: ExecutionId,
    /// Leads to the partition of the execution.
    pub hash: KeyHash,
    /// Account id of the ARNs.
    pub namespace: Arc<str>,
    /// State machine name, as in its ARN.
    pub machine_name: Arc<str>,
    /// Execution name.
    pub name: Arc<str>,
    /// `executionArn` in API answers.
    pub execution_arn: Arc<str>,
    /// `stateMachineArn` in API answers.
    pub machine_arn: Arc<str>,
    /// Chooses the list by status, beside the list of all.
    pub status: Status,
    /// Milliseconds since the Unix epoch; sorts the execution while it runs, unless it was redriven.
    pub started_at: Timestamp,
    /// Milliseconds since the Unix epoch; none while it runs.
    pub closed_at: Option<Timestamp>,
    /// Revision of the definition that it runs for its whole life.
    pub revision: u64,
    /// The version that it was started by, if any.
    pub version_arn: Option<Arc<str>>,
    /// The alias that it was started by, if any.
    pub alias_arn: Option<Arc<str>>,
    /// How often it was redriven.
    pub redrive_count: u32,
    /// When last.
    pub redriven_at: Option<Timestamp>,
}

/// Where a page ended: the next begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its stop, or its start while it runs, in milliseconds since the Unix epoch.
    pub sort: Timestamp,
    /// The last execution on the page.
    pub id: ExecutionId,
}

impl Summary {
    /// The summary of an execution.
    pub fn of(execution: &Execution) -> Self {
        let header = &execution.header;
        Self {
            id: header.id,
            hash: header.hash,
            namespace: Arc::clone(&header.namespace),
            machine_name: Arc::clone(&header.machine_name),
            name: Arc::clone(&header.name),
            execution_arn: Arc::clone(&header.execution_arn),
            machine_arn: Arc::clone(&header.machine_arn),
            status: execution.status,
            started_at: execution.started_at,
            closed_at: execution.closed_at,
            revision: header.revision,
            version_arn: header.version_arn.clone(),
            alias_arn: header.alias_arn.clone(),
            redrive_count: execution.redrive_count(),
            redriven_at: execution.redriven_at(),
        }
    }

    /// Its place in lists.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            sort: self
                .closed_at
                .or(self.redriven_at)
                .unwrap_or(self.started_at),
            id: self.id,
        }
    }

    /// Its key among all executions of a name, or among those of its status.
    fn key(&self, name: &str, status: Option<Status>) -> Vec<u8> {
        let mut key = prefix(&self.namespace, name, status);
        key.extend_from_slice(&self.cursor().encode());
        key
    }

    fn rows(&self, value: Option<Vec<u8>>) -> Vec<Row> {
        let row = |name: &str, list| Row {
            table: Table::Listing,
            key: self.key(name, list),
            value: value.clone(),
        };
        let machine = &*self.machine_name;
        let mut rows = vec![row(machine, None), row(machine, Some(self.status))];
        for arn in [&self.version_arn, &self.alias_arn].into_iter().flatten() {
            let name = qualified_name(machine, arn);
            rows.extend([row(&name, None), row(&name, Some(self.status))]);
        }
        rows
    }

    /// Rows that put it into its lists.
    pub fn put(&self) -> Vec<Row> {
        self.rows(Some(encode(self)))
    }

    /// Rows that take it out of its lists: for retention, and when it is redriven.
    pub fn delete(&self) -> Vec<Row> {
        self.rows(None)
    }

    /// The place of an execution that `status` closed at `closed_at`, whatever became of it since.
    pub fn of_closed(execution: &Execution, status: Status, closed_at: Timestamp) -> Self {
        Self {
            status,
            closed_at: Some(closed_at),
            ..Self::of(execution)
        }
    }

    /// Rows that move a closed execution out of the lists of running ones and into its own.
    pub fn close(&self) -> Vec<Row> {
        let running = Self {
            status: Status::Running,
            closed_at: None,
            ..self.clone()
        };
        let mut rows = running.delete();
        rows.extend(self.put());
        rows
    }
}

impl Cursor {
    /// 24 bytes that order as lists do: newest first.
    pub fn encode(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&(!keys::time(self.sort)).to_be_bytes());
        bytes[8..].copy_from_slice(&(!self.id.0).to_be_bytes());
        bytes
    }

    /// None when these are not the bytes of a cursor.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (sort, id) = bytes.split_at_checked(8)?;
        let sort = u64::from_be_bytes(sort.try_into().ok()?);
        let id = u128::from_be_bytes(id.try_into().ok()?);
        Some(Self {
            sort: keys::time_of(!sort),
            id: ExecutionId(!id),
        })
    }
}

/// The name below which executions of a version or alias are listed. No state machine has it: names have no colon.
pub fn qualified_name(machine: &str, arn: &str) -> String {
    let qualifier = arn.rsplit(':').next().unwrap_or_default();
    format!("{machine}:{qualifier}")
}

/// Range of a list, newest first, behind `after`: from, to.
pub fn range(
    namespace: &str,
    machine: &str,
    status: Option<Status>,
    after: Option<Cursor>,
) -> (Vec<u8>, Vec<u8>) {
    let mut from = prefix(namespace, machine, status);
    let to = keys::after_prefix(&from);
    if let Some(after) = after {
        from.extend_from_slice(&after.encode());
        from.push(0);
    }
    (from, to)
}

/// Range of a list's executions that sort before `time`: for retention, over the lists of closed executions.
pub fn range_before(
    namespace: &str,
    machine: &str,
    status: Status,
    time: Timestamp,
) -> (Vec<u8>, Vec<u8>) {
    let newest = Cursor {
        sort: time,
        id: ExecutionId(0),
    };
    range(namespace, machine, Some(status), Some(newest))
}

/// Encodes a value.
pub fn encode(summary: &Summary) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut wire = Wire(&mut out);
    wire.wide(1, summary.id.0);
    wire.uint(3, summary.hash.0);
    wire.string(4, &summary.namespace);
    wire.string(5, &summary.machine_name);
    wire.string(6, &summary.name);
    wire.string(7, &summary.execution_arn);
    wire.string(8, &summary.machine_arn);
    wire.uint(9, status_number(summary.status));
    wire.int(10, summary.started_at.0);
    wire.optional_int(11, summary.closed_at.map(|at| at.0));
    wire.uint(12, summary.revision);
    wire.optional_string(13, summary.version_arn.as_deref());
    wire.optional_string(14, summary.alias_arn.as_deref());
    wire.uint(15, summary.redrive_count);
    wire.optional_int(16, summary.redriven_at.map(|at| at.0));
    out
}

/// Decodes a value.
pub fn decode(value: &[u8]) -> Result<Summary, StoreError> {
    let summary =
        v1::Summary::decode(value).map_err(|error| corrupt(format_args!("summary: {error}")))?;
    Ok(Summary {
        id: ExecutionId(wide(summary.execution_high, summary.execution_low)),
        hash: hash(summary.hash)?,
        namespace: summary.namespace.into(),
        machine_name: summary.machine_name.into(),
        name: summary.name.into(),
        execution_arn: summary.execution_arn.into(),
        machine_arn: summary.machine_arn.into(),
        status: status(summary.status)?,
        started_at: Timestamp(summary.started_at),
        closed_at: summary.closed_at.map(Timestamp),
        revision: summary.revision,
        version_arn: summary.version_arn.map(Arc::from),
        alias_arn: summary.alias_arn.map(Arc::from),
        redrive_count: summary.redrive_count,
        redriven_at: summary.redriven_at.map(Timestamp),
    })
}

fn prefix(namespace: &str, machine: &str, status: Option<Status>) -> Vec<u8> {
    let list = status.map_or(0, |status| status_number(status).to_le_bytes()[0]);
    let mut key = Vec::with_capacity(namespace.len() + machine.len() + 27);
    key.push(list);
    keys::put_texts(&mut key, &[namespace, machine]);
    key
}
