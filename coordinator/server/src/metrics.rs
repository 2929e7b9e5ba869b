//! Every metric of the coordinator, declared once. The rest of the program calls the small record functions; only
//! `render` knows the text format; `aws` has the names that CloudWatch has. Units are in the names: seconds and bytes, never milliseconds.

mod aws;
mod labels;
mod machines;
mod recent;
mod times;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use stepfleet_engine::{Event, EventBody, Timestamp};

use crate::observe::queue::Signal;
use crate::service::api::MachineType;

pub(crate) use machines::{Closed, MachineMeters};
pub(crate) use recent::RecentReport;
pub(crate) use times::LastActivity;

use labels::{
    ActivityLabels, ExportLabels, OperationLabels, OutcomeLabels, ReasonLabels, RequestLabels,
    ResourceLabels, ResourceOutcomeLabels, StatusLabels, TypeLabels, activity_outcome,
    integration_outcome, resource_label, status_label, type_label,
};
use machines::Machines;

/// State machines, and activities, that have series of their own when nothing else is set.
pub(crate) const DIMENSIONS_MAX: usize = 200;

/// Cheap handle on all metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    inner: Arc<Inner>,
}

/// Which face a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Face {
    Aws,
    Grpc,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    executions_started: Family<TypeLabels, Counter>,
    executions_redriven: Counter,
    executions_closed: Family<StatusLabels, Counter>,
    executions_live: Gauge,
    express_executions_open: Gauge,
    executions_resident: Gauge,
    executions_quarantined: Counter,
    activity_tasks_scheduled: Counter,
    activity_tasks_started: Counter,
    activity_tasks_completed: Family<OutcomeLabels, Counter>,
    activity_queue_depth: Family<ActivityLabels, Gauge>,
    activity_unserved: Family<ActivityLabels, Gauge>,
    activities_unserved: Gauge,
    integration_tasks_scheduled: Family<ResourceLabels, Counter>,
    integration_tasks_started: Family<ResourceLabels, Counter>,
    integration_tasks_completed: Family<ResourceOutcomeLabels, Counter>,
    events: Counter,
    chunks: Counter,
    append_seconds: Histogram,
    log_bytes: Counter,
    sessions: Gauge,
    pollers: Gauge,
    connections: Gauge,
    refused: Family<ReasonLabels, Counter>,
    exports: Family<ExportLabels, Counter>,
    executions_open_limit: Gauge,
    executions_throttled: Counter,
    machines: Machines,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(DIMENSIONS_MAX)
    }
}

impl Metrics {
    /// All metrics at zero. So many state machines and so many activities have series of their own.
    pub(crate) fn new(dimensions_max: usize) -> Self {
        Self {
            inner: Arc::new(Inner::new(dimensions_max)),
        }
    }

