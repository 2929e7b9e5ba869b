//! What a template wants, as the API takes it. Every property is read or refused.

use serde_json::{Map, Value, json};

use super::definition::{self, Files};
use super::fields::Fields;
use super::inventory::Settings;
use super::names::Place;
use super::owner::{Owner, RESERVED, Tags};
use super::serverless::check_preference;
use super::template::{Kind, Resource};
use crate::aws::input::settings::{self, ENCRYPTION_DEFAULT, LOGGING_DEFAULT, TRACING_DEFAULT};
use crate::aws::input::tags::{Tag, checked_tags};

/// One resource as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Desired {
    Machine(Box<Machine>),
    Activity(Activity),
    Version(Version),
    Alias(Alias),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) express: bool,
    pub(super) definition: String,
    pub(super) role_arn: String,
    pub(super) settings: Settings,
    /// With those of its owner.
    pub(super) tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Activity {
    pub(super) name: String,
    pub(super) encryption: String,
    pub(super) tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) machine_arn: String,
    /// The revision that it is of; whichever is current when it is made, if none is named.
    pub(super) revision: Option<String>,
    pub(super) description: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    pub(super) machine_arn: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) routes: Vec<(String, i32)>,
}

/// How the two spellings of a state machine name its properties.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    pub(super) name: &'static str,
    pub(super) machine_type: &'static str,
    pub(super) role: &'static str,
    pub(super) logging: &'static str,
    pub(super) tracing: &'static str,
    /// SAM's are a mapping.
    tags_are_mapping: bool,
}

const CLOUDFORMATION: Spelling = Spelling {
    name: "StateMachineName",
    machine_type: "StateMachineType",
    role: "RoleArn",
    logging: "LoggingConfiguration",
    tracing: "TracingConfiguration",
    tags_are_mapping: false,
};
const SERVERLESS: Spelling = Spelling {
    name: "Name",
    machine_type: "Type",
    role: "Role",
    logging: "Logging",
    tracing: "Tracing",
    tags_are_mapping: true,
};

/// How a kind of state machine names its properties.
pub(super) fn spelling(kind: Kind) -> &'static Spelling {
    match kind {
        Kind::ServerlessMachine => &SERVERLESS,
        Kind::Machine
        | Kind::Activity
        | Kind::Version
        | Kind::Alias
        | Kind::Skipped
        | Kind::StandIn
        | Kind::Unknown => &CLOUDFORMATION,
    }
}

/// What is known beside the resource's own properties.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'s> {
    pub(super) place: &'s Place,
    pub(super) files: &'s dyn Files,
    /// Tags of the whole stack, which the resource's own come before.
    pub(super) stack_tags: &'s Tags,
}

/// Reads properties whose functions are carried out. Problems are told in `fields`; none when there are more of them
/// than `before`.
pub(super) fn read(
    logical_id: &str,
    resource: &Resource,
    mut fields: Fields<'_>,
    around: Surroundings<'_>,
    before: usize,
) -> Option<Desired> {
    let owner = Owner {
        stack: around.place.stack.clone(),
        logical_id: logical_id.to_owned(),
        retain: resource.retain_deleted,
    };
    let desired = match resource.kind {
        Kind::ServerlessMachine | Kind::Machine => {
            let machine = machine(&owner, resource.kind, &mut fields, around);
            machine.map(|machine| Desired::Machine(Box::new(machine)))
        }
        Kind::Activity => activity(&owner, &mut fields, around).map(Desired::Activity),
        Kind::Version => version(&mut fields).map(Desired::Version),
        Kind::Alias => alias(&owner, &mut fields, around).map(Desired::Alias),
        Kind::Skipped | Kind::StandIn | Kind::Unknown => return None,
    };
    fields.finish_since(before).then_some(desired)?
}

fn machine(
    owner: &Owner,
    kind: Kind,
    fields: &mut Fields<'_>,
    around: Surroundings<'_>,
) -> Option<Machine> {
    let spelling = spelling(kind);
    let machine_type = fields.text(spelling.machine_type);
    let express = match machine_type.as_deref() {
        None | Some("STANDARD") => false,
        Some("EXPRESS") => true,
        Some(_) => {
            fields.refuse(spelling.machine_type, "it is STANDARD or EXPRESS");
            false
        }
    };
    let fixed = if express { "EXPRESS" } else { "STANDARD" };
    let name = fields.text(spelling.name);
    let name = name.unwrap_or_else(|| around.place.generated(&owner.logical_id, fixed));
    check_name(&name, spelling.name, fields);
    let definition = definition::compose(fields, around.files);
    let role_arn = fields.required_text(spelling.role);
    let logging = fields.take(spelling.logging);
    let logging = logging.and_then(|value| logging_json(value, spelling.logging, fields));
    let tracing = fields.inner(spelling.tracing).map(|mut tracing| {
        let enabled = tracing.flag("Enabled");
        tracing.finish();
        object([("enabled", enabled)])
    });
    let encryption = encryption_json(fields);
    let settings = read_settings(logging, tracing, encryption, fields);
    let tags = tags(owner, spelling.tags_are_mapping, fields, around);
    Some(Machine {
        name,
        express,
        definition: definition?,
        role_arn: role_arn?,
        settings: settings?,
        tags,
    })
}

