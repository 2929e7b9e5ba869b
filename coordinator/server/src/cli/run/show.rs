//! `stepfleet run show`, and the result with which `run start --wait` and `run watch` end.

use serde::Serialize;
use serde_json::value::RawValue;
use stepfleet_sdk::api;

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names;
use super::super::output::Output;
use super::super::{payload, table, time};

/// Characters of progress in a table; `--json` has all.
const PROGRESS_CHARS: usize = 60;

pub(super) async fn show(
    execution_arn: String,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let execution = client
        .describe_execution(api::DescribeExecutionRequest { execution_arn })
        .await?;
    if output.is_json() {
        output.document(&json(&execution))?;
        return Ok(Outcome::Done);
    }
    let status = status(&execution, output);
    let mut facts = vec![
        (
            "execution",
            names::short_execution(&execution.execution_arn).to_owned(),
        ),
        ("arn", execution.execution_arn.clone()),
        ("status", status),
        ("started", time::date(output, execution.start_date.as_ref())),
    ];
    if execution.stop_date.is_some() {
        facts.push(("ended", time::date(output, execution.stop_date.as_ref())));
    }
    facts.push(("duration", duration(&execution, output)));
    if execution.redrive_count > 0 {
        let date = time::date(output, execution.redrive_date.as_ref());
        let times = execution.redrive_count;
        facts.push(("redriven", format!("{times}×, last at {date}")));
    }
    facts.push(("input", payload::pretty(&execution.input)));
    facts.extend(result_facts(&execution));
    let text = table::facts(output, &facts);
    output.line(text)?;
    show_open_tasks(&execution, output)?;
    Ok(Outcome::Done)
}

fn show_open_tasks(
    execution: &api::DescribeExecutionResponse,
    output: &mut Output,
) -> Result<(), Fault> {
    let tasks = &execution.open_tasks;
    if tasks.is_empty() {
        return Ok(());
    }
    let header = [
        "OPEN TASK",
        "RESOURCE",
        "ATTEMPT",
        "AGE",
        "WORKER",
        "PROGRESS",
    ];
    let mut rows = table::table(output, &header);
    for task in tasks {
        let worker = match (&task.started_date, &*task.worker_name) {
            (None, _) | (Some(_), "") => "-",
            (Some(_), name) => name,
        };
        rows.add_row([
            task.state_name.clone(),
            names::name_of(&task.resource).to_owned(),
            task.attempt.to_string(),
            time::age(output, task.scheduled_date.as_ref()),
            worker.to_owned(),
            payload::told(&task.progress, PROGRESS_CHARS),
        ]);
    }
    output.line(format!("\n{}", table::text(&rows)))?;
    let more = execution.open_task_count - i64::try_from(tasks.len()).unwrap_or(i64::MAX);
    if more > 0 {
        output.remark(format!("{more} more open tasks"));
    }
    Ok(())
}

/// How a closed execution ended; negative unless it succeeded.
pub(super) async fn show_result(
    execution_arn: String,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let execution = client
        .describe_execution(api::DescribeExecutionRequest { execution_arn })
        .await?;
    write(&execution, output)?;
    Ok(outcome(&execution))
}

/// A closed execution: the document, or its result for people.
pub(super) fn write(
    execution: &api::DescribeExecutionResponse,
    output: &mut Output,
) -> Result<(), Fault> {
    if output.is_json() {
        output.document(&json(execution))
    } else {
        write_result(execution, output)
    }
}

/// Status, time and result, for people.
pub(super) fn write_result(
    execution: &api::DescribeExecutionResponse,
    output: &mut Output,
) -> Result<(), Fault> {
    let status = status(execution, output);
    let took = duration(execution, output);
    let name = names::short_execution(&execution.execution_arn);
    output.line(format!("{status} after {took}  {name}"))?;
    let facts: Vec<_> = result_facts(execution).collect();
    if !facts.is_empty() {
        let text = table::facts(output, &facts);
        output.line(text)?;
    }
    Ok(())
}

pub(super) fn outcome(execution: &api::DescribeExecutionResponse) -> Outcome {
    if execution.status() == api::ExecutionStatus::Succeeded {
        Outcome::Done
    } else {
        Outcome::Negative
    }
}

fn status(execution: &api::DescribeExecutionResponse, output: &Output) -> String {
    output.paint(
        table::status_tone(execution.status),
        table::status_name(execution.status),
    )
}

fn duration(execution: &api::DescribeExecutionResponse, output: &Output) -> String {
    let Some(start) = time::instant(execution.start_date.as_ref()) else {
        return "-".into();
    };
    let end = time::instant(execution.stop_date.as_ref()).unwrap_or_else(|| output.now());
    time::fine(end.duration_since(start))
}

fn result_facts(
    execution: &api::DescribeExecutionResponse,
) -> impl Iterator<Item = (&'static str, String)> {
    let output = execution.output.as_deref().map(payload::pretty);
    [
        ("output", output),
        ("error", execution.error.clone()),
        ("cause", execution.cause.clone()),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionJson<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    status: String,
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<String>,
    input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive_status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open_tasks: Vec<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_task_count: Option<i64>,
}

fn task_json(task: &api::OpenTask) -> serde_json::Value {
    serde_json::json!({
        "stateName": task.state_name,
        "resource": task.resource,
        "attempt": task.attempt,
        "scheduledDate": time::utc(task.scheduled_date.as_ref()),
        "startedDate": time::utc(task.started_date.as_ref()),
        "workerName": task.worker_name,
        "progress": payload::raw_told(&task.progress),
        "progressDate": time::utc(task.progress_date.as_ref()),
    })
}

pub(super) fn json(execution: &api::DescribeExecutionResponse) -> ExecutionJson<'_> {
    // Express executions are never redriven.
    let standard = execution.redrive_status() != api::ExecutionRedriveStatus::Unspecified;
    ExecutionJson {
        execution_arn: &execution.execution_arn,
        state_machine_arn: &execution.state_machine_arn,
        name: &execution.name,
        status: table::status_name(execution.status),
        start_date: time::utc(execution.start_date.as_ref()),
        stop_date: time::utc(execution.stop_date.as_ref()),
        input: payload::raw(&execution.input),
        output: payload::raw_some(execution.output.as_deref()),
        error: execution.error.as_deref(),
        cause: execution.cause.as_deref(),
        redrive_count: standard.then_some(execution.redrive_count),
        redrive_date: time::utc(execution.redrive_date.as_ref()),
        redrive_status: standard.then(|| table::redrive_status(execution.redrive_status)),
        redrive_status_reason: Some(&*execution.redrive_status_reason)
            .filter(|reason| !reason.is_empty()),
        open_tasks: execution.open_tasks.iter().map(task_json).collect(),
        open_task_count: Some(execution.open_task_count).filter(|count| *count > 0),
    }
}
