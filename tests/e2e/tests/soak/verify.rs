//! Holds histories against the ledgers of handlers.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, ensure};
use stepfleet_e2e::{Deadline, Deed, Entry, History, read_ledgers, until};
use stepfleet_sdk::{Client, api};

use crate::crew::{CALM, Crew};
use crate::load::Load;
use crate::plan::ACTIVITIES;

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    executions: usize,
    started: usize,
    started_by_calm: usize,
    cancelled: usize,
    /// Attempts that ended with their worker's session.
    lost_attempts: usize,
}

/// Nothing waits and nothing is in hand.
pub(crate) async fn check_queues(client: &Client) -> Result<String> {
    for name in ACTIVITIES {
        let request = api::GetActivityStatsRequest {
            activity_arn: format!("arn:aws:states:us-east-1:000000000000:activity:{name}"),
        };
        until("the queues are empty", Deadline::seconds(10), async || {
            let stats = client.get_activity_stats(request.clone()).await?;
            let empty = stats.queued == 0 && stats.in_hand == 0 && stats.slots_used == 0;
            Ok(empty.then_some(()))
        })
        .await
        .with_context(|| name.to_owned())?;
    }
    Ok("queues empty, nothing in hand, every slot free".to_owned())
}

/// Everything that was promised.
pub(crate) async fn verify(client: &Client, load: &Load, crew: &Crew) -> Result<Counts> {
    let entries = read_ledgers(&crew.ledgers)?;
    let mut counts = check_starts(&entries)?;
    for arn in load.executions() {
        counts.executions += 1;
        let checked = check_execution(client, &arn).await;
        counts.lost_attempts += checked.with_context(|| arn.clone())?;
    }
    ensure!(counts.executions > 0, "no execution was started");
    Ok(counts)
}

/// No attempt began twice, and what a worker began that was left alone was never begun again.
fn check_starts(entries: &[Entry]) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut starts: BTreeMap<(&str, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        match entry.deed {
            Deed::Start => {
                counts.started += 1;
                counts.started_by_calm += usize::from(entry.worker.starts_with(CALM));
                let task = (entry.execution.as_str(), entry.activity.as_str());
                starts.entry(task).or_default().push(entry);
            }
            Deed::Cancel => counts.cancelled += 1,
            Deed::Finish => {}
        }
    }
    for (task, starts) in starts {
        let mut attempts: Vec<u32> = starts.iter().map(|entry| entry.attempt).collect();
        attempts.sort_unstable();
        let last = attempts.last().copied();
        attempts.dedup();
        ensure!(
            attempts.len() == starts.len(),
            "an attempt of {task:?} began twice: {starts:#?}"
        );
        for entry in &starts {
            ensure!(
                !entry.worker.starts_with(CALM) || Some(entry.attempt) == last,
                "{task:?} began again although nothing happened to its worker: {starts:#?}"
            );
        }
    }
    Ok(counts)
}

/// It succeeded, and each of its tasks once; how many attempts were lost.
async fn check_execution(client: &Client, arn: &str) -> Result<usize> {
    let request = api::DescribeExecutionRequest {
        execution_arn: arn.to_owned(),
    };
    let described = client.describe_execution(request).await?;
    let history = History::read(client, arn).await?;
    let events = || format!("{:#?}", history.events);
    let status = described.status();
    ensure!(
        status == api::ExecutionStatus::Succeeded,
        "it is {status:?}: {}",
        events()
    );
    history.check().with_context(events)?;
    history.check_closed().with_context(events)?;
    let succeeded = history.count("ActivitySucceeded");
    ensure!(
        succeeded == ACTIVITIES.len(),
        "{succeeded} successes: {}",
        events()
    );
    // Handlers fail only when they are cancelled, and then nobody listens.
    let failed = history.of("ActivityFailed").count();
    ensure!(failed == 0, "{failed} failures: {}", events());
    Ok(history.count("ActivityTimedOut"))
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} executions succeeded, 0 lost; {} handlers began ({} at workers left alone), 0 attempts twice; {} attempts ended with their worker, {} handlers were cancelled",
            self.executions, self.started, self.started_by_calm, self.lost_attempts, self.cancelled
        )
    }
}
