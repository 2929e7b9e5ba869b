//! A full disk refuses starts and loses nothing; a disk that fails ends the process and loses nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Deadline, Faults, Settings, World, create_machine, outcome, scenario, skipped, start, until,
};
use stepfleet_sdk::{Client, api};

use crate::machines::pass;

const DISK: &str = "size=96m";
pub(crate) const RESERVE_BYTES: u64 = 8 << 20;

/// A small disk of its own, unmounted at the end.
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    /// None where this user may not mount.
    pub(crate) fn mount(path: PathBuf) -> Result<Option<Self>> {
        fs::create_dir(&path)?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", DISK, "stepfleet-e2e"])
            .arg(&path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        Ok(mounted.then_some(Self(path)))
    }

    /// Fills it until this much is free; gives the file that does.
    pub(crate) fn fill(&self, free: u64) -> Result<PathBuf> {
        let path = self.0.join("filler");
        loop {
            let bytes = usize::try_from(nix_free(&self.0)?.saturating_sub(free))?;
            match fs::write(&path, vec![1; bytes]) {
                Ok(()) => return Ok(path),
                // The coordinator took some of it meanwhile.
                Err(error) if error.kind() == ErrorKind::StorageFull => fs::remove_file(&path)?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the coordinator may be dropped after this.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Bytes that are free.
fn nix_free(path: &Path) -> Result<u64> {
    let output = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(path)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .nth(1)
        .context("df tells the free space")?
        .trim()
        .parse()?)
}

#[test]
fn a_full_disk_refuses_starts_answers_reads_and_resumes_by_itself() {
    scenario(async |world: &World| {
        let Some(disk) = Disk::mount(world.path("disk"))? else {
            skipped("mounting a small disk needs root");
            return Ok(());
        };
        let mut settings = Settings::new(world, "coordinator")
            .with("disk_reserve_bytes", RESERVE_BYTES)
            .with("partitions", 4);
        settings.data = disk.0.join("data");
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "pass", &pass()).await?;
        let mut acknowledged = start_until_refused(&client, &machine, "before", 50).await?;
        ensure!(acknowledged.len() == 50, "refused with an empty disk");

        let filler = disk.fill(RESERVE_BYTES / 2)?;
        acknowledged.extend(start_until_refused(&client, &machine, "full", 100_000).await?);
        let error = start(&client, &machine, "refused", &json!({})).await.err();
        let error = error.context("a start on a full disk")?;
        ensure!(error.to_string().contains("disk"), "{error}");
        ensure!(error.is_retryable(), "{error:?}");
        for arn in &acknowledged {
            let request = api::DescribeExecutionRequest {
                execution_arn: arn.clone(),
            };
            client
                .describe_execution(request)
                .await
                .context("a read on a full disk")?;
        }
        let status = client.get_status(api::GetStatusRequest {}).await?;
        ensure!(status.refusing.contains("disk"), "{status:?}");

        fs::remove_file(filler)?;
        let arn = until(
            "starts are accepted again",
            Deadline::seconds(30),
            async || match start(&client, &machine, "after", &json!({})).await {
                Ok(arn) => Ok(Some(arn)),
                Err(error) if error.is_retryable() => Ok(None),
                Err(error) => Err(error.into()),
            },
        )
        .await?;
        acknowledged.push(arn);
        check_all(&client, &acknowledged).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        check_all(&coordinator.client()?, &acknowledged).await
    });
}

#[test]
fn a_disk_that_fails_to_sync_ends_the_process_and_nothing_acknowledged_is_lost() {
    scenario(async |world: &World| {
        let Some(faults) = Faults::new(world)? else {
            skipped("there is no C compiler, or this is not Linux");
            return Ok(());
        };
        let settings = faults.into_settings(Settings::new(world, "coordinator"));
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "pass", &pass()).await?;
        let acknowledged = start_until_refused(&client, &machine, "before", 50).await?;
        faults.fail_syncs()?;
        let refused = start(&client, &machine, "during", &json!({})).await;
        ensure!(refused.is_err(), "a start was acknowledged without a sync");
        let status = coordinator.process().end(Deadline::seconds(60)).await?;
        ensure!(!status.success(), "it ended with {status}");
        faults.heal_syncs()?;
        coordinator.restart().await?;
        check_all(&coordinator.client()?, &acknowledged).await
    });
}

/// Starts until one is refused; gives those that were acknowledged.
pub(crate) async fn start_until_refused(
    client: &Client,
    machine: &str,
    prefix: &str,
    most: usize,
) -> Result<Vec<String>> {
    let filler = "x".repeat(20_000);
    let mut arns = Vec::new();
    for n in 0..most {
        match start(
            client,
            machine,
            &format!("{prefix}{n}"),
            &json!({ "filler": filler }),
        )
        .await
        {
            Ok(arn) => arns.push(arn),
            Err(error) if error.is_retryable() => return Ok(arns),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(arns)
}

async fn check_all(client: &Client, arns: &[String]) -> Result<()> {
    for arn in arns {
        let ended = outcome(client, arn, Deadline::seconds(20)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
    }
    Ok(())
}
