//! A template's sections and resources, before anything is evaluated. What the language has and a deployment does not
//! is refused here, by name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::parameters::text_of;
use super::problem::Problems;
use super::serverless;

/// The transform of SAM; the properties of its state machines are read directly.
const SERVERLESS: &str = "AWS::Serverless-2016-10-31";
/// Types that every output of CDK and SAM carries and that mean nothing here.
const SKIPPED_TYPES: &[&str] = &[
    "AWS::CDK::Metadata",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
];
const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];
/// CDK's check of what it has set up in an AWS account.
const BOOTSTRAP_RULE: &str = "CheckBootstrapVersion";

/// What a resource is to a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ServerlessMachine,
    Machine,
    Activity,
    Version,
    Alias,
    /// Something that is not made here and is known to be left out.
    Skipped,
    /// The same, of what SAM would add: nobody misses it.
    StandIn,
    Unknown,
}

impl Kind {
    /// Whether it is not made here.
    pub(super) fn is_left_out(self) -> bool {
        matches!(self, Self::Skipped | Self::StandIn | Self::Unknown)
    }
}

/// One resource as it stands in the template.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) type_name: String,
    pub(super) kind: Kind,
    pub(super) properties: Map<String, Value>,
    pub(super) condition: Option<String>,
    pub(super) depends_on: Vec<String>,
    /// It stays when it leaves the template.
    pub(super) retain_deleted: bool,
    /// It stays when another one takes its place.
    pub(super) retain_replaced: bool,
}

/// Something of the template that has no effect here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) at: String,
    pub(super) what: String,
}

/// A template.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub(super) parameters: Map<String, Value>,
    pub(super) mappings: Map<String, Value>,
    pub(super) conditions: Map<String, Value>,
    pub(super) outputs: Map<String, Value>,
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) skipped: Vec<Skipped>,
    /// Values of parameters that were given.
    given: BTreeMap<String, String>,
}

impl Template {
    /// Reads a document; `skip_types` are left out beside those that mean nothing here, `given` are its parameters.
    pub(super) fn read(
        document: &Value,
        skip_types: &[String],
        given: &BTreeMap<String, String>,
        problems: &mut Problems,
    ) -> Self {
        let Some(sections) = document.as_object() else {
            problems.add("the template", "it is no mapping");
            return Self::default();
        };
        for name in sections.keys() {
            if !SECTIONS.contains(&name.as_str()) {
                problems.add(name, "this section is not handled");
            }
        }
        check_transform(sections.get("Transform"), problems);
        let mut section = |name: &str| read_object(sections.get(name), name, problems);
        let mut template = Self {
            parameters: section("Parameters"),
            mappings: section("Mappings"),
            conditions: section("Conditions"),
            outputs: section("Outputs"),
            given: given.clone(),
            ..Self::default()
        };
        let (resources, rules, globals) =
            (section("Resources"), section("Rules"), section("Globals"));
        if resources.is_empty() {
            problems.add("Resources", "there are none");
        }
        for rule in rules.keys() {
            template.check_rule(rule, problems);
        }
        template.read_outputs(problems);
        for (id, resource) in &resources {
            let at = format!("Resources.{id}");
            check_logical_id(id, problems);
            if let Some(read) = read_resource(resource, &at, skip_types, problems) {
                template.resources.insert(id.clone(), read);
            }
        }
        serverless::expand(&mut template, &globals, problems);
        template
    }

    pub(super) fn skip(&mut self, at: impl Into<String>, what: impl Into<String>) {
        self.skipped.push(Skipped {
            at: at.into(),
            what: what.into(),
        });
    }

    /// The text of a parameter, before it is held against its declaration.
    pub(super) fn parameter_text(&self, name: &str) -> Option<String> {
        let default = || text_of(self.parameters.get(name)?.get("Default")?);
        self.given.get(name).cloned().or_else(default)
    }

    fn read_outputs(&mut self, problems: &mut Problems) {
        for (name, output) in self.outputs.clone() {
            let at = format!("Outputs.{name}");
            let members = read_object(Some(&output), &at, problems);
            for key in members.keys() {
                match key.as_str() {
                    "Value" | "Description" | "Condition" => {}
                    "Export" => {
                        self.skip(format!("{at}.Export"), "other stacks import nothing here")
                    }
                    _ => problems.add(format!("{at}.{key}"), "this attribute is not handled"),
                }
            }
        }
    }

    fn check_rule(&mut self, rule: &str, problems: &mut Problems) {
        if rule == BOOTSTRAP_RULE {
            self.skip(
                format!("Rules.{rule}"),
                "it is about an AWS account that CDK has set up",
            );
        } else {
            problems.add(format!("Rules.{rule}"), "rules are not handled");
        }
    }
}

