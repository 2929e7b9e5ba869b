//! Executions: start, stop, describe.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stepfleet_engine::execution::{Execution, Header};
use stepfleet_engine::{ExecutionId, Timestamp};
use tokio::sync::oneshot;

use super::aliases::routed;
use super::api::{Caller, ExecutionDescription, MachineType, StartExecution, StartedExecution};
use super::error::{ApiError, ErrorCode};
use super::versions::{MachineRef, Named, qualified};
use super::{
    Place, Service, execution_missing, execution_names, machine_missing, parse_input, place,
};
use crate::arn::check_name;
use crate::catalog::records::MachineRecord;
use crate::partition::desk::stop_failure;
use crate::partition::message::{ReadRequest, Snapshot, Start};
use crate::partition::{HostHandle, Message, going_down, rows};

/// The revision that an execution is to run, and how it was named.
pub(super) struct Target {
    pub(super) revision: u64,
    pub(super) version_arn: Option<Arc<str>>,
    pub(super) alias_arn: Option<Arc<str>>,
}

impl Service {
    pub(crate) async fn start_execution(
        &self,
        caller: &Caller,
        request: StartExecution,
    ) -> Result<StartedExecution, ApiError> {
        let named_machine = MachineRef::parse(caller, &request.machine_arn)?;
        let named = request.name.is_some();
        let name = request.name.unwrap_or_else(|| self.shared.entropy.uuid());
        check_name(&name)?;
        let text = request.input.as_deref().unwrap_or("{}");
        self.check_payload(text, "input")?;
        let input = parse_input(text)?;
        let machine = self.live_machine(caller, named_machine.name, &request.machine_arn)?;
        if machine.record.machine_type == MachineType::Express {
            let message = "This release runs EXPRESS state machines by StartSyncExecution only";
            return Err(ApiError::new(
                ErrorCode::StateMachineTypeNotSupported,
                message,
            ));
        }
        let target = self.target(&machine.record, named_machine, &request.machine_arn)?;
        self.shared.pressure.check()?;
        self.check_open_executions()?;
        let record = &machine.record;
        let catalog = &self.shared.catalog;
        let revision = catalog.compiled(
            &record.namespace,
            &record.name,
            target.revision,
            &self.shared.integrations,
        )?;
        let place = place(&record.namespace, &record.name, &name);
        let header = Header {
            id: place.id,
            hash: place.hash,
            namespace: record.namespace.clone(),
            machine_name: record.name.clone(),
            machine_arn: record.arn.clone(),
            execution_arn: Arc::from(self.shared.arns.execution(
                &record.namespace,
                &record.name,
                &name,
            )),
            name: Arc::from(name),
            incarnation: u32::try_from(self.shared.clock.now().0 / 1000).unwrap_or(u32::MAX),
            revision: target.revision,
            role_arn: revision.role_arn.clone(),
            trace_header: request.trace_header.map(Arc::from),
            version_arn: target.version_arn,
            alias_arn: target.alias_arn,
            origin: request.origin,
        };
        let (answer, receiver) = oneshot::channel();
        let start = Start {
            header: Arc::new(header),
            program: revision.program.clone(),
            input,
            named,
            answer,
        };
        self.shared
            .partitions()
            .host(place.hash)
            .send_start(Message::Start(Box::new(start)))?;
        self.answered(receiver).await?
    }

    /// What an ARN starts; an alias draws between its versions.
    pub(super) fn target(
        &self,
        machine: &MachineRecord,
        named: MachineRef<'_>,
        arn: &str,
    ) -> Result<Target, ApiError> {
        let missing = || machine_missing(arn);
        let (version, alias) = match named.find(machine).ok_or_else(missing)? {
            Named::Current => {
                return Ok(Target {
                    revision: machine.revision,
                    version_arn: None,
                    alias_arn: None,
                });
            }
            Named::Version(version) => (version, None),
            Named::Alias(alias) => {
                let number = routed(alias, self.shared.entropy.next_u64());
                let version = number.and_then(|number| machine.published.version(number));
                (version.ok_or_else(missing)?, Some(&alias.name))
            }
        };
        Ok(Target {
            revision: version.revision,
            version_arn: Some(Arc::from(qualified(machine, version.number))),
            alias_arn: alias.map(|alias| Arc::from(qualified(machine, alias))),
        })
    }

