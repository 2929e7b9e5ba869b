//! `stepfleet:runContainer`: what an operator allows, and what a task asks for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepfleet_sdk::TaskError;

use super::command::{Asked, Common, FileCommon, fits, input_text, invalid, is_plain, not_allowed};
use super::request::Run;
use crate::container::{ContainerSettings, Engine, FileContainer};

/// `[run_container]` as it stands in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRunContainer {
    #[serde(flatten)]
    common: FileCommon,
    #[serde(default)]
    images: Vec<String>,
    #[serde(default)]
    mounts: Vec<PathBuf>,
    engine: Option<String>,
    memory: Option<String>,
    cpus: Option<f64>,
    network: Option<String>,
    pull: Option<String>,
    user: Option<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    arguments: Vec<String>,
}

/// What tasks may run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ContainerRunSettings {
    pub(super) common: Common,
    pub(crate) engine: Engine,
    images: Vec<String>,
    mounts: Vec<PathBuf>,
    /// Members of a [`FileContainer`] that the operator decides.
    fixed: Map<String, Value>,
    memory: Option<String>,
    cpus: Option<f64>,
}

/// What a task asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Parameters {
    image: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    mounts: Vec<String>,
    memory: Option<String>,
    cpus: Option<f64>,
    directory: Option<String>,
    timeout_seconds: Option<u64>,
    input: Option<Value>,
    /// What it asks of its worker; the coordinator reads that.
    #[serde(rename = "stepfleet:task")]
    _placement: Option<Value>,
}

impl ContainerRunSettings {
    pub(crate) fn check(file: FileRunContainer, problems: &mut Vec<String>) -> Option<Self> {
        let common = file.common.check("run_container", "containers", problems)?;
        let mut tell = |text: String| problems.push(format!("[run_container]: {text}"));
        if file.images.is_empty() {
            tell(
                "name what may be run: images = [\"alpine:3.20\", \"registry.example/team/*\"]"
                    .to_owned(),
            );
        }
        for mount in &file.mounts {
            if !is_plain(mount) {
                tell(format!(
                    "mount {} must be an absolute path",
                    mount.display()
                ));
            }
        }
        let engine = Engine::find(file.engine.as_deref()).map_err(&mut tell).ok();
        let fixed = json!({
            "engine": engine.as_ref().map(|engine| engine.path().display().to_string()),
            "network": file.network,
            "pull": file.pull.as_deref().unwrap_or("missing"),
            "user": file.user,
            "read_only": file.read_only,
            "arguments": file.arguments,
        });
        let Value::Object(fixed) = fixed else {
            return None;
        };
        let settings = Self {
            common,
            engine: engine?,
            images: file.images,
            mounts: file.mounts,
            fixed,
            memory: file.memory,
            cpus: file.cpus,
        };
        // What the operator has written is checked now, with an image that is always right.
        let bounds = (settings.memory.clone(), settings.cpus);
        let sample = settings.container("image", Vec::new(), bounds, None);
        match serde_json::from_value::<FileContainer>(sample) {
            Ok(file) => {
                if let Err(found) = ContainerSettings::check(&file) {
                    found.into_iter().for_each(tell);
                }
            }
            Err(error) => tell(error.to_string()),
        }
        Some(settings)
    }

    /// What a task asks for, if it is allowed.
    pub(super) fn asked(&self, input: &str) -> Result<Asked, TaskError> {
        let parameters: Parameters =
            serde_json::from_str(input).map_err(|error| invalid(error.to_string()))?;
        self.common.check_environment(&parameters.environment)?;
        let image = &parameters.image;
        if !self.images.iter().any(|pattern| fits(pattern, image)) {
            return Err(not_allowed(format!(
                "Image '{image}' is not among the `images` of this worker"
            )));
        }
        for mount in &parameters.mounts {
            self.check_mount(mount)?;
        }
        let memory = self.memory(parameters.memory)?;
        let cpus = self.cpus(parameters.cpus)?;
        let directory = parameters.directory;
        let container = self.container(image, parameters.mounts, (memory, cpus), directory);
        let file: FileContainer = serde_json::from_value(container.clone())
            .map_err(|error| invalid(error.to_string()))?;
        ContainerSettings::check(&file).map_err(|problems| invalid(problems.join("; ")))?;
        Ok(Asked {
            run: Run::Container {
                container,
                arguments: parameters.command,
            },
            environment: parameters.environment,
            timeout_seconds: self.common.timeout(parameters.timeout_seconds)?,
            input: parameters.input.map(input_text),
        })
    }

    fn container(
        &self,
        image: &str,
        mounts: Vec<String>,
        (memory, cpus): (Option<String>, Option<f64>),
        directory: Option<String>,
    ) -> Value {
        let mut members = self.fixed.clone();
        members.insert("image".to_owned(), json!(image));
        members.insert("mounts".to_owned(), json!(mounts));
        members.insert("memory".to_owned(), json!(memory));
        members.insert("cpus".to_owned(), json!(cpus));
        members.insert("directory".to_owned(), json!(directory));
        Value::Object(members)
    }

    /// A folder of the host must be below one that is allowed, as it really is.
    fn check_mount(&self, mount: &str) -> Result<(), TaskError> {
        let from = mount.split(':').next().unwrap_or_default();
        let real = |path: &Path| fs::canonicalize(path).ok();
        let path = real(Path::new(from)).filter(|path| Path::new(from) == path);
        let mut allowed = self.mounts.iter().filter_map(|path| real(path));
        if path.is_some_and(|path| allowed.any(|allowed| path.starts_with(allowed))) {
            return Ok(());
        }
        Err(not_allowed(format!(
            "Mount '{mount}' is not of a folder, without links, below one of the `mounts` of this worker"
        )))
    }

    fn memory(&self, asked: Option<String>) -> Result<Option<String>, TaskError> {
        let (Some(asked), Some(max)) = (&asked, &self.memory) else {
            return Ok(asked.or_else(|| self.memory.clone()));
        };
        let number = |text: &str| {
            bytes(text).ok_or_else(|| invalid(format!("Memory '{text}' must look like \"512m\"")))
        };
        match number(asked)? <= number(max)? {
            true => Ok(Some(asked.clone())),
            false => Err(not_allowed(format!(
                "Memory may be at most {max} on this worker"
            ))),
        }
    }

    fn cpus(&self, asked: Option<f64>) -> Result<Option<f64>, TaskError> {
        match (asked, self.cpus) {
            (Some(asked), Some(max)) if asked > max => Err(not_allowed(format!(
                "Cpus may be at most {max} on this worker"
            ))),
            (asked, max) => Ok(asked.or(max)),
        }
    }
}

fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match lower.chars().last()? {
        'b' => (lower.strip_suffix('b')?, 1),
        'k' => (lower.strip_suffix('k')?, 1 << 10),
        'm' => (lower.strip_suffix('m')?, 1 << 20),
        'g' => (lower.strip_suffix('g')?, 1 << 30),
        _ => (lower.as_str(), 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
