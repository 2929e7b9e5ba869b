//! `stepfleet tag …`: tags of state machines and activities.

use clap::{Args, Subcommand};
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names::{self, Kind};
use super::output::Output;
use super::table;

/// Tags of state machines and activities.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// Set tags; the others stay
    Set(SetArgs),
    /// List tags
    List(ResourceArgs),
    /// Remove tags
    Remove(RemoveArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ResourceArgs {
    /// Name of a state machine, or the ARN of anything that has tags
    resource: String,
    /// The name is that of an activity
    #[arg(long)]
    activity: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    of: ResourceArgs,
    /// The tags
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = super::parse_tag)]
    tags: Vec<(String, String)>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    of: ResourceArgs,
    /// Keys of the tags
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
}

impl ResourceArgs {
    async fn arn(&self, client: &Client) -> Result<String, Fault> {
        let kind = if self.activity {
            Kind::Activity
        } else {
            Kind::StateMachine
        };
        names::resolve(client, kind, &self.resource).await
    }
}

impl TagCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Set(args) => format!("tag {}", args.of.resource),
            Self::List(args) => format!("list the tags of {}", args.resource),
            Self::Remove(args) => format!("remove tags of {}", args.of.resource),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        let resource_arn = match self {
            Self::Set(args) => {
                let resource_arn = args.of.arn(client).await?;
                let tag = |(key, value): (String, String)| api::Tag { key, value };
                let request = api::TagResourceRequest {
                    resource_arn: resource_arn.clone(),
                    tags: args.tags.iter().cloned().map(tag).collect(),
                };
                client.tag_resource(request).await?;
                resource_arn
            }
            Self::Remove(args) => {
                let resource_arn = args.of.arn(client).await?;
                let request = api::UntagResourceRequest {
                    resource_arn: resource_arn.clone(),
                    tag_keys: args.keys.clone(),
                };
                client.untag_resource(request).await?;
                resource_arn
            }
            Self::List(args) => args.arn(client).await?,
        };
        show(resource_arn, client, output).await
    }
}

/// The tags as they are now.
async fn show(
    resource_arn: String,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let request = api::ListTagsForResourceRequest { resource_arn };
    let tags = client.list_tags_for_resource(request).await?.tags;
    if output.is_json() {
        let tag = |tag: &api::Tag| serde_json::json!({"key": tag.key, "value": tag.value});
        let tags: Vec<_> = tags.iter().map(tag).collect();
        output.document(&serde_json::json!({ "tags": tags }))?;
    } else if tags.is_empty() {
        output.remark("no tags");
    } else {
        let mut rows = table::table(output, &["KEY", "VALUE"]);
        for tag in &tags {
            rows.add_row([&tag.key, &tag.value]);
        }
        output.line(table::text(&rows))?;
    }
    Ok(Outcome::Done)
}
