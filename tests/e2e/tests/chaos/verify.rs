//! Holds every execution against the ledger.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stepfleet_e2e::History;
use stepfleet_sdk::{Client, api};

use crate::definition::{expected, is_fragile};
use crate::ledger::{Ledger, Started};

/// Everything that was promised.
pub(crate) async fn verify(client: &Client, machine: &str, ledger: &Ledger) -> Result<()> {
    let started = ledger.started();
    ensure!(!started.is_empty(), "no execution was started");
    let mut receipts: BTreeMap<String, usize> = BTreeMap::new();
    for execution in started.values() {
        let history = check_execution(client, ledger, execution)
            .await
            .with_context(|| execution.arn.clone())?;
        count_receipts(&history, &mut receipts);
    }
    for receipt in ledger.acknowledged() {
        let times = receipts.get(&receipt).copied().unwrap_or_default();
        ensure!(
            times == 1,
            "the acknowledged result {receipt} is in the histories {times} times"
        );
    }
    for receipt in ledger.refused() {
        ensure!(
            !receipts.contains_key(&receipt),
            "the refused result {receipt} is in a history"
        );
    }
    if let Some((receipt, times)) = receipts.iter().find(|(_, times)| **times > 1) {
        anyhow::bail!("the result {receipt} is in the histories {times} times");
    }
    check_lists(client, machine, &started).await
}

async fn check_execution(client: &Client, ledger: &Ledger, execution: &Started) -> Result<History> {
    let request = api::DescribeExecutionRequest {
        execution_arn: execution.arn.clone(),
    };
    let description = client.describe_execution(request).await?;
    let history = History::read(client, &execution.arn).await?;
    history.check()?;
    let redrives = u32::from(is_fragile(execution.n));
    ensure!(
        description.redrive_count == redrives
            && history.count("ExecutionRedriven") == usize::try_from(redrives)?,
        "it was redriven {} times: {:#?}",
        description.redrive_count,
        history.events
    );
    // A failure aborts tasks of other branches without closing them.
    if redrives == 0 {
        history
            .check_closed()
            .with_context(|| format!("{:#?}", history.events))?;
    }
    ensure!(
        description.status() == api::ExecutionStatus::Succeeded,
        "it is {:?}: {:?} {:?}",
        description.status(),
        description.error,
        description.cause
    );
    let output: Value = serde_json::from_str(description.output.as_deref().unwrap_or_default())?;
    ensure!(output == expected(execution.n), "the output is {output}");
    if let (Some(told), Some(now)) = (execution.start_date, description.start_date) {
        ensure!(
            told == (now.seconds, now.nanos),
            "the start was {told:?} and is {now:?}"
        );
    }
    if let Some(earlier) = ledger.seen(&execution.arn) {
        history
            .check_begins_with(&earlier)
            .context("a history read before a kill")?;
    }
    Ok(history)
}

fn count_receipts(history: &History, receipts: &mut BTreeMap<String, usize>) {
    for event in &history.events {
        let text = match event.kind.as_str() {
            "ActivitySucceeded" | "TaskSucceeded" => event.output()["receipt"].clone(),
            "ActivityFailed" => event.detail("cause"),
            _ => continue,
        };
        if let Some(receipt) = text.as_str().filter(|text| text.starts_with("receipt-")) {
            *receipts.entry(receipt.to_owned()).or_default() += 1;
        }
    }
}

/// The lists show every execution once, under its status.
async fn check_lists(
    client: &Client,
    machine: &str,
    started: &BTreeMap<String, Started>,
) -> Result<()> {
    for status in [
        api::ExecutionStatus::Unspecified,
        api::ExecutionStatus::Succeeded,
    ] {
        let names = list(client, machine, status).await?;
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        ensure!(
            unique.len() == names.len(),
            "an execution is listed twice under {status:?}"
        );
        for name in started.keys() {
            ensure!(
                unique.binary_search(name).is_ok(),
                "{name} is not listed under {status:?}"
            );
        }
    }
    let running = list(client, machine, api::ExecutionStatus::Running).await?;
    ensure!(
        running.is_empty(),
        "these are listed as running: {running:?}"
    );
    Ok(())
}

async fn list(client: &Client, machine: &str, status: api::ExecutionStatus) -> Result<Vec<String>> {
    let mut request = api::ListExecutionsRequest {
        state_machine_arn: machine.to_owned(),
        status_filter: status.into(),
        page_size: 100,
        page_token: String::new(),
    };
    let mut names = Vec::new();
    loop {
        let page = client.list_executions(request.clone()).await?;
        names.extend(page.executions.into_iter().map(|execution| execution.name));
        if page.next_page_token.is_empty() {
            return Ok(names);
        }
        request.page_token = page.next_page_token;
    }
}
