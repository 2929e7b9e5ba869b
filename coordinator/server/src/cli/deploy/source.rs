//! What is deployed, as files: a template, or a stack of what `cdk synth` wrote, and the definitions beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::definition::{Files, ReadFile, outside};
use super::names::Place;
use super::owner::Tags;
use super::yaml::{self, LocalTags};
use crate::cli::fault::Fault;

const MANIFEST: &str = "manifest.json";
/// Stages of CDK in each other.
const STAGES_MAX: usize = 10;

/// A template and what belongs to it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) stack: String,
    pub(super) document: Value,
    /// Values that CDK gives.
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) stack_tags: Tags,
    folder: PathBuf,
    /// CDK's list of files, with the folder that it names them from.
    assets: Vec<(PathBuf, Value)>,
}

/// The files of a source, for a place: buckets of CDK have it in their names.
#[derive(Debug)]
pub(super) struct SourceFiles<'s> {
    pub(super) source: &'s Source,
    pub(super) place: &'s Place,
}

impl Source {
    /// Reads a template, or the folder that CDK wrote; `stack` names the stack, or chooses one of the folder's.
    pub(super) fn read(path: &Path, stack: Option<&str>) -> Result<Self, Fault> {
        if path.is_dir() {
            return read_assembly(path, stack);
        }
        let stack = stack.ok_or_else(|| {
            Fault::Usage(
                "give the stack a name: --stack NAME; the next deployment finds it by that".into(),
            )
        })?;
        Ok(Self {
            stack: stack.to_owned(),
            document: read_template(path)?,
            parameters: BTreeMap::new(),
            stack_tags: Tags::new(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            assets: Vec::new(),
        })
    }
}

impl Files for SourceFiles<'_> {
    fn local(&self, path: &str) -> Result<ReadFile, String> {
        read_definition(&self.source.folder.join(path))
    }

    fn asset(&self, bucket: &str, key: &str) -> Result<ReadFile, String> {
        for (folder, assets) in &self.source.assets {
            let files = assets.get("files").and_then(Value::as_object);
            for file in files.into_iter().flat_map(|files| files.values()) {
                if self.is_uploaded_to(file, bucket, key) {
                    let text = |name: &str| file.pointer(name).and_then(Value::as_str);
                    return match (text("/source/path"), text("/source/packaging")) {
                        (Some(path), Some("file") | None) => read_definition(&folder.join(path)),
                        (Some(path), Some(other)) => Err(format!(
                            "{path} is packed as {other}; a definition is a file"
                        )),
                        (None, _) => Err(format!("CDK has no file for {key}")),
                    };
                }
            }
        }
        Err(outside(&format!("s3://{bucket}/{key}")))
    }
}

impl SourceFiles<'_> {
    fn is_uploaded_to(&self, file: &Value, bucket: &str, key: &str) -> bool {
        let destinations = file.get("destinations").and_then(Value::as_object);
        let mut destinations = destinations.into_iter().flat_map(|all| all.values());
        let text = |destination: &Value, name: &str| {
            let text = destination
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default();
            text.replace("${AWS::AccountId}", &self.place.account)
                .replace("${AWS::Region}", &self.place.region)
                .replace("${AWS::Partition}", &self.place.partition)
        };
        destinations.any(|to| text(to, "objectKey") == key && text(to, "bucketName") == bucket)
    }
}

fn read_definition(path: &Path) -> Result<ReadFile, String> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(ReadFile { name, text }),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn read_text(path: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(Fault::file(path))
}

/// JSON is read as JSON: YAML has other rules for what stands behind a backslash.
fn read_template(path: &Path) -> Result<Value, Fault> {
    let text = read_text(path)?;
    let json = serde_json::from_str(&text);
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let read = match json {
        Ok(value) => Ok(value),
        Err(error) if is_json => Err(error.to_string()),
        Err(_) => yaml::parse(&text, LocalTags::Functions),
    };
    read.map_err(|error| Fault::Failed(format!("{} is no template: {error}", path.display())))
}

fn read_json(path: &Path) -> Result<Value, Fault> {
    let text = read_text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Fault::Failed(format!("{} is no JSON: {error}", path.display())))
}

/// A stack in a folder of CDK.
struct Artifact {
    folder: PathBuf,
    id: String,
    value: Value,
    manifest: Value,
}