/// Whether a pattern of `--skip-type` names a type: `AWS::Lambda::Function`, or `AWS::Lambda::*`.
fn names_type(pattern: &str, type_name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => type_name.starts_with(prefix),
        None => pattern == type_name,
    }
}

fn kind_of(type_name: &str, skip_types: &[String]) -> Kind {
    match type_name {
        "AWS::Serverless::StateMachine" => Kind::ServerlessMachine,
        "AWS::StepFunctions::StateMachine" => Kind::Machine,
        "AWS::StepFunctions::Activity" => Kind::Activity,
        "AWS::StepFunctions::StateMachineVersion" => Kind::Version,
        "AWS::StepFunctions::StateMachineAlias" => Kind::Alias,
        other if SKIPPED_TYPES.contains(&other) => Kind::Skipped,
        other if skip_types.iter().any(|pattern| names_type(pattern, other)) => Kind::Skipped,
        _ => Kind::Unknown,
    }
}

/// As in CloudFormation; the length lets a logical id stand in a tag with its stack.
fn check_logical_id(id: &str, problems: &mut Problems) {
    let at = format!("Resources.{id}");
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        problems.add(&at, "a logical id has letters and digits only");
    }
    if id.len() > 100 {
        problems.add(&at, "a logical id has 100 characters at most here");
    }
}

fn check_transform(transform: Option<&Value>, problems: &mut Problems) {
    let names = match transform {
        None => return,
        Some(Value::Array(names)) => names.iter().collect(),
        Some(name) => vec![name],
    };
    for name in names {
        match name.as_str() {
            Some(SERVERLESS) => {}
            Some(other) => problems.add(
                "Transform",
                format!("the macro {other} is not run; only {SERVERLESS} is read"),
            ),
            None => problems.add("Transform", "a macro is a text"),
        }
    }
}

fn read_resource(
    resource: &Value,
    at: &str,
    skip_types: &[String],
    problems: &mut Problems,
) -> Option<Resource> {
    let Some(members) = resource.as_object() else {
        problems.add(at, "a resource is a mapping");
        return None;
    };
    let Some(type_name) = members.get("Type").and_then(Value::as_str) else {
        problems.add(format!("{at}.Type"), "a resource needs a type");
        return None;
    };
    let kind = kind_of(type_name, skip_types);
    let made = !kind.is_left_out();
    for name in members.keys().filter(|_| made) {
        match name.as_str() {
            "Type"
            | "Properties"
            | "Condition"
            | "DependsOn"
            | "DeletionPolicy"
            | "UpdateReplacePolicy"
            | "Metadata" => {}
            _ => problems.add(format!("{at}.{name}"), "this attribute is not handled"),
        }
    }
    let mut retain = |name: &str| {
        let policy = members.get(name).filter(|_| made);
        read_policy(policy, &format!("{at}.{name}"), problems)
    };
    let (retain_deleted, retain_replaced) =
        (retain("DeletionPolicy"), retain("UpdateReplacePolicy"));
    let condition = members.get("Condition");
    if condition.is_some_and(|condition| !condition.is_string()) {
        problems.add(format!("{at}.Condition"), "it is the name of a condition");
    }
    Some(Resource {
        type_name: type_name.to_owned(),
        kind,
        properties: read_object(
            members.get("Properties"),
            &format!("{at}.Properties"),
            problems,
        ),
        condition: condition.and_then(Value::as_str).map(str::to_owned),
        depends_on: read_names(
            members.get("DependsOn"),
            &format!("{at}.DependsOn"),
            problems,
        ),
        retain_deleted,
        retain_replaced,
    })
}

fn read_policy(policy: Option<&Value>, at: &str, problems: &mut Problems) -> bool {
    match policy.map(Value::as_str) {
        None | Some(Some("Delete")) => false,
        Some(Some("Retain")) => true,
        // A creation that fails leaves nothing behind here.
        Some(Some("RetainExceptOnCreate")) => true,
        Some(_) => {
            problems.add(at, "it is `Delete` or `Retain`");
            false
        }
    }
}

fn read_names(names: Option<&Value>, at: &str, problems: &mut Problems) -> Vec<String> {
    let items = match names {
        None => return Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(name) => vec![name],
    };
    let read: Option<Vec<String>> = items
        .into_iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect();
    read.unwrap_or_else(|| {
        problems.add(at, "it is a logical id, or a list of them");
        Vec::new()
    })
}

fn read_object(value: Option<&Value>, at: &str, problems: &mut Problems) -> Map<String, Value> {
    match value {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(members)) => members.clone(),
        Some(_) => {
            problems.add(at, "it is no mapping");
            Map::new()
        }
    }
}
