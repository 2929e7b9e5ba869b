//! The control records' contents, as JSON with a format number, so that a person can read a backup.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::control::Entry;
use crate::service::error::{ApiError, ErrorCode};

/// A record with the version under which it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Versioned<T> {
    pub version: u64,
    pub record: T,
}

/// `machine/<namespace>/<name>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineRecord {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub arn: Arc<str>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub deleting: bool,
    /// The current revision, and the one it began with (whose public id is absent).
    pub revision: u64,
    pub first_revision: u64,
    pub tags: Vec<(String, String)>,
}

/// `revision/<namespace>/<name>/<number>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RevisionRecord {
    pub definition: Arc<str>,
    pub role_arn: String,
    pub created_at: i64,
    pub revision_id: String,
    pub logging_configuration: Option<String>,
    pub tracing_configuration: Option<String>,
    pub encryption_configuration: Option<String>,
}

/// `activity/<namespace>/<name>`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActivityRecord {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub arn: Arc<str>,
    pub created_at: i64,
    pub tags: Vec<(String, String)>,
    pub encryption_configuration: Option<String>,
}

/// The stored form of a record.
pub(crate) fn write<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records are plain data")
}

impl<T: DeserializeOwned> Versioned<T> {
    /// Reads a stored record.
    pub(crate) fn read(entry: &Entry) -> Result<Self, ApiError> {
        let record = serde_json::from_slice(&entry.value).map_err(|error| {
            ApiError::new(
                ErrorCode::InternalServerError,
                format!("a control record cannot be read: {error}"),
            )
        })?;
        Ok(Self {
            version: entry.version,
            record,
        })
    }
}
