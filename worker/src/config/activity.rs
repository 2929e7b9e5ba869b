//! What an activity is served by, read and checked: its problems are told all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use clap::ValueEnum;
use serde::Deserialize;

use super::NAME_CHARS_MAX;
use crate::cli::Cli;
use crate::container::{ContainerSettings, Engine, FileContainer};
use crate::ending::OUTPUT_BYTES_MAX;
use crate::environment::Inherit;
use crate::http::{self, FileHttp, HttpSettings};
use crate::identity::Identity;
use crate::logs::{self, Folder, LogTo};
use crate::template::Template;

/// Most tasks of one activity at once.
const CONCURRENCY_MAX: u32 = 10_000;
const LOG_BYTES: u64 = 1024 * 1024;
const LOG_FILES: usize = 1000;

/// An activity and what serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Activity {
    pub(crate) name: String,
    pub(crate) program: Program,
    pub(crate) output: OutputMode,
    pub(crate) output_bytes_max: usize,
    pub(crate) concurrency: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) inherit: Inherit,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) identity: Option<Identity>,
    pub(crate) log: LogTo,
}

/// What is run, and where the input goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `/bin/sh -c`, input on standard input.
    Shell(String),
    Command(Arguments),
    Container(Arc<ContainerSettings>, Arguments),
    Http(http::Shared),
}

/// The words of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// As they stand, input on standard input.
    Literal(Vec<String>),
    /// Made of the input.
    Filled(Template),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InputMode {
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

/// As it stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileActivity {
    name: String,
    command: Option<Vec<String>>,
    shell: Option<String>,
    container: Option<FileContainer>,
    http: Option<FileHttp>,
    #[serde(default)]
    input: InputMode,
    #[serde(default)]
    output: OutputMode,
    output_bytes_max: Option<usize>,
    concurrency: Option<u32>,
    timeout_seconds: Option<u64>,
    directory: Option<PathBuf>,
    user: Option<String>,
    group: Option<String>,
    inherit: Option<Vec<String>>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    log: Option<FileLog>,
}

/// `"worker"`, `"none"`, or files.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum FileLog {
    Named(String),
    Folder(FileLogFolder),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLogFolder {
    folder: PathBuf,
    bytes_max: Option<u64>,
    files_max: Option<usize>,
}

impl Activity {
    /// What runs its containers.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        match &self.program {
            Program::Container(settings, _) => Some(&settings.engine),
            Program::Shell(_) | Program::Command(_) | Program::Http(_) => None,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(text) => f.write_str(text),
            Self::Command(arguments) => write!(f, "{arguments}"),
            Self::Container(settings, arguments) => {
                let engine = settings.engine.path().display();
                write!(f, "container {} by {engine}: {arguments}", settings.image)
            }
            Self::Http(settings) => write!(f, "POST {}", settings.endpoint()),
        }
    }
}

impl fmt::Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(arguments) => f.write_str(&arguments.join(" ")),
            Self::Filled(template) => f.write_str(&template.source().join(" ")),
        }
    }
}

/// An activity of a flag; an error is a sentence for people.
pub(super) fn flag_activity(cli: &Cli, text: &str) -> Result<FileActivity, String> {
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

/// Adds every problem with the activity that it is about.
pub(super) fn check_activities(
    entries: Vec<FileActivity>,
    problems: &mut Vec<String>,
) -> Vec<Activity> {
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
    let concurrency = entry.concurrency.unwrap_or(1);
    let output_bytes_max = entry.output_bytes_max.unwrap_or(OUTPUT_BYTES_MAX);
    problems.extend(check_name(&entry.name).err());
    if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
        problems.push(format!(
            "concurrency must be 1 to {CONCURRENCY_MAX}, not {concurrency}"
        ));
    }
    if !(1..=OUTPUT_BYTES_MAX).contains(&output_bytes_max) {
        problems.push(format!(
            "output_bytes_max must be 1 to {OUTPUT_BYTES_MAX}, not {output_bytes_max}"
        ));
    }
    if entry.timeout_seconds == Some(0) {
        problems.push("timeout_seconds must be at least 1".to_owned());
    }
    check_surroundings(&entry, &mut problems);
    let identity = check_identity(&entry).map_err(|text| problems.push(text));
    let inherit = check_inherit(&entry).map_err(|text| problems.push(text));
    let log = check_log(entry.log.as_ref()).map_err(|text| problems.push(text));
    let program = program(&entry).map_err(|found| problems.extend(found));
    match (identity, inherit, log, program) {
        (Ok(identity), Ok(inherit), Ok(log), Ok(program)) if problems.is_empty() => Ok(Activity {
            name: entry.name,
            program,
            output: entry.output,
            output_bytes_max,
            concurrency,
            timeout: entry.timeout_seconds.map(Duration::from_secs),
            directory: entry.directory,
            inherit,
            environment: entry.environment,
            identity,
            log,
        }),
        (_, _, _, _) => Err(problems),
    }
}

