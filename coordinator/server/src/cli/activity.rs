//! `stepfleet activity …`: activities, and who serves them.

pub(crate) mod queue;
mod turns;

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::fleet::warn_unserved;
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
    /// Show the queue, the workers, and what happened in the last minutes
    Stats(NameArgs),
    /// Hand out nothing until it is resumed
    Pause(NameArgs),
    /// Hand out tasks again
    Resume(NameArgs),
    /// Fail the tasks that wait, with the error Stepfleet.TaskPurged
    Purge(queue::PurgeArgs),
    /// Set the labels that a worker must have to get tasks
    Require(queue::RequireArgs),
    /// Bound the tasks at once, those that start a second, or how long their workers may be away
    Limit(queue::LimitArgs),
    /// Give an execution's next task preferably to the worker that had its last
    Sticky(turns::StickyArgs),
    /// Give a share of the executions to workers of one build
    Ramp(turns::RampArgs),
    /// Give the tasks of some state machines more turns than those of others
    Weigh(turns::WeighArgs),
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
            Self::Stats(args) => format!("show the activity {}", args.activity),
            Self::Pause(args) => format!("pause the activity {}", args.activity),
            Self::Resume(args) => format!("resume the activity {}", args.activity),
            Self::Purge(args) => format!("purge the activity {}", args.activity),
            Self::Require(args) => format!("change the activity {}", args.activity),
            Self::Limit(args) => format!("change the activity {}", args.activity),
            Self::Sticky(args) => format!("change the activity {}", args.activity),
            Self::Ramp(args) => format!("change the activity {}", args.activity),
            Self::Weigh(args) => format!("change the activity {}", args.activity),
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
            Self::Stats(args) => stats(args, client, output).await,
            Self::Pause(args) => queue::pause(args, true, client, output).await,
            Self::Resume(args) => queue::pause(args, false, client, output).await,
            Self::Purge(args) => queue::purge(args, client, output).await,
            Self::Require(args) => queue::require(args, client, output).await,
            Self::Limit(args) => queue::limit(args, client, output).await,
            Self::Sticky(args) => turns::sticky(args, client, output).await,
            Self::Ramp(args) => turns::ramp(args, client, output).await,
            Self::Weigh(args) => turns::weigh(args, client, output).await,
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
        &[
            "NAME",
            "WAITING",
            "OLDEST",
            "IN HAND",
            "WORKER SLOTS",
            "HELD BACK",
            "CREATED",
        ],
    );
    for activity in &activities {
        rows.add_row([
            activity.name.clone(),
            activity.queued.to_string(),
            oldest(activity),
            activity.in_hand.to_string(),
            activity.workers.to_string(),
            held_back(activity.settings.as_ref()),
            time::date(output, activity.creation_date.as_ref()),
        ]);
    }
    output.line(table::text(&rows))?;
    for activity in activities.iter().filter(|activity| activity.unserved) {
        warn_unserved(output, &activity.name, true, activity.queued);
    }
    for activity in &activities {
        warn_unplaceable(output, &activity.name, activity.unplaceable);
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
            ("in hand", tasks(activity.in_hand)),
            ("worker slots", activity.workers.to_string()),
            ("held back", held_back(activity.settings.as_ref())),
        ];
        let text = table::facts(output, &facts);
        output.line(text)?;
        if activity.unserved {
            warn_unserved(output, &activity.name, true, activity.queued);
        }
        warn_unplaceable(output, &activity.name, activity.unplaceable);
    }
    Ok(Outcome::Done)
}

