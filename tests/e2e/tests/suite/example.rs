//! The first thing that a reader tries: the example of a main job, from its script to its report.

use std::path::Path;

use anyhow::ensure;
use stepfleet_e2e::{World, binaries, scenario, skipped};

use crate::programs::text;

#[test]
fn the_example_archives_a_folder_and_its_checksums_hold() {
    scenario(async |_: &World| {
        // The script takes programs of this profile: they are built by now.
        binaries();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let script = std::fs::read_to_string(root.join("deploy/example/run"))?;
        if !script.contains("STEPFLEET_PROFILE") {
            skipped("the example builds for release, which takes longer than all other tests");
            return Ok(());
        }
        let mut command = tokio::process::Command::new(root.join("deploy/example/run"));
        command
            .env("STEPFLEET_PROFILE", "dev")
            .current_dir(&root)
            .kill_on_drop(true);
        command.stdin(std::process::Stdio::null());
        let output = command.output().await?;
        let said = text(&output);
        ensure!(output.status.success(), "{}\n{said}", output.status);
        ensure!(said.contains("SUCCEEDED"), "{said}");
        ensure!(said.contains(": OK"), "no checksum was verified: {said}");
        Ok(())
    });
}
