//! Timers: they survive kills, and none is early.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Deadline, Event, Faults, History, Settings, World, create_machine, outcome, scenario, skipped,
    start, wait_for_event,
};
use stepfleet_sdk::{Client, api};

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