async fn stats(args: &NameArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let activity_arn = names::resolve(client, Kind::Activity, &args.activity).await?;
    let stats = client
        .get_activity_stats(api::GetActivityStatsRequest { activity_arn })
        .await?;
    if output.is_json() {
        output.document(&stats_json(&stats))?;
        return Ok(Outcome::Done);
    }
    let oldest = match stats.queued {
        0 => "-".to_owned(),
        _ => time::coarse(SignedDuration::from_millis(stats.oldest_age_ms)),
    };
    let ms = |ms| time::fine(SignedDuration::from_millis(ms));
    let window = time::coarse(SignedDuration::from_millis(stats.window_ms));
    let mut facts = vec![
        ("waiting", tasks(stats.queued)),
        ("oldest", oldest),
        ("held back", held_back(stats.settings.as_ref())),
        ("in hand", tasks(stats.in_hand)),
        ("workers", stats.workers.to_string()),
        (
            "slots used",
            format!("{}/{}", stats.slots_used, stats.slots),
        ),
        ("pollers", stats.pollers.to_string()),
        ("counted over", window),
        ("started", with_rate(stats.started, stats.window_ms)),
        ("succeeded", with_rate(stats.succeeded, stats.window_ms)),
        ("failed", stats.failed.to_string()),
        ("timed out", stats.timed_out.to_string()),
        ("wait p50", ms(stats.start_latency_p50_ms)),
        ("wait p99", ms(stats.start_latency_p99_ms)),
    ];
    let known = stats.sticky_hits + stats.sticky_misses;
    if known > 0 {
        let percent = stats.sticky_hits * 100 / known;
        facts.push(("kept to worker", format!("{percent} % of {}", tasks(known))));
    }
    let text = table::facts(output, &facts);
    output.line(text)?;
    turns::builds(&stats, output)?;
    if stats.unserved {
        let name = names::name_of(&stats.activity_arn);
        warn_unserved(output, name, true, stats.queued);
    }
    for waiting in &stats.unplaceable {
        let head = output.paint_remark(Tone::Warning, "warning:");
        let wait = wait(waiting.queued);
        let labels = queue::labels(waiting.labels.iter());
        output.remark(match (waiting.reason.as_str(), waiting.labels.is_empty()) {
            ("", _) => format!("{head} {wait} for a worker with {labels}, and none has that"),
            (reason, true) => format!("{head} {wait} for {reason}"),
            (reason, false) => format!("{head} {wait} for {reason}, with {labels}"),
        });
    }
    Ok(Outcome::Done)
}

/// A count and what it makes a second, to a tenth.
fn with_rate(count: i64, window_ms: i64) -> String {
    let tenths = (i128::from(count) * 10_000) / i128::from(window_ms.max(1));
    format!("{count} ({}.{}/s)", tenths / 10, tenths % 10)
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

fn held_back(settings: Option<&api::ActivitySettings>) -> String {
    settings.map_or_else(|| "-".into(), queue::held_back)
}

/// "1 task waits", "2 tasks wait".
fn wait(n: i64) -> String {
    let verb = if n == 1 { "waits" } else { "wait" };
    format!("{} {verb}", tasks(n))
}

/// Tasks that no worker may get, where a person should see it.
fn warn_unplaceable(output: &mut Output, name: &str, n: i64) {
    if n > 0 {
        let head = output.paint_remark(Tone::Warning, "warning:");
        let wait = wait(n);
        output.remark(format!(
            "{head} {wait} in {name} that no worker may get; `stepfleet activity stats {name}` tells why"
        ));
    }
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
        "unserved": activity.unserved,
        "inHand": activity.in_hand,
        "unplaceable": activity.unplaceable,
        "settings": queue::settings_json(&activity.settings.clone().unwrap_or_default()),
    })
}

fn stats_json(stats: &api::GetActivityStatsResponse) -> serde_json::Value {
    let unplaceable: Vec<_> = stats
        .unplaceable
        .iter()
        .map(|waiting| {
            let labels: std::collections::BTreeMap<_, _> = waiting.labels.iter().collect();
            let (queued, reason) = (waiting.queued, &waiting.reason);
            serde_json::json!({ "labels": labels, "queued": queued, "reason": reason })
        })
        .collect();
    serde_json::json!({
        "activityArn": stats.activity_arn,
        "queued": stats.queued,
        "oldestAgeMs": stats.oldest_age_ms,
        "workers": stats.workers,
        "slots": stats.slots,
        "slotsUsed": stats.slots_used,
        "pollers": stats.pollers,
        "windowMs": stats.window_ms,
        "started": stats.started,
        "succeeded": stats.succeeded,
        "failed": stats.failed,
        "timedOut": stats.timed_out,
        "startLatencyP50Ms": stats.start_latency_p50_ms,
        "startLatencyP99Ms": stats.start_latency_p99_ms,
        "unserved": stats.unserved,
        "inHand": stats.in_hand,
        "unplaceable": unplaceable,
        "stickyHits": stats.sticky_hits,
        "stickyMisses": stats.sticky_misses,
        "builds": turns::builds_json(stats),
        "settings": queue::settings_json(&stats.settings.clone().unwrap_or_default()),
    })
}
