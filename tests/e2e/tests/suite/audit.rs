//! The audit log on a disk that is really full: calls go on and nothing is missing from it later, or nothing is done
//! where it is required; and either way it is told.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, create_machine, scenario, skipped, start, until,
};
use stepfleet_sdk::{Client, Endpoint};

use crate::disk::Disk;
use crate::machines::pass;
use crate::programs::{stepfleet, text};

const ADMIN: &str = "the-first-key-of-an-administrator-0123456789";

/// A coordinator whose audit log, and nothing else, is on this disk.
async fn audited(world: &World, log: &Path, required: bool) -> Result<(Coordinator, Client)> {
    let hash: String = Sha256::digest(ADMIN)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut settings = Settings::new(world, "coordinator");
    settings.sections = format!(
        "\n[audit]\nfile = {log:?}\nrequired = {required}\n\n\
         [[auth.keys]]\nname = \"admin\"\npolicies = [\"administrator\"]\nsha256 = \"{hash}\"\n"
    );
    let coordinator = settings.start(world).await?;
    let endpoint = Endpoint::new(coordinator.url()).api_key(ADMIN).retries(0);
    let client = Client::connect_lazy(endpoint)?;
    Ok((coordinator, client))
}

fn disk(world: &World) -> Result<Option<(Disk, PathBuf)>> {
    let Some(disk) = Disk::mount(world.path("disk"))? else {
        skipped("mounting a small disk needs root");
        return Ok(None);
    };
    let log = disk.0.join("audit.jsonl");
    Ok(Some((disk, log)))
}

/// Starts so long that the next page of the log would be needed; gives how many were taken, and the first refusal.
async fn start_until(
    client: &Client,
    machine: &str,
    prefix: &str,
    enough: impl Fn() -> bool,
) -> Result<(usize, Option<String>)> {
    for n in 0..1000 {
        if enough() {
            return Ok((n, None));
        }
        let name = format!("{prefix}{n}");
        if let Err(error) = start(client, machine, &name, &json!({})).await {
            ensure!(error.is_retryable(), "{error:?}");
            return Ok((n, Some(error.to_string())));
        }
    }
    anyhow::bail!("a full disk took a thousand records")
}

/// The log is whole, and has this many starts.
async fn is_whole(log: &Path, starts: usize) -> Result<()> {
    let path = log.display().to_string();
    let verified = stepfleet(&["audit", "verify", &path], &[]).await?;
    ensure!(verified.status.success(), "{}", text(&verified));
    let log = fs::read_to_string(log)?;
    let found = log
        .lines()
        .filter(|line| line.contains("\"states:StartExecution\"") && line.contains("\"allowed\""))
        .count();
    ensure!(found == starts, "{found} of {starts} starts are logged");
    Ok(())
}

#[test]
fn calls_go_on_while_the_disk_of_the_audit_log_is_full_and_are_all_in_it_later() {
    scenario(async |world: &World| {
        let Some((disk, log)) = disk(world)? else {
            return Ok(());
        };
        let (mut coordinator, client) = audited(world, &log, false).await?;
        let machine = create_machine(&client, "pass", &pass()).await?;
        let filler = disk.fill(0)?;
        let own_log = world.path("coordinator.log");
        let is_told = || {
            fs::read_to_string(&own_log)
                .is_ok_and(|text| text.contains("the audit log cannot be written"))
        };
        let (taken, refused) = start_until(&client, &machine, "full", is_told).await?;
        ensure!(refused.is_none(), "{refused:?}");
        for n in 0..50 {
            start(&client, &machine, &format!("more{n}"), &json!({})).await?;
        }
        fs::remove_file(filler)?;
        until(
            "the log is written again",
            Deadline::seconds(20),
            async || {
                let text = fs::read_to_string(&own_log)?;
                Ok(text
                    .contains("the audit log is written again")
                    .then_some(()))
            },
        )
        .await?;
        coordinator.stop().await?;
        is_whole(&log, taken + 50).await
    });
}

#[test]
fn nothing_is_done_while_a_required_audit_log_cannot_be_written() {
    scenario(async |world: &World| {
        let Some((disk, log)) = disk(world)? else {
            return Ok(());
        };
        let (mut coordinator, client) = audited(world, &log, true).await?;
        let machine = create_machine(&client, "pass", &pass()).await?;
        let filler = disk.fill(0)?;
        let (before, refused) = start_until(&client, &machine, "full", || false).await?;
        let refused = refused.context("a start without an audit log")?;
        ensure!(refused.contains("audit.required"), "{refused}");
        fs::remove_file(filler)?;
        until(
            "starts are taken again",
            Deadline::seconds(20),
            async || match start(&client, &machine, "after", &json!({})).await {
                Ok(_) => Ok(Some(())),
                Err(error) if error.is_retryable() => Ok(None),
                Err(error) => Err(error.into()),
            },
        )
        .await?;
        coordinator.stop().await?;
        is_whole(&log, before + 1).await
    });
}
