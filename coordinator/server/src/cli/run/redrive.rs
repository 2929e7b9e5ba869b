//! `stepfleet run redrive`.

use clap::Args;
use stepfleet_sdk::api;

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names::{self, Kind};
use super::super::output::Output;
use super::begun::Begun;

#[derive(Args, Clone, Debug)]
pub(crate) struct RedriveArgs {
    /// MACHINE:EXECUTION or ARN
    pub(super) execution: String,
    /// Names the request: repeated within 15 minutes it redrives once; one is drawn when left out
    #[arg(long, value_name = "TOKEN")]
    client_token: Option<String>,
    /// Show the states as they happen, those of before too; exit code 1 unless it succeeds
    #[arg(long)]
    watch: bool,
    /// Wait for the end and show the result; exit code 1 unless it succeeds
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
}

pub(super) async fn redrive(
    args: &RedriveArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::Execution, &args.execution).await?;
    let request = api::RedriveExecutionRequest {
        execution_arn: arn.clone(),
        client_token: args.client_token.clone().unwrap_or_default(),
    };
    let answer = client.redrive_execution(request).await?;
    let begun = Begun {
        arn,
        word: "redriven",
        date: ("redriveDate", answer.redrive_date),
        watch: args.watch,
        wait: args.wait,
    };
    begun.tell(client, output).await
}
