//! The execution operations.

use serde::Serialize;
use stepfleet_engine::execution::Status;
use stepfleet_engine::{HistoryEvent, NotRedrivable};

use super::Call;
use super::answer::{Seconds, body};
use super::input::IncludedData;
use super::input::executions::{
    ExecutionInput, HistoryInput, ListExecutionsInput, RedriveExecutionInput, StartExecutionInput,
    StopExecutionInput,
};
use crate::service::api::{ExecutionDescription, ExecutionItem, Page};
use crate::service::error::{ApiError, ErrorCode};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    execution_arn: String,
    start_date: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    stop_date: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Redriven {
    redrive_date: Seconds,
}

#[derive(Serialize)]
pub(super) struct DataDetails {
    pub(super) included: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    status: &'static str,
    start_date: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    input_details: DataDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_details: Option<DataDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_header: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_machine_version_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_machine_alias_arn: Option<&'a str>,
    redrive_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_date: Option<Seconds>,
    redrive_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_status_reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    executions: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    execution_arn: String,
    state_machine_arn: String,
    name: String,
    status: &'static str,
    start_date: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_machine_version_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_machine_alias_arn: Option<String>,
    redrive_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_date: Option<Seconds>,
}

impl Call<'_> {
    pub(super) async fn start_execution(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<StartExecutionInput>()?.check(self.bounds)?;
        let request = request.in_trace(self.trace_header.clone());
        let started = self.service.start_execution(self.caller, request).await?;
        body(&Started {
            execution_arn: started.arn,
            start_date: Seconds(started.started_at),
        })
    }

    pub(super) async fn stop_execution(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<StopExecutionInput>()?.check()?;
        let at = self
            .service
            .stop_execution(self.caller, &request.arn, request.error, request.cause)
            .await?;
        body(&Stopped {
            stop_date: Seconds(at),
        })
    }

    pub(super) async fn redrive_execution(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, token) = self.read::<RedriveExecutionInput>()?.check()?;
        let service = self.service;
        let at = service.redrive_execution(self.caller, &arn, token).await?;
        body(&Redriven {
            redrive_date: Seconds(at),
        })
    }

    pub(super) async fn describe_execution(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, included) = self.read::<ExecutionInput>()?.check()?;
        let execution = self.service.describe_execution(self.caller, &arn).await?;
        body(&Description::of(&execution, included))
    }

    pub(super) async fn list_executions(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<ListExecutionsInput>()?.check()?;
        let page = self.service.list_executions(self.caller, request).await?;
        let executions = page.items.into_iter().map(Item::from).collect();
        body(&List {
            executions,
            next_token: page.next_token,
        })
    }

    pub(super) async fn get_execution_history(&self) -> Result<Vec<u8>, ApiError> {
        let (request, include_data) = self.read::<HistoryInput>()?.check()?;
        let page = self
            .service
            .get_execution_history(self.caller, request)
            .await?;
        history(&page, include_data)
    }
}

/// The events are JSON values of our own kind, which print themselves: no second tree is built.
fn history(page: &Page<HistoryEvent>, include_data: bool) -> Result<Vec<u8>, ApiError> {
    let mut text = String::from(r#"{"events":["#);
    for (at, event) in page.items.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        event.to_json(include_data).write(&mut text);
    }
    text.push(']');
    if let Some(token) = &page.next_token {
        let token = serde_json::to_string(token)
            .map_err(|error| ApiError::new(ErrorCode::InternalServerError, error.to_string()))?;
        text.push_str(r#","nextToken":"#);
        text.push_str(&token);
    }
    text.push('}');
    Ok(text.into_bytes())
}

impl<'a> Description<'a> {
    fn of(execution: &'a ExecutionDescription, data: IncludedData) -> Self {
        let included = data == IncludedData::AllData;
        let output = execution.output.as_deref();
        Self {
            execution_arn: &execution.arn,
            state_machine_arn: &execution.machine_arn,
            name: &execution.name,
            status: status_name(execution.status),
            start_date: Seconds(execution.started_at),
            stop_date: execution.closed_at.map(Seconds),
            input: included.then_some(&*execution.input),
            input_details: DataDetails { included },
            output: output.filter(|_| included),
            output_details: output.map(|_| DataDetails { included }),
            trace_header: execution.trace_header.as_deref(),
            error: execution.error.as_deref(),
            cause: execution.cause.as_deref(),
            state_machine_version_arn: execution.version_arn.as_deref(),
            state_machine_alias_arn: execution.alias_arn.as_deref(),
            redrive_count: execution.redrive_count,
            redrive_date: execution.redriven_at.map(Seconds),
            redrive_status: redrive_status(execution.not_redrivable),
            redrive_status_reason: execution.not_redrivable.map(|why| why.to_string()),
        }
    }
}

impl From<ExecutionItem> for Item {
    fn from(item: ExecutionItem) -> Self {
        Self {
            execution_arn: item.arn,
            state_machine_arn: item.machine_arn,
            name: item.name,
            status: status_name(item.status),
            start_date: Seconds(item.started_at),
            stop_date: item.closed_at.map(Seconds),
            state_machine_version_arn: item.version_arn,
            state_machine_alias_arn: item.alias_arn,
            redrive_count: item.redrive_count,
            redrive_date: item.redriven_at.map(Seconds),
        }
    }
}

/// `redriveStatus`.
fn redrive_status(obstacle: Option<NotRedrivable>) -> &'static str {
    match obstacle {
        None => "REDRIVABLE",
        Some(_) => "NOT_REDRIVABLE",
    }
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Succeeded => "SUCCEEDED",
        Status::Failed => "FAILED",
        Status::TimedOut => "TIMED_OUT",
        Status::Aborted => "ABORTED",
    }
}
