//! `stepfleet run history`: history events as the API gives them.

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use stepfleet_sdk::api;

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names::{self, Kind};
use super::super::output::Output;
use super::super::{pages, payload, table, time};
use super::watch::Details;

const DETAIL_CHARS: usize = 80;

#[derive(Args, Clone, Debug)]
pub(crate) struct HistoryArgs {
    /// MACHINE:EXECUTION or ARN
    pub(super) execution: String,
    /// Newest first
    #[arg(long)]
    reverse: bool,
    /// Leave inputs and outputs out
    #[arg(long)]
    no_data: bool,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

pub(super) async fn history(
    args: &HistoryArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let arn = &names::resolve(client, Kind::Execution, &args.execution).await?;
    let listed = pages::collect(args.limit, |page_size, page_token| async move {
        let request = api::GetExecutionHistoryRequest {
            execution_arn: arn.clone(),
            page_size,
            page_token,
            reverse_order: args.reverse,
            exclude_execution_data: args.no_data,
        };
        let answer = client.get_execution_history(request).await?;
        Ok((answer.events, answer.next_page_token))
    })
    .await?;
    if output.is_json() {
        let events: Vec<_> = listed.items.iter().map(event_json).collect();
        output.document(&History { events })?;
        return Ok(Outcome::Done);
    }
    let mut rows = table::table(output, &["ID", "PREV", "TIME", "TYPE", "DETAIL"]);
    for event in &listed.items {
        rows.add_row([
            event.id.to_string(),
            event.previous_event_id.to_string(),
            clock(output, event),
            event.r#type.clone(),
            detail(event),
        ]);
    }
    output.line(table::text(&rows))?;
    listed.remark_if_cut(output);
    Ok(Outcome::Done)
}

fn clock(output: &Output, event: &api::HistoryEvent) -> String {
    let Some(at) = time::instant(event.timestamp.as_ref()) else {
        return "-".into();
    };
    at.to_zoned(output.look().zone.clone())
        .strftime("%H:%M:%S%.3f")
        .to_string()
}

/// The name of the state, the error, or what else says most on one line.
fn detail(event: &api::HistoryEvent) -> String {
    let details = Details::of(event);
    let mut parts = Vec::new();
    if let Some(name) = details.name {
        match details.index {
            Some(index) => parts.push(format!("{name} [{index}]")),
            None => parts.push(name),
        }
    }
    parts.extend(details.length.map(|length| format!("{length} items")));
    parts.extend(details.resource);
    parts.extend(details.worker_name.map(|worker| format!("by {worker}")));
    parts.extend(details.error);
    parts.extend(details.cause);
    let assigned = details.assigned_variables.into_iter();
    parts.extend(assigned.map(|(name, value)| format!("${name}={value}")));
    let data = details.output.or(details.input).or(details.parameters);
    parts.extend(data);
    payload::short(&parts.join("  "), DETAIL_CHARS)
}

#[derive(Serialize)]
struct History<'a> {
    events: Vec<EventJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventJson<'a> {
    id: i64,
    previous_event_id: i64,
    timestamp: Option<String>,
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<RawValue>>,
}

pub(super) fn event_json(event: &api::HistoryEvent) -> EventJson<'_> {
    EventJson {
        id: event.id,
        previous_event_id: event.previous_event_id,
        timestamp: time::utc(event.timestamp.as_ref()),
        event_type: &event.r#type,
        details: payload::raw_some(Some(&event.details)),
    }
}
