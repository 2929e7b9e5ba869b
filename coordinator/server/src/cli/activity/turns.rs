//! Which worker gets a task, and whose task it gets: keeping to workers, ramps of builds, weights of state machines.

use clap::Args;
use jiff::SignedDuration;
use stepfleet_sdk::api;

use super::queue;
use crate::cli::client::Client;
use crate::cli::fault::{Fault, Outcome};
use crate::cli::names::{self, Kind};
use crate::cli::output::Output;
use crate::cli::time;

#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct StickyArgs {
    /// Name or ARN
    pub(super) activity: String,
    /// Prefer the worker for so long after it had a task of the execution (30s, 5m, 1h)
    #[arg(long = "for", value_name = "TIME", group = "what", value_parser = time::read)]
    keep: Option<SignedDuration>,
    /// Let a task wait so long for that worker when it has no free slot; without, it goes to another at once
    #[arg(long, value_name = "TIME", conflicts_with = "off", value_parser = time::read)]
    wait: Option<SignedDuration>,
    /// Give tasks to any worker
    #[arg(long, group = "what")]
    off: bool,
}

#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct RampArgs {
    /// Name or ARN
    pub(super) activity: String,
    /// Build id of the workers that get a share of the executions
    #[arg(long, value_name = "BUILD", group = "what", requires = "percent")]
    build: Option<String>,
    /// The share: 0 to 100; the other executions go to other workers
    #[arg(long, value_name = "P", requires = "build", value_parser = clap::value_parser!(u32).range(..=100))]
    percent: Option<u32>,
    /// Give tasks to every build alike; also what waits
    #[arg(long, group = "what")]
    off: bool,
}

#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct WeighArgs {
    /// Name or ARN
    pub(super) activity: String,
    /// State machines (name or ARN) with their weights, in the place of those set before; 1 is what every other one has
    #[arg(value_name = "MACHINE=WEIGHT", group = "what", value_parser = weight)]
    weights: Vec<(String, u32)>,
    /// Let all count alike
    #[arg(long, group = "what")]
    none: bool,
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let (machine, weight) = text
        .rsplit_once('=')
        .ok_or("a weight is given as MACHINE=WEIGHT")?;
    let weight = weight
        .parse()
        .map_err(|_error| "a weight is a number from 1 to 1000")?;
    Ok((machine.to_owned(), weight))
}

pub(super) async fn sticky(
    args: &StickyArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let ms = |time: Option<SignedDuration>| {
        time.map_or(0, |time| {
            i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
        })
    };
    let request = api::UpdateActivityRequest {
        activity_arn: names::resolve(client, Kind::Activity, &args.activity).await?,
        sticky: Some(api::Sticky {
            for_ms: ms(args.keep),
            wait_ms: ms(args.wait),
        }),
        ..Default::default()
    };
    queue::update(request, client, output).await
}

pub(super) async fn ramp(
    args: &RampArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let request = api::UpdateActivityRequest {
        activity_arn: names::resolve(client, Kind::Activity, &args.activity).await?,
        ramp: Some(api::Ramp {
            build_id: args.build.clone().unwrap_or_default(),
            percent: args.percent.unwrap_or(0),
        }),
        ..Default::default()
    };
    queue::update(request, client, output).await
}

pub(super) async fn weigh(
    args: &WeighArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let mut weights = api::MachineWeights::default();
    for (machine, weight) in &args.weights {
        let arn = names::resolve(client, Kind::StateMachine, machine).await?;
        weights.weights.insert(arn, *weight);
    }
    let request = api::UpdateActivityRequest {
        activity_arn: names::resolve(client, Kind::Activity, &args.activity).await?,
        machine_weights: Some(weights),
        ..Default::default()
    };
    queue::update(request, client, output).await
}

/// How tasks find their workers, in few words; empty when nothing is set.
pub(super) fn words(settings: &api::ActivitySettings) -> Vec<String> {
    let mut words = Vec::new();
    let brief = |ms| time::coarse(SignedDuration::from_millis(ms));
    if let Some(sticky) = &settings.sticky {
        let wait = match sticky.wait_ms {
            0 => String::new(),
            ms => format!(", waits {}", brief(ms)),
        };
        words.push(format!(
            "keeps to workers for {}{wait}",
            brief(sticky.for_ms)
        ));
    }
    if let Some(ramp) = &settings.ramp {
        words.push(format!("{} % to build {}", ramp.percent, ramp.build_id));
    }
    let weights = settings.machine_weights.iter();
    let mut weights: Vec<String> = weights
        .map(|(arn, weight)| format!("{}={weight}", names::name_of(arn)))
        .collect();
    weights.sort();
    if !weights.is_empty() {
        words.push(format!("weights {}", weights.join(" ")));
    }
    words
}

/// Adds what is set to a document of settings.
pub(super) fn add_json(settings: &api::ActivitySettings, document: &mut serde_json::Value) {
    if let Some(sticky) = &settings.sticky {
        document["sticky"] =
            serde_json::json!({ "forMs": sticky.for_ms, "waitMs": sticky.wait_ms });
    }
    if let Some(ramp) = &settings.ramp {
        document["ramp"] = serde_json::json!({ "buildId": ramp.build_id, "percent": ramp.percent });
    }
    if !settings.machine_weights.is_empty() {
        let weights: std::collections::BTreeMap<_, _> = settings.machine_weights.iter().collect();
        document["machineWeights"] = serde_json::json!(weights);
    }
}

pub(super) fn builds_json(stats: &api::GetActivityStatsResponse) -> Vec<serde_json::Value> {
    let builds = stats.builds.iter().map(|build| {
        serde_json::json!({
            "buildId": build.build_id,
            "workers": build.workers,
            "started": build.started,
            "succeeded": build.succeeded,
            "failed": build.failed,
            "timedOut": build.timed_out,
            "runP50Ms": build.run_p50_ms,
            "runP99Ms": build.run_p99_ms,
        })
    });
    builds.collect()
}

/// One line for each build of the workers.
pub(super) fn builds(
    stats: &api::GetActivityStatsResponse,
    output: &mut Output,
) -> Result<(), Fault> {
    if stats.builds.is_empty() {
        return Ok(());
    }
    let header = [
        "BUILD",
        "WORKERS",
        "STARTED",
        "SUCCEEDED",
        "FAILED",
        "TIMED OUT",
        "RUN P50",
        "RUN P99",
    ];
    let ms = |ms| time::fine(SignedDuration::from_millis(ms));
    let mut rows = crate::cli::table::table(output, &header);
    for build in &stats.builds {
        rows.add_row([
            build.build_id.clone(),
            build.workers.to_string(),
            build.started.to_string(),
            build.succeeded.to_string(),
            build.failed.to_string(),
            build.timed_out.to_string(),
            ms(build.run_p50_ms),
            ms(build.run_p99_ms),
        ]);
    }
    output.line(format!("\n{}", crate::cli::table::text(&rows)))
}
