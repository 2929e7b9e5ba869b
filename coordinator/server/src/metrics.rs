//! Every metric of the coordinator, declared once. The rest of the program calls the small record functions; only
//! `render` knows the text format. Units are in the names: seconds and bytes, never milliseconds.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use stepfleet_engine::event::TaskResource;
use stepfleet_engine::execution::Status;
use stepfleet_engine::{Event, EventBody};

use crate::service::api::MachineType;

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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    face: &'static str,
    operation: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    r#type: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceOutcomeLabels {
    resource: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActivityLabels {
    activity: String,
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
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner::new()),
        }
    }

    /// The Prometheus text of everything (OpenMetrics 1.0).
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.inner.registry).expect("writing to a String cannot fail");
        text
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

    /// An execution of a state machine of this type was started.
    pub(crate) fn started(&self, of: MachineType) {
        let labels = TypeLabels {
            r#type: type_label(of),
        };
        self.inner.executions_started.get_or_create(&labels).inc();
    }

    /// A closed execution runs again.
    pub(crate) fn redriven(&self) {
        self.inner.executions_redriven.inc();
    }

    /// An execution of a state machine of this type was closed with this status.
    pub(crate) fn closed(&self, of: MachineType, status: Status) {
        let labels = StatusLabels {
            r#type: type_label(of),
            status: status_label(status),
        };
        self.inner.executions_closed.get_or_create(&labels).inc();
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

    /// The activity is gone: its series ends.
    pub(crate) fn activity_forgotten(&self, activity: &str) {
        self.inner.activity_queue_depth.remove(&ActivityLabels {
            activity: activity.to_owned(),
        });
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
    fn new() -> Self {
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
        };
        inner.register_requests();
        inner.register_executions();
        inner.register_activities();
        inner.register_integrations();
        inner.register_storage();
        inner
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests answered, by operation and code",
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
            "Closed executions that were made to run again",
            self.executions_redriven.clone(),
        );
        registry.register(
            "executions_closed",
            "Executions closed, by type of state machine and status",
            self.executions_closed.clone(),
        );
        registry.register(
            "executions_live",
            "Standard executions open now",
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
            "executions_quarantined",
            "Executions set aside because an invariant broke",
            self.executions_quarantined.clone(),
        );
    }

    fn register_activities(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "activity_tasks_scheduled",
            "Activity tasks queued",
            self.activity_tasks_scheduled.clone(),
        );
        registry.register(
            "activity_tasks_started",
            "Activity tasks handed to a worker",
            self.activity_tasks_started.clone(),
        );
        registry.register(
            "activity_tasks_completed",
            "Activity tasks ended, by outcome",
            self.activity_tasks_completed.clone(),
        );
        registry.register(
            "activity_queue_depth",
            "Activity tasks that wait for a worker now",
            self.activity_queue_depth.clone(),
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
            "Tasks of service integrations scheduled",
            self.integration_tasks_scheduled.clone(),
        );
        registry.register(
            "integration_tasks_started",
            "Tasks of service integrations started",
            self.integration_tasks_started.clone(),
        );
        registry.register(
            "integration_tasks_completed",
            "Tasks of service integrations ended, by outcome",
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

/// How an activity task ended, if the event ends one.
fn activity_outcome(body: &EventBody) -> Option<&'static str> {
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
fn integration_outcome(body: &EventBody) -> Option<(&TaskResource, &'static str)> {
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

/// `states:startExecution.sync`; all functions together, because tasks may name any.
fn resource_label(resource: &TaskResource) -> String {
    if resource.is_function() {
        return format!("{}:function", resource.service);
    }
    format!("{}:{}", resource.service, resource.action)
}

fn type_label(of: MachineType) -> &'static str {
    match of {
        MachineType::Standard => "standard",
        MachineType::Express => "express",
    }
}

fn status_label(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::TimedOut => "timed_out",
        Status::Aborted => "aborted",
    }
}

