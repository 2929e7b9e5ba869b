//! What every part of a running coordinator shares: clock, keys, catalogue, queues, storage, limits. Built once at
//! start, read-only afterwards but for its own locks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use stepfleet_asl::Payload;
use stepfleet_asl::resource::{Integration, Resource};
use stepfleet_engine::execution::Header;
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{Delegated, Served, Services, TaskRef, Timestamp};
use stepfleet_store::{PartitionLog, StateStore, StoreError};
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;

use crate::arn::ArnSpace;
use crate::auth::Access;
use crate::callbacks::Callbacks;
use crate::catalog::{Catalog, Revision};
use crate::clock::Clock;
use crate::connections::Connections;
use crate::control::LocalControl;
use crate::entropy::Entropy;
use crate::express::Express;
use crate::face::Face;
use crate::fatal::Fatal;
use crate::fleet::Fleet;
use crate::functions::{Functions, Target};
use crate::integrations::Registry;
use crate::integrations::calls::Calls;
use crate::integrations::lambda::Invocation;
use crate::integrations::stops::Stops;
use crate::matching::Matching;
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::observe::Observer;
use crate::outbound::Outbound;
use crate::partition::Partitions;
use crate::serve::Counters;
use crate::service::error::{ApiError, ErrorCode};
use crate::token::TokenKeys;
use crate::writer::WriterHandle;

/// Shared parts.
#[derive(Debug)]
pub(crate) struct Shared {
    pub clock: Arc<dyn Clock>,
    /// When this process began to serve.
    pub started_at: Timestamp,
    pub entropy: Entropy,
    pub tokens: TokenKeys,
    /// None where the coordinator does not know its own address.
    pub callbacks: Option<Callbacks>,
    pub arns: ArnSpace,
    /// What principals may do.
    pub access: Arc<Access>,
    pub catalog: Catalog,
    pub integrations: Registry,
    /// HTTP requests to endpoints outside.
    pub outbound: Outbound,
    pub connections: Connections,
    pub functions: Arc<Functions>,
    pub matching: Matching,
    pub fleet: Fleet,
    pub log: Arc<dyn PartitionLog>,
    pub store: Arc<dyn StateStore>,
    pub writer: WriterHandle,
    pub metrics: Metrics,
    pub observer: Arc<Observer>,
    pub counters: Counters,
    pub namespaces: Namespaces,
    pub express: Express,
    /// What integrations do for open attempts.
    pub calls: Calls,
    /// What connectors have begun and are to stop.
    pub stops: Stops,
    pub control: Arc<LocalControl>,
    /// Held while a checkpoint or a backup is taken.
    pub checkpoints: tokio::sync::Mutex<()>,
    pub limits: Limits,
    pub partition_count: u16,
    /// How long a worker's session may be away. Milliseconds.
    pub session_ttl_ms: i64,
    pub cluster_id: [u8; 16],
    /// Bytes of resident executions that one host may hold.
    pub host_budget_bytes: usize,
    pub pressure: Pressure,
    pub fatal: Fatal,
    /// Cancelled when the process must end: `fatal.stop`.
    pub stop: CancellationToken,
    pub partitions: OnceLock<Partitions>,
    /// By which tasks call the API; set when it is served.
    pub face: SetOnce<Weak<Face>>,
    /// Turns of decisions that are made off their hosts.
    pub evaluations: Arc<tokio::sync::Semaphore>,
}

impl Shared {
    /// What an execution runs.
    pub(crate) fn revision_of(&self, header: &Header) -> Result<Arc<Revision>, ApiError> {
        self.catalog.compiled(
            &header.namespace,
            &header.machine_name,
            header.revision,
            &self.integrations,
        )
    }

    /// The hosts; set before the first message.
    pub(crate) fn partitions(&self) -> &Partitions {
        self.partitions
            .get()
            .expect("hosts are made before anything is served")
    }
}

impl Services for Shared {
    fn token(&self, task: &TaskRef) -> String {
        self.tokens.seal(task)
    }

    fn callback_url(&self, task: &TaskRef, header: &Header, now: Timestamp) -> Option<String> {
        let callbacks = self.callbacks.as_ref()?;
        callbacks.url(&self.tokens, task, &header.namespace, now)
    }

    fn activity_exists(&self, arn: &str) -> bool {
        self.catalog.activity_exists(arn)
    }

    fn served(&self, integration: &Integration) -> Served {
        self.integrations.served(integration)
    }

    fn connector(&self, header: &Header, integration: &Integration) -> Option<Arc<str>> {
        // No worker is ever offered a task of an Express execution.
        let is_express = self.arns.is_express(&header.execution_arn);
        let connector = || self.connector_of(&header.namespace, integration);
        (!is_express).then(connector).flatten()
    }

    fn region(&self) -> Arc<str> {
        self.arns.region.clone()
    }

    fn serves(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Activity { .. } => true,
            Resource::Lambda { .. } => !self.functions.is_empty(),
            Resource::Integration(integration) => {
                self.integrations.served(integration) != Served::No
            }
        }
    }

    fn delegated(
        &self,
        header: &Header,
        resource: &Resource,
        arguments: &Payload,
    ) -> Option<Delegated> {
        let invocation = match resource {
            Resource::Lambda { arn } => Invocation::of_function(arn, arguments),
            Resource::Integration(integration) if &*integration.service == "lambda" => {
                Invocation::read(arguments).ok()?
            }
            Resource::Activity { .. } | Resource::Integration(_) => return None,
        };
        // No worker is ever offered a task of an Express execution.
        let is_express = self.arns.is_express(&header.execution_arn);
        if is_express || !invocation.is_plain() {
            return None;
        }
        match self.functions.find(&header.namespace, invocation.named())? {
            Target::Activity(arn) => Some(Delegated {
                activity: arn.clone(),
                input: invocation.payload,
            }),
            Target::Endpoint { .. } => None,
        }
    }
}

/// Why new work is refused now.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    storage: AtomicBool,
    reason: Mutex<Option<String>>,
}

impl Pressure {
    /// The log refused an append; told once per outage.
    pub(crate) fn storage_failed(&self, error: &StoreError) {
        if !self.storage.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "storage refuses writes; nothing is acknowledged until it takes them");
        }
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    pub(crate) fn storage_recovered(&self) {
        if self.storage.load(Ordering::Relaxed) && self.storage.swap(false, Ordering::AcqRel) {
            tracing::info!("storage takes writes again");
            *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Refuses what would have to be stored while storage refuses it.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        match self.refusing() {
            None => Ok(()),
            Some(reason) => {
                let message =
                    format!("the coordinator cannot store anything now ({reason}); try again");
                Err(ApiError::new(ErrorCode::ServiceUnavailable, message).with_retry_after_ms(1000))
            }
        }
    }

    pub(crate) fn refusing(&self) -> Option<String> {
        if !self.storage.load(Ordering::Acquire) {
            return None;
        }
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
