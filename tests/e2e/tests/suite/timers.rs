//! Timers: they survive kills, and none is early.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Event, Faults, History, Settings, World, activity, create_machine,
    outcome, scenario, skipped, start, until, wait_for_event,
};
use stepfleet_sdk::{Client, api};
use tokio::task::JoinSet;

use crate::machines::{callback, wait};

const SECOND: i128 = 1_000_000_000;

/// From the first event of a kind to the first of another, nanoseconds.
async fn between(client: &Client, arn: &str, from: &str, to: &str) -> Result<i128> {
    let history = History::read(client, arn).await?;
    let at = |kind: &str| history.of(kind).next().map(|event: &Event| event.at);
    Ok(at(to).with_context(|| to.to_owned())? - at(from).with_context(|| from.to_owned())?)
}

#[test]
fn a_wait_goes_on_over_a_kill_and_ends_no_sooner() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "wait", &wait(3)).await?;
        let mut arns = Vec::new();
        for n in 0..20 {
            arns.push(start(&client, &machine, &format!("w{n}"), &json!({})).await?);
        }
        wait_for_event(&client, &arns[0], "WaitStateEntered", 1).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(20)).await?;
            ensure!(
                ended.status() == api::ExecutionStatus::Succeeded,
                "{ended:?}"
            );
            let waited = between(&client, arn, "WaitStateEntered", "WaitStateExited").await?;
            ensure!(waited >= 3 * SECOND, "{arn} waited {waited} ns");
            ensure!(waited < 10 * SECOND, "{arn} waited {waited} ns");
        }
        Ok(())
    });
}

#[test]
fn a_timer_that_came_due_while_nobody_was_there_fires_at_the_start() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let one = create_machine(&client, "wait", &wait(1)).await?;
        let arn = start(&client, &one, "due", &json!({})).await?;
        coordinator.kill()?;
        // Another wait of the same length, elsewhere, tells when the first one is overdue.
        let other = Settings::new(world, "other").start(world).await?;
        let machine = create_machine(&other.client()?, "wait", &wait(2)).await?;
        let clock = start(&other.client()?, &machine, "clock", &json!({})).await?;
        outcome(&other.client()?, &clock, Deadline::seconds(20)).await?;
        coordinator.restart().await?;
        outcome(&coordinator.client()?, &arn, Deadline::seconds(5)).await?;
        Ok(())
    });
}

#[test]
fn timeouts_of_callbacks_and_heartbeats_come_after_restarts_too() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let mut timeout = callback();
        timeout["States"]["Approve"]["TimeoutSeconds"] = json!(2);
        let mut heartbeat = callback();
        heartbeat["States"]["Approve"]["HeartbeatSeconds"] = json!(2);
        let timeout = create_machine(&client, "timeout", &timeout).await?;
        let heartbeat = create_machine(&client, "heartbeat", &heartbeat).await?;
        let arns = [
            start(&client, &timeout, "t", &json!({})).await?,
            start(&client, &heartbeat, "h", &json!({})).await?,
        ];
        for arn in &arns {
            wait_for_event(&client, arn, "TaskSubmitted", 1).await?;
        }
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(20)).await?;
            ensure!(ended.status() == api::ExecutionStatus::Failed, "{ended:?}");
            ensure!(
                ended.error.as_deref() == Some("States.Timeout"),
                "{ended:?}"
            );
            let waited = between(&client, arn, "TaskScheduled", "TaskTimedOut").await?;
            ensure!(waited >= 2 * SECOND, "{arn} timed out after {waited} ns");
        }
        Ok(())
    });
}

/// Less than one execution takes: whatever is quiet and wakes in more than ten seconds leaves memory.
const TINY_BUDGET: u64 = 1024;

/// Waits until no more than so many of the live executions are in memory.
async fn evicted(client: &Client, live: i64, resident_max: i64) -> Result<()> {
    let what = format!("{live} are live, {resident_max} of them in memory");
    until(&what, Deadline::seconds(30), async || {
        let status = client.get_status(api::GetStatusRequest {}).await?;
        let evicted = status.live_executions == live && status.resident_executions <= resident_max;
        Ok(evicted.then_some(()))
    })
    .await
}

