//! `stepfleet run start`.

use clap::Args;
use stepfleet_sdk::api;

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names::{self, Kind};
use super::super::output::Output;
use super::super::payload;
use super::begun::Begun;

#[derive(Args, Clone, Debug)]
pub(crate) struct StartArgs {
    /// Name or ARN of the state machine
    pub(super) machine: String,
    /// The input: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// Name of the execution; one is drawn when left out
    #[arg(long)]
    name: Option<String>,
    /// Show the states as they happen; exit code 1 unless it succeeds
    #[arg(long)]
    watch: bool,
    /// Wait for the end and show the result; exit code 1 unless it succeeds
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
}

pub(super) async fn start(
    args: &StartArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let input = payload::read_json("the input", &args.input)?;
    let state_machine_arn = names::resolve(client, Kind::StateMachine, &args.machine).await?;
    if args.watch || args.wait {
        check_shows_its_end(client, &state_machine_arn).await?;
    }
    let request = api::StartExecutionRequest {
        state_machine_arn,
        name: args.name.clone().unwrap_or_default(),
        input,
        trace_header: String::new(),
    };
    let answer = client.start_execution(request).await?;
    let begun = Begun {
        arn: answer.execution_arn,
        word: "started",
        date: ("startDate", answer.start_date),
        watch: args.watch,
        wait: args.wait,
    };
    begun.tell(client, output).await
}

/// Refuses before anything begins: nothing can be asked of an Express execution.
async fn check_shows_its_end(client: &Client, state_machine_arn: &str) -> Result<(), Fault> {
    let request = api::DescribeStateMachineRequest {
        state_machine_arn: state_machine_arn.to_owned(),
    };
    let machine = client.describe_state_machine(request).await?;
    if machine.r#type() == api::StateMachineType::Express {
        let message = "executions of EXPRESS state machines cannot be followed; `stepfleet run sync` waits for the end";
        return Err(Fault::Usage(message.to_owned()));
    }
    Ok(())
}
