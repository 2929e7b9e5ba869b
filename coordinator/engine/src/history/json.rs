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
            let form = Form {
                with_data: include_execution_data,
                log: None,
            };
            event.put(field, details(&self.details, form));
        }
        event.into_value()
    }

    /// The `details` of a log record: the same members, numbers as texts, each payload cut at so many bytes.
    pub fn details_for_log(&self, include_execution_data: bool, bytes_max: usize) -> Value {
        let form = Form {
            with_data: include_execution_data,
            log: Some(bytes_max),
        };
        details(&self.details, form)
    }
}

/// For whom details are written.
#[derive(Clone, Copy, Default)]
struct Form {
    with_data: bool,
    /// For a log record, with the bytes that a payload may have there; the API never truncates.
    log: Option<usize>,
}

#[expect(clippy::too_many_lines, reason = "a table of all kinds of details")]
fn details(details: &HistoryDetails, form: Form) -> Value {
    use HistoryDetails as D;
    let mut members = Members {
        form,
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
            members.number("redriveCount", *count);
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
            if form.with_data {
                let (text, _) = form.cut(parameters.text());
                members.put("parameters", Value::from(text));
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
        D::MapStateStarted { length } => members.number("length", *length),
        D::MapIteration { name, index } => {
            members.text("name", Some(name));
            members.number("index", *index);
        }
    }
    members.into_value()
}

impl Form {
    /// What may be shown of a text, and whether that is not all of it.
    fn cut(self, text: &str) -> (&str, bool) {
        match self.log {
            Some(bytes_max) if text.len() > bytes_max => {
                (&text[..text.floor_char_boundary(bytes_max)], true)
            }
            Some(_) | None => (text, false),
        }
    }
}

#[derive(Default)]
struct Members {
    members: Object,
    form: Form,
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

    /// A count, which log records have as a text.
    fn number(&mut self, key: &str, number: u32) {
        let value = if self.form.log.is_some() {
            Value::from(number.to_string().as_str())
        } else {
            Value::from(i64::from(number))
        };
        self.put(key, value);
    }

    /// A payload and its `…Details`.
    fn data(&mut self, key: &str, details: &str, payload: &Payload) {
        if self.form.with_data {
            let (text, truncated) = self.form.cut(payload.text());
            self.put(key, Value::from(text));
            self.truncated(details, truncated);
        }
    }

    /// Variables, each as a text; nothing when there are none. Together they are bounded as one payload is.
    fn assigned(&mut self, assigned: &Variables) {
        if !self.form.with_data || assigned.is_empty() {
            return;
        }
        let (mut texts, mut truncated) = (Object::new(), false);
        let mut form = self.form;
        for (name, value) in assigned.iter() {
            let text = value.text();
            let (text, cut) = form.cut(text);
            truncated |= cut;
            form.log = form.log.map(|left| left - text.len());
            texts.insert(name.clone(), Value::from(text));
        }
        self.put("assignedVariables", texts.into());
        self.truncated("assignedVariablesDetails", truncated);
    }

    fn truncated(&mut self, details: &str, is: bool) {
        let mut truncated = Object::new();
        truncated.insert("truncated".into(), Value::from(is));
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
                self.number(key, seconds);
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
