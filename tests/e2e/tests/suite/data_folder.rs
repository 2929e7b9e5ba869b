//! What a coordinator makes of a data folder that is damaged, too new, or somebody else's.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stepfleet_e2e::{
    Coordinator, Deadline, History, Settings, World, create_machine, outcome, scenario, start,
};
use stepfleet_sdk::api;

use crate::machines::pass;

const EXECUTIONS: usize = 60;

/// A coordinator that was killed after some executions; nothing but the log knows them.
async fn killed(world: &World) -> Result<(Coordinator, Vec<String>)> {
    let settings = Settings::new(world, "coordinator").with("checkpoint.interval_s", 3600);
    let mut coordinator = settings.start(world).await?;
    let client = coordinator.client()?;
    let machine = create_machine(&client, "pass", &pass()).await?;
    let mut arns = Vec::new();
    for n in 0..EXECUTIONS {
        let arn = start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?;
        outcome(&client, &arn, Deadline::seconds(10)).await?;
        arns.push(arn);
    }
    coordinator.kill()?;
    Ok((coordinator, arns))
}

/// The segment that was written to, and where its contents end.
fn used_segment(settings: &Settings) -> Result<(PathBuf, usize)> {
    let mut best = None;
    for entry in fs::read_dir(settings.data.join("log"))? {
        let path = entry?.path();
        let mut bytes = Vec::new();
        File::open(&path)?.read_to_end(&mut bytes)?;
        let end = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        if best.as_ref().is_none_or(|(_, most)| end > *most) {
            best = Some((path, end));
        }
    }
    best.context("the log has no file")
}

fn flip(path: &PathBuf, offset: usize) -> Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset as u64))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(offset as u64))?;
    file.write_all(&[byte[0] ^ 0x40])?;
    Ok(file.sync_all()?)
}

#[test]
fn a_flipped_bit_in_the_middle_of_the_log_is_refused_with_file_and_offset() {
    scenario(async |world| {
        let (coordinator, _) = killed(world).await?;
        let (path, end) = used_segment(coordinator.settings())?;
        flip(&path, end / 2)?;
        let (status, output) = coordinator.settings().refused(world).await?;
        ensure!(!status.success(), "exit status {status}");
        let name = path
            .file_name()
            .context("a name")?
            .to_string_lossy()
            .into_owned();
        for word in ["corrupt", name.as_str(), "offset", "backup"] {
            ensure!(output.contains(word), "`{word}` is not in: {output}");
        }
        Ok(())
    });
}

#[test]
fn a_torn_end_of_the_log_is_cut_and_everything_before_it_is_there() {
    scenario(async |world| {
        let (mut coordinator, arns) = killed(world).await?;
        let (path, end) = used_segment(coordinator.settings())?;
        // A write that the power cut: half of its last frame never came.
        let file = OpenOptions::new().write(true).open(&path)?;
        let length = file.metadata()?.len();
        file.set_len(end as u64 - 7)?;
        file.set_len(length)?;
        drop(file);
        coordinator.restart().await?;
        let client = coordinator.client()?;
        for arn in &arns[..arns.len() - 1] {
            let history = History::read(&client, arn).await?;
            history.check()?;
            history.check_closed()?;
        }
        Ok(())
    });
}

#[test]
fn a_folder_of_a_newer_release_is_refused() {
    scenario(async |world| {
        let settings = Settings::new(world, "coordinator");
        settings.start(world).await?.stop().await?;
        let path = settings.data.join("FORMAT");
        let text = fs::read_to_string(&path)?;
        fs::write(&path, text.replace("format = 1", "format = 7"))?;
        let (status, output) = settings.refused(world).await?;
        ensure!(!status.success(), "exit status {status}");
        ensure!(output.contains("newer release (format 7"), "{output}");
        Ok(())
    });
}

#[test]
fn a_folder_in_use_is_refused_and_its_owner_goes_on() {
    scenario(async |world| {
        let mut first = Settings::new(world, "first").start(world).await?;
        let mut second = Settings::new(world, "second");
        second.data = first.settings().data.clone();
        let (status, output) = second.refused(world).await?;
        ensure!(!status.success(), "exit status {status}");
        let pid = first.process().id().to_string();
        ensure!(
            output.contains("in use") && output.contains(&pid),
            "{output}"
        );
        create_machine(&first.client()?, "pass", &pass()).await?;
        Ok(())
    });
}

#[test]
fn a_port_in_use_is_refused_with_its_number() {
    scenario(async |world| {
        let first = Settings::new(world, "first").start(world).await?;
        let mut second = Settings::new(world, "second");
        second.port = first.settings().port;
        let (status, output) = second.refused(world).await?;
        ensure!(!status.success(), "exit status {status}");
        ensure!(output.contains(&second.port.to_string()), "{output}");
        ensure!(output.to_lowercase().contains("in use"), "{output}");
        Ok(())
    });
}

#[test]
fn the_number_of_partitions_stays_what_it_was_when_the_folder_was_made() {
    scenario(async |world| {
        let settings = Settings::new(world, "coordinator").with("partitions", 4);
        let mut coordinator = settings.start(world).await?;
        let machine = create_machine(&coordinator.client()?, "pass", &pass()).await?;
        let arn = start(&coordinator.client()?, &machine, "before", &json!({})).await?;
        coordinator.stop().await?;
        coordinator
            .restart_with(settings.with("partitions", 8))
            .await?;
        let client = coordinator.client()?;
        outcome(&client, &arn, Deadline::seconds(10)).await?;
        let status = client.get_status(api::GetStatusRequest {}).await?;
        ensure!(
            status.partitions == 4,
            "there are {} partitions",
            status.partitions
        );
        Ok(())
    });
}
