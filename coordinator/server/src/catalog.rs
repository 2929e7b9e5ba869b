//! State machines, their revisions and activities: typed views of the control records, and the compiled programs.
//!
//! Keys: `machine/<namespace>/<name>`, `revision/<namespace>/<name>/<number>`, `activity/<namespace>/<name>`.
//! A revision's number grows over the whole life of a name, deletions included, so that it identifies a definition.

pub(crate) mod records;
pub(crate) mod uses;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stepfleet_asl::Program;
use stepfleet_asl::definition::{self, MachineType as Language};
use stepfleet_asl::diagnostic::Diagnostic;
use stepfleet_asl::resource::{Integration, Resource};
use stepfleet_engine::execution::Header;
use stepfleet_engine::{Served, Timestamp};

use crate::control::{ControlError, ControlStore};
use crate::entropy;
use crate::express::SECONDS_MAX;
use crate::integrations::Registry;
use crate::metrics::{MachineMeters, Metrics};
use crate::observe::settings::Watched;
use crate::service::api::MachineType;
use crate::service::error::{ApiError, ErrorCode};
use records::{ActivityRecord, ActivitySettings, MachineRecord, RevisionRecord, Versioned};

/// Compiled programs kept in memory; beyond it the first by name goes.
const PROGRAMS_MAX: usize = 4096;

/// Namespace and name.
pub(crate) type Key = (Arc<str>, Arc<str>);
/// Namespace, name and revision.
type RevisionKey = (Arc<str>, Arc<str>, u64);

/// The catalogue.
#[derive(Debug)]
pub(crate) struct Catalog {
    metrics: Metrics,
    control: Arc<dyn ControlStore>,
    machines: RwLock<BTreeMap<Key, Arc<Versioned<MachineRecord>>>>,
    /// By ARN: what a Task names.
    activities: RwLock<BTreeMap<Arc<str>, Arc<Versioned<ActivityRecord>>>>,
    revisions: Mutex<BTreeMap<RevisionKey, Arc<Revision>>>,
    /// Changes of `machines` so far.
    changes: AtomicU64,
    uses: Mutex<uses::Index>,
}

/// What starts need of a revision, read and compiled once.
#[derive(Debug)]
pub(crate) struct Revision {
    pub program: Arc<Program>,
    pub role_arn: Arc<str>,
    /// What is told of its executions.
    pub watched: Watched,
    /// What they count with.
    pub meters: MachineMeters,
}

fn machine_key(namespace: &str, name: &str) -> String {
    format!("machine/{namespace}/{name}")
}

fn revision_key(namespace: &str, name: &str, revision: u64) -> String {
    format!("revision/{namespace}/{name}/{revision:020}")
}

fn activity_key(namespace: &str, name: &str) -> String {
    format!("activity/{namespace}/{name}")
}

impl Catalog {
    /// Reads all records.
    pub(crate) fn open(control: Arc<dyn ControlStore>, metrics: Metrics) -> Result<Self, ApiError> {
        let mut machines = BTreeMap::new();
        for (_, entry) in control.scan("machine/") {
            let machine: Versioned<MachineRecord> = Versioned::read(&entry)?;
            machines.insert(
                (
                    machine.record.namespace.clone(),
                    machine.record.name.clone(),
                ),
                Arc::new(machine),
            );
        }
        let mut activities = BTreeMap::new();
        for (_, entry) in control.scan("activity/") {
            let activity: Versioned<ActivityRecord> = Versioned::read(&entry)?;
            activities.insert(activity.record.arn.clone(), Arc::new(activity));
        }
        let (machines, activities) = (RwLock::new(machines), RwLock::new(activities));
        Ok(Self {
            metrics,
            control,
            machines,
            activities,
            revisions: Mutex::default(),
            changes: AtomicU64::new(0),
            uses: Mutex::default(),
        })
    }

