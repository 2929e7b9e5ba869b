//! SIGTERM while the disk is full: the process ends in time, and what was acknowledged is there afterwards.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Deadline, Settings, Signal, World, create_machine, outcome, scenario, skipped, start,
};
use stepfleet_sdk::api;

use crate::disk::{Disk, RESERVE_BYTES, start_until_refused};
use crate::machines::{pass, wait};

/// The default.
const GRACE_SECONDS: u64 = 10;

/// Stops a coordinator when only `free` bytes are left.
async fn stop_with_free(world: &World, free: u64) -> Result<()> {
    let Some(disk) = Disk::mount(world.path("disk"))? else {
        skipped("mounting a small disk needs root");
        return Ok(());
    };
    let mut settings = Settings::new(world, "coordinator")
        .with("disk_reserve_bytes", RESERVE_BYTES)
        .with("shutdown_grace_s", GRACE_SECONDS)
        .with("partitions", 4);
    settings.data = disk.0.join("data");
    let mut coordinator = settings.start(world).await?;
    let client = coordinator.client()?;
    let machine = create_machine(&client, "pass", &pass()).await?;
    let waiting = create_machine(&client, "wait", &wait(2)).await?;
    let mut acknowledged = start_until_refused(&client, &machine, "before", 50).await?;
    for n in 0..20 {
        acknowledged.push(start(&client, &waiting, &format!("w{n}"), &json!({})).await?);
    }
    let filler = disk.fill(free)?;
    acknowledged.extend(start_until_refused(&client, &machine, "full", 100_000).await?);

    coordinator.process().signal(Signal::SIGTERM)?;
    let deadline = Deadline::seconds(GRACE_SECONDS);
    coordinator.process().end(deadline).await?;

    fs::remove_file(filler)?;
    coordinator.restart().await?;
    let client = coordinator.client()?;
    for arn in &acknowledged {
        let ended = outcome(&client, arn, Deadline::seconds(20)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
    }
    Ok(())
}

#[test]
fn a_disk_below_its_reserve_does_not_hold_up_the_end() {
    scenario(async |world: &World| stop_with_free(world, RESERVE_BYTES / 2).await);
}

#[test]
fn a_disk_without_space_does_not_hold_up_the_end() {
    scenario(async |world: &World| stop_with_free(world, 64 << 10).await);
}
