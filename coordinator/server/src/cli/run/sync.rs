//! `stepfleet run sync`: an Express execution, and its result.

use clap::Args;
use stepfleet_sdk::api;

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names::{self, Kind};
use super::super::output::Output;
use super::super::payload;
use super::show;

#[derive(Args, Clone, Debug)]
pub(crate) struct SyncArgs {
    /// Name or ARN of the state machine, which is of type EXPRESS
    pub(super) machine: String,
    /// The input: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// Name of the execution; one is drawn when left out
    #[arg(long)]
    name: Option<String>,
}

pub(super) async fn sync(
    args: &SyncArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let input = payload::read_json("the input", &args.input)?;
    let request = api::StartSyncExecutionRequest {
        state_machine_arn: names::resolve(client, Kind::StateMachine, &args.machine).await?,
        name: args.name.clone().unwrap_or_default(),
        input,
        trace_header: String::new(),
    };
    let ended = client.start_sync_execution(request).await?;
    let execution = api::DescribeExecutionResponse {
        execution_arn: ended.execution_arn,
        state_machine_arn: ended.state_machine_arn,
        name: ended.name,
        status: ended.status,
        start_date: ended.start_date,
        stop_date: ended.stop_date,
        input: ended.input,
        output: ended.output,
        error: ended.error,
        cause: ended.cause,
        trace_header: ended.trace_header,
        ..api::DescribeExecutionResponse::default()
    };
    show::write(&execution, output)?;
    Ok(show::outcome(&execution))
}
