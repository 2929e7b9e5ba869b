//! The control records' contents, as JSON with a format number, so that a person can read a backup.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::control::Entry;
use crate::service::api::MachineType;
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
    /// Never changes. The first releases had STANDARD alone.
    #[serde(default)]
    pub machine_type: MachineType,
    /// The current revision, and the one it began with (whose public id is absent).
    pub revision: u64,
    pub first_revision: u64,
    pub tags: Vec<(String, String)>,
    /// Versions and aliases stand in the machine's own record, so that one compare-and-set keeps them true to each other.
    #[serde(default)]
    pub published: Arc<Published>,
}

/// What was published of a state machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// The greatest number that a version ever had: numbers are not used twice.
    pub last_version: u64,
    /// The version that `CreateStateMachine` itself published, by which its repetition is known again.
    pub at_creation: Option<VersionRecord>,
    /// By number.
    pub versions: Vec<VersionRecord>,
    /// By name.
    pub aliases: Vec<AliasRecord>,
}

/// A number for a revision, which neither changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub number: u64,
    pub revision: u64,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub description: Option<String>,
}

/// A name for one version, or for two that share the starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    pub name: String,
    pub description: Option<String>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub updated_at: i64,
    pub routes: Vec<RouteRecord>,
}

/// The weights of an alias add up to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteRecord {
    pub version: u64,
    pub weight: u32,
}

impl Published {
    pub(crate) fn version(&self, number: u64) -> Option<&VersionRecord> {
        let at = self
            .versions
            .binary_search_by_key(&number, |version| version.number);
        at.ok().map(|at| &self.versions[at])
    }

    /// The newest version of a revision.
    pub(crate) fn version_of(&self, revision: u64) -> Option<&VersionRecord> {
        self.versions
            .iter()
            .rev()
            .find(|version| version.revision == revision)
    }

    pub(crate) fn alias(&self, name: &str) -> Option<&AliasRecord> {
        self.aliases.iter().find(|alias| alias.name == name)
    }

    /// Adds a version behind all that ever were.
    pub(crate) fn publish(
        &mut self,
        revision: u64,
        created_at: i64,
        description: Option<String>,
    ) -> &VersionRecord {
        self.last_version += 1;
        self.versions.push(VersionRecord {
            number: self.last_version,
            revision,
            created_at,
            description,
        });
        &self.versions[self.versions.len() - 1]
    }

    /// Names of the aliases that lead to a version.
    pub(crate) fn aliases_of(&self, version: u64) -> impl Iterator<Item = &AliasRecord> {
        let leads =
            move |alias: &&AliasRecord| alias.routes.iter().any(|route| route.version == version);
        self.aliases.iter().filter(leads)
    }
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
    /// As its machine's.
    #[serde(default)]
    pub machine_type: MachineType,
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
    /// Set by operators; the first releases had none.
    #[serde(default)]
    pub settings: ActivitySettings,
}

/// What holds an activity's tasks back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActivitySettings {
    /// Nothing is handed out.
    #[serde(default)]
    pub paused: bool,
    /// Labels that every worker must have.
    #[serde(default)]
    pub requires: Arc<BTreeMap<String, String>>,
    /// Tasks at once, over all workers.
    #[serde(default)]
    pub concurrency_max: Option<u32>,
    /// Tasks that may start in 1000 seconds.
    #[serde(default)]
    pub rate_per_1000_s: Option<u64>,
    #[serde(default)]
    pub away: AwayMax,
}

/// How long a worker may be away before its tasks of an activity end as lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AwayMax {
    /// As long as its session lasts.
    #[default]
    Session,
    Seconds(u32),
    /// Nothing but the tasks' own timeouts ends them.
    Unbounded,
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
