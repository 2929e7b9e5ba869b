//! Decisions and histories that are much larger than usual.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Event, History, Settings, World, create_machine, outcome, scenario,
    start, wait_for_event,
};
use stepfleet_sdk::{Client, api};

use crate::machines::pass;

const DEPTH: usize = 20;
/// Outputs or variables alone of so many fit a record; together they do not.
const KEPT_DEPTH: usize = 12;
const NESTED_BYTES: usize = 200 * 1024;
const FILLER_BYTES: usize = 100 * 1024;
const ROUNDS: usize = 10;
const PAGES: [i32; 2] = [1, 7];

/// Parallels in one another; the innermost gives a large output, after a wait or at once.
fn nested(wait: bool) -> Value {
    let filler = "x".repeat(NESTED_BYTES);
    let mut states = json!({ "Pass": { "Type": "Pass", "Result": filler, "End": true } });
    if wait {
        states["Wait"] = json!({ "Type": "Wait", "Seconds": 1, "Next": "Pass" });
    }
    let first = if wait { "Wait" } else { "Pass" };
    let mut definition = json!({ "StartAt": first, "States": states });
    for depth in 0..DEPTH {
        let name = format!("Parallel{depth}");
        let mut states = json!({});
        states[&name] = json!({ "Type": "Parallel", "Branches": [definition], "End": true });
        definition = json!({ "StartAt": name, "States": states });
    }
    definition
}

/// As `nested` after a wait, less deep; each Parallel keeps its result in a variable.
fn keeping() -> Value {
    let filler = "x".repeat(NESTED_BYTES);
    let mut definition = json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 1, "Next": "Pass" },
        "Pass": { "Type": "Pass", "Result": filler, "End": true },
    } });
    for depth in 0..KEPT_DEPTH {
        let name = format!("Parallel{depth}");
        let mut assign = json!({});
        assign[format!("result{depth}.$")] = json!("$");
        let mut states = json!({});
        states[&name] = json!({
            "Type": "Parallel", "Branches": [definition], "Assign": assign, "End": true,
        });
        definition = json!({ "StartAt": name, "States": states });
    }
    definition
}

/// It succeeded, or ended because of its size.
fn check_end(ended: &api::DescribeExecutionResponse) -> Result<()> {
    let (status, error) = (ended.status(), ended.error.as_deref());
    let stopped = [api::ExecutionStatus::Failed, api::ExecutionStatus::Aborted];
    let too_large = stopped.contains(&status) && error == Some("States.DataLimitExceeded");
    ensure!(
        too_large || status == api::ExecutionStatus::Succeeded,
        "{status:?} {error:?} {:?}",
        ended.cause
    );
    Ok(())
}

async fn ends(client: &Client, arn: &str) -> Result<()> {
    check_end(&outcome(client, arn, Deadline::seconds(60)).await?)
}

/// The coordinator goes on working.
async fn works(coordinator: &mut Coordinator, client: &Client, name: &str) -> Result<()> {
    let ended = coordinator.process().ended()?;
    ensure!(ended.is_none(), "the coordinator ended with {ended:?}");
    let machine = create_machine(client, "pass", &pass()).await?;
    for n in 0..16 {
        let arn = start(client, &machine, &format!("{name}{n}"), &json!({ "n": n })).await?;
        let ended = outcome(client, &arn, Deadline::seconds(20)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
    }
    Ok(())
}

#[test]
fn deep_parallels_with_a_large_output_end_and_the_coordinator_goes_on() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let at_once = create_machine(&client, "at-once", &nested(false)).await?;
        let late = create_machine(&client, "late", &nested(true)).await?;
        // What a start would record at once may be too much to begin with.
        match start(&client, &at_once, "first", &json!({})).await {
            Ok(arn) => ends(&client, &arn).await?,
            Err(error) => ensure!(error.reason() == Some("ValidationException"), "{error}"),
        }
        works(&mut coordinator, &client, "first").await?;
        let second = start(&client, &late, "second", &json!({})).await?;
        ends(&client, &second).await?;
        works(&mut coordinator, &client, "second").await?;

        let kept = create_machine(&client, "kept", &keeping()).await?;
        let kept = start(&client, &kept, "kept", &json!({})).await?;
        ends(&client, &kept).await?;
        works(&mut coordinator, &client, "kept").await?;

        // The wait of this one may end within the next process.
        let third = start(&client, &late, "third", &json!({})).await?;
        wait_for_event(&client, &third, "WaitStateEntered", 1).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        for arn in [&second, &kept, &third] {
            ends(&client, arn).await?;
        }
        works(&mut coordinator, &client, "third").await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        ends(&coordinator.client()?, &third).await
    });
}