    fn check_open_executions(&self) -> Result<(), ApiError> {
        let max = self.executions_open_max;
        if max > 0 && self.shared.counters.live.load(Ordering::Relaxed) >= max {
            let message = format!(
                "The limit of {max} open executions is reached (limits.executions_open_max)."
            );
            return Err(ApiError::new(ErrorCode::ExecutionLimitExceeded, message));
        }
        Ok(())
    }

    /// Stops an execution; a closed one answers when it stopped.
    pub(crate) async fn stop_execution(
        &self,
        caller: &Caller,
        arn: &str,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<Timestamp, ApiError> {
        let (machine, name) = execution_names(caller, arn)?;
        let place = place(&caller.namespace, machine, name);
        self.shared.pressure.check()?;
        let (answer, receiver) = oneshot::channel();
        let failure = stop_failure(error, cause);
        let message = Message::Stop {
            execution: place.id,
            failure,
            answer: Some(answer),
        };
        self.shared
            .partitions()
            .host(place.hash)
            .send(message)
            .await?;
        let result = self.answered(receiver).await?;
        result.map_err(|error| {
            if error.code == ErrorCode::ExecutionDoesNotExist {
                execution_missing(arn)
            } else {
                error
            }
        })
    }

    pub(crate) async fn describe_execution(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<ExecutionDescription, ApiError> {
        let (machine, name) = execution_names(caller, arn)?;
        let place = place(&caller.namespace, machine, name);
        let execution = self
            .execution(place)
            .await?
            .ok_or_else(|| execution_missing(arn))?;
        let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        let failure = execution.failure.as_ref();
        let header = &execution.header;
        Ok(ExecutionDescription {
            arn: header.execution_arn.to_string(),
            machine_arn: header.machine_arn.to_string(),
            name: header.name.to_string(),
            status: execution.status,
            started_at: execution.started_at,
            closed_at: execution.closed_at,
            input: execution.input.payload.text().to_owned(),
            output: execution
                .output
                .as_ref()
                .map(|output| output.payload.text().to_owned()),
            error: failure.and_then(|failure| text(&failure.error)),
            cause: failure.and_then(|failure| text(&failure.cause)),
            trace_header: text(&header.trace_header),
            version_arn: text(&header.version_arn),
            alias_arn: text(&header.alias_arn),
        })
    }

    /// An execution wherever it is: in its host, or in the state store.
    pub(crate) async fn execution(&self, place: Place) -> Result<Option<Execution>, ApiError> {
        Ok(self
            .snapshot(place)
            .await?
            .map(|snapshot| snapshot.execution))
    }

    /// The same, with the part of its history that is not in the state store.
    pub(crate) async fn snapshot(&self, place: Place) -> Result<Option<Box<Snapshot>>, ApiError> {
        self.snapshot_at(self.host(place), place.id).await
    }

    /// The same, of an execution whose host is known.
    pub(crate) async fn snapshot_at(
        &self,
        host: &HostHandle,
        execution: ExecutionId,
    ) -> Result<Option<Box<Snapshot>>, ApiError> {
        let request = |answer| ReadRequest::Execution { execution, answer };
        if let Some(snapshot) = self.ask(host, request).await? {
            return Ok(Some(snapshot));
        }
        let shared = self.shared.clone();
        let stored =
            crate::task::blocking("read execution", move || rows::read(&shared, execution));
        let stored = stored.await.map_err(|_panic| going_down())??;
        Ok(stored.map(|execution| Box::new(Snapshot::stored(execution))))
    }
}
