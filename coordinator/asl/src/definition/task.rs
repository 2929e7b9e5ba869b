//! `Task`.

use crate::diagnostic::UNSERVED_INTEGRATION;
use crate::limits::TIMEOUT_SECONDS_MAX;
use crate::program::{Bound, Kind, Language, Task};
use crate::resource::{Pattern, Resource};
use crate::template::Template;
use crate::value::Value;

use super::fields::Fields;
use super::query::Offers;
use super::report::Report;
use super::state::Site;
use super::walk::Walk;
use super::{MachineType, data, parameters, query};

pub(super) const FIELDS: &[&str] = &[
    "Credentials",
    "HeartbeatSeconds",
    "HeartbeatSecondsPath",
    "Resource",
    "TimeoutSeconds",
    "TimeoutSecondsPath",
];

/// The fields of a Task in JSONata.
pub(super) const QUERY_FIELDS: &[&str] = &[
    "Credentials",
    "HeartbeatSeconds",
    "Resource",
    "TimeoutSeconds",
];

/// Compiles what is special to a Task.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<Kind> {
    let fields = &site.fields;
    let (timeout, heartbeat) = bounds(&mut walk.report, site);
    let credentials = credentials(&mut walk.report, site);
    fields.require(&mut walk.report, &["Resource"]);
    let resource = resource(walk, fields)?;
    parameters::check(&mut walk.report, site, &resource);
    Some(Kind::Task(Task {
        resource,
        timeout,
        heartbeat,
        credentials,
    }))
}

fn bounds(report: &mut Report, site: &Site<'_>) -> (Option<Bound>, Option<Bound>) {
    let fields = &site.fields;
    let mut bound = |field| {
        let range = 1..=TIMEOUT_SECONDS_MAX;
        match site.language {
            Language::JsonPath => data::bound(report, fields, field, range),
            Language::Jsonata => query::bound(report, fields, field, range),
        }
    };
    let (timeout, heartbeat) = (bound("TimeoutSeconds"), bound("HeartbeatSeconds"));
    if let (Some(Bound::Literal(timeout)), Some(Bound::Literal(heartbeat))) = (&timeout, &heartbeat)
        && heartbeat >= timeout
    {
        report.schema(
            fields.location("HeartbeatSeconds"),
            "The value for the field 'HeartbeatSeconds' must be smaller than 'TimeoutSeconds'",
        );
    }
    (timeout, heartbeat)
}

fn credentials(report: &mut Report, site: &Site<'_>) -> Option<Template> {
    let fields = &site.fields;
    let object = fields.get("Credentials").and_then(Value::as_object);
    if object.is_some_and(|object| {
        !["RoleArn", "RoleArn.$"]
            .iter()
            .any(|k| object.contains_key(*k))
    }) {
        report.schema(
            fields.location("Credentials"),
            "The field 'RoleArn' is required but was missing",
        );
    }
    match site.language {
        Language::JsonPath => data::template(report, fields, "Credentials"),
        Language::Jsonata => {
            // Nothing uses credentials yet: what is written is checked, and stands in the definition.
            query::template(report, fields, "Credentials", Offers::Nothing);
            None
        }
    }
}

fn resource(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Resource> {
    let text = fields.string(&mut walk.report, "Resource")?;
    let at = fields.location("Resource");
    let resource = match Resource::parse(text) {
        Ok(resource) => resource,
        Err(error) => match Resource::parse_connector(text) {
            Some(integration) if (walk.options.connects)(&integration) => {
                Resource::Integration(integration)
            }
            Some(_) | None => {
                walk.report.schema(at, error.to_string());
                return None;
            }
        },
    };
    let refused = match walk.options.machine_type {
        MachineType::Standard => None,
        MachineType::Express => refused_by_express(&resource),
    };
    if let Some(message) = refused {
        walk.report.schema(at, message);
    } else if !(walk.options.served)(&resource) {
        let message = format!(
            "The resource {text} is not served by this installation. An execution fails when it reaches the state"
        );
        walk.report.warning(UNSERVED_INTEGRATION, at, message);
    }
    Some(resource)
}

/// Why an Express machine cannot use a resource. The stray space stands in the original message.
fn refused_by_express(resource: &Resource) -> Option<&'static str> {
    match (resource, resource.pattern()) {
        (Resource::Activity { .. }, _) => {
            Some("Express state machine does not support Activity ARN")
        }
        (_, Pattern::RunJob) => {
            Some("Express state machine does not support '.sync' service integration")
        }
        (_, Pattern::Callback) => {
            Some("Express state machine does not support '.waitForTaskToken' service integration ")
        }
        (_, Pattern::RequestResponse) => None,
    }
}