    /// The Prometheus text of everything (OpenMetrics 1.0).
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.inner.registry).expect("writing to a String cannot fail");
        text
    }

    /// The same numbers, as far as AWS has them, under its names.
    pub(crate) fn render_aws(&self) -> String {
        aws::translate(&self.render())
    }

    /// One answered request; `code` is `OK` or the exception's name.
    pub(crate) fn request(
        &self,
        face: Face,
        operation: &'static str,
        code: &'static str,
        seconds: f64,
    ) {
        self.inner
            .requests
            .get_or_create(&RequestLabels {
                face: face.as_str(),
                operation,
                code,
            })
            .inc();
        self.inner
            .request_seconds
            .get_or_create(&OperationLabels { operation })
            .observe(seconds);
    }

    /// What executions of this state machine count with.
    pub(crate) fn machine(&self, arn: &str) -> MachineMeters {
        self.inner.machines.machine(arn)
    }

    /// The state machine is gone: its series end.
    pub(crate) fn machine_forgotten(&self, arn: &str) {
        self.inner.machines.machine_forgotten(arn);
    }

    /// So many versions and aliases the state machine has now.
    pub(crate) fn published(&self, arn: &str, versions: u64, aliases: u64) {
        self.inner.machines.published(arn, versions, aliases);
    }

    /// An execution of a state machine of this type was started.
    pub(crate) fn started(&self, of: MachineType, machine: &MachineMeters) {
        let labels = TypeLabels {
            r#type: type_label(of),
        };
        self.inner.executions_started.get_or_create(&labels).inc();
        machine.started.inc();
    }

    /// A start was refused because too much waits or runs already.
    pub(crate) fn throttled(&self) {
        self.inner.executions_throttled.inc();
    }

    /// So many executions may be open.
    pub(crate) fn executions_open_limit(&self, count: u64) {
        set(&self.inner.executions_open_limit, count);
    }

    /// A closed execution runs again.
    pub(crate) fn redriven(&self) {
        self.inner.executions_redriven.inc();
    }

    /// An execution of a state machine of this type was closed.
    pub(crate) fn closed(&self, of: MachineType, machine: &MachineMeters, closed: Closed) {
        let labels = StatusLabels {
            r#type: type_label(of),
            status: status_label(closed.status),
        };
        self.inner.executions_closed.get_or_create(&labels).inc();
        machine.closed(closed);
    }

    /// Express executions that run now; those that are stored are counted as live.
    pub(crate) fn express_open(&self, count: u64) {
        set(&self.inner.express_executions_open, count);
    }

    /// Executions that are open now.
    pub(crate) fn executions_live(&self, count: u64) {
        set(&self.inner.executions_live, count);
    }

    /// Executions that are in memory now.
    pub(crate) fn executions_resident(&self, count: u64) {
        set(&self.inner.executions_resident, count);
    }

    /// An execution was set aside because an invariant broke.
    pub(crate) fn quarantined(&self) {
        self.inner.executions_quarantined.inc();
    }

    /// These events were recorded; those of activity tasks and of integrations are counted by kind.
    pub(crate) fn recorded(&self, events: &[Event]) {
        self.inner
            .events
            .inc_by(u64::try_from(events.len()).unwrap_or(u64::MAX));
        for event in events {
            if matches!(event.body, EventBody::ActivityScheduled { .. }) {
                self.inner.activity_tasks_scheduled.inc();
            } else if matches!(event.body, EventBody::ActivityStarted { .. }) {
                self.inner.activity_tasks_started.inc();
            } else if let Some(outcome) = activity_outcome(&event.body) {
                self.inner
                    .activity_tasks_completed
                    .get_or_create(&OutcomeLabels { outcome })
                    .inc();
            } else {
                self.recorded_integration(&event.body);
            }
        }
    }

    /// Resources are those that this installation serves, so that the series are bounded.
    fn recorded_integration(&self, body: &EventBody) {
        if let EventBody::TaskScheduled { resource, .. } = body {
            let resource = resource_label(resource);
            let labels = ResourceLabels { resource };
            let scheduled = &self.inner.integration_tasks_scheduled;
            scheduled.get_or_create(&labels).inc();
        } else if let EventBody::TaskStarted { resource, .. } = body {
            let resource = resource_label(resource);
            let labels = ResourceLabels { resource };
            let started = &self.inner.integration_tasks_started;
            started.get_or_create(&labels).inc();
        } else if let Some((resource, outcome)) = integration_outcome(body) {
            let resource = resource_label(resource);
            let labels = ResourceOutcomeLabels { resource, outcome };
            let completed = &self.inner.integration_tasks_completed;
            completed.get_or_create(&labels).inc();
        }
    }

    /// Tasks of one activity that wait for a worker now.
    pub(crate) fn activity_queue_depth(&self, activity: &str, count: u64) {
        let labels = ActivityLabels {
            activity: activity.to_owned(),
        };
        set(
            &self.inner.activity_queue_depth.get_or_create(&labels),
            count,
        );
    }

    /// The activity is needed, and nobody has served it for a while; or that is over.
    pub(crate) fn activity_unserved(&self, activity: &str, unserved: bool) {
        let labels = ActivityLabels {
            activity: activity.to_owned(),
        };
        let family = &self.inner.activity_unserved;
        if unserved {
            family.get_or_create(&labels).set(1);
        } else {
            family.remove(&labels);
        }
    }

    /// So many of them.
    pub(crate) fn activities_unserved(&self, count: u64) {
        set(&self.inner.activities_unserved, count);
    }

    /// What happened with the tasks of an activity in the last minutes.
    pub(crate) fn recent(&self, activity: &str, now: Timestamp, since: Timestamp) -> RecentReport {
        self.inner.machines.recent(activity).report(now, since)
    }

    /// What happened with an activity's tasks in the last minutes, by the build of the workers.
    pub(crate) fn builds(
        &self,
        activity: &str,
        now: Timestamp,
        since: Timestamp,
    ) -> Vec<(Arc<str>, RecentReport)> {
        self.inner.machines.builds(activity, now, since)
    }

    /// The activity is gone: its series ends.
    pub(crate) fn activity_forgotten(&self, activity: &str) {
        self.inner.activity_queue_depth.remove(&ActivityLabels {
            activity: activity.to_owned(),
        });
        self.inner.machines.activity_forgotten(activity);
    }

    /// One commit of this many chunks took this long, its sync included.
    pub(crate) fn appended(&self, chunks: usize, took_ms: i64) {
        self.inner
            .chunks
            .inc_by(u64::try_from(chunks).unwrap_or(u64::MAX));
        self.inner
            .append_seconds
            .observe(Duration::from_millis(u64::try_from(took_ms).unwrap_or(0)).as_secs_f64());
    }

    /// Bytes of records were given to the log.
    pub(crate) fn log_bytes(&self, bytes: u64) {
        self.inner.log_bytes.inc_by(bytes);
    }

    /// Worker sessions that are known now.
    pub(crate) fn sessions(&self, count: u64) {
        set(&self.inner.sessions, count);
    }

    /// A `GetActivityTask` began to wait; dropping the guard ends it.
    pub(crate) fn poller(&self) -> GaugeGuard {
        GaugeGuard::new(&self.inner.pollers)
    }

    /// A connection was accepted; dropping the guard ends it.
    pub(crate) fn connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.inner.connections)
    }

    /// So much of what is told of executions was delivered to its destination, dropped, or is tried again.
    pub(crate) fn exported(&self, signal: Signal, outcome: &'static str, count: u64) {
        let signal = signal.as_str();
        let labels = ExportLabels { signal, outcome };
        self.inner.exports.get_or_create(&labels).inc_by(count);
    }

    /// A request was refused to protect the coordinator; `reason` is a fixed word (`overload`, `disk`, `memory`, …).
    pub(crate) fn refused(&self, reason: &'static str) {
        self.inner
            .refused
            .get_or_create(&ReasonLabels { reason })
            .inc();
    }
}

