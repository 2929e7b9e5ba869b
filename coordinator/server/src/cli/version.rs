//! `stepfleet version …`: versions of state machines.

use clap::{Args, Subcommand};
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names::{self, Kind};
use super::output::{Output, Tone};
use super::{pages, table, time};

/// Versions of state machines.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum VersionCommand {
    /// Publish the current definition as a version; published already, it keeps its version
    Publish(PublishArgs),
    /// List the versions of a state machine, newest first
    List(ListArgs),
    /// Delete a version that no alias leads to; running executions go on
    Delete(VersionArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PublishArgs {
    /// Name or ARN of the state machine
    machine: String,
    /// Description of the version
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Publish only if this is the current revision
    #[arg(long, value_name = "ID")]
    revision: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Name or ARN of the state machine
    machine: String,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VersionArgs {
    /// MACHINE:NUMBER or ARN
    version: String,
}

impl VersionCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Publish(args) => format!("publish a version of {}", args.machine),
            Self::List(args) => format!("list the versions of {}", args.machine),
            Self::Delete(args) => format!("delete the version {}", args.version),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::Publish(args) => publish(args, client, output).await,
            Self::List(args) => list(args, client, output).await,
            Self::Delete(args) => delete(args, client, output).await,
        }
    }
}

async fn publish(
    args: &PublishArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let request = api::PublishStateMachineVersionRequest {
        state_machine_arn: names::resolve(client, Kind::StateMachine, &args.machine).await?,
        revision_id: args.revision.clone().unwrap_or_default(),
        description: args.description.clone(),
    };
    let answer = client.publish_state_machine_version(request).await?;
    if output.is_json() {
        output.document(&serde_json::json!({
            "stateMachineVersionArn": answer.state_machine_version_arn,
            "creationDate": time::utc(answer.creation_date.as_ref()),
        }))?;
    } else {
        let done = output.paint(Tone::Good, "published");
        let number = names::name_of(&answer.state_machine_version_arn);
        output.line(format!(
            "{done} version {number}  {}",
            answer.state_machine_version_arn
        ))?;
    }
    Ok(Outcome::Done)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::StateMachine, &args.machine).await?;
    let versions = pages::collect(args.limit, |page_size, page_token| {
        let request = api::ListStateMachineVersionsRequest {
            state_machine_arn: arn.clone(),
            page_size,
            page_token,
        };
        async move {
            let answer = client.list_state_machine_versions(request).await?;
            Ok((answer.state_machine_versions, answer.next_page_token))
        }
    })
    .await?;
    let json = |version: &api::StateMachineVersionListItem| {
        serde_json::json!({
            "stateMachineVersionArn": version.state_machine_version_arn,
            "creationDate": time::utc(version.creation_date.as_ref()),
        })
    };
    let none = "no versions; publish one with `stepfleet version publish MACHINE`";
    if pages::told(&versions.items, "stateMachineVersions", json, none, output)? {
        return Ok(Outcome::Done);
    }
    let mut rows = table::table(output, &["VERSION", "CREATED", "ARN"]);
    for version in &versions.items {
        rows.add_row([
            names::name_of(&version.state_machine_version_arn).to_owned(),
            time::date(output, version.creation_date.as_ref()),
            version.state_machine_version_arn.clone(),
        ]);
    }
    output.line(table::text(&rows))?;
    versions.remark_if_cut(output);
    Ok(Outcome::Done)
}

async fn delete(
    args: &VersionArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::Version, &args.version).await?;
    // The API is content with unknown ARNs; a person who mistyped a number is not.
    let described = api::DescribeStateMachineRequest {
        state_machine_arn: arn.clone(),
    };
    client.describe_state_machine(described).await?;
    let request = api::DeleteStateMachineVersionRequest {
        state_machine_version_arn: arn.clone(),
    };
    client.delete_state_machine_version(request).await?;
    output.deleted("version", &arn, names::short_execution(&arn))?;
    Ok(Outcome::Done)
}