fn activity(owner: &Owner, fields: &mut Fields<'_>, around: Surroundings<'_>) -> Option<Activity> {
    let encryption = encryption_json(fields);
    let settings = read_settings(None, None, encryption, fields)?;
    let name = fields.text("Name");
    let generated = || {
        around
            .place
            .generated(&owner.logical_id, &settings.encryption)
    };
    let name = name.unwrap_or_else(generated);
    check_name(&name, "Name", fields);
    let tags = tags(owner, false, fields, around);
    Some(Activity {
        name,
        encryption: settings.encryption,
        tags,
    })
}

fn version(fields: &mut Fields<'_>) -> Option<Version> {
    let machine_arn = fields.required_text("StateMachineArn");
    let revision = fields.text("StateMachineRevisionId");
    let description = fields.text("Description").unwrap_or_default();
    check_description(&description, fields);
    Some(Version {
        machine_arn: machine_arn?,
        revision,
        description,
    })
}

fn alias(owner: &Owner, fields: &mut Fields<'_>, around: Surroundings<'_>) -> Option<Alias> {
    let name = fields.text("Name");
    let name = name.unwrap_or_else(|| around.place.generated(&owner.logical_id, ""));
    if name.len() > 80 || !check_alias(&name) {
        let what = "a name of an alias has letters, digits, `_`, `-` and `.`, at most 80, and not digits alone";
        fields.refuse("Name", what);
    }
    let description = fields.text("Description").unwrap_or_default();
    check_description(&description, fields);
    let routes = match fields.take("DeploymentPreference") {
        Some(preference) => {
            let at = format!("{}.DeploymentPreference", fields.at);
            check_preference(&preference, &at, fields.problems);
            let arn = preference
                .get("StateMachineVersionArn")
                .and_then(Value::as_str);
            if fields.take("RoutingConfiguration").is_some() {
                let what = "a RoutingConfiguration or a DeploymentPreference, not both";
                fields.refuse("DeploymentPreference", what);
            }
            if arn.is_none() {
                fields.refuse(
                    "DeploymentPreference.StateMachineVersionArn",
                    "it is required",
                );
            }
            vec![(arn?.to_owned(), 100)]
        }
        None => routes(fields)?,
    };
    let machines: Vec<&str> = routes
        .iter()
        .map(|(arn, _)| crate::cli::names::machine_of(arn))
        .collect();
    if machines.windows(2).any(|pair| pair[0] != pair[1]) {
        fields.refuse(
            "RoutingConfiguration",
            "its versions are of several state machines",
        );
    }
    Some(Alias {
        machine_arn: machines.first().copied().unwrap_or_default().to_owned(),
        name,
        description,
        routes,
    })
}

fn routes(fields: &mut Fields<'_>) -> Option<Vec<(String, i32)>> {
    if !fields.has("RoutingConfiguration") {
        fields.refuse("RoutingConfiguration", "it is required");
        return None;
    }
    let items = fields.list("RoutingConfiguration")?;
    let mut routes = Vec::new();
    for (n, item) in items.into_iter().enumerate() {
        let at = format!("{}.RoutingConfiguration[{n}]", fields.at);
        let members = item.as_object().cloned().unwrap_or_default();
        let mut item = Fields::new(at, members, fields.problems);
        let arn = item.required_text("StateMachineVersionArn");
        let weight = if item.has("Weight") {
            item.number("Weight")
                .and_then(|weight| i32::try_from(weight).ok())
        } else {
            item.refuse("Weight", "it is required");
            None
        };
        item.finish();
        routes.extend(arn.zip(weight));
    }
    let sum: i64 = routes.iter().map(|(_, weight)| i64::from(*weight)).sum();
    if routes.is_empty() || routes.len() > 2 {
        fields.refuse("RoutingConfiguration", "it has one or two versions");
    } else if sum != 100 || routes.iter().any(|(_, weight)| *weight < 0) {
        let what = format!("the weights add up to {sum}, not to 100");
        fields.refuse("RoutingConfiguration", what);
    }
    (!routes.is_empty()).then_some(routes)
}

fn check_alias(name: &str) -> bool {
    let other = |c: char| matches!(c, '_' | '-' | '.');
    name.chars().all(|c| c.is_ascii_alphanumeric() || other(c))
        && name.chars().any(|c| c.is_ascii_alphabetic() || other(c))
}

