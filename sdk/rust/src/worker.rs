//! The worker: which activities a process serves, and how it starts and stops.
//!
//! Inside: `session` owns everything that one worker process knows and is the only writer; `link` is its connection,
//! `outbox` what is ready to go out, `frame` how that is written, `heartbeats` when to say that a task is alive,
//! `registry` the handlers, `connector` what serves integrations, `task` what a handler sees, `monitor` what others see of
//! the worker; `slots` changes how many there are, by `tuner` where `host` decides.

mod connector;
mod frame;
mod heartbeats;
mod host;
mod link;
mod monitor;
mod outbox;
mod registry;
mod session;
mod slots;
mod task;
#[cfg(feature = "opentelemetry")]
mod trace;
mod tuner;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, process};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::connector::{Connector, Pattern, Reports, Resumed, Standing, Start, Started, Work};
use self::monitor::Watched;
pub use self::monitor::{Monitor, Pulse};
use self::registry::{Activity, Handler};
use self::session::Session;
pub use self::slots::SlotsControl;
use self::slots::Wanted;
pub use self::task::{
    CAUSE_CHARS_MAX, ERROR_CHARS_MAX, PROGRESS_BYTES_MAX, Task, TaskContext, TaskError,
};
pub use self::tuner::Targets;
use crate::backoff::random_id;
use crate::client::Client;
use crate::error::Error;
use crate::spawn::spawn;

/// Tasks of one activity at once, unless [`Worker::slots`] says otherwise.
pub const SLOTS_DEFAULT: u32 = 16;

/// Longest worker name, characters.
const NAME_CHARS_MAX: usize = 80;
/// Longest name of a host, characters.
const HOST_CHARS_MAX: usize = 256;

/// Serves activities over one stream: tasks are pushed into free slots, and each starts its handler at once.
///
/// Handlers are async functions. One that computes for long before its first `.await` should use
/// `tokio::task::spawn_blocking`, as anywhere in tokio. A handler may be called more than once for the same work: a
/// task that timed out may be scheduled again by the state machine while a late handler still goes on. A panic fails its task
/// with the error `Panic`.
#[derive(Debug)]
pub struct Worker {
    client: Client,
    activities: Vec<Activity>,
    default_slots: u32,
    options: Options,
    monitor: Monitor,
    watched: Watched,
}

/// How a worker presents itself, and how long it may take to stop.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) session_id: String,
    pub(crate) build_id: String,
    pub(crate) labels: HashMap<String, String>,
    pub(crate) create_activities: bool,
    pub(crate) grace: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) confirm_timeout: Duration,
    /// Tasks at once over all activities; 0 is no bound.
    pub(crate) max_tasks: u32,
    pub(crate) slots: Arc<watch::Sender<Wanted>>,
    pub(crate) retired: CancellationToken,
    #[cfg(feature = "opentelemetry")]
    pub(crate) traced: bool,
}

impl Worker {
    /// A worker without activities yet, named after its host.
    pub fn new(client: Client) -> Self {
        let options = Options {
            name: default_name(),
            host: host(),
            session_id: random_id(),
            build_id: String::new(),
            labels: HashMap::new(),
            create_activities: false,
            grace: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
            confirm_timeout: Duration::from_secs(10),
            max_tasks: 0,
            slots: Arc::new(watch::Sender::default()),
            retired: CancellationToken::new(),
            #[cfg(feature = "opentelemetry")]
            traced: false,
        };
        let (monitor, watched) = monitor::pair();
        Self {
            client,
            activities: Vec::new(),
            default_slots: SLOTS_DEFAULT,
            options,
            monitor,
            watched,
        }
    }

