//! `stepfleet:runCommand`: what an operator allows, and what a task asks for.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use serde_json::Value;
use stepfleet_sdk::TaskError;

use super::request::Run;
use crate::environment::Inherit;
use crate::identity::Identity;

/// Variables that commands see unless the configuration says others.
const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "LC_*", "TZ"];
pub(super) const SLOTS: u32 = 4;
pub(super) const OUTPUT_BYTES: usize = 64 * 1024;
const OUTPUT_BYTES_MAX: usize = 200 * 1024;
pub(super) const KEEP_SECONDS: u64 = 24 * 3600;
const SLOTS_MAX: u32 = 1000;

/// `[run_command]` as it stands in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRunCommand {
    #[serde(flatten)]
    common: FileCommon,
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default)]
    shell: bool,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    directories: Vec<PathBuf>,
    inherit: Option<Vec<String>>,
}

/// What both connectors have.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct FileCommon {
    #[serde(default)]
    enabled: bool,
    state: Option<PathBuf>,
    slots: Option<u32>,
    #[serde(default)]
    variables: Vec<String>,
    timeout_seconds_max: Option<u64>,
    output_bytes_max: Option<usize>,
    keep_seconds: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) state: PathBuf,
    /// Runs at once.
    pub(super) slots: u32,
    /// Variables that a task may set.
    variables: Vec<String>,
    timeout_seconds_max: Option<u64>,
    pub(super) output_bytes_max: usize,
    pub(super) keep_seconds: u64,
}

/// What tasks may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandSettings {
    pub(super) common: Common,
    programs: Vec<String>,
    shell: bool,
    users: Vec<String>,
    directories: Vec<PathBuf>,
    inherit: Vec<String>,
}

/// What a task asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Parameters {
    command: Option<Vec<String>>,
    shell: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    directory: Option<PathBuf>,
    user: Option<String>,
    timeout_seconds: Option<u64>,
    input: Option<Value>,
    /// What it asks of its worker; the coordinator reads that.
    #[serde(rename = "stepfleet:task")]
    _placement: Option<Value>,
}

/// What both connectors take from a task.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) run: Run,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) input: Option<String>,
}

impl FileCommon {
    /// None when it is not enabled.
    pub(super) fn check(
        self,
        section: &str,
        folder: &str,
        problems: &mut Vec<String>,
    ) -> Option<Common> {
        if !self.enabled {
            return None;
        }
        let mut tell = |text: &str| problems.push(format!("[{section}]: {text}"));
        let state = self.state.filter(|state| state.is_absolute());
        if state.is_none() {
            tell("state must be the absolute path of a folder for what is run");
        }
        let slots = self.slots.unwrap_or(SLOTS);
        if !(1..=SLOTS_MAX).contains(&slots) {
            tell("slots must be 1 to 1000");
        }
        let output_bytes_max = self.output_bytes_max.unwrap_or(OUTPUT_BYTES);
        if output_bytes_max > OUTPUT_BYTES_MAX {
            tell("output_bytes_max must be at most 204800");
        }
        if self.timeout_seconds_max == Some(0) {
            tell("timeout_seconds_max must be at least 1");
        }
        Some(Common {
            state: state?.join(folder),
            slots,
            variables: self.variables,
            timeout_seconds_max: self.timeout_seconds_max,
            output_bytes_max,
            keep_seconds: self.keep_seconds.unwrap_or(KEEP_SECONDS),
        })
    }
}

impl Common {
    pub(super) fn check_environment(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), TaskError> {
        for name in environment.keys() {
            let allowed = self.variables.iter().any(|pattern| fits(pattern, name));
            if !allowed || name.contains(['=', '\0']) {
                return Err(not_allowed(format!(
                    "the variable '{name}' is not among the `variables` that this worker lets tasks set"
                )));
            }
        }
        Ok(())
    }

    /// The time that it may take: what is asked for, within what is allowed.
    pub(super) fn timeout(&self, asked: Option<u64>) -> Result<Option<u64>, TaskError> {
        match (asked, self.timeout_seconds_max) {
            (Some(0), _) => Err(invalid("TimeoutSeconds must be at least 1".to_owned())),
            (Some(asked), Some(max)) if asked > max => Err(not_allowed(format!(
                "TimeoutSeconds may be at most {max} on this worker"
            ))),
            (asked, max) => Ok(asked.or(max)),
        }
    }
}

