//! `StartSyncExecution`: an Express execution whose caller waits for its end.

use std::sync::Arc;

use stepfleet_engine::execution::{Execution, Status};

use super::Service;
use super::api::{Caller, MachineType, StartExecution, SyncExecution};
use super::error::ApiError;
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
        let prepared = self.prepare(caller, request, MachineType::Express)?;
        let (header, input) = (prepared.header, prepared.input);
        let open_max = self.express_open_max;
        let ended = express::run(&self.shared, open_max, &prepared.program, header, input).await?;
        Ok(answer(&ended))
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
