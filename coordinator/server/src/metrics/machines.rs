//! Metrics by state machine and by activity, and how long things took. The number of series is bounded: beyond so many
//! state machines, and so many activities, the rest are counted together as `other`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use stepfleet_engine::Timestamp;
use stepfleet_engine::execution::{Execution, Status};

use super::recent::{Recent, RecentReport};

use super::{ActivityLabels, ResourceLabels, status_label};

/// What stands for all that have no series of their own.
const OTHER: &str = "other";
/// What is counted by build.
type Builds = BTreeMap<Arc<str>, Arc<Recent>>;
/// Builds of workers that are told apart, by activity.
const BUILDS_MAX: usize = 50;

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MachineLabels {
    state_machine: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MachineStatusLabels {
    state_machine: String,
    status: &'static str,
}

/// The metrics of this module.
#[derive(Debug)]
pub(super) struct Machines {
    machines: Names,
    activities: Names,
    recents: Mutex<BTreeMap<String, Arc<Recent>>>,
    /// By activity and build.
    builds: Mutex<BTreeMap<String, Builds>>,
    started: Family<MachineLabels, Counter>,
    closed: Family<MachineStatusLabels, Counter>,
    redriven_closed: Family<MachineStatusLabels, Counter>,
    seconds: Histograms<MachineLabels>,
    versions: Family<MachineLabels, Gauge>,
    aliases: Family<MachineLabels, Gauge>,
    activity_schedule_seconds: Histograms<ActivityLabels>,
    activity_run_seconds: Histograms<ActivityLabels>,
    activity_seconds: Histograms<ActivityLabels>,
    pub(super) activity_heartbeats_missed: Counter,
    pub(super) integration_schedule_seconds: Histograms<ResourceLabels>,
    pub(super) integration_run_seconds: Histograms<ResourceLabels>,
    pub(super) integration_seconds: Histograms<ResourceLabels>,
}

/// Names that have series of their own.
#[derive(Debug)]
struct Names {
    max: usize,
    own: Mutex<BTreeSet<String>>,
}

/// What executions of one state machine count with. Looking them up once spares every execution that.
#[derive(Clone, Debug)]
pub(crate) struct MachineMeters {
    pub(super) started: Counter,
    closed: [Counter; 4],
    redriven_closed: [Counter; 4],
    seconds: Histogram,
}

/// How long tasks of one activity take.
#[derive(Clone, Debug)]
pub(crate) struct ActivityMeters {
    pub(super) schedule_seconds: Histogram,
    pub(super) run_seconds: Histogram,
    pub(super) seconds: Histogram,
    pub(super) recent: Arc<Recent>,
}

/// An execution that has closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub status: Status,
    pub started_at: Timestamp,
    pub closed_at: Timestamp,
    pub redriven: bool,
}

impl Closed {
    /// An execution that has closed, as of now.
    pub(crate) fn of(execution: &Execution, now: Timestamp) -> Self {
        Self {
            status: execution.status,
            started_at: execution.started_at,
            closed_at: execution.closed_at.unwrap_or(now),
            redriven: execution.redrives.is_some(),
        }
    }
}

const CLOSED: [Status; 4] = [
    Status::Succeeded,
    Status::Failed,
    Status::TimedOut,
    Status::Aborted,
];

impl Names {
    fn new(max: usize) -> Self {
        Self {
            max,
            own: Mutex::default(),
        }
    }

    fn label(&self, name: &str) -> String {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.contains(name) {
            return name.to_owned();
        }
        if own.len() >= self.max {
            return OTHER.to_owned();
        }
        own.insert(name.to_owned());
        name.to_owned()
    }

    /// Whether it had series.
    fn forget(&self, name: &str) -> bool {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.remove(name)
    }
}

