//! Faults that the operating system would have to play along with: a wall clock that jumps, a disk whose syncs fail.
//! A small library, compiled here and preloaded into the coordinator, reads them from a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::coordinator::Settings;
use crate::world::World;

/// Faults of one coordinator; none at first.
#[derive(Debug)]
pub struct Faults {
    folder: PathBuf,
    library: PathBuf,
}

impl Faults {
    /// Compiles the library. None where there is no C compiler or the system is not Linux.
    ///
    /// # Errors
    /// The compiler is there and fails.
    pub fn new(world: &World) -> Result<Option<Self>> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/faults.c");
        let (library, folder) = (world.path("faults.so"), world.path("faults"));
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl");
        let Ok(output) = compiler.output() else {
            return Ok(None);
        };
        ensure!(
            output.status.success(),
            "cc: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::create_dir(&folder)?;
        Ok(Some(Self { folder, library }))
    }

    /// Settings of a coordinator that has these faults.
    #[must_use]
    pub fn into_settings(&self, settings: Settings) -> Settings {
        settings
            .with_environment("LD_PRELOAD", &self.library.display().to_string())
            .with_environment("STEPFLEET_FAULTS", &self.folder.display().to_string())
    }

    /// Puts the wall clock this far from the truth.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn shift_clock(&self, seconds: i64) -> Result<()> {
        // Renamed into place: a half-written number is never read.
        let next = self.folder.join("clock.next");
        fs::write(&next, seconds.to_string())?;
        Ok(fs::rename(next, self.folder.join("clock"))?)
    }

    /// Makes every sync fail.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn fail_syncs(&self) -> Result<()> {
        Ok(fs::write(self.folder.join("sync"), "")?)
    }

    /// Lets syncs succeed again.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn heal_syncs(&self) -> Result<()> {
        Ok(fs::remove_file(self.folder.join("sync"))?)
    }
}
