//! The programs under test: those that the environment names, or those of this tree, built once.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// Coordinator and command line.
    pub stepfleet: PathBuf,
    /// The stock worker.
    pub worker: PathBuf,
}

/// The programs under test. `STEPFLEET_BIN` and `STEPFLEET_WORKER_BIN` name them; otherwise they are built, in the
/// profile of this test.
///
/// # Panics
/// When they cannot be built: no test makes sense then.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let named = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        match (named("STEPFLEET_BIN"), named("STEPFLEET_WORKER_BIN")) {
            (Some(stepfleet), Some(worker)) => Binaries { stepfleet, worker },
            (Some(stepfleet), None) => {
                let worker = stepfleet.with_file_name("stepfleet-worker");
                Binaries { stepfleet, worker }
            }
            (None, _) => build(),
        }
    })
}

fn build() -> Binaries {
    let folder = target_folder();
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "build",
        "--quiet",
        "--locked",
        "-p",
        "stepfleet",
        "-p",
        "stepfleet-worker",
    ]);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let status = command
        .current_dir(root)
        .status()
        .expect("cargo runs: it built this test");
    assert!(status.success(), "the programs under test do not build");
    Binaries {
        stepfleet: folder.join("stepfleet"),
        worker: folder.join("stepfleet-worker"),
    }
}

/// `target/debug`, or what stands for it: this test runs in its folder `deps`.
fn target_folder() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    test.ancestors()
        .nth(2)
        .expect("tests are run from target/<profile>/deps")
        .to_owned()
}
