//! What holds an activity's tasks back: pause, labels, bounds; and emptying its queue.

use clap::Args;
use stepfleet_sdk::api;
use stepfleet_sdk::api::away_max::Bound;

use super::NameArgs;
use crate::cli::client::Client;
use crate::cli::fault::{Fault, Outcome};
use crate::cli::names::{self, Kind};
use crate::cli::output::{Output, Tone};

#[derive(Args, Clone, Debug)]
pub(crate) struct PurgeArgs {
    /// Name or ARN
    pub(super) activity: String,
    /// Cause of the failures, for the histories
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
}

#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct RequireArgs {
    /// Name or ARN
    pub(super) activity: String,
    /// Labels that every worker must have, in the place of those required before
    #[arg(value_name = "KEY=VALUE", group = "what", value_parser = crate::cli::parse_label)]
    labels: Vec<(String, String)>,
    /// Require none
    #[arg(long, group = "what")]
    none: bool,
}

#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct LimitArgs {
    /// Name or ARN
    pub(super) activity: String,
    /// Tasks at once over all workers; 0 takes the bound away
    #[arg(long, value_name = "N", group = "what")]
    concurrency: Option<u32>,
    /// Tasks that may start a second, e.g. 0.5; 0 takes the bound away
    #[arg(long, value_name = "N", group = "what")]
    rate: Option<f64>,
    /// Seconds that a worker may be away before its tasks end as lost; 0: at once, `never`: by their own timeouts only,
    /// `default`: as the coordinator says
    #[arg(long, value_name = "SECONDS", group = "what", value_parser = parse_away)]
    away: Option<api::AwayMax>,
}

fn parse_away(text: &str) -> Result<api::AwayMax, String> {
    let bound = match text {
        "default" => None,
        "never" => Some(Bound::Unbounded(true)),
        number => match number.parse() {
            Ok(seconds) => Some(Bound::Seconds(seconds)),
            Err(_) => return Err("give seconds, `never` or `default`".to_owned()),
        },
    };
    Ok(api::AwayMax { bound })
}

pub(super) async fn pause(
    args: &NameArgs,
    paused: bool,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let request = api::UpdateActivityRequest {
        activity_arn: names::resolve(client, Kind::Activity, &args.activity).await?,
        paused: Some(paused),
        ..Default::default()
    };
    update(request, client, output).await
}

pub(super) async fn require(
    args: &RequireArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let labels = api::Labels {
        labels: args.labels.iter().cloned().collect(),
    };
    let request = api::UpdateActivityRequest {
        activity_arn: names::resolve(client, Kind::Activity, &args.activity).await?,
        required_labels: Some(labels),
        ..Default::default()
    };
    update(request, client, output).await
}

pub(super) async fn limit(
    args: &LimitArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let request = api::UpdateActivityRequest {
        activity_arn: names::resolve(client, Kind::Activity, &args.activity).await?,
        max_concurrency: args.concurrency,
        max_rate: args.rate,
        away_max: args.away,
        ..Default::default()
    };
    update(request, client, output).await
}

async fn update(
    request: api::UpdateActivityRequest,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let arn = request.activity_arn.clone();
    let answer = client.update_activity(request).await?;
    let settings = answer.settings.unwrap_or_default();
    if output.is_json() {
        output.document(&serde_json::json!({
            "activityArn": arn,
            "settings": settings_json(&settings),
        }))?;
    } else {
        let done = output.paint(Tone::Good, "updated");
        let name = names::name_of(&arn);
        output.line(format!(
            "{done} activity {name}  held back: {}",
            held_back(&settings)
        ))?;
    }
    Ok(Outcome::Done)
}

pub(super) async fn purge(
    args: &PurgeArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let mut request = api::PurgeActivityRequest {
        activity_arn: names::resolve(client, Kind::Activity, &args.activity).await?,
        scheduled_until: None,
        cause: args.cause.clone().unwrap_or_default(),
    };
    let mut purged = 0;
    loop {
        let answer = client.purge_activity(request.clone()).await?;
        purged += answer.purged;
        if !answer.more {
            break;
        }
        // Tasks that came since, of retries perhaps, are none of those that were meant.
        request.scheduled_until = answer.scheduled_until;
    }
    if output.is_json() {
        output.document(&serde_json::json!({
            "activityArn": request.activity_arn,
            "purged": purged,
        }))?;
    } else {
        let done = output.paint(Tone::Good, "purged");
        let name = names::name_of(&request.activity_arn);
        output.line(format!("{done} activity {name}  {}", super::tasks(purged)))?;
    }
    Ok(Outcome::Done)
}

/// What holds tasks back, in few words; `-` when nothing does.
pub(super) fn held_back(settings: &api::ActivitySettings) -> String {
    let mut words = Vec::new();
    if settings.paused {
        words.push("paused".to_owned());
    }
    if settings.max_concurrency > 0 {
        words.push(format!("{} at once", settings.max_concurrency));
    }
    if settings.max_rate > 0.0 {
        words.push(format!("{}/s", settings.max_rate));
    }
    if !settings.required_labels.is_empty() {
        let labels = labels(settings.required_labels.iter());
        words.push(format!("needs {labels}"));
    }
    match settings.away_max.and_then(|away| away.bound) {
        None => {}
        Some(Bound::Seconds(seconds)) => words.push(format!("{seconds} s away")),
        Some(Bound::Unbounded(_)) => words.push("away without end".to_owned()),
    }
    if words.is_empty() {
        return "-".into();
    }
    words.join(", ")
}

/// `key=value` by key; a key alone where the value is empty.
pub(crate) fn labels<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut labels: Vec<String> = labels
        .map(|(key, value)| match value.as_str() {
            "" => key.clone(),
            value => format!("{key}={value}"),
        })
        .collect();
    labels.sort();
    labels.join(" ")
}

pub(super) fn settings_json(settings: &api::ActivitySettings) -> serde_json::Value {
    let labels: std::collections::BTreeMap<_, _> = settings.required_labels.iter().collect();
    serde_json::json!({
        "paused": settings.paused,
        "requiredLabels": labels,
        "maxConcurrency": settings.max_concurrency,
        "maxRate": settings.max_rate,
        "awayMax": match settings.away_max.and_then(|away| away.bound) {
            None => serde_json::Value::Null,
            Some(Bound::Seconds(seconds)) => seconds.into(),
            Some(Bound::Unbounded(_)) => "never".into(),
        },
    })
}
