//! The AWS JSON form of a history event.

use std::sync::Arc;

use stepfleet_asl::{Object, Payload, Value};

use crate::event::{Failure, TaskResource};
use crate::history::{HistoryDetails, HistoryEvent};
use crate::variables::Variables;

impl HistoryEvent {
    /// One entry of `GetExecutionHistory.events`: `timestamp` in seconds with a fraction. Without
    /// `include_execution_data` inputs, outputs and parameters are left out.
    pub fn to_json(&self, include_execution_data: bool) -> Value {
        let mut event = Members::default();
        event.put("timestamp", seconds(self.at.0));
        event.put("type", Value::from(self.kind.as_str()));
        event.put("id", number(self.id.0));
        event.put("previousEventId", number(self.previous.0));
        if let Some(field) = self.kind.details_field() {
            event.put(field, details(&self.details, include_execution_data));
        }
        event.into_value()
    }
}

#[expect(clippy::too_many_lines, reason = "a table of all kinds of details")]
fn details(details: &HistoryDetails, with_data: bool) -> Value {
    use HistoryDetails as D;
    let mut members = Members {
        with_data,
        ..Members::default()
    };
    match details {
        D::None => {}
        D::ExecutionStarted {
            input,
            role_arn,
            version_arn,
            alias_arn,
        } => {
            members.data("input", "inputDetails", input);
            members.text("roleArn", Some(role_arn));
            members.text("stateMachineAliasArn", alias_arn.as_ref());
            members.text("stateMachineVersionArn", version_arn.as_ref());
        }
        D::ExecutionRedriven { count } => {
            members.put("redriveCount", Value::from(i64::from(*count)));
        }
        D::Output { output } => members.data("output", "outputDetails", output),
        D::Failure(failure) => members.failure(failure),
        D::StateEntered { name, input } => {
            members.text("name", Some(name));
            members.data("input", "inputDetails", input);
        }
        D::StateExited {
            name,
            output,
            assigned,
        } => {
            members.text("name", Some(name));
            members.data("output", "outputDetails", output);
            members.assigned(assigned);
        }
        D::ActivityScheduled {
            resource,
            input,
            timeout_seconds,
            heartbeat_seconds,
        } => {
            members.text("resource", Some(resource));
            members.data("input", "inputDetails", input);
            members.seconds(*timeout_seconds, *heartbeat_seconds);
        }
        D::ActivityStarted { worker } => members.text("workerName", worker.as_ref()),
        D::TaskScheduled {
            resource,
            region,
            parameters,
            timeout_seconds,
            heartbeat_seconds,
        } => {
            members.resource(resource);
            members.text("region", Some(region));
            if with_data {
                members.put("parameters", Value::from(parameters.text()));
            }
            members.seconds(*timeout_seconds, *heartbeat_seconds);
        }
        D::TaskStarted { resource } => members.resource(resource),
        D::TaskOutput { resource, output } => {
            members.resource(resource);
            members.data("output", "outputDetails", output);
        }
        D::TaskFailure { resource, failure } => {
            members.resource(resource);
            members.failure(failure);
        }
        D::EvaluationFailed {
            state,
            location,
            failure,
        } => {
            members.failure(failure);
            members.text("location", Some(location));
            members.text("state", Some(state));
        }
        D::MapStateStarted { length } => members.put("length", Value::from(i64::from(*length))),
        D::MapIteration { name, index } => {
            members.text("name", Some(name));
            members.put("index", Value::from(i64::from(*index)));
        }
    }
    members.into_value()
}

#[derive(Default)]
struct Members {
    members: Object,
    with_data: bool,
}

impl Members {
    fn put(&mut self, key: &str, value: Value) {
        self.members.insert(key.into(), value);
    }

    fn text(&mut self, key: &str, text: Option<&Arc<str>>) {
        if let Some(text) = text {
            self.put(key, Value::String(text.clone()));
        }
    }

    /// A payload and its `…Details`; the API never truncates.
    fn data(&mut self, key: &str, details: &str, payload: &Payload) {
        if self.with_data {
            self.put(key, Value::from(payload.text()));
            self.whole(details);
        }
    }

    /// Variables, each as a text; nothing when there are none.
    fn assigned(&mut self, assigned: &Variables) {
        if self.with_data && !assigned.is_empty() {
            let texts = assigned
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(value.text())));
            self.put("assignedVariables", texts.collect::<Object>().into());
            self.whole("assignedVariablesDetails");
        }
    }

    fn whole(&mut self, details: &str) {
        let mut truncated = Object::new();
        truncated.insert("truncated".into(), Value::from(false));
        self.put(details, truncated.into());
    }

    fn failure(&mut self, failure: &Failure) {
        self.text("error", failure.error.as_ref());
        self.text("cause", failure.cause.as_ref());
    }

    fn resource(&mut self, resource: &TaskResource) {
        self.text("resourceType", Some(&resource.service));
        self.text("resource", Some(&resource.action));
    }

    fn seconds(&mut self, timeout: Option<u32>, heartbeat: Option<u32>) {
        for (key, seconds) in [
            ("timeoutInSeconds", timeout),
            ("heartbeatInSeconds", heartbeat),
        ] {
            if let Some(seconds) = seconds {
                self.put(key, Value::from(i64::from(seconds)));
            }
        }
    }

    fn into_value(self) -> Value {
        self.members.into()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of any real time fit 53 bits"
)]
fn seconds(ms: i64) -> Value {
    Value::from(ms as f64 / 1000.0)
}

fn number(id: u64) -> Value {
    Value::from(i64::try_from(id).unwrap_or(i64::MAX))
}
