//! What to serve and how to reach the coordinator: flags over environment over file over defaults, checked as a whole.

mod activity;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use stepfleet_sdk::{DEFAULT_ENDPOINT, Endpoint};

pub(crate) use self::activity::{Activity, Arguments, OutputMode, Program};
use self::activity::{FileActivity, check_activities, flag_activity};
use crate::cli::Cli;
use crate::hosted::{CommandSettings, ContainerRunSettings, FileRunCommand, FileRunContainer};

const DRAIN_SECONDS: u64 = 30;
const KILL_SECONDS: u64 = 5;
/// Longest worker name, characters.
const NAME_CHARS_MAX: usize = 80;

/// A worker that can be started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) create: bool,
    pub(crate) drain: Duration,
    pub(crate) kill_after: Duration,
    pub(crate) activities: Vec<Activity>,
    pub(crate) run_command: Option<CommandSettings>,
    pub(crate) run_container: Option<ContainerRunSettings>,
    /// The file is read again when it changes.
    pub(crate) watch: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    endpoint: Option<String>,
    name: Option<String>,
    api_key_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    client_certificate_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    create: Option<bool>,
    drain_seconds: Option<u64>,
    kill_seconds: Option<u64>,
    #[serde(default)]
    watch: bool,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    activity: Vec<FileActivity>,
    run_command: Option<FileRunCommand>,
    run_container: Option<FileRunContainer>,
}

impl Config {
    /// Reads and checks everything that the flags name.
    pub(crate) fn load(cli: &Cli) -> anyhow::Result<Self> {
        let file = match &cli.config {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("cannot read configuration {}", path.display()))?;
                toml::from_str(&text)
                    .with_context(|| format!("configuration {} is invalid", path.display()))?
            }
            None => File::default(),
        };
        Self::merge(cli, file)
    }

    pub(crate) fn name_or_default(&self) -> &str {
        self.name.as_deref().unwrap_or("(the host's name)")
    }

    fn merge(cli: &Cli, mut file: File) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let mut entries = std::mem::take(&mut file.activity);
        for text in &cli.activities {
            match flag_activity(cli, text) {
                Ok(activity) => entries.push(activity),
                Err(problem) => problems.push(problem),
            }
        }
        let run_command = file.run_command.take();
        let run_command = run_command.and_then(|file| CommandSettings::check(file, &mut problems));
        let run_container = file.run_container.take();
        let run_container =
            run_container.and_then(|file| ContainerRunSettings::check(file, &mut problems));
        let connects = run_command.is_some() || run_container.is_some();
        if entries.is_empty() && !connects && problems.is_empty() {
            bail!(
                "nothing to serve: name activities with --activity NAME=COMMAND or in a --config file"
            );
        }
        let activities = check_activities(entries, &mut problems);
        let endpoint = endpoint(cli, &file)?;
        let mut labels = file.labels;
        for label in &cli.labels {
            match label.split_once('=') {
                Some((key, value)) => drop(labels.insert(key.to_owned(), value.to_owned())),
                None => problems.push(format!("--label `{label}` must look like KEY=VALUE")),
            }
        }
        let name = cli.name.clone().or(file.name);
        if let Some(name) = &name
            && !(1..=NAME_CHARS_MAX).contains(&name.chars().count())
        {
            problems.push(format!(
                "the name `{name}` must have 1 to {NAME_CHARS_MAX} characters"
            ));
        }
        if !problems.is_empty() {
            bail!(
                "the configuration cannot work:\n  {}",
                problems.join("\n  ")
            );
        }
        let seconds = |flag: Option<u64>, file: Option<u64>, default| {
            Duration::from_secs(flag.or(file).unwrap_or(default))
        };
        Ok(Self {
            endpoint,
            name,
            labels,
            create: !cli.no_create && file.create.unwrap_or(true),
            drain: seconds(cli.drain_seconds, file.drain_seconds, DRAIN_SECONDS),
            kill_after: seconds(cli.kill_seconds, file.kill_seconds, KILL_SECONDS),
            activities,
            run_command,
            run_container,
            watch: file.watch,
        })
    }
}

fn endpoint(cli: &Cli, file: &File) -> anyhow::Result<Endpoint> {
    let url = cli
        .endpoint
        .as_deref()
        .or(file.endpoint.as_deref())
        .unwrap_or(DEFAULT_ENDPOINT);
    let mut endpoint =
        Endpoint::new(url).user_agent(concat!("stepfleet-worker/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &file.api_key_file {
        endpoint = endpoint.api_key_file(path)?;
    }
    if let Some(path) = &file.ca_file {
        endpoint = endpoint.ca_file(path)?;
    }
    match (&file.client_certificate_file, &file.client_key_file) {
        (Some(certificate), Some(key)) => {
            endpoint = endpoint.client_identity_files(certificate, key)?;
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            bail!("client_certificate_file and client_key_file belong together");
        }
    }
    let mut endpoint = endpoint.with_env()?;
    if let Some(path) = &cli.api_key_file {
        endpoint = endpoint.api_key_file(path)?;
    }
    if let Some(path) = &cli.ca_file {
        endpoint = endpoint.ca_file(path)?;
    }
    if let (Some(certificate), Some(key)) = (&cli.client_certificate_file, &cli.client_key_file) {
        endpoint = endpoint.client_identity_files(certificate, key)?;
    }
    Ok(endpoint)
}