impl Machines {
    pub(super) fn new(dimensions_max: usize) -> Self {
        Self {
            machines: Names::new(dimensions_max),
            activities: Names::new(dimensions_max),
            recents: Mutex::default(),
            builds: Mutex::default(),
            started: Family::default(),
            closed: Family::default(),
            redriven_closed: Family::default(),
            seconds: Family::new_with_constructor(long),
            versions: Family::default(),
            aliases: Family::default(),
            activity_schedule_seconds: Family::new_with_constructor(long),
            activity_run_seconds: Family::new_with_constructor(long),
            activity_seconds: Family::new_with_constructor(long),
            activity_heartbeats_missed: Counter::default(),
            integration_schedule_seconds: Family::new_with_constructor(long),
            integration_run_seconds: Family::new_with_constructor(long),
            integration_seconds: Family::new_with_constructor(long),
        }
    }

    pub(super) fn machine(&self, arn: &str) -> MachineMeters {
        let state_machine = self.machines.label(arn);
        let of = |family: &Family<MachineStatusLabels, Counter>| {
            CLOSED.map(|status| {
                let labels = MachineStatusLabels {
                    state_machine: state_machine.clone(),
                    status: status_label(status),
                };
                family.get_or_create_owned(&labels)
            })
        };
        let labels = MachineLabels {
            state_machine: state_machine.clone(),
        };
        MachineMeters {
            started: self.started.get_or_create_owned(&labels),
            closed: of(&self.closed),
            redriven_closed: of(&self.redriven_closed),
            seconds: self.seconds.get_or_create_owned(&labels),
        }
    }

    pub(super) fn machine_forgotten(&self, arn: &str) {
        if !self.machines.forget(arn) {
            return;
        }
        for status in CLOSED {
            let labels = MachineStatusLabels {
                state_machine: arn.to_owned(),
                status: status_label(status),
            };
            self.closed.remove(&labels);
            self.redriven_closed.remove(&labels);
        }
        let labels = MachineLabels {
            state_machine: arn.to_owned(),
        };
        self.started.remove(&labels);
        self.seconds.remove(&labels);
        self.versions.remove(&labels);
        self.aliases.remove(&labels);
    }

    pub(super) fn published(&self, arn: &str, versions: u64, aliases: u64) {
        let state_machine = self.machines.label(arn);
        if state_machine == OTHER {
            return;
        }
        let labels = MachineLabels { state_machine };
        super::set(&self.versions.get_or_create(&labels), versions);
        super::set(&self.aliases.get_or_create(&labels), aliases);
    }

    pub(super) fn activity(&self, arn: &str) -> ActivityMeters {
        let labels = ActivityLabels {
            activity: self.activities.label(arn),
        };
        let of = |family: &Histograms<ActivityLabels>| family.get_or_create_owned(&labels);
        ActivityMeters {
            schedule_seconds: of(&self.activity_schedule_seconds),
            run_seconds: of(&self.activity_run_seconds),
            seconds: of(&self.activity_seconds),
            recent: self.recent(arn),
        }
    }

    /// What is counted of a build; none when [`BUILDS_MAX`] others did something lately.
    pub(super) fn build(&self, arn: &str, build: &Arc<str>) -> Option<Arc<Recent>> {
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        let of = builds.entry(arn.to_owned()).or_default();
        if of.len() >= BUILDS_MAX && !of.contains_key(build) {
            of.retain(|_, recent| Arc::strong_count(recent) > 1);
        }
        if of.len() >= BUILDS_MAX && !of.contains_key(build) {
            return None;
        }
        Some(of.entry(build.clone()).or_default().clone())
    }

    pub(super) fn builds(
        &self,
        arn: &str,
        now: Timestamp,
        since: Timestamp,
    ) -> Vec<(Arc<str>, RecentReport)> {
        let builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        let of = builds.get(arn).into_iter().flatten();
        of.map(|(build, recent)| (build.clone(), recent.report(now, since)))
            .filter(|(_, report)| {
                report.started + report.succeeded + report.failed + report.timed_out > 0
            })
            .collect()
    }

