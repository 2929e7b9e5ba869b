//! `StartSyncExecution`: an Express execution whose caller waits for its end.

use std::sync::Arc;

use stepfleet_engine::execution::{Execution, Header, Status};

use super::api::{Caller, MachineType, StartExecution, SyncExecution};
use super::error::{ApiError, ErrorCode};
use super::versions::MachineRef;
use super::{Service, parse_input, place};
use crate::arn::check_name;
use crate::catalog::records::MachineRecord;
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
        let named = MachineRef::parse(caller, &request.machine_arn)?;
        let name = request.name.unwrap_or_else(|| self.shared.entropy.uuid());
        check_name(&name)?;
        let text = request.input.as_deref().unwrap_or("{}");
        self.check_payload(text, "input")?;
        let input = parse_input(text)?;
        let machine = self.live_machine(caller, named.name, &request.machine_arn)?;
        let record = &machine.record;
        check_type(record, MachineType::Express)?;
        let target = self.target(record, named, &request.machine_arn)?;
        let revision = self.shared.catalog.compiled(
            &record.namespace,
            &record.name,
            target.revision,
            &self.shared.integrations,
        )?;
        // The uuid behind the name tells executions of one name apart.
        let last = format!("{name}:{}", self.shared.entropy.uuid());
        let place = place(&record.namespace, &record.name, &last);
        let arns = &self.shared.arns;
        let header = Header {
            id: place.id,
            hash: place.hash,
            namespace: record.namespace.clone(),
            machine_name: record.name.clone(),
            machine_arn: record.arn.clone(),
            execution_arn: Arc::from(arns.express(&record.namespace, &record.name, &last)),
            name: Arc::from(name),
            incarnation: u32::try_from(self.shared.clock.now().0 / 1000).unwrap_or(u32::MAX),
            revision: target.revision,
            role_arn: revision.role_arn.clone(),
            trace_header: request.trace_header.map(Arc::from),
            version_arn: target.version_arn,
            alias_arn: target.alias_arn,
            origin: None,
        };
        let open_max = self.express_open_max;
        let ended = express::run(&self.shared, open_max, &revision.program, header, input).await?;
        Ok(answer(&ended))
    }
}

/// Refuses what the other type of state machines has.
pub(super) fn check_type(machine: &MachineRecord, wanted: MachineType) -> Result<(), ApiError> {
    if machine.machine_type == wanted {
        return Ok(());
    }
    let message = "This operation is not supported by this type of state machine";
    Err(ApiError::new(
        ErrorCode::StateMachineTypeNotSupported,
        message,
    ))
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