impl Artifact {
    /// What the stack is called in CloudFormation.
    fn stack_name(&self) -> &str {
        self.text("/properties/stackName").unwrap_or(&self.id)
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    fn is_called(&self, name: &str) -> bool {
        self.id == name || self.stack_name() == name || self.text("/displayName") == Some(name)
    }

    fn texts(&self, pointer: &str) -> BTreeMap<String, String> {
        let members = self.value.pointer(pointer).and_then(Value::as_object);
        let texts = members.into_iter().flatten();
        texts
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}

fn read_assembly(folder: &Path, stack: Option<&str>) -> Result<Source, Fault> {
    let mut stacks = Vec::new();
    find_stacks(folder, STAGES_MAX, &mut stacks)?;
    let names: Vec<String> = stacks
        .iter()
        .map(|artifact| artifact.stack_name().to_owned())
        .collect();
    let names = names.join(", ");
    let mut chosen: Vec<Artifact> = stacks
        .into_iter()
        .filter(|artifact| stack.is_none_or(|name| artifact.is_called(name)))
        .collect();
    let artifact = match (chosen.len(), chosen.pop(), stack) {
        (1, Some(artifact), _) => artifact,
        (_, None, None) => {
            let message = format!("{} has no stacks", folder.display());
            return Err(Fault::Failed(message));
        }
        (_, None, Some(name)) => {
            let message = format!("{} has no stack {name}, but: {names}", folder.display());
            return Err(Fault::Usage(message));
        }
        (_, Some(_), _) => {
            let message = format!(
                "{} has several stacks: choose with --stack one of {names}",
                folder.display()
            );
            return Err(Fault::Usage(message));
        }
    };
    let Some(template) = artifact.text("/properties/templateFile") else {
        let message = format!("the stack {} has no template file", artifact.id);
        return Err(Fault::Failed(message));
    };
    Ok(Source {
        stack: artifact.stack_name().to_owned(),
        document: read_template(&artifact.folder.join(template))?,
        parameters: artifact.texts("/properties/parameters"),
        stack_tags: artifact.texts("/properties/tags"),
        assets: read_assets(&artifact)?,
        folder: artifact.folder,
    })
}

/// The stacks of a folder and of the folders in it, which are CDK's stages.
fn find_stacks(folder: &Path, stages: usize, stacks: &mut Vec<Artifact>) -> Result<(), Fault> {
    let path = folder.join(MANIFEST);
    if !path.exists() {
        let message = format!(
            "{} has no {MANIFEST}: it is no folder that `cdk synth` wrote; name the template file",
            folder.display()
        );
        return Err(Fault::Usage(message));
    }
    let manifest = read_json(&path)?;
    let artifacts = manifest
        .get("artifacts")
        .and_then(Value::as_object)
        .cloned();
    for (id, value) in artifacts.into_iter().flatten() {
        match value.get("type").and_then(Value::as_str) {
            Some("aws:cloudformation:stack") => stacks.push(Artifact {
                folder: folder.to_owned(),
                id,
                value,
                manifest: manifest.clone(),
            }),
            Some("cdk:cloud-assembly") => {
                let inner = value
                    .pointer("/properties/directoryName")
                    .and_then(Value::as_str);
                match (inner, stages.checked_sub(1)) {
                    (Some(inner), Some(stages)) => {
                        find_stacks(&folder.join(inner), stages, stacks)?;
                    }
                    (Some(_), None) => {
                        let message = format!("more than {STAGES_MAX} stages are in each other");
                        return Err(Fault::Failed(message));
                    }
                    (None, _) => {}
                }
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// The lists of files that the stack depends on.
fn read_assets(artifact: &Artifact) -> Result<Vec<(PathBuf, Value)>, Fault> {
    let mut assets = Vec::new();
    let needed = artifact.value.get("dependencies").and_then(Value::as_array);
    for id in needed.into_iter().flatten().filter_map(Value::as_str) {
        let other = artifact
            .manifest
            .get("artifacts")
            .and_then(|all| all.get(id));
        let is_list = |other: &&Value| {
            other.get("type").and_then(Value::as_str) == Some("cdk:asset-manifest")
        };
        let file = other
            .filter(is_list)
            .and_then(|other| other.pointer("/properties/file"));
        if let Some(file) = file.and_then(Value::as_str) {
            let list = read_json(&artifact.folder.join(file))?;
            assets.push((artifact.folder.clone(), list));
        }
    }
    Ok(assets)
}