fn check_description(description: &str, fields: &mut Fields<'_>) {
    if description.chars().count() > 256 {
        fields.refuse("Description", "it has 256 characters at most");
    }
}

fn check_name(name: &str, property: &str, fields: &mut Fields<'_>) {
    if let Err(error) = crate::arn::check_name(name) {
        fields.refuse(property, error.message);
    }
}

/// The API's words for `LoggingConfiguration`.
fn logging_json(value: Value, name: &str, fields: &mut Fields<'_>) -> Option<Value> {
    let Value::Object(members) = value else {
        fields.refuse(name, "a mapping is wanted");
        return None;
    };
    let at = format!("{}.{name}", fields.at);
    let mut logging = Fields::new(at, members, fields.problems);
    let level = logging.text("Level").map(Value::from);
    let data = logging.flag("IncludeExecutionData");
    let mut destinations = None;
    if logging.has("Destinations") {
        let mut read = Vec::new();
        for (n, item) in logging.list("Destinations")?.into_iter().enumerate() {
            let at = format!("{}.Destinations[{n}]", logging.at);
            let members = item.as_object().cloned().unwrap_or_default();
            let mut item = Fields::new(at, members, logging.problems);
            let arn = item.inner("CloudWatchLogsLogGroup").and_then(|mut group| {
                let arn = group.text("LogGroupArn");
                group.finish();
                arn
            });
            item.finish();
            read.push(json!({"cloudWatchLogsLogGroup": {"logGroupArn": arn}}));
        }
        destinations = Some(Value::from(read));
    }
    logging.finish();
    Some(object([
        ("level", level),
        ("includeExecutionData", data),
        ("destinations", destinations),
    ]))
}

fn encryption_json(fields: &mut Fields<'_>) -> Option<Value> {
    let mut encryption = fields.inner("EncryptionConfiguration")?;
    let key = encryption.text("KmsKeyId").map(Value::from);
    let seconds = encryption
        .number("KmsDataKeyReusePeriodSeconds")
        .map(Value::from);
    let kind = encryption.text("Type").map(Value::from);
    encryption.finish();
    Some(object([
        ("kmsKeyId", key),
        ("kmsDataKeyReusePeriodSeconds", seconds),
        ("type", kind),
    ]))
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let given = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<String, Value>>())
}

/// Settings as the API checks and keeps them.
fn read_settings(
    logging: Option<Value>,
    tracing: Option<Value>,
    encryption: Option<Value>,
    fields: &mut Fields<'_>,
) -> Option<Settings> {
    let read = || -> Result<Settings, String> {
        let given = settings::Settings {
            logging: parse(logging)?,
            tracing: parse(tracing)?,
            encryption: parse(encryption)?,
        };
        let kept = given.checked().map_err(|error| error.message)?;
        let or = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
        Ok(Settings {
            logging: or(kept.logging_configuration, LOGGING_DEFAULT),
            tracing: or(kept.tracing_configuration, TRACING_DEFAULT),
            encryption: or(kept.encryption_configuration, ENCRYPTION_DEFAULT),
        })
    };
    match read() {
        Ok(settings) => Some(settings),
        Err(error) => {
            fields.problems.add(&fields.at, error);
            None
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Option<Value>) -> Result<Option<T>, String> {
    let read = |value| serde_json::from_value(value).map_err(|error| error.to_string());
    value.map(read).transpose()
}

fn tags(
    owner: &Owner,
    are_mapping: bool,
    fields: &mut Fields<'_>,
    around: Surroundings<'_>,
) -> Tags {
    let mut tags = around.stack_tags.clone();
    if are_mapping {
        let members = fields.object("Tags").unwrap_or_default();
        let at = format!("{}.Tags", fields.at);
        for key in members.keys() {
            let mut member = Fields::new(&at, members.clone(), fields.problems);
            let value = member.text(key);
            tags.extend(value.map(|value| (key.clone(), value)));
        }
    } else {
        for (n, item) in fields
            .list("Tags")
            .unwrap_or_default()
            .into_iter()
            .enumerate()
        {
            let at = format!("{}.Tags[{n}]", fields.at);
            let members = item.as_object().cloned().unwrap_or_default();
            let mut item = Fields::new(at, members, fields.problems);
            let (key, value) = (item.required_text("Key"), item.required_text("Value"));
            item.finish();
            tags.extend(key.zip(value));
        }
    }
    if let Some(key) = tags.keys().find(|key| key.starts_with(RESERVED)) {
        let what =
            format!("the tag {key}: keys that begin with {RESERVED} say what belongs to a stack");
        fields.refuse("Tags", what);
    }
    tags.extend(owner.tags());
    let pair = |(key, value): (&String, &String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    let all: Vec<Tag> = tags.iter().map(pair).collect();
    if let Err(error) = checked_tags(&all, &owner.logical_id) {
        fields.refuse("Tags", error.message);
    }
    tags
}