    /// Serves an activity, named by its ARN or its bare name, with a handler from and to types of the program.
    ///
    /// An input that does not fit `I` fails the task with `InvalidInput`, an output that is no JSON with `InvalidOutput`.
    #[must_use]
    pub fn activity<I, O, E, F, Fut>(self, name: impl Into<String>, handler: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + 'static,
        E: Into<TaskError> + 'static,
        F: Fn(Task<I>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        self.register(name.into(), registry::typed(handler))
    }

    /// Serves an activity with a handler from JSON text to JSON text: nothing is parsed on the way.
    #[must_use]
    pub fn activity_raw<E, F, Fut>(self, name: impl Into<String>, handler: F) -> Self
    where
        E: Into<TaskError> + 'static,
        F: Fn(Task<String>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, E>> + Send + 'static,
    {
        self.register(name.into(), registry::raw(handler))
    }

    /// Serves `arn:aws:states:::<name>`, `<name>.sync` and `<name>.waitForTaskToken`, where `name` is
    /// `<service>:<action>`. Starts wait in the queue of the activity `connector.<service>.<action>`, which must exist
    /// ([`Self::create_activities`]); [`Self::slots`] is how many are begun at once, not how much work goes on.
    #[must_use]
    pub fn connector(mut self, name: impl Into<String>, connector: impl Connector) -> Self {
        let serving = connector::serve(connector);
        self.activities.push(Activity {
            name: name.into(),
            slots: self.default_slots,
            targets: None,
            max_rate: 0.0,
            handler: connector::starts(&serving),
            connector: Some(serving),
        });
        self
    }

    /// How many tasks of the activity registered last this worker takes at once; before the first activity, the default
    /// for all. [`SLOTS_DEFAULT`] otherwise.
    #[must_use]
    pub fn slots(mut self, slots: u32) -> Self {
        match self.activities.last_mut() {
            Some(activity) => activity.slots = slots,
            None => self.default_slots = slots,
        }
        self
    }

    /// Lets the slots of the activity registered last follow what the host has left, between two numbers.
    #[must_use]
    pub fn slots_by_resources(mut self, targets: Targets) -> Self {
        if let Some(activity) = self.activities.last_mut() {
            activity.slots = targets.slots_min;
            activity.targets = Some(targets);
        }
        self
    }

    /// Changes slots while the worker runs, of the activities that are registered so far.
    pub fn slots_control(&self) -> SlotsControl {
        let activities = self.activities.iter();
        let activities = activities.filter(|activity| activity.connector.is_none());
        let names = activities.map(|activity| activity.name.clone());
        SlotsControl {
            wanted: Arc::clone(&self.options.slots),
            activities: Arc::new(names.collect()),
        }
    }

    /// How many tasks of the activity registered last this worker is given a second, exact to a thousandth; as many as it
    /// has slots for without.
    #[must_use]
    pub fn max_rate(mut self, tasks_per_second: f64) -> Self {
        if let Some(activity) = self.activities.last_mut() {
            activity.max_rate = tasks_per_second;
        }
        self
    }

    /// How many tasks this worker takes at once over all its activities, besides the slots of each.
    #[must_use]
    pub fn max_tasks(mut self, tasks: u32) -> Self {
        self.options.max_tasks = tasks;
        self
    }

    /// The name in histories (`ActivityStarted.workerName`) and lists, 1 to 80 characters; the host's name by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// The version of the program, for people.
    #[must_use]
    pub fn build_id(mut self, build_id: impl Into<String>) -> Self {
        self.options.build_id = build_id.into();
        self
    }

    /// A label of this worker, for people and for matching.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.labels.insert(key.into(), value.into());
        self
    }

    /// Creates the activities that do not exist yet before they are served.
    #[must_use]
    pub fn create_activities(mut self, create: bool) -> Self {
        self.options.create_activities = create;
        self
    }

    /// How long running tasks may go on after the worker was asked to stop; 30 s by default. What is then still running
    /// is cancelled and fails with the error `WorkerStopped`.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// How long a handler that was cancelled at the end of the grace period may clean up before it is dropped; 5 s by
    /// default.
    #[must_use]
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.options.stop_timeout = timeout;
        self
    }