impl CommandSettings {
    pub(crate) fn check(file: FileRunCommand, problems: &mut Vec<String>) -> Option<Self> {
        let common = file.common.check("run_command", "commands", problems)?;
        let mut tell = |text: String| problems.push(format!("[run_command]: {text}"));
        if file.programs.is_empty() && !file.shell {
            tell("name what may be run: programs = [\"/usr/bin/rsync\", \"/opt/tools/*\"], or shell = true".to_owned());
        }
        for program in &file.programs {
            if program != "*" && !is_plain(Path::new(program)) {
                tell(format!(
                    "program `{program}` must be an absolute path, one that ends with `/*`, or `*`"
                ));
            }
        }
        for user in &file.users {
            if let Err(text) = Identity::resolve(Some(user), None) {
                tell(text);
            }
        }
        for directory in &file.directories {
            if !is_plain(directory) {
                tell(format!(
                    "directory {} must be an absolute path",
                    directory.display()
                ));
            }
        }
        let inherited = || INHERITED.map(str::to_owned).to_vec();
        let inherit = file.inherit.unwrap_or_else(inherited);
        if let Err(text) = Inherit::check(inherit.clone()) {
            tell(text);
        }
        Some(Self {
            common,
            programs: file.programs,
            shell: file.shell,
            users: file.users,
            directories: file.directories,
            inherit,
        })
    }

    /// What a task asks for, if it is allowed.
    pub(super) fn asked(&self, input: &str) -> Result<Asked, TaskError> {
        let parameters: Parameters =
            serde_json::from_str(input).map_err(|error| invalid(error.to_string()))?;
        self.common.check_environment(&parameters.environment)?;
        let (arguments, shell) = match (parameters.command, parameters.shell) {
            (Some(command), None) => (self.command(command)?, false),
            (None, Some(text)) if self.shell => {
                let words = ["/bin/sh", "-c", &text].map(str::to_owned);
                (words.to_vec(), true)
            }
            (None, Some(_)) => {
                return Err(not_allowed("this worker runs no Shell".to_owned()));
            }
            (Some(_), Some(_)) | (None, None) => {
                let text = "exactly one of Command and Shell is needed";
                return Err(invalid(text.to_owned()));
            }
        };
        if let Some(user) = &parameters.user
            && !self.users.contains(user)
        {
            return Err(not_allowed(format!(
                "User '{user}' is not among the `users` of this worker"
            )));
        }
        let directory = parameters
            .directory
            .map(|directory| self.directory(&directory))
            .transpose()?;
        Ok(Asked {
            run: Run::Command {
                arguments,
                shell,
                directory,
                user: parameters.user,
                inherit: self.inherit.clone(),
            },
            environment: parameters.environment,
            timeout_seconds: self.common.timeout(parameters.timeout_seconds)?,
            input: parameters.input.map(input_text),
        })
    }

    /// The words of the command, with the path of its program, which must be allowed.
    fn command(&self, mut command: Vec<String>) -> Result<Vec<String>, TaskError> {
        let Some(program) = command.first_mut() else {
            return Err(invalid("Command names no program".to_owned()));
        };
        if !program.contains('/') {
            let path = env::var_os("PATH").unwrap_or_default();
            let found = env::split_paths(&path)
                .map(|folder| folder.join(&*program))
                .find(|path| path.is_file());
            let Some(found) = found.as_deref().and_then(Path::to_str) else {
                let cause = format!("program `{program}` was not found");
                return Err(TaskError::new("CommandNotFound", cause));
            };
            *program = found.to_owned();
        }
        let path = Path::new(&*program);
        let allowed = |pattern: &String| match pattern.strip_suffix("/*") {
            _ if pattern == "*" => true,
            Some(folder) => path.parent() == Some(Path::new(folder)),
            None => path == Path::new(pattern),
        };
        if !is_plain(path) || !self.programs.iter().any(allowed) {
            return Err(not_allowed(format!(
                "program '{program}' is not among the `programs` of this worker"
            )));
        }
        Ok(command)
    }

    /// The folder as it really is, so that no link leads out of what is allowed.
    fn directory(&self, asked: &Path) -> Result<PathBuf, TaskError> {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let refused = || {
            let asked = asked.display();
            not_allowed(format!(
                "Directory '{asked}' is not there, or not below one of the `directories` of this worker"
            ))
        };
        let path = real(asked).filter(|_| asked.is_absolute());
        let path = path.ok_or_else(refused)?;
        let mut allowed = self.directories.iter().filter_map(|path| real(path));
        match allowed.any(|allowed| path.starts_with(allowed)) {
            true => Ok(path),
            false => Err(refused()),
        }
    }
}

/// Text as it stands, everything else as JSON.
pub(super) fn input_text(input: Value) -> String {
    match input {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            input.to_string()
        }
    }
}

/// Whether a name is one of a pattern, which may end with `*`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => pattern == name,
    }
}

/// Absolute, without `..`.
pub(super) fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

pub(super) fn invalid(cause: String) -> TaskError {
    TaskError::new("InvalidParameters", cause)
}

pub(super) fn not_allowed(cause: String) -> TaskError {
    TaskError::new("NotAllowed", cause)
}
