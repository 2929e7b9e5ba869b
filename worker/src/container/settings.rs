//! What the configuration says of a container, checked, and as options of the engine.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Engine;

/// Extra options that may be given. Others would take from the worker what it relies on (the name, the label, how it is
/// attached), or give a container the host.
const ARGUMENTS: &[&str] = &[
    "--add-host",
    "--annotation",
    "--blkio-weight",
    "--cap-add",
    "--cap-drop",
    "--cgroup-parent",
    "--cpu-shares",
    "--cpuset-cpus",
    "--device",
    "--dns",
    "--gpus",
    "--group-add",
    "--hostname",
    "--init",
    "--ipc",
    "--memory-swap",
    "--oom-score-adj",
    "--pids-limit",
    "--platform",
    "--runtime",
    "--security-opt",
    "--shm-size",
    "--stop-signal",
    "--tmpfs",
    "--ulimit",
    "--userns",
];

/// As it stands in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileContainer {
    pub(crate) image: String,
    pub(crate) command: Option<Vec<String>>,
    entrypoint: Option<String>,
    engine: Option<String>,
    #[serde(default)]
    mounts: Vec<String>,
    memory: Option<String>,
    cpus: Option<f64>,
    network: Option<String>,
    #[serde(default)]
    pull: Pull,
    user: Option<String>,
    directory: Option<PathBuf>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pull {
    #[default]
    Missing,
    Always,
    Never,
}

/// A kind of container that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerSettings {
    pub(crate) engine: Engine,
    pub(crate) image: String,
    /// The bound, for causes.
    pub(super) memory: Option<String>,
    /// Of the engine's `create`.
    pub(super) options: Vec<String>,
}

impl ContainerSettings {
    /// Every problem is a sentence for people.
    pub(crate) fn check(file: &FileContainer) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let engine = Engine::find(file.engine.as_deref()).map_err(|text| problems.push(text));
        let mut tell = |result: Result<(), String>| problems.extend(result.err());
        tell(check_word("image", &file.image));
        for (key, value) in [
            ("entrypoint", &file.entrypoint),
            ("network", &file.network),
            ("user", &file.user),
        ] {
            if let Some(value) = value {
                tell(check_word(key, value));
            }
        }
        tell(file.memory.as_deref().map_or(Ok(()), check_memory));
        tell(file.cpus.map_or(Ok(()), check_cpus));
        tell(file.directory.as_deref().map_or(Ok(()), check_directory));
        file.mounts
            .iter()
            .for_each(|mount| tell(check_mount(mount)));
        file.arguments
            .iter()
            .for_each(|argument| tell(check_argument(argument)));
        match engine {
            Ok(engine) if problems.is_empty() => Ok(Self {
                engine,
                image: file.image.clone(),
                memory: file.memory.clone(),
                options: file.options(),
            }),
            Ok(_) | Err(()) => Err(problems),
        }
    }
}

impl FileContainer {
    /// One word each, so that no value is taken for an option.
    fn options(&self) -> Vec<String> {
        let pull = match self.pull {
            Pull::Missing => "missing",
            Pull::Always => "always",
            Pull::Never => "never",
        };
        let mut options = vec![format!("--pull={pull}")];
        let directory = self
            .directory
            .as_ref()
            .map(|path| path.display().to_string());
        let cpus = self.cpus.map(|cpus| cpus.to_string());
        for (name, value) in [
            ("entrypoint", &self.entrypoint),
            ("memory", &self.memory),
            ("cpus", &cpus),
            ("network", &self.network),
            ("user", &self.user),
            ("workdir", &directory),
        ] {
            options.extend(value.as_ref().map(|value| format!("--{name}={value}")));
        }
        if self.read_only {
            options.push("--read-only".to_owned());
        }
        options.extend(self.mounts.iter().map(|mount| format!("--volume={mount}")));
        options.extend(self.arguments.iter().cloned());
        options
    }
}

fn check_word(key: &str, value: &str) -> Result<(), String> {
    let bad = |c: char| c.is_whitespace() || c.is_control();
    if value.is_empty() || value.starts_with('-') || value.contains(bad) {
        return Err(format!("container: {key} `{value}` is no {key}"));
    }
    Ok(())
}

fn check_memory(value: &str) -> Result<(), String> {
    let number = value
        .strip_suffix(['b', 'k', 'm', 'g', 'B', 'K', 'M', 'G'])
        .unwrap_or(value);
    match number.parse::<u64>() {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(format!(
            "container: memory `{value}` must look like \"512m\" (b, k, m or g)"
        )),
    }
}

fn check_cpus(value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(format!("container: cpus must be more than 0, not {value}"))
}

fn check_directory(path: &Path) -> Result<(), String> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(format!(
        "container: directory {} must be absolute",
        path.display()
    ))
}

/// A folder that is not there would be made by some engines, and owned by root.
fn check_mount(mount: &str) -> Result<(), String> {
    let parts: Vec<_> = mount.split(':').collect();
    let ([from, to] | [from, to, _]) = parts[..] else {
        return Err(format!(
            "container: mount `{mount}` must look like \"/host:/inside:ro\""
        ));
    };
    if !to.starts_with('/') {
        return Err(format!(
            "container: mount `{mount}` must name an absolute path inside"
        ));
    }
    let is_volume = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    match (from.starts_with('/'), is_volume(from)) {
        (true, _) if !Path::new(from).exists() => {
            Err(format!("container: mount `{mount}`: {from} does not exist"))
        }
        (true, _) | (false, true) => Ok(()),
        (false, false) => Err(format!(
            "container: mount `{mount}` must name an absolute path or a volume"
        )),
    }
}

fn check_argument(argument: &str) -> Result<(), String> {
    let name = argument.split('=').next().unwrap_or(argument);
    if ARGUMENTS.contains(&name) {
        return Ok(());
    }
    Err(format!(
        "container: argument `{argument}` is not among those that may be given, as \"--name=value\": {}",
        ARGUMENTS.join(", ")
    ))
}