/// Where a command finds itself. What a container has instead stands with it, and an endpoint has none of it.
fn check_surroundings(entry: &FileActivity, problems: &mut Vec<String>) {
    let given = [
        ("directory", entry.directory.is_some()),
        ("user", entry.user.is_some()),
        ("group", entry.group.is_some()),
    ];
    let of_process = [
        ("inherit", entry.inherit.is_some()),
        ("environment", !entry.environment.is_empty()),
        ("log", entry.log.is_some()),
        ("input", entry.input == InputMode::Arguments),
    ];
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        if entry.container.is_some() {
            problems.push(format!("{key} belongs into container = {{ … }}"));
        }
    }
    for (key, _) in given.iter().chain(&of_process).filter(|(_, given)| *given) {
        if entry.http.is_some() {
            problems.push(format!("{key} means nothing to an endpoint"));
        }
    }
    if let Some(directory) = &entry.directory
        && !directory.is_dir()
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
}

fn check_identity(entry: &FileActivity) -> Result<Option<Identity>, String> {
    match (&entry.user, &entry.group) {
        (None, None) => Ok(None),
        (user, group) => Identity::resolve(user.as_deref(), group.as_deref()).map(Some),
    }
}

/// A container is a world of its own: it gets what is named, and a command what is not the worker's.
fn check_inherit(entry: &FileActivity) -> Result<Inherit, String> {
    match &entry.inherit {
        Some(names) => Inherit::check(names.clone()),
        None if entry.container.is_some() => Ok(Inherit::Only(Vec::new())),
        None => Ok(Inherit::All),
    }
}

fn check_log(log: Option<&FileLog>) -> Result<LogTo, String> {
    match log {
        None => Ok(LogTo::Worker),
        Some(FileLog::Named(name)) if name == "worker" => Ok(LogTo::Worker),
        Some(FileLog::Named(name)) if name == "none" => Ok(LogTo::Nowhere),
        Some(FileLog::Named(name)) => Err(format!(
            "log must be \"worker\", \"none\" or {{ folder = \"…\" }}, not \"{name}\""
        )),
        Some(FileLog::Folder(file)) => {
            let bytes_max = file.bytes_max.unwrap_or(LOG_BYTES);
            let files_max = file.files_max.unwrap_or(LOG_FILES);
            if bytes_max == 0 || files_max == 0 {
                return Err("log: bytes_max and files_max must be at least 1".to_owned());
            }
            logs::check_folder(&file.folder)?;
            Ok(LogTo::Folder(Arc::new(Folder {
                path: file.folder.clone(),
                bytes_max,
                files_max,
            })))
        }
    }
}

fn program(entry: &FileActivity) -> Result<Program, Vec<String>> {
    let given = [
        ("command", entry.command.is_some()),
        ("shell", entry.shell.is_some()),
        ("container", entry.container.is_some()),
        ("http", entry.http.is_some()),
    ];
    let given: Vec<_> = given.iter().filter(|(_, given)| *given).collect();
    if given.len() > 1 {
        let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
        return Err(vec![format!("has both {}; keep one", names.join(" and "))]);
    }
    let one = |program: Result<Program, String>| program.map_err(|text| vec![text]);
    if let Some(command) = &entry.command {
        return one(command_program(command, entry));
    }
    if let Some(shell) = &entry.shell {
        return one(shell_program(shell, entry.input));
    }
    if let Some(http) = &entry.http {
        return HttpSettings::check(http).map(|settings| Program::Http(Arc::new(settings)));
    }
    let Some(container) = &entry.container else {
        let text =
            "needs command = [\"program\", …], shell = \"…\", container = { … } or http = { … }";
        return Err(vec![text.to_owned()]);
    };
    let words = container.command.as_deref().unwrap_or_default();
    let words = arguments(words, entry.input).map_err(|text| vec![text]);
    match (ContainerSettings::check(container), words) {
        (Ok(settings), Ok(words)) => Ok(Program::Container(Arc::new(settings), words)),
        (settings, words) => {
            let found = settings.err().into_iter().chain(words.err());
            Err(found.flatten().collect())
        }
    }
}

fn command_program(command: &[String], entry: &FileActivity) -> Result<Program, String> {
    if command.first().is_none_or(String::is_empty) {
        return Err("command names no program".to_owned());
    }
    let program = Program::Command(arguments(command, entry.input)?);
    check_executable(&program, entry.directory.as_deref())?;
    Ok(program)
}

fn shell_program(shell: &str, input: InputMode) -> Result<Program, String> {
    if shell.trim().is_empty() {
        return Err("shell is empty".to_owned());
    }
    match input {
        InputMode::Stdin => Ok(Program::Shell(shell.to_owned())),
        InputMode::Arguments => {
            let text = "input = \"arguments\" needs command instead of shell: \
                        values never pass through a shell";
            Err(text.to_owned())
        }
    }
}

fn arguments(words: &[String], input: InputMode) -> Result<Arguments, String> {
    match input {
        InputMode::Stdin => Ok(Arguments::Literal(words.to_vec())),
        InputMode::Arguments if words.is_empty() => {
            Err("input = \"arguments\" needs a command to fill".to_owned())
        }
        InputMode::Arguments => Template::parse(words).map(Arguments::Filled),
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
        Program::Command(Arguments::Literal(command)) => &command[0],
        Program::Command(Arguments::Filled(template)) => match template.fixed_program() {
            Some(name) => name,
            None => return Ok(()),
        },
        Program::Shell(_) | Program::Container(..) | Program::Http(_) => return Ok(()),
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
