//! What SAM makes of an `AWS::Serverless::StateMachine`: defaults from `Globals`, a role, and for `AutoPublishAlias` a
//! version that stays for ever and an alias that leads to it. The machine's own properties stay as they are written.

use serde_json::{Map, Value, json};

use super::problem::Problems;
use super::scope::call;
use super::template::{Kind, Resource, Template};

/// Properties about IAM and what events start: without effect here.
const WITHOUT_EFFECT: &[&str] = &[
    "PermissionsBoundary",
    "Policies",
    "PropagateTags",
    "RolePath",
    "UseAliasAsEventTarget",
];

/// Adds the resources that SAM would add, and takes from the machines what they are made of.
pub(super) fn expand(
    template: &mut Template,
    globals: &Map<String, Value>,
    problems: &mut Problems,
) {
    let ids: Vec<String> = template
        .resources
        .iter()
        .filter(|(_, resource)| resource.kind == Kind::ServerlessMachine)
        .map(|(id, _)| id.clone())
        .collect();
    for id in ids {
        let Some(mut machine) = template.resources.remove(&id) else {
            continue;
        };
        if let Some(defaults) = globals.get("StateMachine").and_then(Value::as_object) {
            merge(&mut machine.properties, defaults);
        }
        let at = format!("Resources.{id}.Properties");
        for name in WITHOUT_EFFECT {
            if machine.properties.remove(*name).is_some() {
                template.skip(format!("{at}.{name}"), "it has no effect here");
            }
        }
        refuse_events(machine.properties.remove("Events"), &at, problems);
        let preference = machine.properties.remove("DeploymentPreference");
        let alias = machine.properties.remove("AutoPublishAlias");
        if preference.is_some() && alias.is_none() {
            let what = "it needs an AutoPublishAlias";
            problems.add(format!("{at}.DeploymentPreference"), what);
        }
        if let Some(alias) = alias {
            publish(
                template,
                &id,
                &machine,
                &alias,
                preference.as_ref(),
                problems,
            );
        }
        if !machine.properties.contains_key("Role") {
            let role = format!("{id}Role");
            machine
                .properties
                .insert("Role".into(), json!({"Fn::GetAtt": [role, "Arn"]}));
            add(
                template,
                &role,
                "AWS::IAM::Role",
                Kind::StandIn,
                &machine,
                json!({}),
            );
        }
        template.resources.insert(id, machine);
    }
}

/// A preference without effect: everything at once, watched by nobody.
pub(super) fn check_preference(preference: &Value, at: &str, problems: &mut Problems) {
    let Some(members) = preference.as_object() else {
        problems.add(at, "it is no mapping");
        return;
    };
    match members.get("Type").map(Value::as_str) {
        Some(Some("ALL_AT_ONCE")) => {}
        Some(Some(kind @ ("LINEAR" | "CANARY"))) => problems.add(
            format!("{at}.Type"),
            format!(
                "{kind} shifts starts over time, which is not done here; write ALL_AT_ONCE, or give the alias a \
                 RoutingConfiguration with two versions and change it step by step"
            ),
        ),
        Some(_) => problems.add(format!("{at}.Type"), "only ALL_AT_ONCE is done here"),
        None => problems.add(format!("{at}.Type"), "it needs a type: ALL_AT_ONCE"),
    }
    for name in members.keys() {
        match name.as_str() {
            "Type" | "StateMachineVersionArn" => {}
            "Alarms" => problems.add(
                format!("{at}.Alarms"),
                "alarms are not watched here, and nothing is rolled back",
            ),
            _ => problems.add(
                format!("{at}.{name}"),
                "it has no meaning with ALL_AT_ONCE, and gradual deployment is not done here",
            ),
        }
    }
}

/// `AutoPublishAlias`: a version of every revision, and the alias that leads to the newest.
fn publish(
    template: &mut Template,
    id: &str,
    machine: &Resource,
    alias: &Value,
    preference: Option<&Value>,
    problems: &mut Problems,
) {
    let at = format!("Resources.{id}.Properties");
    if let Some(preference) = preference {
        check_preference(preference, &format!("{at}.DeploymentPreference"), problems);
    }
    let version_id = format!("{id}Version");
    let alias_id = format!("{id}Alias{}", alias_name(alias, template));
    for made in [&version_id, &alias_id] {
        if template.resources.contains_key(made) {
            let what = format!("AutoPublishAlias of {id} makes a resource of this name");
            problems.add(format!("Resources.{made}"), what);
        }
    }
    let version = json!({
        "StateMachineArn": {"Ref": id},
        "StateMachineRevisionId": {"Fn::GetAtt": [id, "StateMachineRevisionId"]},
    });
    let kind = "AWS::StepFunctions::StateMachineVersion";
    add(template, &version_id, kind, Kind::Version, machine, version);
    if let Some(version) = template.resources.get_mut(&version_id) {
        version.retain_deleted = true;
        version.retain_replaced = true;
    }
    let routes = json!([{"StateMachineVersionArn": {"Ref": version_id}, "Weight": 100}]);
    let properties = json!({"Name": alias, "RoutingConfiguration": routes});
    let kind = "AWS::StepFunctions::StateMachineAlias";
    add(template, &alias_id, kind, Kind::Alias, machine, properties);
    if let Some(alias) = template.resources.get_mut(&alias_id) {
        alias.retain_deleted = machine.retain_deleted;
        alias.retain_replaced = machine.retain_replaced;
    }
}

/// The alias's name as far as a logical id can hold it: SAM makes `OrdersAliaslive`, which templates refer to.
fn alias_name(alias: &Value, template: &Template) -> String {
    let name = match call(alias) {
        Some(("Ref", Value::String(parameter))) => template.parameter_text(parameter),
        Some(_) => None,
        None => alias.as_str().map(str::to_owned),
    };
    let name = name.unwrap_or_default();
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Adds a resource that stands and falls with its machine; one that the template has itself is left alone.
fn add(
    template: &mut Template,
    id: &str,
    type_name: &str,
    kind: Kind,
    machine: &Resource,
    properties: Value,
) {
    let properties = match properties {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    let resource = Resource {
        type_name: type_name.to_owned(),
        kind,
        properties,
        condition: machine.condition.clone(),
        depends_on: Vec::new(),
        retain_deleted: false,
        retain_replaced: false,
    };
    template.resources.entry(id.to_owned()).or_insert(resource);
}

fn refuse_events(events: Option<Value>, at: &str, problems: &mut Problems) {
    let Some(events) = events else { return };
    let names: Vec<String> = match &events {
        Value::Object(members) => members.keys().cloned().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            vec![String::new()]
        }
    };
    for name in names {
        let at = format!("{at}.Events.{name}");
        problems.add(
            at.trim_end_matches('.'),
            "nothing here starts executions by events; start them with StartExecution, e.g. from cron, and leave the event \
             out",
        );
    }
}

/// As SAM merges: members of mappings (tags) one by one, everything else, and what a function gives, as a whole.
fn merge(properties: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (name, default) in defaults {
        let own = properties
            .entry(name.clone())
            .or_insert_with(|| default.clone());
        if call(own).is_none()
            && call(default).is_none()
            && let (Value::Object(own), Value::Object(default)) = (own, default)
        {
            merge(own, default);
        }
    }
}
