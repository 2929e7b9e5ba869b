//! One test's world: a temporary folder, and the logs of every process that ran in it, shown when the test fails.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;
use tokio::task::LocalSet;

use crate::process::tail;

/// What one test owns.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
}

impl World {
    /// A path in the world's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and gives its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, contents)?;
        Ok(path)
    }

    /// The ends of all logs.
    fn logs(&self) -> String {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .collect();
        paths.sort();
        paths.iter().map(|path| shown(path)).collect()
    }
}

/// Runs a test in a world of its own; its error or panic comes with the logs of its processes.
///
/// # Panics
/// When the test fails.
pub fn scenario(test: impl AsyncFnOnce(&World) -> Result<()>) {
    let world = World {
        folder: tempfile::tempdir().expect("temporary folders can be made"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the runtime starts");
    // Tasks of the test itself stay on this thread (`spawn_local`); those of clients and workers have their own.
    let local = LocalSet::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(local.run_until(test(&world)))
    }));
    runtime.shutdown_background();
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{error:?}\n{}", world.logs()),
        Err(panic) => {
            tell(&world.logs());
            resume_unwind(panic)
        }
    }
}

/// Says why a test does nothing here.
pub fn skipped(why: &str) {
    tell(&format!("skipped: {why}"));
}

/// A line for whoever runs the tests.
#[expect(clippy::print_stderr, reason = "the test runner shows it")]
pub fn tell(text: &str) {
    eprintln!("{text}");
}

fn shown(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("--- {name} (end) ---\n{}\n", tail(path))
}
