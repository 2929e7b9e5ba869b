//! The parameters that a service integration cannot do without, where a Task gives its own `Parameters`.

use crate::program::Language;
use crate::resource::Resource;
use crate::value::Value;

use super::report::Report;
use super::state::Site;

/// Service, action without its suffix, required parameters.
const REQUIRED: &[(&str, &str, &[&str])] = &[
    ("http", "invoke", &["ApiEndpoint", "Method"]),
    ("lambda", "invoke", &["FunctionName"]),
    ("sqs", "sendMessage", &["MessageBody", "QueueUrl"]),
    ("states", "startExecution", &["StateMachineArn"]),
];

/// Reports each required parameter that `Parameters` or `Arguments` does not have, neither as a value nor as a path.
pub(super) fn check(report: &mut Report, site: &Site<'_>, resource: &Resource) {
    let task = &site.fields;
    let field = match site.language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    };
    let Some(parameters) = task.get(field).and_then(Value::as_object) else {
        return;
    };
    for name in required(resource) {
        if !parameters.contains_key(*name) && !parameters.contains_key(&*format!("{name}.$")) {
            report.schema(
                task.location(field),
                format!("The field '{name}' is required but was missing"),
            );
        }
    }
}

fn required(resource: &Resource) -> &'static [&'static str] {
    let Resource::Integration(integration) = resource else {
        return &[];
    };
    let action = integration.action.split('.').next().unwrap_or_default();
    REQUIRED
        .iter()
        .find(|(service, name, _)| *service == &*integration.service && *name == action)
        .map_or(&[], |(_, _, required)| required)
}
