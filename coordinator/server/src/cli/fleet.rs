//! `stepfleet fleet …`: the workers, and what they have in hand.

use clap::{Args, Subcommand};
use comfy_table::{Cell, Color};
use stepfleet_sdk::api;

use super::activity::queue::labels;
use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names;
use super::output::{Output, Tone};
use super::{pages, payload, table, time};

/// Characters of progress in a table; `--json` has all.
const PROGRESS_CHARS: usize = 60;

/// Workers.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FleetCommand {
    /// List workers, those that left in the last minutes included
    List(ListArgs),
    /// Show a worker and the tasks in its hands
    Show(ShowArgs),
    /// Tell workers to take no new tasks, finish what they began, and leave
    Drain(SelectArgs),
    /// Tell workers that were told to drain, and have not left, to go on
    Resume(SelectArgs),
}

/// Which workers; all that is given must hold.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub(crate) struct SelectArgs {
    /// Name or session id
    worker: Option<String>,
    /// Workers that serve this activity
    #[arg(long, value_name = "NAME")]
    activity: Option<String>,
    /// Workers with this label; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = super::parse_label)]
    labels: Vec<(String, String)>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Only workers that serve this activity
    #[arg(long, value_name = "NAME")]
    activity: Option<String>,
    /// Only workers with this label; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = super::parse_label)]
    labels: Vec<(String, String)>,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// Name or session id
    worker: String,
}

impl FleetCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::List(_) => "list workers".into(),
            Self::Show(args) => format!("show the worker {}", args.worker),
            Self::Drain(args) => format!("drain {}", args.words()),
            Self::Resume(args) => format!("resume {}", args.words()),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::List(args) => list(args, client, output).await,
            Self::Show(args) => show(args, client, output).await,
            Self::Drain(args) => {
                let answer = client.drain_workers(api::DrainWorkersRequest {
                    worker: args.worker.clone().unwrap_or_default(),
                    activity: args.activity.clone().unwrap_or_default(),
                    labels: args.labels.iter().cloned().collect(),
                });
                told(&answer.await?.workers, output)
            }
            Self::Resume(args) => {
                let answer = client.resume_workers(api::ResumeWorkersRequest {
                    worker: args.worker.clone().unwrap_or_default(),
                    activity: args.activity.clone().unwrap_or_default(),
                    labels: args.labels.iter().cloned().collect(),
                });
                told(&answer.await?.workers, output)
            }
        }
    }
}

impl SelectArgs {
    /// For "cannot …".
    fn words(&self) -> String {
        match &self.worker {
            Some(worker) => format!("the worker {worker}"),
            None => "workers".into(),
        }
    }
}

/// How workers are after they were told.
fn told(workers: &[api::WorkerInfo], output: &mut Output) -> Result<Outcome, Fault> {
    if output.is_json() {
        let workers: Vec<_> = workers.iter().map(json).collect();
        output.document(&serde_json::json!({ "workers": workers }))?;
        return Ok(Outcome::Done);
    }
    for worker in workers {
        let in_hand: u64 = worker.activities.iter().map(|of| u64::from(of.used)).sum();
        let status = match worker.status() {
            api::WorkerStatus::Connected => output.paint(Tone::Good, status_name(worker.status)),
            api::WorkerStatus::Draining
            | api::WorkerStatus::Away
            | api::WorkerStatus::Gone
            | api::WorkerStatus::Unspecified => {
                output.paint(Tone::Warning, status_name(worker.status))
            }
        };
        output.line(format!(
            "{status} {}  {}  tasks in hand: {in_hand}",
            worker.name, worker.session_id
        ))?;
    }
    Ok(Outcome::Done)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let listed = pages::collect(args.limit, |page_size, page_token| async move {
        let request = api::ListWorkersRequest {
            page_size,
            page_token,
            activity: args.activity.clone().unwrap_or_default(),
            labels: args.labels.iter().cloned().collect(),
        };
        let answer = client.list_workers(request).await?;
        Ok((answer.workers, answer.next_page_token))
    })
    .await?;
    let none = "no such workers";
    if pages::told(&listed.items, "workers", json, none, output)? {
        return Ok(Outcome::Done);
    }
    let header = [
        "NAME",
        "STATUS",
        "HOST",
        "BUILD",
        "SLOTS",
        "LABELS",
        "CONNECTED",
        "SEEN",
        "SESSION",
    ];
    let mut rows = table::table(output, &header);
    for worker in &listed.items {
        rows.add_row([
            Cell::new(&worker.name),
            status_cell(worker.status),
            Cell::new(told_or_dash(&worker.host)),
            Cell::new(told_or_dash(&worker.build_id)),
            Cell::new(slots(&worker.activities)),
            Cell::new(told_or_dash(&labels(worker.labels.iter()))),
            Cell::new(time::age(output, worker.connected_date.as_ref())),
            Cell::new(time::age(output, worker.last_seen_date.as_ref())),
            Cell::new(&worker.session_id),
        ]);
    }
    output.line(table::text(&rows))?;
    listed.remark_if_cut(output);
    Ok(Outcome::Done)
}