fn set(gauge: &Gauge, count: u64) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use stepfleet_asl::Payload;
    use stepfleet_engine::{EventId, FrameId, PayloadId, Worker};

    use super::*;

    fn task_events() -> Vec<Event> {
        let data = || stepfleet_engine::Data {
            id: PayloadId(1),
            payload: Payload::parse("{}").unwrap(),
        };
        let frame = FrameId(0);
        let scheduled = EventBody::ActivityScheduled {
            frame,
            activity: "a".into(),
            input: data(),
            timeout_seconds: None,
            heartbeat_seconds: None,
        };
        let started = EventBody::ActivityStarted {
            frame,
            worker: Worker::default(),
        };
        let succeeded = EventBody::ActivitySucceeded {
            frame,
            output: data(),
        };
        let resource = || TaskResource {
            service: "states".into(),
            action: "startExecution.sync".into(),
        };
        let begun = EventBody::TaskScheduled {
            frame,
            resource: resource(),
            region: "us-east-1".into(),
            parameters: data(),
            timeout_seconds: None,
            heartbeat_seconds: None,
        };
        let on = EventBody::TaskStarted {
            frame,
            resource: resource(),
        };
        let failed = EventBody::TaskFailed {
            frame,
            resource: resource(),
            failure: Default::default(),
        };
        [scheduled, started, succeeded, begun, on, failed]
            .into_iter()
            .map(|body| Event {
                previous: EventId(0),
                body,
            })
            .collect()
    }

    fn record_everything(metrics: &Metrics) {
        metrics.request(Face::Aws, "StartExecution", "OK", 0.002);
        metrics.request(Face::Grpc, "StartExecution", "InvalidName", 0.001);
        metrics.started(MachineType::Standard);
        metrics.closed(MachineType::Express, Status::Succeeded);
        metrics.redriven();
        metrics.express_open(4);
        metrics.executions_live(3);
        metrics.executions_resident(2);
        metrics.quarantined();
        metrics.recorded(&task_events());
        metrics.activity_queue_depth("arn:aws:states:us-east-1:000000000000:activity:a", 7);
        metrics.appended(3, 2);
        metrics.log_bytes(4096);
        metrics.sessions(1);
        metrics.refused("overload");
    }

    #[test]
    fn every_recorded_metric_is_in_the_text() {
        let metrics = Metrics::new();
        record_everything(&metrics);
        let guard = metrics.poller();
        let connection = metrics.connection();
        let text = metrics.render();
        for line in [
            r#"stepfleet_requests_total{face="aws",operation="StartExecution",code="OK"} 1"#,
            r#"stepfleet_requests_total{face="grpc",operation="StartExecution",code="InvalidName"} 1"#,
            r#"stepfleet_request_seconds_count{operation="StartExecution"} 2"#,
            r#"stepfleet_executions_started_total{type="standard"} 1"#,
            r#"stepfleet_executions_closed_total{type="express",status="succeeded"} 1"#,
            "stepfleet_express_executions_open 4",
            "stepfleet_executions_redriven_total 1",
            "stepfleet_executions_live 3",
            "stepfleet_executions_resident 2",
            "stepfleet_executions_quarantined_total 1",
            "stepfleet_activity_tasks_scheduled_total 1",
            "stepfleet_activity_tasks_started_total 1",
            r#"stepfleet_activity_tasks_completed_total{outcome="succeeded"} 1"#,
            r#"activity="arn:aws:states:us-east-1:000000000000:activity:a"} 7"#,
            "stepfleet_append_seconds_count 1",
            "stepfleet_chunks_total 3",
            "stepfleet_events_total 6",
            r#"stepfleet_integration_tasks_scheduled_total{resource="states:startExecution.sync"} 1"#,
            r#"stepfleet_integration_tasks_started_total{resource="states:startExecution.sync"} 1"#,
            r#"stepfleet_integration_tasks_completed_total{resource="states:startExecution.sync",outcome="failed"} 1"#,
            "stepfleet_log_bytes_total 4096",
            "stepfleet_sessions 1",
            "stepfleet_pollers 1",
            "stepfleet_connections 1",
            r#"stepfleet_refused_total{reason="overload"} 1"#,
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        drop((guard, connection));
        assert!(metrics.render().contains("stepfleet_pollers 0"));
    }

    #[test]
    fn a_forgotten_activity_leaves_the_text() {
        let metrics = Metrics::new();
        metrics.activity_queue_depth("gone", 1);
        metrics.activity_forgotten("gone");
        assert!(!metrics.render().contains("gone"));
    }
}