/// Goes round with a large input, then waits for its token.
fn rounds() -> Value {
    json!({
        "StartAt": "Round",
        "States": {
            "Round": {
                "Type": "Pass",
                "Parameters": { "n.$": "States.MathAdd($.n, 1)", "filler.$": "$.filler" },
                "Next": "Again",
            },
            "Again": {
                "Type": "Choice",
                "Choices": [{ "Variable": "$.n", "NumericLessThan": ROUNDS, "Next": "Round" }],
                "Default": "Approve",
            },
            "Approve": {
                "Type": "Task",
                "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
                "Parameters": { "token.$": "$$.Task.Token" },
                "End": true,
            },
        },
    })
}

/// A whole history in small pages, in one order.
async fn pages(client: &Client, arn: &str, page_size: i32, reverse: bool) -> Result<History> {
    let mut request = api::GetExecutionHistoryRequest {
        execution_arn: arn.to_owned(),
        page_size,
        reverse_order: reverse,
        ..Default::default()
    };
    let most = usize::try_from(page_size)?;
    let mut events: Vec<Event> = Vec::new();
    loop {
        let page = client.get_execution_history(request.clone()).await?;
        ensure!(page.events.len() <= most, "a page of {}", page.events.len());
        events.extend(page.events.into_iter().map(Event::from));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if reverse {
        events.reverse();
    }
    Ok(History { events })
}

async fn check_same(client: &Client, arn: &str, expected: &History) -> Result<()> {
    for page_size in PAGES {
        for reverse in [false, true] {
            let read = pages(client, arn, page_size, reverse).await?;
            let ids: Vec<i64> = read.events.iter().map(|event| event.id).collect();
            ensure!(
                read == *expected,
                "pages of {page_size}, reverse {reverse}: {ids:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_large_history_of_a_running_execution_is_read_in_both_orders_before_and_after_a_kill() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "rounds", &rounds()).await?;
        let input = json!({ "n": 0, "filler": "x".repeat(FILLER_BYTES) });
        let arn = start(&client, &machine, "large", &input).await?;
        wait_for_event(&client, &arn, "TaskScheduled", 1).await?;
        let callbacks = api::ListCallbacksRequest::default();
        let page = client.list_callbacks(callbacks).await?;
        let token = page
            .callbacks
            .first()
            .context("it waits")?
            .task_token
            .clone();
        let before = History::read(&client, &arn).await?;
        before.check()?;
        let bytes: usize = before.events.iter().map(|event| event.details.len()).sum();
        ensure!(bytes > 1 << 20, "{bytes} bytes");
        check_same(&client, &arn, &before).await?;

        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        check_same(&client, &arn, &before).await?;
        client.complete(&token, &json!("done")).await?;
        let ended = outcome(&client, &arn, Deadline::seconds(20)).await?;
        ensure!(ended.output.as_deref() == Some("\"done\""), "{ended:?}");
        let after = History::read(&client, &arn).await?;
        after.check()?;
        after.check_closed()?;
        after.check_begins_with(&before)?;
        check_same(&client, &arn, &after).await
    });
}