    /// How long a stopping worker waits for the coordinator to confirm the last results; 10 s by default.
    #[must_use]
    pub fn confirm_timeout(mut self, timeout: Duration) -> Self {
        self.options.confirm_timeout = timeout;
        self
    }

    /// When this is cancelled the worker takes no new tasks, finishes what it has however long that takes, and leaves: for
    /// one that another has replaced. Asked to shut down meanwhile, it hurries as ever.
    #[must_use]
    pub fn retire_on(mut self, retired: CancellationToken) -> Self {
        self.options.retired = retired;
        self
    }

    /// Every task is a span that continues the trace of its execution, by OpenTelemetry's global tracer provider, and is
    /// the current context of its handler. Whoever exports spans sets up that provider.
    #[cfg(feature = "opentelemetry")]
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.options.traced = true;
        self
    }

    /// What watches this worker while it runs.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Serves until `shutdown` is cancelled, then drains: takes no new tasks, hands back what has not begun, finishes the
    /// rest within the grace period, and leaves when every result is confirmed. Breaks of the connection are bridged: the
    /// worker comes back under the same session and sends again what was not confirmed. A coordinator that tells the worker to
    /// drain (`stepfleet fleet drain`) makes it leave likewise, but without a grace period: what runs may finish. Dropping the future instead drops the
    /// handlers at once; the coordinator then ends their attempts as those of a lost worker.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a worker that cannot work (no activity, one twice, no slots, a bad name);
    /// [`Error::Api`] when the coordinator refuses it at its first connection; [`Error::Abandoned`] when it could not
    /// finish in time.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        self.check()?;
        let span = tracing::info_span!("worker", name = %self.options.name);
        #[cfg(feature = "opentelemetry")]
        let activities = match self.options.traced {
            true => self.activities.into_iter().map(trace::traced).collect(),
            false => self.activities,
        };
        #[cfg(not(feature = "opentelemetry"))]
        let activities = self.activities;
        // Nobody can ask once all others are gone.
        drop(self.monitor);
        let session = Session::new(self.client, activities, self.options, self.watched);
        match spawn(span, session.run(shutdown)).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::Configuration(format!(
                    "the runtime stopped: {error}"
                ))),
            },
        }
    }

    fn register(mut self, name: String, handler: Handler) -> Self {
        self.activities.push(Activity {
            name,
            slots: self.default_slots,
            targets: None,
            max_rate: 0.0,
            handler,
            connector: None,
        });
        self
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |text: String| Err(Error::Configuration(text));
        if self.activities.is_empty() {
            return refuse("a worker needs at least one activity".to_owned());
        }
        if !(1..=NAME_CHARS_MAX).contains(&self.options.name.chars().count()) {
            return refuse(format!(
                "worker name `{}` must have 1 to 80 characters",
                self.options.name
            ));
        }
        let mut names = BTreeSet::new();
        for activity in &self.activities {
            let name = activity.name.as_str();
            if activity.slots == 0 {
                return refuse(format!("activity `{name}` has no slots"));
            }
            if let Some(Err(problem)) = activity.targets.map(|targets| targets.check()) {
                return refuse(format!("activity `{name}`: {problem}"));
            }
            if activity.connector.is_some()
                && (activity.targets.is_some() || activity.max_rate > 0.0)
            {
                return refuse(format!(
                    "connector `{name}`: its slots are fixed and have no rate"
                ));
            }
            if !names.insert(name) {
                return refuse(format!("activity `{name}` is registered twice"));
            }
        }
        Ok(())
    }
}

/// The host's name, or the process id where it has none.
fn default_name() -> String {
    match host().as_str() {
        "" => format!("worker-{}", process::id()),
        host => host.chars().take(NAME_CHARS_MAX).collect(),
    }
}

/// The host's name; empty where it has none.
fn host() -> String {
    let host = env::var("HOSTNAME")
        .or_else(|_| fs::read_to_string("/proc/sys/kernel/hostname"))
        .unwrap_or_default();
    host.trim().chars().take(HOST_CHARS_MAX).collect()
}