/// Counts one while it lives.
#[derive(Debug)]
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Face {
    fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Grpc => "grpc",
        }
    }
}

impl Inner {
    fn new(dimensions_max: usize) -> Self {
        let mut inner = Self {
            registry: Registry::with_prefix("stepfleet"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(request_histogram),
            executions_started: Family::default(),
            executions_redriven: Counter::default(),
            executions_closed: Family::default(),
            executions_live: Gauge::default(),
            express_executions_open: Gauge::default(),
            executions_resident: Gauge::default(),
            executions_quarantined: Counter::default(),
            activity_tasks_scheduled: Counter::default(),
            activity_tasks_started: Counter::default(),
            activity_tasks_completed: Family::default(),
            activity_queue_depth: Family::default(),
            activity_unserved: Family::default(),
            activities_unserved: Gauge::default(),
            integration_tasks_scheduled: Family::default(),
            integration_tasks_started: Family::default(),
            integration_tasks_completed: Family::default(),
            events: Counter::default(),
            chunks: Counter::default(),
            append_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 14)),
            log_bytes: Counter::default(),
            sessions: Gauge::default(),
            pollers: Gauge::default(),
            connections: Gauge::default(),
            refused: Family::default(),
            exports: Family::default(),
            executions_open_limit: Gauge::default(),
            executions_throttled: Counter::default(),
            machines: Machines::new(dimensions_max),
        };
        inner.register_requests();
        inner.register_executions();
        inner.register_activities();
        inner.register_integrations();
        inner.register_storage();
        inner.machines.register(&mut inner.registry);
        inner
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests answered, by operation and code (AWS: ConsumedCapacity, ThrottledEvents)",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request",
            "Time to answer a request",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "refused",
            "Requests refused to protect the coordinator",
            self.refused.clone(),
        );
        registry.register(
            "connections",
            "Connections open now",
            self.connections.clone(),
        );
        registry.register(
            "exports",
            "What executions tell (log records, events), by destination's outcome",
            self.exports.clone(),
        );
    }

    fn register_executions(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "executions_started",
            "Executions started, by type of state machine",
            self.executions_started.clone(),
        );
        registry.register(
            "executions_redriven",
            "Closed executions that were made to run again (AWS: ExecutionsRedriven)",
            self.executions_redriven.clone(),
        );
        registry.register(
            "executions_closed",
            "Executions closed, by type of state machine and status",
            self.executions_closed.clone(),
        );
        registry.register(
            "executions_live",
            "Standard executions open now (AWS: OpenExecutionCount)",
            self.executions_live.clone(),
        );
        registry.register(
            "express_executions_open",
            "Express executions that run now",
            self.express_executions_open.clone(),
        );
        registry.register(
            "executions_resident",
            "Executions in memory now",
            self.executions_resident.clone(),
        );
        registry.register(
            "executions_open_limit",
            "Standard executions that may be open (AWS: OpenExecutionLimit)",
            self.executions_open_limit.clone(),
        );
        registry.register(
            "executions_throttled",
            "Starts refused because too much waits or runs (AWS: ExecutionThrottled)",
            self.executions_throttled.clone(),
        );
        registry.register(
            "executions_quarantined",
            "Executions set aside because an invariant broke",
            self.executions_quarantined.clone(),
        );
    }

    fn register_activities(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "activity_tasks_scheduled",
            "Activity tasks queued (AWS: ActivitiesScheduled)",
            self.activity_tasks_scheduled.clone(),
        );
        registry.register(
            "activity_tasks_started",
            "Activity tasks handed to a worker (AWS: ActivitiesStarted)",
            self.activity_tasks_started.clone(),
        );
        registry.register(
            "activity_tasks_completed",
            "Activity tasks ended, by outcome (AWS: ActivitiesSucceeded, ActivitiesFailed, ActivitiesTimedOut)",
            self.activity_tasks_completed.clone(),
        );
        registry.register(
            "activity_queue_depth",
            "Activity tasks that wait for a worker now",
            self.activity_queue_depth.clone(),
        );
        registry.register(
            "activity_unserved",
            "1 for an activity that is needed and has no worker for longer than a worker may be away",
            self.activity_unserved.clone(),
        );
        registry.register(
            "activities_unserved",
            "Activities that are needed and have no worker for longer than a worker may be away",
            self.activities_unserved.clone(),
        );
        registry.register(
            "sessions",
            "Worker sessions known now",
            self.sessions.clone(),
        );
        registry.register(
            "pollers",
            "GetActivityTask calls waiting now",
            self.pollers.clone(),
        );
    }

    fn register_integrations(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "integration_tasks_scheduled",
            "Tasks of service integrations scheduled (AWS: ServiceIntegrationsScheduled)",
            self.integration_tasks_scheduled.clone(),
        );
        registry.register(
            "integration_tasks_started",
            "Tasks of service integrations started (AWS: ServiceIntegrationsStarted)",
            self.integration_tasks_started.clone(),
        );
        registry.register(
            "integration_tasks_completed",
            "Tasks of service integrations ended, by outcome \
             (AWS: ServiceIntegrationsSucceeded, ServiceIntegrationsFailed, ServiceIntegrationsTimedOut)",
            self.integration_tasks_completed.clone(),
        );
    }

    fn register_storage(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "append",
            "Time of one log append, its sync included",
            Unit::Seconds,
            self.append_seconds.clone(),
        );
        registry.register("events", "Events of executions", self.events.clone());
        registry.register("chunks", "Chunks appended to the log", self.chunks.clone());
        registry.register_with_unit(
            "log",
            "Bytes of records given to the log",
            Unit::Bytes,
            self.log_bytes.clone(),
        );
    }
}

fn request_histogram() -> Histogram {
    // 0.5 ms to 131 s: a long poll holds up to 60 s.
    Histogram::new(exponential_buckets(0.000_5, 2.0, 19))
}

fn set(gauge: &Gauge, count: u64) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}