/// Kills it while its log tells of everything; then ends it in order, so that the state store does, and kills it again.
async fn kill_twice(coordinator: &mut Coordinator, live: i64, resident_max: i64) -> Result<()> {
    evicted(&coordinator.client()?, live, resident_max).await?;
    coordinator.kill()?;
    coordinator.restart().await?;
    coordinator.stop().await?;
    coordinator.restart().await?;
    coordinator.kill()?;
    coordinator.restart().await?;
    evicted(&coordinator.client()?, live, resident_max).await
}

#[test]
fn hundreds_of_waits_that_left_memory_fire_after_kills_and_none_early() {
    const LANES: i64 = 8;
    const PER_LANE: i64 = 50;
    const SECONDS: u64 = 15;
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("memory_budget_bytes", TINY_BUDGET);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "wait", &wait(SECONDS)).await?;
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let (client, machine) = (client.clone(), machine.clone());
            lanes.spawn_local(async move {
                let mut arns = Vec::new();
                for n in 0..PER_LANE {
                    arns.push(start(&client, &machine, &format!("w{lane}-{n}"), &json!({})).await?);
                }
                anyhow::Ok(arns)
            });
        }
        let mut arns = Vec::new();
        while let Some(started) = lanes.join_next().await {
            arns.extend(started??);
        }
        kill_twice(&mut coordinator, LANES * PER_LANE, 0).await?;
        let (client, seconds) = (coordinator.client()?, i128::from(SECONDS));
        for arn in &arns {
            let ended = outcome(&client, arn, Deadline::seconds(60)).await?;
            ensure!(
                ended.status() == api::ExecutionStatus::Succeeded,
                "{ended:?}"
            );
            let waited = between(&client, arn, "WaitStateEntered", "WaitStateExited").await?;
            ensure!(waited >= seconds * SECOND, "{arn} waited {waited} ns");
            ensure!(waited < (seconds + 10) * SECOND, "{arn} waited {waited} ns");
        }
        Ok(())
    });
}

#[test]
fn what_left_memory_is_read_before_its_time() {
    const WAITS: i64 = 5;
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("memory_budget_bytes", TINY_BUDGET);
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "wait", &wait(15)).await?;
        for n in 0..WAITS {
            start(&client, &machine, &format!("w{n}"), &json!({})).await?;
        }
        evicted(&client, WAITS, 0).await?;
        until(
            "one is in memory, and none is over",
            Deadline::seconds(30),
            async || {
                let status = client.get_status(api::GetStatusRequest {}).await?;
                let early = status.live_executions == WAITS && status.resident_executions > 0;
                Ok(early.then_some(()))
            },
        )
        .await
    });
}

#[test]
fn a_long_wait_leaves_memory_with_the_next_checkpoint() {
    const WAITS: i64 = 20;
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("checkpoint.interval_s", 1);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let far = create_machine(&client, "far", &wait(3600)).await?;
        let near = create_machine(&client, "near", &callback()).await?;
        for n in 0..WAITS {
            start(&client, &far, &format!("w{n}"), &json!({ "n": n })).await?;
        }
        // What anyone may complete at any time stays: memory suffices.
        let open = start(&client, &near, "open", &json!({})).await?;
        wait_for_event(&client, &open, "TaskSubmitted", 1).await?;
        evicted(&client, WAITS + 1, 1).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let arn = open.replace(":near:open", ":far:w7");
        let request = api::StopExecutionRequest {
            execution_arn: arn.clone(),
            ..api::StopExecutionRequest::default()
        };
        client.stop_execution(request).await?;
        let ended = outcome(&client, &arn, Deadline::seconds(20)).await?;
        ensure!(ended.input == r#"{"n":7}"#, "{ended:?}");
        ensure!(ended.status() == api::ExecutionStatus::Aborted, "{ended:?}");
        let history = History::read(&client, &arn).await?;
        ensure!(history.of("WaitStateEntered").count() == 1, "{history:?}");
        evicted(&client, WAITS, 1).await
    });
}

