//! `stepfleet run …`: executions. (The command's word is the product's; everything else says "execution".)

mod begun;
mod history;
mod list;
mod redrive;
mod show;
mod start;
mod sync;
mod watch;

use clap::{Args, Subcommand};
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names::{self, Kind};
use super::output::Output;
use super::time;

/// Executions.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ExecutionCommand {
    /// Start an execution
    Start(start::StartArgs),
    /// Run an execution of an EXPRESS state machine and show its result; exit code 1 unless it succeeds
    Sync(sync::SyncArgs),
    /// Follow an execution: states as they happen, then its result; exit code 1 unless it succeeds
    Watch(watch::WatchArgs),
    /// List executions, newest first
    List(list::ListArgs),
    /// Show an execution with its input and result
    Show(ExecutionArgs),
    /// List the history events of an execution
    History(history::HistoryArgs),
    /// Stop an execution
    Stop(StopArgs),
    /// Run a failed or stopped execution again, from where it failed
    Redrive(redrive::RedriveArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExecutionArgs {
    /// MACHINE:EXECUTION or ARN
    execution: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StopArgs {
    /// MACHINE:EXECUTION or ARN
    execution: String,
    /// Error name to record
    #[arg(long)]
    error: Option<String>,
    /// Explanation to record
    #[arg(long)]
    cause: Option<String>,
}

impl ExecutionCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Start(args) => format!("start an execution of {}", args.machine),
            Self::Sync(args) => format!("run an execution of {}", args.machine),
            Self::Watch(args) => format!("watch {}", args.execution),
            Self::List(args) => match &args.machine {
                Some(machine) => format!("list executions of {machine}"),
                None => "list executions".into(),
            },
            Self::Show(args) => format!("show {}", args.execution),
            Self::History(args) => format!("show the history of {}", args.execution),
            Self::Stop(args) => format!("stop {}", args.execution),
            Self::Redrive(args) => format!("redrive {}", args.execution),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::Start(args) => start::start(args, client, output).await,
            Self::Sync(args) => sync::sync(args, client, output).await,
            Self::Watch(args) => watch::watch(args, client, output).await,
            Self::List(args) => list::list(args, client, output).await,
            Self::Show(args) => {
                let arn = names::resolve(client, Kind::Execution, &args.execution).await?;
                show::show(arn, client, output).await
            }
            Self::History(args) => history::history(args, client, output).await,
            Self::Stop(args) => stop(args, client, output).await,
            Self::Redrive(args) => redrive::redrive(args, client, output).await,
        }
    }
}

async fn stop(args: &StopArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let execution_arn = names::resolve(client, Kind::Execution, &args.execution).await?;
    let request = api::StopExecutionRequest {
        execution_arn: execution_arn.clone(),
        error: args.error.clone(),
        cause: args.cause.clone(),
    };
    let answer = client.stop_execution(request).await?;
    if output.is_json() {
        output.document(&serde_json::json!({
            "executionArn": execution_arn,
            "stopDate": time::utc(answer.stop_date.as_ref()),
        }))?;
    } else {
        let name = names::short_execution(&execution_arn);
        let date = time::date(output, answer.stop_date.as_ref());
        output.line(format!("stopped {name} at {date}"))?;
    }
    Ok(Outcome::Done)
}
