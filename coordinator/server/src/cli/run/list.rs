//! `stepfleet run list`.

use std::cmp::Reverse;

use clap::{Args, ValueEnum};
use stepfleet_sdk::api;

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names::{self, Kind};
use super::super::output::Output;
use super::super::pages::{self, Listed};
use super::super::{table, time};

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Name or ARN of the state machine; all of them when left out
    pub(super) machine: Option<String>,
    /// Only executions with this status
    #[arg(long, value_enum, value_name = "STATUS", ignore_case = true)]
    status: Option<Status>,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 30)]
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

impl Status {
    fn wire(self) -> api::ExecutionStatus {
        match self {
            Self::Running => api::ExecutionStatus::Running,
            Self::Succeeded => api::ExecutionStatus::Succeeded,
            Self::Failed => api::ExecutionStatus::Failed,
            Self::TimedOut => api::ExecutionStatus::TimedOut,
            Self::Aborted => api::ExecutionStatus::Aborted,
        }
    }
}

pub(super) async fn list(
    args: &ListArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let listed = match &args.machine {
        Some(name) => {
            let arn = names::resolve(client, Kind::StateMachine, name).await?;
            of_machine(args, &arn, client).await?
        }
        None => of_all(args, client).await?,
    };
    if output.is_json() {
        let items: Vec<_> = listed.items.iter().map(json).collect();
        output.document(&serde_json::json!({ "executions": items }))?;
        return Ok(Outcome::Done);
    }
    if listed.items.is_empty() {
        output.remark("no executions");
        return Ok(Outcome::Done);
    }
    let text = rows(&listed.items, output);
    output.line(text)?;
    listed.remark_if_cut(output);
    Ok(Outcome::Done)
}

async fn of_machine(
    args: &ListArgs,
    arn: &str,
    client: &Client,
) -> Result<Listed<api::ExecutionListItem>, Fault> {
    let status = args.status.map_or(0, |status| status.wire().into());
    pages::collect(args.limit, |page_size, page_token| async move {
        let request = api::ListExecutionsRequest {
            state_machine_arn: arn.to_owned(),
            status_filter: status,
            page_size,
            page_token,
        };
        let answer = client.list_executions(request).await?;
        Ok((answer.executions, answer.next_page_token))
    })
    .await
}

/// The API lists per state machine, so this asks for each and keeps the newest.
async fn of_all(args: &ListArgs, client: &Client) -> Result<Listed<api::ExecutionListItem>, Fault> {
    let machines = pages::collect(usize::MAX, |page_size, page_token| async move {
        let request = api::ListStateMachinesRequest {
            page_size,
            page_token,
        };
        let answer = client.list_state_machines(request).await?;
        Ok((answer.state_machines, answer.next_page_token))
    })
    .await?;
    let mut items = Vec::new();
    let mut more = false;
    for machine in &machines.items {
        if machine.r#type() == api::StateMachineType::Express {
            // Their executions are not listed by the API.
            continue;
        }
        let listed = of_machine(args, &machine.state_machine_arn, client).await?;
        more |= listed.more;
        items.extend(listed.items);
    }
    items.sort_by_key(|item| Reverse(item.start_date.map(|date| (date.seconds, date.nanos))));
    more |= items.len() > args.limit;
    items.truncate(args.limit);
    Ok(Listed { items, more })
}

fn rows(executions: &[api::ExecutionListItem], output: &Output) -> String {
    let mut rows = table::table(output, &["EXECUTION", "STATUS", "STARTED", "DURATION"]);
    for execution in executions {
        rows.add_row(vec![
            names::short_execution(&execution.execution_arn).into(),
            table::status_cell(execution.status),
            time::date(output, execution.start_date.as_ref()).into(),
            duration(execution, output).into(),
        ]);
    }
    table::text(&rows)
}

/// From the start to the end, or to now.
fn duration(execution: &api::ExecutionListItem, output: &Output) -> String {
    let Some(start) = time::instant(execution.start_date.as_ref()) else {
        return "-".into();
    };
    match time::instant(execution.stop_date.as_ref()) {
        Some(stop) => time::fine(stop.duration_since(start)),
        None => time::coarse(output.now().duration_since(start)),
    }
}

fn json(execution: &api::ExecutionListItem) -> serde_json::Value {
    let mut value = serde_json::json!({
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": table::status_name(execution.status),
        "startDate": time::utc(execution.start_date.as_ref()),
    });
    if let Some(date) = time::utc(execution.stop_date.as_ref()) {
        value["stopDate"] = date.into();
    }
    value["redriveCount"] = execution.redrive_count.into();
    if let Some(date) = time::utc(execution.redrive_date.as_ref()) {
        value["redriveDate"] = date.into();
    }
    value
}