    pub(crate) fn machine(
        &self,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Versioned<MachineRecord>>> {
        let key = (Arc::from(namespace), Arc::from(name));
        self.machines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned()
    }

    /// The state machine that an execution belongs to. None once that is deleted, or being deleted: one that was created since
    /// has its name, and nothing else of it.
    pub(crate) fn machine_of(&self, header: &Header) -> Option<Arc<Versioned<MachineRecord>>> {
        self.machine(&header.namespace, &header.machine_name)
            .filter(|machine| {
                let record = &machine.record;
                !record.deleting && record.first_revision <= header.revision
            })
    }

    /// State machines of a namespace after `name`, by name.
    pub(crate) fn machines(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<Versioned<MachineRecord>>> {
        let from: Key = (Arc::from(namespace), Arc::from(after.unwrap_or("")));
        let machines = self.machines.read().unwrap_or_else(PoisonError::into_inner);
        let of_namespace = machines
            .range(from.clone()..)
            .filter(|(key, _)| after.is_none() || **key != from);
        let of_namespace = of_namespace.take_while(|((space, _), _)| space.as_ref() == namespace);
        of_namespace
            .take(limit)
            .map(|(_, machine)| machine.clone())
            .collect()
    }

    /// Every state machine name that has a revision, deleted ones included: (namespace, name).
    pub(crate) fn names_with_revisions(&self) -> Vec<Key> {
        let mut names: Vec<Key> = Vec::new();
        for (key, _) in self.control.scan("revision/") {
            let mut parts = key.split('/').skip(1);
            if let (Some(namespace), Some(name)) = (parts.next(), parts.next())
                && names
                    .last()
                    .is_none_or(|(n, m)| n.as_ref() != namespace || m.as_ref() != name)
            {
                names.push((Arc::from(namespace), Arc::from(name)));
            }
        }
        names
    }

    /// Writes a revision and makes it the machine's current one.
    pub(crate) async fn put_machine(
        &self,
        machine: MachineRecord,
        expected: Option<u64>,
        revision: Option<RevisionRecord>,
    ) -> Result<Arc<Versioned<MachineRecord>>, ApiError> {
        let (namespace, name) = (machine.namespace.clone(), machine.name.clone());
        if let Some(revision) = revision {
            let key = revision_key(&namespace, &name, machine.revision);
            self.put(key, None, Some(records::write(&revision))).await?;
        }
        self.put(
            machine_key(&namespace, &name),
            expected,
            Some(records::write(&machine)),
        )
        .await?;
        let machine = Arc::new(Versioned {
            version: expected.unwrap_or(0) + 1,
            record: machine,
        });
        let mut machines = self
            .machines
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        machines.insert((namespace, name), machine.clone());
        self.changes.fetch_add(1, Ordering::AcqRel);
        Ok(machine)
    }

    /// Forgets a deleted machine; its revisions stay for the executions that ran them.
    pub(crate) async fn remove_machine(
        &self,
        machine: &Versioned<MachineRecord>,
    ) -> Result<(), ApiError> {
        let key: Key = (
            machine.record.namespace.clone(),
            machine.record.name.clone(),
        );
        self.put(machine_key(&key.0, &key.1), Some(machine.version), None)
            .await?;
        self.machines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.metrics.machine_forgotten(&machine.record.arn);
        Ok(())
    }

    /// The number for the next revision of a name: after all that it ever had.
    pub(crate) fn next_revision(&self, namespace: &str, name: &str) -> u64 {
        let prefix = format!("revision/{namespace}/{name}/");
        let last = self
            .control
            .scan(&prefix)
            .last()
            .and_then(|(key, _)| key.rsplit('/').next()?.parse::<u64>().ok());
        last.unwrap_or(0) + 1
    }

    pub(crate) fn revision(
        &self,
        namespace: &str,
        name: &str,
        revision: u64,
    ) -> Result<RevisionRecord, ApiError> {
        let entry = self
            .control
            .get(&revision_key(namespace, name, revision))
            .ok_or_else(|| {
                let message = format!(
                    "revision {revision} of state machine '{name}' is gone from the catalogue"
                );
                ApiError::new(ErrorCode::InternalServerError, message)
            })?;
        Versioned::read(&entry).map(|versioned| versioned.record)
    }

    /// A compiled revision.
    pub(crate) fn compiled(
        &self,
        namespace: &Arc<str>,
        name: &Arc<str>,
        revision: u64,
        registry: &Registry,
    ) -> Result<Arc<Revision>, ApiError> {
        let key = (namespace.clone(), name.clone(), revision);
        if let Some(known) = self
            .revisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(known.clone());
        }
        let record = self.revision(namespace, name, revision)?;
        // Who serves what may change while a definition stands.
        let served = |_: &Integration| true;
        let compiled = compile(&record.definition, record.machine_type, registry, &served);
        let program = compiled.map_err(|diagnostics| {
            let why = definition::invalid_definition_message(&diagnostics);
            let message = format!("revision {revision} of state machine '{name}' was accepted once and no longer compiles: {why}");
            ApiError::new(ErrorCode::InternalServerError, message)
        })?;
        let compiled = Arc::new(Revision {
            program: Arc::new(program),
            role_arn: Arc::from(record.role_arn),
            watched: Watched::of(
                record.logging_configuration.as_deref(),
                record.tracing_configuration.as_deref(),
            ),
            meters: self.metrics.machine(
                self.machine_arn(namespace, name)
                    .as_deref()
                    .unwrap_or("deleted"),
            ),
        });
        let mut revisions = self
            .revisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if revisions.len() >= PROGRAMS_MAX {
            revisions.pop_first();
        }
        revisions.insert(key, compiled.clone());
        Ok(compiled)
    }

    pub(crate) fn activity(&self, arn: &str) -> Option<Arc<Versioned<ActivityRecord>>> {
        self.activities
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(arn)
            .cloned()
    }

    /// State machines whose deletion has begun.
    pub(crate) fn deleting(&self) -> Vec<Arc<Versioned<MachineRecord>>> {
        let machines = self.machines.read().unwrap_or_else(PoisonError::into_inner);
        machines
            .values()
            .filter(|machine| machine.record.deleting)
            .cloned()
            .collect()
    }

    fn machine_arn(&self, namespace: &str, name: &str) -> Option<Arc<str>> {
        let machine = self.machine(namespace, name)?;
        Some(machine.record.arn.clone())
    }

    /// Versions and aliases of each state machine that has any.
    pub(crate) fn published(&self) -> Vec<(Arc<str>, u64, u64)> {
        let machines = self.machines.read().unwrap_or_else(PoisonError::into_inner);
        let counts = machines.values().filter_map(|machine| {
            let published = &machine.record.published;
            let versions = published.versions.len() as u64;
            let aliases = published.aliases.len() as u64;
            let any = published.last_version > 0;
            any.then(|| (machine.record.arn.clone(), versions, aliases))
        });
        counts.collect()
    }

    pub(crate) fn machine_count(&self) -> usize {
        self.machines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub(crate) fn activity_count(&self) -> usize {
        self.activities
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Activities whose tasks something holds back.
    pub(crate) fn held_back(&self) -> Vec<Arc<str>> {
        let activities = self
            .activities
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let held = |of: &&Arc<Versioned<ActivityRecord>>| {
            of.record.settings != ActivitySettings::default()
        };
        let held = activities.values().filter(held);
        held.map(|activity| activity.record.arn.clone()).collect()
    }

    pub(crate) fn activity_exists(&self, arn: &str) -> bool {
        self.activities
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(arn)
    }

    /// Activities of a namespace after `arn`, by ARN.
    pub(crate) fn activities(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<Versioned<ActivityRecord>>> {
        let activities = self
            .activities
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let all = activities
            .iter()
            .filter(|(arn, _)| after.is_none_or(|after| arn.as_ref() > after));
        let own = all.filter(|(_, activity)| activity.record.namespace.as_ref() == namespace);
        own.take(limit)
            .map(|(_, activity)| activity.clone())
            .collect()
    }

    /// Stores an activity: a new one, or in the place of the version that is expected.
    pub(crate) async fn put_activity(
        &self,
        activity: ActivityRecord,
        expected: Option<u64>,
    ) -> Result<(), ApiError> {
        let key = activity_key(&activity.namespace, &activity.name);
        self.put(key, expected, Some(records::write(&activity)))
            .await?;
        let mut activities = self
            .activities
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        activities.insert(
            activity.arn.clone(),
            Arc::new(Versioned {
                version: expected.unwrap_or(0) + 1,
                record: activity,
            }),
        );
        Ok(())
    }

    pub(crate) async fn remove_activity(
        &self,
        activity: &Versioned<ActivityRecord>,
    ) -> Result<(), ApiError> {
        let key = activity_key(&activity.record.namespace, &activity.record.name);
        self.put(key, Some(activity.version), None).await?;
        self.activities
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&activity.record.arn);
        Ok(())
    }

    /// Whether any integration is served by the fleet.
    pub(crate) fn has_connectors(&self) -> bool {
        let activities = self
            .activities
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut names = activities.values().map(|activity| &activity.record.name);
        names.any(|name| name.starts_with(uses::CONNECTOR))
    }

    async fn put(
        &self,
        key: String,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> Result<(), ApiError> {
        self.control
            .put(key, expected, value)
            .await
            .map_err(|error| control_error(&error))
    }
}

/// How a change of a record that did not happen is told to a client.
pub(crate) fn control_error(error: &ControlError) -> ApiError {
    match error {
        ControlError::Conflict => ApiError::new(
            ErrorCode::ConflictException,
            "the record was changed at the same time; try again",
        ),
        ControlError::Store(error) => storage_error(error),
    }
}

/// How a refusing storage is told to a client.
pub(crate) fn storage_error(error: &stepfleet_store::StoreError) -> ApiError {
    let code = if error.is_retryable() {
        ErrorCode::ServiceUnavailable
    } else {
        ErrorCode::InternalServerError
    };
    ApiError::new(code, format!("{error}")).with_retry_after_ms(1000)
}

/// Whether a fleet serves an integration.
pub(crate) type Connects<'a> = &'a dyn Fn(&Integration) -> bool;

/// Compiles a definition as this installation serves it.
pub(crate) fn compile(
    text: &str,
    machine_type: MachineType,
    registry: &Registry,
    connects: Connects<'_>,
) -> Result<Program, Vec<Diagnostic>> {
    let served = |resource: &Resource| is_served(resource, registry, connects);
    let options = definition::Options {
        machine_type: language(machine_type),
        served: &served,
        connects,
    };
    let mut program = definition::compile(text, &options)?;
    if machine_type == MachineType::Express {
        let own = program.timeout_seconds.unwrap_or(SECONDS_MAX);
        program.timeout_seconds = Some(own.min(SECONDS_MAX));
    }
    Ok(program)
}

/// Compiles a definition whose states are tested one by one, by mocks: whether its resources are served has no part.
pub(crate) fn compile_for_test(text: &str) -> Result<Program, Vec<Diagnostic>> {
    definition::compile_for_test(
        text,
        &definition::Options {
            machine_type: language(MachineType::Standard),
            served: &|_| true,
            connects: &|_| true,
        },
    )
}

/// Validates a definition as this installation serves it.
pub(crate) fn validate(
    text: &str,
    machine_type: MachineType,
    registry: &Registry,
    connects: Connects<'_>,
) -> Vec<Diagnostic> {
    let served = |resource: &Resource| is_served(resource, registry, connects);
    definition::validate(
        text,
        &definition::Options {
            machine_type: language(machine_type),
            served: &served,
            connects,
        },
    )
}

fn is_served(resource: &Resource, registry: &Registry, connects: Connects<'_>) -> bool {
    match resource {
        Resource::Activity { .. } => true,
        Resource::Lambda { arn } => registry.serves_function(arn),
        Resource::Integration(integration) => {
            registry.served(integration) != Served::No || connects(integration)
        }
    }
}

fn language(machine_type: MachineType) -> Language {
    match machine_type {
        MachineType::Standard => Language::Standard,
        MachineType::Express => Language::Express,
    }
}

/// A revision's public id: stable for the same definition of the same machine.
pub(crate) fn revision_id(revision: u64, created_at: Timestamp) -> String {
    let hash = xxhash_rust::xxh3::xxh3_128(format!("{revision}/{}", created_at.0).as_bytes());
    entropy::hyphenated(uuid::Uuid::from_u128(hash))
}
