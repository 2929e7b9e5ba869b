//! Labels: what series of one metric differ in.

use prometheus_client::encoding::EncodeLabelSet;
use stepfleet_engine::EventBody;
use stepfleet_engine::event::TaskResource;
use stepfleet_engine::execution::Status;

use crate::service::api::MachineType;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) face: &'static str,
    pub(super) operation: &'static str,
    pub(super) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabels {
    pub(super) operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TypeLabels {
    pub(super) r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusLabels {
    pub(super) r#type: &'static str,
    pub(super) status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResourceLabels {
    pub(super) resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResourceOutcomeLabels {
    pub(super) resource: String,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ExportLabels {
    pub(super) signal: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ActivityLabels {
    pub(super) activity: String,
}

/// How an activity task ended, if the event ends one.
pub(super) fn activity_outcome(body: &EventBody) -> Option<&'static str> {
    if matches!(body, EventBody::ActivitySucceeded { .. }) {
        Some("succeeded")
    } else if matches!(body, EventBody::ActivityFailed { .. }) {
        Some("failed")
    } else if matches!(body, EventBody::ActivityTimedOut { .. }) {
        Some("timed_out")
    } else {
        None
    }
}

/// How a task of an integration ended, if the event ends one.
pub(super) fn integration_outcome(body: &EventBody) -> Option<(&TaskResource, &'static str)> {
    if let EventBody::TaskSucceeded { resource, .. } = body {
        Some((resource, "succeeded"))
    } else if let EventBody::TaskFailed { resource, .. } = body {
        Some((resource, "failed"))
    } else if let EventBody::TaskTimedOut { resource, .. } = body {
        Some((resource, "timed_out"))
    } else {
        None
    }
}

/// `states:startExecution.sync`
pub(super) fn resource_label(resource: &TaskResource) -> String {
    // All functions together, because tasks may name any.
    if resource.is_function() {
        return format!("{}:function", resource.service);
    }
    format!("{}:{}", resource.service, resource.action)
}

pub(super) fn type_label(of: MachineType) -> &'static str {
    match of {
        MachineType::Standard => "standard",
        MachineType::Express => "express",
    }
}

pub(super) fn status_label(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::TimedOut => "timed_out",
        Status::Aborted => "aborted",
    }
}
