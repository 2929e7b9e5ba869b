//! Executions: start, stop, redrive, describe.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stepfleet_engine::execution::Execution;
use stepfleet_engine::{ExecutionId, Timestamp};
use tokio::sync::oneshot;

use super::api::{Caller, ExecutionDescription, MachineType, StartExecution, StartedExecution};
use super::error::{ApiError, ErrorCode};
use super::open_tasks::open_tasks;
use super::start::Prepared;
use super::{Place, Service, execution_missing, execution_names, place};
use crate::partition::desk::stop_failure;
use crate::partition::message::{ReadRequest, Redrive, Snapshot, Start};
use crate::partition::{HostHandle, Message, going_down, redrive, rows};

impl Service {
    pub(crate) async fn start_execution(
        &self,
        caller: &Caller,
        request: StartExecution,
    ) -> Result<StartedExecution, ApiError> {
        let prepared = self.prepare(caller, request, None)?;
        let started = match prepared.machine_type {
            MachineType::Standard => self.start_standard(prepared).await,
            MachineType::Express => self.start_express(prepared).await,
        };
        started.inspect_err(|error| self.count_throttled(error))
    }

    /// The same for those who will ask for the execution's end, which Express ones tell nobody.
    pub(crate) async fn start_standard_execution(
        &self,
        caller: &Caller,
        request: StartExecution,
    ) -> Result<StartedExecution, ApiError> {
        let prepared = self.prepare(caller, request, Some(MachineType::Standard))?;
        self.start_standard(prepared).await
    }

    pub(super) fn count_throttled(&self, error: &ApiError) {
        if error.code == ErrorCode::ThrottlingException {
            self.shared.metrics.throttled();
        }
    }

    async fn start_standard(&self, prepared: Prepared) -> Result<StartedExecution, ApiError> {
        self.shared.pressure.check()?;
        self.check_open_executions()?;
        let hash = prepared.header.hash;
        let (answer, receiver) = oneshot::channel();
        let start = Start {
            header: Arc::new(prepared.header),
            revision: prepared.revision,
            input: prepared.input,
            named: prepared.named,
            answer,
        };
        let host = self.shared.partitions().host(hash);
        host.send_start(Message::Start(Box::new(start)))?;
        self.answered(receiver).await?
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
        result.map_err(|error| named(error, arn))
    }

    /// Makes a closed execution run again from where it failed, and answers since when it does. A request that names
    /// itself by a token gets the same answer when it comes again.
    pub(crate) async fn redrive_execution(
        &self,
        caller: &Caller,
        arn: &str,
        client_token: Option<String>,
    ) -> Result<Timestamp, ApiError> {
        let (machine, name) = execution_names(caller, arn)?;
        let place = place(&caller.namespace, machine, name);
        let execution = self.execution(place).await?;
        let execution = execution.ok_or_else(|| execution_missing(arn))?;
        let (shared, token) = (&self.shared, client_token.as_deref());
        if let Some(answer) = redrive::answered(shared, &execution, token, shared.clock.now()) {
            return answer;
        }
        shared.pressure.check()?;
        self.check_open_executions()?;
        let header = &execution.header;
        let revision = shared.revision_of(header)?;
        let (answer, receiver) = oneshot::channel();
        let request = Redrive {
            execution: place.id,
            incarnation: header.incarnation,
            revision,
            client_token: client_token.map(Arc::from),
            answer,
        };
        let message = Message::Redrive(Box::new(request));
        self.host(place).send(message).await?;
        let result = self.answered(receiver).await?;
        result.map_err(|error| named(error, arn))
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
            redrive_count: execution.redrive_count(),
            redriven_at: execution.redriven_at(),
            not_redrivable: redrive::obstacle(&self.shared, &execution, self.shared.clock.now()),
            open_tasks: open_tasks(&execution),
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

/// The same error, about the execution that the request names.
fn named(error: ApiError, arn: &str) -> ApiError {
    if error.code == ErrorCode::ExecutionDoesNotExist {
        execution_missing(arn)
    } else {
        error
    }
}
