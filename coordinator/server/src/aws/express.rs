//! `StartSyncExecution`.

use serde::Serialize;

use super::Call;
use super::answer::{Seconds, body};
use super::executions::{DataDetails, status_name};
use super::input::IncludedData;
use super::input::executions::StartSyncExecutionInput;
use crate::service::error::ApiError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    start_date: Seconds,
    stop_date: Seconds,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    input_details: DataDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_details: Option<DataDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_header: Option<&'a str>,
    billing_details: Billing,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Billing {
    #[serde(rename = "billedMemoryUsedInMB")]
    billed_memory_used_in_mb: u64,
    billed_duration_in_milliseconds: u64,
}

impl Call<'_> {
    pub(super) async fn start_sync_execution(&self) -> Result<Vec<u8>, ApiError> {
        let input = self.read::<StartSyncExecutionInput>()?;
        let (request, data) = input.check(self.bounds)?;
        let request = request.in_trace(self.trace_header.clone());
        let service = self.service;
        let ended = service.start_sync_execution(self.caller, request).await?;
        let included = data == IncludedData::AllData;
        let output = ended.output.as_deref();
        body(&Ended {
            execution_arn: &ended.arn,
            state_machine_arn: &ended.machine_arn,
            name: &ended.name,
            start_date: Seconds(ended.started_at),
            stop_date: Seconds(ended.stopped_at),
            status: status_name(ended.status),
            error: ended.error.as_deref(),
            cause: ended.cause.as_deref(),
            input: included.then_some(&*ended.input),
            input_details: DataDetails { included },
            output: output.filter(|_| included),
            output_details: output.map(|_| DataDetails { included }),
            trace_header: ended.trace_header.as_deref(),
            billing_details: Billing {
                billed_memory_used_in_mb: ended.billed_mb,
                billed_duration_in_milliseconds: ended.billed_ms,
            },
        })
    }
}
