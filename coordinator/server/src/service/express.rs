//! Starts of Express executions: `StartSyncExecution`, whose caller waits for the end, and `StartExecution`.

use std::sync::Arc;

use stepfleet_engine::execution::{Execution, Status};
use tokio::sync::oneshot;

use super::Service;
use super::api::{Caller, MachineType, StartExecution, StartedExecution, SyncExecution};
use super::error::ApiError;
use super::machines::deleting;
use super::start::Prepared;
use crate::express;

/// What is billed is a multiple of these, and at least one.
const BILLED_MS: u64 = 100;
const BILLED_MB: u64 = 64;

impl Service {
    pub(crate) async fn start_sync_execution(
        &self,
        caller: &Caller,
        request: StartExecution,
    ) -> Result<SyncExecution, ApiError> {
        let prepared = self.prepare(caller, request, Some(MachineType::Express))?;
        let (header, input) = (prepared.header, prepared.input);
        let admitted = self.check_start(&header.namespace);
        admitted.inspect_err(|error| self.count_throttled(error))?;
        let ended = express::run(&self.shared, &prepared.revision, header, input).await;
        let ended = ended.inspect_err(|error| self.count_throttled(error))?;
        // What a deletion stops has no end that the operation could tell.
        if ended.status == Status::Aborted {
            return Err(deleting(&ended.header.machine_arn));
        }
        Ok(answer(&ended))
    }

    /// Every start is another execution, whatever its name.
    pub(super) async fn start_express(
        &self,
        prepared: Prepared,
    ) -> Result<StartedExecution, ApiError> {
        self.shared.pressure.check()?;
        self.check_start(&prepared.header.namespace)?;
        let (answer, receiver) = oneshot::channel();
        let (header, input) = (prepared.header, prepared.input);
        express::start(&self.shared, prepared.revision, header, input, answer)?;
        self.answered(receiver).await?
    }
}

fn answer(execution: &Execution) -> SyncExecution {
    let header = &execution.header;
    let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
    let failure = execution.failure.as_ref();
    let error = failure.and_then(|failure| text(&failure.error));
    let timed_out = (execution.status == Status::TimedOut).then(|| "States.Timeout".to_owned());
    let input = execution.input.payload.text().to_owned();
    let output = execution
        .output
        .as_ref()
        .map(|output| output.payload.text().to_owned());
    let stopped_at = execution.closed_at.unwrap_or(execution.started_at);
    let took = u64::try_from(stopped_at.0 - execution.started_at.0).unwrap_or(0);
    let bytes = input.len() + output.as_ref().map_or(0, String::len);
    SyncExecution {
        arn: header.execution_arn.to_string(),
        machine_arn: header.machine_arn.to_string(),
        name: header.name.to_string(),
        status: execution.status,
        started_at: execution.started_at,
        stopped_at,
        error: error.or(timed_out),
        cause: failure.and_then(|failure| text(&failure.cause)),
        trace_header: text(&header.trace_header),
        billed_ms: took.div_ceil(BILLED_MS).max(1) * BILLED_MS,
        billed_mb: (bytes as u64).div_ceil(BILLED_MB << 20).max(1) * BILLED_MB,
        input,
        output,
    }
}