    pub(super) fn recent(&self, arn: &str) -> Arc<Recent> {
        let mut recents = self.recents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = recents.get(arn) {
            return known.clone();
        }
        recents.entry(arn.to_owned()).or_default().clone()
    }

    pub(super) fn activity_forgotten(&self, arn: &str) {
        self.recents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(arn);
        if self.activities.forget(arn) {
            let labels = ActivityLabels {
                activity: arn.to_owned(),
            };
            self.activity_schedule_seconds.remove(&labels);
            self.activity_run_seconds.remove(&labels);
            self.activity_seconds.remove(&labels);
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "state_machine_executions_started",
            "Executions started, by state machine (AWS: ExecutionsStarted)",
            self.started.clone(),
        );
        registry.register(
            "state_machine_executions_closed",
            "Executions closed, by state machine and status (AWS: ExecutionsSucceeded, ExecutionsFailed, \
             ExecutionsTimedOut, ExecutionsAborted)",
            self.closed.clone(),
        );
        registry.register(
            "redriven_executions_closed",
            "Executions closed after a redrive, by state machine and status (AWS: RedrivenExecutionsSucceeded, \
             RedrivenExecutionsFailed, RedrivenExecutionsTimedOut, RedrivenExecutionsAborted)",
            self.redriven_closed.clone(),
        );
        registry.register_with_unit(
            "state_machine_execution",
            "Time from the start of an execution to its end (AWS: ExecutionTime)",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "state_machine_versions",
            "Versions of a state machine now (AWS: VersionCount)",
            self.versions.clone(),
        );
        registry.register(
            "state_machine_aliases",
            "Aliases of a state machine now (AWS: AliasCount)",
            self.aliases.clone(),
        );
        self.register_tasks(registry);
    }

    fn register_tasks(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "activity_task_schedule",
            "Time that activity tasks waited for a worker (AWS: ActivityScheduleTime)",
            Unit::Seconds,
            self.activity_schedule_seconds.clone(),
        );
        registry.register_with_unit(
            "activity_task_run",
            "Time that workers had activity tasks (AWS: ActivityRunTime)",
            Unit::Seconds,
            self.activity_run_seconds.clone(),
        );
        registry.register_with_unit(
            "activity_task",
            "Time from the schedule of activity tasks to their end (AWS: ActivityTime)",
            Unit::Seconds,
            self.activity_seconds.clone(),
        );
        registry.register(
            "activity_task_heartbeats_missed",
            "Activity tasks that timed out for want of a heartbeat (AWS: ActivitiesHeartbeatTimedOut)",
            self.activity_heartbeats_missed.clone(),
        );
        registry.register_with_unit(
            "integration_task_schedule",
            "Time that tasks of service integrations waited to begin (AWS: ServiceIntegrationScheduleTime)",
            Unit::Seconds,
            self.integration_schedule_seconds.clone(),
        );
        registry.register_with_unit(
            "integration_task_run",
            "Time that tasks of service integrations took (AWS: ServiceIntegrationRunTime)",
            Unit::Seconds,
            self.integration_run_seconds.clone(),
        );
        registry.register_with_unit(
            "integration_task",
            "Time from the schedule of tasks of service integrations to their end (AWS: ServiceIntegrationTime)",
            Unit::Seconds,
            self.integration_seconds.clone(),
        );
    }
}

impl MachineMeters {
    pub(super) fn closed(&self, closed: Closed) {
        let index = CLOSED.iter().position(|status| *status == closed.status);
        if let Some(index) = index {
            self.closed[index].inc();
            if closed.redriven {
                self.redriven_closed[index].inc();
            }
            self.seconds
                .observe(between(closed.started_at, closed.closed_at));
        }
    }
}

/// Seconds from one time to a later one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> f64 {
    let ms = u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0);
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// 1 ms to 12 days, each four times the one before.
fn long() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 16))
}
