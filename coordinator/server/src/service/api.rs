//! Requests and answers of the service layer: what both faces (AWS JSON and gRPC) speak to. Lengths and enums of the
//! AWS model were checked by the face; meaning (names, ARNs, existence) is checked by the service.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepfleet_asl::diagnostic::Diagnostic;
use stepfleet_asl::program::VariableReferences;
use stepfleet_engine::execution::Status;
use stepfleet_engine::{HistoryEvent, NotRedrivable, Timestamp};

use crate::auth::Permit;
use crate::catalog::records::ActivitySettings;
use crate::fleet::alarm::Unserved;
use crate::fleet::served::Unplaceable;
use crate::fleet::session::Said;
use crate::matching::sticky::StickyCounts;
use crate::metrics::RecentReport;

/// Who calls: every call has a principal and a namespace (the account id of the ARNs it may touch).
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub principal: Arc<str>,
    pub namespace: Arc<str>,
    /// What it may do there.
    pub permit: Permit,
}

impl Caller {
    /// The coordinator itself, in somebody's name: a task of an execution, or whoever has a callback's URL.
    pub(crate) fn trusted(principal: impl Into<Arc<str>>, namespace: impl Into<Arc<str>>) -> Self {
        Self {
            principal: principal.into(),
            namespace: namespace.into(),
            permit: Permit::default(),
        }
    }

    /// Whether two calls are of the same principal.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.principal == other.principal && self.namespace == other.namespace
    }
}

