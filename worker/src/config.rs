//! What to serve and how to reach the coordinator: flags over environment over file over defaults, checked as a whole.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde::Deserialize;
use stepfleet_sdk::{DEFAULT_ENDPOINT, Endpoint};

use crate::cli::Cli;
use crate::template::Template;

const DRAIN_SECONDS: u64 = 30;
const KILL_SECONDS: u64 = 5;
/// Most commands of one activity at once.
const CONCURRENCY_MAX: u32 = 10_000;
/// Longest worker name, characters.
const NAME_CHARS_MAX: usize = 80;

/// A worker that can be started.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) create: bool,
    pub(crate) drain: Duration,
    pub(crate) kill_after: Duration,
    pub(crate) activities: Vec<Activity>,
}

/// An activity and the command that serves it.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) name: String,
    pub(crate) program: Program,
    pub(crate) output: OutputMode,
    pub(crate) concurrency: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// What is run, and where the input goes.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// `/bin/sh -c`, input on standard input.
    Shell(String),
    /// As it stands, input on standard input.
    Literal(Vec<String>),
    /// Arguments made of the input.
    Filled(Template),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InputMode {
    #[default]
    Stdin,
    Arguments,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutputMode {
    /// JSON if it is, else text.
    #[default]
    Auto,
    /// Must be JSON.
    Json,
    /// Becomes a JSON string, without the newline at its end.
    Text,
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
    labels: BTreeMap<String, String>,
    #[serde(default)]
    activity: Vec<FileActivity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileActivity {
    name: String,
    command: Option<Vec<String>>,
    shell: Option<String>,
    #[serde(default)]
    input: InputMode,
    #[serde(default)]
    output: OutputMode,
    concurrency: Option<u32>,
    timeout_seconds: Option<u64>,
    directory: Option<PathBuf>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
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
        if entries.is_empty() && problems.is_empty() {
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
        })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(text) => f.write_str(text),
            Self::Literal(arguments) => f.write_str(&arguments.join(" ")),
            Self::Filled(template) => f.write_str(&template.source().join(" ")),
        }
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

fn flag_activity(cli: &Cli, text: &str) -> Result<FileActivity, String> {
    let Some((name, command)) = text.split_once('=') else {
        return Err(format!("--activity `{text}` must look like NAME=COMMAND"));
    };
    Ok(FileActivity {
        name: name.to_owned(),
        shell: Some(command.to_owned()),
        output: cli.output.unwrap_or_default(),
        concurrency: cli.concurrency,
        timeout_seconds: cli.timeout_seconds,
        ..FileActivity::default()
    })
}

fn check_activities(entries: Vec<FileActivity>, problems: &mut Vec<String>) -> Vec<Activity> {
    let mut names = BTreeSet::new();
    let mut activities = Vec::new();
    for entry in entries {
        let name = entry.name.clone();
        if !names.insert(name.rsplit(':').next().unwrap_or(&name).to_owned()) {
            problems.push(format!("activity `{name}`: named twice"));
        }
        match check_activity(entry) {
            Ok(activity) => activities.push(activity),
            Err(found) => {
                problems.extend(
                    found
                        .into_iter()
                        .map(|text| format!("activity `{name}`: {text}")),
                );
            }
        }
    }
    activities
}

fn check_activity(entry: FileActivity) -> Result<Activity, Vec<String>> {
    let mut problems = Vec::new();
    if let Err(text) = check_name(&entry.name) {
        problems.push(text);
    }
    let concurrency = entry.concurrency.unwrap_or(1);
    if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
        problems.push(format!(
            "concurrency must be 1 to {CONCURRENCY_MAX}, not {concurrency}"
        ));
    }
    if entry.timeout_seconds == Some(0) {
        problems.push("timeout_seconds must be at least 1".to_owned());
    }
    if let Some(directory) = entry
        .directory
        .as_ref()
        .filter(|directory| !directory.is_dir())
    {
        problems.push(format!("directory {} does not exist", directory.display()));
    }
    for key in entry.environment.keys() {
        if key.is_empty() || key.contains(['=', '\0']) {
            problems.push(format!(
                "`{key}` cannot be the name of an environment variable"
            ));
        }
    }
    let program = program(entry.command, entry.shell, entry.input);
    let program = program.and_then(|program| {
        check_executable(&program, entry.directory.as_deref())?;
        Ok(program)
    });
    match program {
        Ok(program) if problems.is_empty() => Ok(Activity {
            name: entry.name,
            program,
            output: entry.output,
            concurrency,
            timeout: entry.timeout_seconds.map(Duration::from_secs),
            directory: entry.directory,
            environment: entry.environment,
        }),
        Ok(_) => Err(problems),
        Err(text) => {
            problems.push(text);
            Err(problems)
        }
    }
}

fn program(
    command: Option<Vec<String>>,
    shell: Option<String>,
    input: InputMode,
) -> Result<Program, String> {
    match (command, shell, input) {
        (Some(_), Some(_), _) => Err("has both command and shell; keep one".to_owned()),
        (None, None, _) => Err("needs command = [\"program\", …] or shell = \"…\"".to_owned()),
        (Some(command), None, _) if command.first().is_none_or(String::is_empty) => {
            Err("command names no program".to_owned())
        }
        (None, Some(shell), _) if shell.trim().is_empty() => Err("shell is empty".to_owned()),
        (None, Some(_), InputMode::Arguments) => {
            let text = "input = \"arguments\" needs command instead of shell: \
                        values never pass through a shell";
            Err(text.to_owned())
        }
        (None, Some(shell), InputMode::Stdin) => Ok(Program::Shell(shell)),
        (Some(command), None, InputMode::Stdin) => Ok(Program::Literal(command)),
        (Some(command), None, InputMode::Arguments) => {
            Template::parse(&command).map(Program::Filled)
        }
    }
}

/// The rules for activity names, so that a mistake shows here and not as a refusal of the whole worker.
fn check_name(name: &str) -> Result<(), String> {
    let bare = name.rsplit(':').next().unwrap_or(name);
    if bare != name && !name.starts_with("arn:") {
        return Err("the name is neither a bare name nor an ARN".to_owned());
    }
    let bad =
        |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;/".contains(c);
    if bare.is_empty() || bare.chars().count() > NAME_CHARS_MAX || bare.contains(bad) {
        return Err(format!(
            "the name must have 1 to {NAME_CHARS_MAX} characters, without white space, brackets and \"#%\\^|~`$&,;:/"
        ));
    }
    Ok(())
}

/// A program that is not there fails every task: better to know now.
fn check_executable(program: &Program, directory: Option<&Path>) -> Result<(), String> {
    let name = match program {
        Program::Shell(_) => return Ok(()),
        Program::Literal(command) => &command[0],
        Program::Filled(template) => match template.fixed_program() {
            Some(name) => name,
            None => return Ok(()),
        },
    };
    let found = if name.contains('/') {
        directory.unwrap_or(Path::new(".")).join(name).is_file()
    } else {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| folder.join(name).is_file())
    };
    if found {
        Ok(())
    } else {
        Err(format!("program `{name}` was not found"))
    }
}