fn activity_with(arn: &str, name: &str, seconds: u64) -> Value {
    let mut work = json!({ "Type": "Task", "Resource": arn, "End": true });
    work[name] = json!(seconds);
    json!({ "StartAt": "Work", "States": { "Work": work } })
}

async fn poll(client: &Client, activity_arn: &str) -> Result<()> {
    let request = api::GetActivityTaskRequest {
        activity_arn: activity_arn.to_owned(),
        worker_name: "w".to_owned(),
    };
    let task = client.get_activity_task(request).await?;
    ensure!(!task.task_token.is_empty(), "no task for {activity_arn}");
    Ok(())
}

#[test]
fn timeouts_and_heartbeats_of_activities_that_left_memory_come_after_kills() {
    const TIMEOUT: u64 = 15;
    const HEARTBEAT: u64 = 2;
    scenario(async |world: &World| {
        let settings = Settings::new(world, "coordinator").with("memory_budget_bytes", TINY_BUDGET);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let mut cases = Vec::new();
        for (name, field, seconds, from) in [
            ("offered", "TimeoutSeconds", TIMEOUT, "ActivityScheduled"),
            ("held", "TimeoutSeconds", TIMEOUT, "ActivityScheduled"),
            ("beating", "HeartbeatSeconds", HEARTBEAT, "ActivityStarted"),
        ] {
            let activity = activity(&client, name).await?;
            let definition = activity_with(&activity, field, seconds);
            let machine = create_machine(&client, name, &definition).await?;
            let arn = start(&client, &machine, name, &json!({})).await?;
            cases.push((activity, arn, from, i128::from(seconds)));
        }
        poll(&client, &cases[1].0).await?;
        kill_twice(&mut coordinator, 3, 0).await?;
        let client = coordinator.client()?;
        // Its heartbeats count from when a worker takes it.
        poll(&client, &cases[2].0).await?;
        for (_, arn, from, seconds) in cases.iter().rev() {
            let ended = outcome(&client, arn, Deadline::seconds(60)).await?;
            ensure!(
                ended.error.as_deref() == Some("States.Timeout"),
                "{ended:?}"
            );
            let waited = between(&client, arn, from, "ActivityTimedOut").await?;
            ensure!(waited >= seconds * SECOND, "{arn} after {waited} ns");
            ensure!(waited < (seconds + 10) * SECOND, "{arn} after {waited} ns");
        }
        Ok(())
    });
}

#[test]
fn a_state_machine_times_out_whatever_it_waits_for() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        for (name, mut definition) in [("wait", wait(600)), ("callback", callback())] {
            definition["TimeoutSeconds"] = json!(1);
            let machine = create_machine(&client, name, &definition).await?;
            let arn = start(&client, &machine, "t", &json!({})).await?;
            let ended = outcome(&client, &arn, Deadline::seconds(20)).await?;
            ensure!(
                ended.status() == api::ExecutionStatus::TimedOut,
                "{ended:?}"
            );
            ensure!(ended.error.is_none() && ended.cause.is_none(), "{ended:?}");
        }
        Ok(())
    });
}

#[test]
fn a_wall_clock_that_goes_back_delays_no_timer_and_turns_no_history_back() {
    scenario(async |world: &World| {
        let Some(faults) = Faults::new(world)? else {
            skipped("there is no C compiler, or this is not Linux");
            return Ok(());
        };
        let settings = faults.into_settings(Settings::new(world, "coordinator"));
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "wait", &wait(2)).await?;
        let arn = start(&client, &machine, "back", &json!({})).await?;
        wait_for_event(&client, &arn, "WaitStateEntered", 1).await?;
        faults.shift_clock(-3600)?;
        outcome(&client, &arn, Deadline::seconds(20)).await?;
        History::read(&client, &arn).await?.check()?;
        Ok(())
    });
}