/// Tag keys and values, in the caller's order.
pub(crate) type Tags = Vec<(String, String)>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum MachineType {
    #[default]
    Standard,
    Express,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MachineStatus {
    Active,
    Deleting,
}

/// Settings that are kept as they are given back, as JSON texts (`loggingConfiguration`, …).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub logging_configuration: Option<String>,
    pub tracing_configuration: Option<String>,
    pub encryption_configuration: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct CreateStateMachine {
    pub name: String,
    pub definition: String,
    /// None takes the installation's default.
    pub role_arn: Option<String>,
    pub machine_type: MachineType,
    pub tags: Tags,
    pub accepted: Accepted,
    /// Publishes a version of the first revision.
    pub publish: Option<Publish>,
}

/// A version that is published in the same step as its revision is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Publish {
    pub description: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct CreatedStateMachine {
    pub arn: String,
    pub version_arn: Option<String>,
    pub created_at: Timestamp,
    pub warnings: Vec<Diagnostic>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct UpdateStateMachine {
    pub arn: String,
    pub definition: Option<String>,
    pub role_arn: Option<String>,
    pub accepted: Accepted,
    pub publish: Option<Publish>,
}

#[derive(Clone, Debug)]
pub(crate) struct UpdatedStateMachine {
    pub updated_at: Timestamp,
    /// None on the first revision.
    pub revision_id: Option<String>,
    pub version_arn: Option<String>,
    pub warnings: Vec<Diagnostic>,
}

#[derive(Clone, Debug)]
pub(crate) struct StateMachineDescription {
    pub arn: String,
    pub name: String,
    pub status: MachineStatus,
    pub definition: Arc<str>,
    pub role_arn: String,
    pub machine_type: MachineType,
    /// Creation, of the version if it is one; for a description by execution, when its revision was made.
    pub date: Timestamp,
    /// Of a version.
    pub description: Option<String>,
    /// None on the first revision.
    pub revision_id: Option<String>,
    pub variable_references: VariableReferences,
    pub accepted: Accepted,
}

#[derive(Clone, Debug)]
pub(crate) struct StateMachineItem {
    pub arn: String,
    pub name: String,
    pub machine_type: MachineType,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct PublishVersion {
    pub machine_arn: String,
    /// Refuses when this is not the current revision.
    pub revision_id: Option<String>,
    pub description: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct PublishedVersion {
    pub arn: String,
    pub created_at: Timestamp,
}

/// The share of an alias's starts that goes to a version: percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub version_arn: String,
    pub weight: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct CreateAlias {
    pub name: String,
    pub description: Option<String>,
    pub routes: Vec<Route>,
}

/// What is None stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct UpdateAlias {
    pub arn: String,
    pub description: Option<String>,
    pub routes: Option<Vec<Route>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub arn: String,
    pub name: String,
    pub description: Option<String>,
    pub routes: Vec<Route>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct AliasItem {
    pub arn: String,
    pub created_at: Timestamp,
}

/// `limit` 0 is 100, at most 1000; `token` from the page before.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageRequest {
    pub limit: u32,
    pub token: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct StartExecution {
    pub machine_arn: String,
    /// None draws a UUID.
    pub name: Option<String>,
    /// None is `{}`.
    pub input: Option<String>,
    pub trace_header: Option<String>,
    /// The attempt at a task that starts it, when that is not a client.
    pub origin: Option<Arc<str>>,
}

impl StartExecution {
    /// What the head of a request says of its trace wins over what stands in the request.
    pub(crate) fn in_trace(self, header: Option<String>) -> Self {
        Self {
            trace_header: header.or(self.trace_header),
            ..self
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct StartedExecution {
    pub arn: String,
    pub started_at: Timestamp,
}

/// An Express execution that has ended.
#[derive(Clone, Debug)]
pub(crate) struct SyncExecution {
    pub arn: String,
    pub machine_arn: String,
    pub name: String,
    pub status: Status,
    pub started_at: Timestamp,
    pub stopped_at: Timestamp,
    pub input: String,
    pub output: Option<String>,
    pub error: Option<String>,
    pub cause: Option<String>,
    pub trace_header: Option<String>,
    /// Milliseconds, in steps of 100.
    pub billed_ms: u64,
    /// MiB, in steps of 64.
    pub billed_mb: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct ExecutionDescription {
    pub arn: String,
    pub machine_arn: String,
    pub name: String,
    pub status: Status,
    pub started_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub input: String,
    pub output: Option<String>,
    pub error: Option<String>,
    pub cause: Option<String>,
    pub trace_header: Option<String>,
    pub version_arn: Option<String>,
    pub alias_arn: Option<String>,
    pub redrive_count: u32,
    pub redriven_at: Option<Timestamp>,
    /// Why it cannot be redriven; none when it can.
    pub not_redrivable: Option<NotRedrivable>,
    pub open_tasks: OpenTasks,
}

/// Tasks that are scheduled and not over, the first of them in full.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenTasks {
    pub first: Vec<OpenTask>,
    pub count: u64,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct OpenTask {
    pub state_name: String,
    pub resource: String,
    pub attempt: u32,
    pub scheduled_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub worker_name: Option<Arc<str>>,
    pub progress: Option<Said>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExecutionItem {
    pub arn: String,
    pub machine_arn: String,
    pub name: String,
    pub status: Status,
    pub started_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub version_arn: Option<String>,
    pub alias_arn: Option<String>,
    pub redrive_count: u32,
    pub redriven_at: Option<Timestamp>,
}

/// Whose executions are listed, by ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Executions {
    /// Of a state machine, or of a version or alias of it.
    OfMachine(String),
    OfMapRun(String),
}

#[derive(Clone, Debug)]
pub(crate) struct ListExecutions {
    pub of: Executions,
    pub status: Option<Status>,
    pub page: PageRequest,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct GetHistory {
    pub execution_arn: String,
    pub reverse: bool,
    pub page: PageRequest,
}

/// What a watcher gets: new events, and the status after them.
#[derive(Clone, Debug)]
pub(crate) struct HistoryBatch {
    pub events: Vec<HistoryEvent>,
    pub status: Status,
}

#[derive(Clone, Debug)]
pub(crate) struct ActivityDescription {
    pub arn: String,
    pub name: String,
    pub created_at: Timestamp,
    pub queued: u64,
    pub oldest_age_ms: u64,
    pub workers: u64,
    pub unserved: bool,
    pub settings: ActivitySettings,
    pub in_hand: u64,
    pub unplaceable: u64,
    pub encryption_configuration: Option<String>,
}

/// What an operator sees of an activity.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActivityStats {
    pub arn: String,
    pub queued: u64,
    pub oldest_age_ms: u64,
    pub workers: u64,
    pub slots: u64,
    pub slots_used: u64,
    pub pollers: u64,
    pub recent: RecentReport,
    pub unserved: bool,
    pub settings: ActivitySettings,
    pub in_hand: u64,
    /// Waiting tasks that no worker may get.
    pub unplaceable: Vec<Unplaceable>,
    pub sticky: StickyCounts,
    pub builds: Vec<BuildStats>,
}

/// What the workers of one build did with an activity's tasks.
#[derive(Clone, Debug)]
pub(crate) struct BuildStats {
    pub build: Arc<str>,
    pub workers: u64,
    pub recent: RecentReport,
}

#[derive(Clone, Debug)]
pub(crate) struct ActivityItem {
    pub arn: String,
    pub name: String,
    pub created_at: Timestamp,
    pub unserved: bool,
}

/// A task handed to a unary poller. The face confirms `delivery` when the answer is written; dropped unconfirmed, the
/// task goes back to its queue.
#[derive(Debug)]
pub(crate) struct ActivityTask {
    pub token: String,
    pub input: String,
    /// Empty without. AWS's API has no place for it.
    pub last_progress: String,
    pub delivery: Option<super::tasks::Delivery>,
}

/// Which open callbacks; what is None narrows nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListCallbacks {
    pub page: PageRequest,
    pub execution_arn: Option<String>,
    pub machine_arn: Option<String>,
    pub scheduled_before: Option<Timestamp>,
}

impl ListCallbacks {
    pub(crate) fn takes(&self, callback: &Callback, execution_machine: &str) -> bool {
        let machine = self.machine_arn.as_deref();
        let before = self.scheduled_before;
        machine.is_none_or(|arn| arn == execution_machine)
            && before.is_none_or(|before| callback.scheduled_at < before)
    }
}

/// A task that waits for anyone to complete its token.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub token: String,
    pub execution_arn: String,
    pub state_name: String,
    pub resource: String,
    pub parameters: String,
    pub scheduled_at: Timestamp,
    pub deadline: Option<Timestamp>,
    pub progress: Option<Said>,
}

/// What `ValidateStateMachineDefinition` found.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    pub ok: bool,
    pub diagnostics: Vec<Diagnostic>,
    pub truncated: bool,
}

/// Facts for `stepfleet status`.
#[derive(Clone, Debug)]
pub(crate) struct StatusReport {
    pub cluster_id: String,
    pub partitions: u32,
    pub live_executions: u64,
    pub resident_executions: u64,
    pub refusing: Option<String>,
    /// Activities of the caller's that are needed and have no worker.
    pub unserved: Vec<Unserved>,
}