async fn show(args: &ShowArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let request = api::DescribeWorkerRequest {
        worker: args.worker.clone(),
    };
    let answer = client.describe_worker(request).await?;
    let worker = answer.worker.unwrap_or_default();
    if output.is_json() {
        let tasks: Vec<_> = answer.tasks.iter().map(task_json).collect();
        let mut document = json(&worker);
        document["tasks"] = tasks.into();
        output.document(&document)?;
        return Ok(Outcome::Done);
    }
    let mut facts = vec![
        ("name", worker.name.clone()),
        ("session", worker.session_id.clone()),
        ("status", status_name(worker.status)),
        ("host", told_or_dash(&worker.host)),
        ("build", told_or_dash(&worker.build_id)),
        ("labels", told_or_dash(&labels(worker.labels.iter()))),
        (
            "connected",
            time::date(output, worker.connected_date.as_ref()),
        ),
        (
            "last seen",
            time::date(output, worker.last_seen_date.as_ref()),
        ),
    ];
    if worker.gone_date.is_some() {
        facts.push(("gone", time::date(output, worker.gone_date.as_ref())));
    }
    facts.push(("slots used", slots(&worker.activities)));
    let text = table::facts(output, &facts);
    output.line(text)?;
    let mut rows = table::table(output, &["ACTIVITY", "USED", "SLOTS"]);
    for activity in &worker.activities {
        rows.add_row([
            names::name_of(&activity.activity_arn).to_owned(),
            activity.used.to_string(),
            activity.slots.to_string(),
        ]);
    }
    output.line(format!("\n{}", table::text(&rows)))?;
    if !answer.tasks.is_empty() {
        let mut rows = table::table(
            output,
            &["TASK OF EXECUTION", "ACTIVITY", "FOR", "PROGRESS"],
        );
        for task in &answer.tasks {
            rows.add_row([
                names::short_execution(&task.execution_arn).to_owned(),
                names::name_of(&task.activity_arn).to_owned(),
                time::age(output, task.since_date.as_ref()),
                payload::told(&task.progress, PROGRESS_CHARS),
            ]);
        }
        output.line(format!("\n{}", table::text(&rows)))?;
    }
    Ok(Outcome::Done)
}

/// `used/all` over all activities.
fn slots(activities: &[api::WorkerActivity]) -> String {
    let used: u64 = activities.iter().map(|of| u64::from(of.used)).sum();
    let slots: u64 = activities.iter().map(|of| u64::from(of.slots)).sum();
    format!("{used}/{slots}")
}

fn told_or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

fn status_name(status: i32) -> String {
    match api::WorkerStatus::try_from(status) {
        Ok(known) => known
            .as_str_name()
            .trim_start_matches("WORKER_STATUS_")
            .to_owned(),
        Err(_) => status.to_string(),
    }
}

fn status_cell(status: i32) -> Cell {
    let cell = Cell::new(status_name(status));
    match api::WorkerStatus::try_from(status).unwrap_or_default() {
        api::WorkerStatus::Connected => cell.fg(Color::Green),
        api::WorkerStatus::Draining | api::WorkerStatus::Away => cell.fg(Color::Yellow),
        api::WorkerStatus::Gone => cell.fg(Color::Red),
        api::WorkerStatus::Unspecified => cell,
    }
}

fn json(worker: &api::WorkerInfo) -> serde_json::Value {
    let labels: std::collections::BTreeMap<_, _> = worker.labels.iter().collect();
    let activities: Vec<_> = worker
        .activities
        .iter()
        .map(|activity| {
            serde_json::json!({
                "activityArn": activity.activity_arn,
                "slots": activity.slots,
                "used": activity.used,
            })
        })
        .collect();
    serde_json::json!({
        "sessionId": worker.session_id,
        "name": worker.name,
        "status": status_name(worker.status),
        "host": worker.host,
        "buildId": worker.build_id,
        "labels": labels,
        "activities": activities,
        "connectedDate": time::utc(worker.connected_date.as_ref()),
        "lastSeenDate": time::utc(worker.last_seen_date.as_ref()),
        "goneDate": time::utc(worker.gone_date.as_ref()),
    })
}

fn task_json(task: &api::WorkerTask) -> serde_json::Value {
    serde_json::json!({
        "executionArn": task.execution_arn,
        "activityArn": task.activity_arn,
        "sinceDate": time::utc(task.since_date.as_ref()),
        "progress": payload::raw_told(&task.progress),
        "progressDate": time::utc(task.progress_date.as_ref()),
    })
}

/// "nobody serves", where a person should see it.
pub(crate) fn warn_unserved(output: &mut Output, name: &str, exists: bool, queued: i64) {
    let head = output.paint_remark(Tone::Warning, "warning:");
    let what = match (exists, queued) {
        (false, _) => format!("state machines name the activity {name}, which does not exist"),
        (true, 0) => {
            format!("nobody serves the activity {name}, and state machines name it")
        }
        (true, 1) => format!("nobody serves {name}, and 1 task waits"),
        (true, queued) => format!("nobody serves {name}, and {queued} tasks wait"),
    };
    output.remark(format!("{head} {what}"));
}
