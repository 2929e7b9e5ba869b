//! `stepfleet activity …`: activities, and who serves them.

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names::{self, Kind};
use super::output::{Output, Tone};
use super::{pages, table, time};

/// Activities.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ActivityCommand {
    /// Create an activity; creating it again is fine
    Create(CreateArgs),
    /// List activities with their waiting tasks and workers
    List(ListArgs),
    /// Show an activity
    Show(NameArgs),
    /// Delete an activity
    Delete(NameArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CreateArgs {
    /// Name of the activity
    name: String,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = super::parse_tag)]
    tags: Vec<(String, String)>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct NameArgs {
    /// Name or ARN
    activity: String,
}

impl ActivityCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Create(args) => format!("create the activity {}", args.name),
            Self::List(_) => "list activities".into(),
            Self::Show(args) => format!("show the activity {}", args.activity),
            Self::Delete(args) => format!("delete the activity {}", args.activity),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::Create(args) => create(args, client, output).await,
            Self::List(args) => list(args, client, output).await,
            Self::Show(args) => show(args, client, output).await,
            Self::Delete(args) => delete(args, client, output).await,
        }
    }
}

async fn create(args: &CreateArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let request = api::CreateActivityRequest {
        name: args.name.clone(),
        tags: args.tags.iter().cloned().collect(),
        ..Default::default()
    };
    let answer = client.create_activity(request).await?;
    if output.is_json() {
        output.document(&serde_json::json!({
            "activityArn": answer.activity_arn,
            "creationDate": time::utc(answer.creation_date.as_ref()),
        }))?;
    } else {
        let done = output.paint(Tone::Good, "created");
        output.line(format!(
            "{done} activity {}  {}",
            args.name, answer.activity_arn
        ))?;
    }
    Ok(Outcome::Done)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let listed = pages::collect(args.limit, |page_size, page_token| async move {
        let answer = client
            .list_activities(api::ListActivitiesRequest {
                page_size,
                page_token,
            })
            .await?;
        Ok((answer.activities, answer.next_page_token))
    })
    .await?;
    let requests = listed
        .items
        .iter()
        .map(|item| item.activity_arn.clone())
        .map(|activity_arn| {
            client.describe_activity(api::DescribeActivityRequest { activity_arn })
        });
    let activities = pages::each(requests).await?;
    let none = "no activities; create one with `stepfleet activity create NAME`";
    if pages::told(&activities, "activities", json, none, output)? {
        return Ok(Outcome::Done);
    }
    let mut rows = table::table(
        output,
        &["NAME", "WAITING", "OLDEST", "WORKER SLOTS", "CREATED"],
    );
    for activity in &activities {
        rows.add_row([
            activity.name.clone(),
            activity.queued.to_string(),
            oldest(activity),
            activity.workers.to_string(),
            time::date(output, activity.creation_date.as_ref()),
        ]);
    }
    output.line(table::text(&rows))?;
    for activity in activities
        .iter()
        .filter(|activity| activity.queued > 0 && activity.workers == 0)
    {
        let head = output.paint_remark(Tone::Warning, "warning:");
        output.remark(format!(
            "{head} nobody serves {}, and {} wait",
            activity.name,
            tasks(activity.queued)
        ));
    }
    listed.remark_if_cut(output);
    Ok(Outcome::Done)
}

async fn show(args: &NameArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let activity_arn = names::resolve(client, Kind::Activity, &args.activity).await?;
    let activity = client
        .describe_activity(api::DescribeActivityRequest { activity_arn })
        .await?;
    if output.is_json() {
        output.document(&json(&activity))?;
    } else {
        let facts = [
            ("name", activity.name.clone()),
            ("arn", activity.activity_arn.clone()),
            (
                "created",
                time::date(output, activity.creation_date.as_ref()),
            ),
            ("waiting", tasks(activity.queued)),
            ("oldest", oldest(&activity)),
            ("worker slots", activity.workers.to_string()),
        ];
        let text = table::facts(output, &facts);
        output.line(text)?;
    }
    Ok(Outcome::Done)
}

async fn delete(args: &NameArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let activity_arn = names::resolve(client, Kind::Activity, &args.activity).await?;
    // The API is content with unknown ARNs; a person who mistyped a name is not.
    let request = api::DescribeActivityRequest {
        activity_arn: activity_arn.clone(),
    };
    client.describe_activity(request).await?;
    client
        .delete_activity(api::DeleteActivityRequest {
            activity_arn: activity_arn.clone(),
        })
        .await?;
    output.deleted("activity", &activity_arn, names::name_of(&activity_arn))?;
    Ok(Outcome::Done)
}

fn oldest(activity: &api::DescribeActivityResponse) -> String {
    if activity.queued == 0 {
        return "-".into();
    }
    time::coarse(SignedDuration::from_millis(activity.oldest_age_ms))
}

fn tasks(n: i64) -> String {
    if n == 1 {
        "1 task".into()
    } else {
        format!("{n} tasks")
    }
}

fn json(activity: &api::DescribeActivityResponse) -> serde_json::Value {
    serde_json::json!({
        "activityArn": activity.activity_arn,
        "name": activity.name,
        "creationDate": time::utc(activity.creation_date.as_ref()),
        "queued": activity.queued,
        "oldestAgeMs": activity.oldest_age_ms,
        "workers": activity.workers,
    })
}
