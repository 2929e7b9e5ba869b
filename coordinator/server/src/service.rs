//! The service layer: one typed function per operation, called by both faces. It checks meaning (names, ARNs, sizes,
//! existence), talks to hosts and catalogue, and answers in the service's own types.

pub(crate) mod access;
pub(crate) mod activities;
pub(crate) mod admin;
mod aliases;
pub(crate) mod api;
mod descriptions;
pub(crate) mod error;
pub(crate) mod executions;
mod express;
pub(crate) mod history;
pub(crate) mod lists;
pub(crate) mod machines;
mod map_runs;
pub(crate) mod open_tasks;
mod page;
pub(crate) mod queues;
mod repeat;
mod start;
pub(crate) mod tags;
pub(crate) mod tasks;
pub(crate) mod test_state;
mod versions;
mod warnings;
pub(crate) mod watch;
pub(crate) mod workers;

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use stepfleet_asl::Payload;
use stepfleet_engine::{ExecutionId, KeyHash};
use tokio::sync::oneshot;

use crate::arn::{self, Resource};
use crate::catalog::records::{MachineRecord, Versioned};
use crate::config::Config;
use crate::partition::message::ReadRequest;
use crate::partition::{HostHandle, Message, going_down};
use crate::shared::Shared;
use api::Caller;
use error::{ApiError, ErrorCode};
use versions::MachineRef;

/// How long an answer may hang on a storage that refuses.
const STORAGE_PATIENCE: Duration = Duration::from_secs(1);

/// How often a compare-and-set change is tried again when somebody else changes the same record in the same moment.
const CONFLICTS_MAX: usize = 16;

/// Conflicts of one change so far.
#[derive(Default)]
struct Conflicts(usize);

impl Conflicts {
    /// Whether a refused change is worth another attempt.
    fn again(&mut self, error: &ApiError) -> bool {
        self.0 += 1;
        error.code == ErrorCode::ConflictException && self.0 < CONFLICTS_MAX
    }
}

/// The handle of a running coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    /// `roleArn` of machines that were created without one.
    pub(crate) role_default: Arc<str>,
    pub(crate) definition_bytes_max: usize,
    pub(crate) executions_open_max: u64,
    pub(crate) pollers_max: usize,
    /// The installation's own account, whose callers operate it.
    pub(crate) operator: Arc<str>,
}

/// Where an execution lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub id: ExecutionId,
    pub hash: KeyHash,
}

/// The identity of an execution: a hash of its whole name, so that the name alone leads to it.
pub(crate) fn place(namespace: &str, machine: &str, name: &str) -> Place {
    let mut hasher = Sha256::new();
    for part in [namespace, "\0", machine, "\0", name] {
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let id = u128::from_be_bytes(digest[..16].try_into().expect("a digest has 32 bytes"));
    Place {
        id: ExecutionId(id),
        hash: KeyHash(u16::from_be_bytes([digest[16], digest[17]])),
    }
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>, config: &Config) -> Self {
        Self {
            shared,
            role_default: Arc::from(config.role_default.as_str()),
            definition_bytes_max: config.limits.definition_bytes_max,
            executions_open_max: config.limits.executions_open_max,
            operator: Arc::from(config.arn.account.as_str()),
            pollers_max: config.limits.pollers_per_activity_max as usize,
        }
    }

    /// Makes a change of the catalogue to its end, even when the caller goes away in the middle of it.
    pub(crate) async fn change<T, F>(
        &self,
        change: impl FnOnce(Arc<Shared>) -> F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let change = crate::task::spawn("catalogue change", change(self.shared.clone()));
        change.await.map_err(|_panic| going_down())?
    }

    /// A state machine, whatever becomes of it.
    pub(crate) fn known_machine(
        &self,
        caller: &Caller,
        name: &str,
        arn: &str,
    ) -> Result<Arc<Versioned<MachineRecord>>, ApiError> {
        let machine = self.shared.catalog.machine(&caller.namespace, name);
        machine.ok_or_else(|| machine_missing(arn))
    }

    /// Asks one host.
    pub(crate) async fn ask<T>(
        &self,
        host: &HostHandle,
        request: impl FnOnce(oneshot::Sender<T>) -> ReadRequest,
    ) -> Result<T, ApiError> {
        let (answer, receiver) = oneshot::channel();
        host.send(Message::Read(request(answer))).await?;
        self.answered(receiver).await
    }

    /// The host of an execution.
    pub(crate) fn host(&self, place: Place) -> &HostHandle {
        self.shared.partitions().host(place.hash)
    }

    /// Waits for a host's answer. While storage refuses, an answer that hangs on it is given up: whether the request
    /// was done is unknown, and asking again is safe.
    pub(crate) async fn answered<T>(
        &self,
        mut answer: oneshot::Receiver<T>,
    ) -> Result<T, ApiError> {
        loop {
            tokio::select! {
                answer = &mut answer => return answer.map_err(|_gone| going_down()),
                () = tokio::time::sleep(STORAGE_PATIENCE) => self.shared.pressure.check()?,
            }
        }
    }

    pub(crate) fn check_payload(&self, text: &str, what: &str) -> Result<(), ApiError> {
        let max = self.shared.limits.payload_bytes_max;
        if text.len() <= max {
            return Ok(());
        }
        let message = format!(
            "1 validation error detected: Value at '{what}' failed to satisfy constraint: \
             Member must have length less than or equal to {max}"
        );
        Err(ApiError::new(ErrorCode::ValidationException, message))
    }
}

/// The name in a state machine ARN of the caller's namespace, which is not that of a version or alias.
pub(crate) fn machine_name<'a>(caller: &Caller, text: &'a str) -> Result<&'a str, ApiError> {
    let named = MachineRef::parse(caller, text)?;
    match named.qualifier {
        None => Ok(named.name),
        Some(_) => Err(machine_missing(text)),
    }
}

pub(crate) fn machine_missing(text: &str) -> ApiError {
    ApiError::new(
        ErrorCode::StateMachineDoesNotExist,
        format!("State Machine Does Not Exist: '{text}'"),
    )
}

/// Machine and execution name in an execution ARN of the caller's namespace.
pub(crate) fn execution_names<'a>(
    caller: &Caller,
    text: &'a str,
) -> Result<(&'a str, &'a str), ApiError> {
    let arn = arn::parse(text)?;
    match arn.resource {
        Resource::Execution { machine, name } if arn.account == caller.namespace.as_ref() => {
            Ok((machine, name))
        }
        Resource::Execution { .. } => Err(execution_missing(text)),
        other @ (Resource::StateMachine { .. }
        | Resource::Activity { .. }
        | Resource::Other { .. }) => Err(arn::wrong_kind(&other)),
    }
}

pub(crate) fn execution_missing(text: &str) -> ApiError {
    ApiError::new(
        ErrorCode::ExecutionDoesNotExist,
        format!("Execution Does Not Exist: '{text}'"),
    )
}

/// An execution's input, or the refusal in AWS's words, which tell no place.
pub(crate) fn parse_input(text: &str) -> Result<Payload, ApiError> {
    Payload::parse(text).map_err(|error| {
        let why = if text.trim().is_empty() {
            "Invalid execution input."
        } else {
            &error.message
        };
        ApiError::new(
            ErrorCode::InvalidExecutionInput,
            format!("Invalid State Machine Execution Input: '{why}'"),
        )
    })
}
