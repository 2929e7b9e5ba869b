//! The worker: one process whose handler does nothing but count, over a stream or by unary calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use stepfleet_sdk::{CancellationToken, Client, Error, Task, TaskError, Worker, api};
use tokio::task::JoinSet;

use super::console::{self, Report, Step};
use super::ended::{self, Ends};
use super::{CONNECTIONS, block_on};
use crate::args::{Way, WorkerOptions};
use crate::clock::Stopwatch;
use crate::machine::{self, CHAIN_TASKS};

/// What all handlers share.
#[derive(Debug)]
struct Counters {
    tasks: AtomicU64,
    ends: Ends,
    failures: AtomicU64,
    failure: Mutex<Option<String>>,
    /// With one slot only: with more, tasks of different executions would be mixed up.
    steps: Option<Mutex<Steps>>,
}

/// Times between the handlers of one execution.
#[derive(Debug)]
struct Steps {
    last: Stopwatch,
    nanoseconds: Histogram<u64>,
}

/// Serves until the input ends.
pub(crate) fn serve(options: &WorkerOptions) -> anyhow::Result<()> {
    block_on(run(options))
}

async fn run(options: &WorkerOptions) -> anyhow::Result<()> {
    let listener = ended::listen(&options.socket)?;
    let timed = options.slots == 1 && options.workers == 1;
    let counters = Arc::new(Counters::new(timed));
    let mut side = JoinSet::new();
    let teller = Arc::clone(&counters);
    side.spawn(async move { teller.ends.tell(listener).await });
    let reporter = Arc::clone(&counters);
    let orders = console::obey(move || reporter.report())?;
    match options.way {
        Way::Stream => stream(options, counters, orders.exit).await,
        Way::Unary => unary(options, counters, orders.exit).await,
    }
}

/// Workers with a connection each, which all serve every activity.
async fn stream(
    options: &WorkerOptions,
    counters: Arc<Counters>,
    exit: CancellationToken,
) -> anyhow::Result<()> {
    let mut workers = JoinSet::new();
    for number in 0..options.workers {
        let client = Client::connect(options.endpoint.as_str()).await?;
        let mut worker = Worker::new(client).name(format!("bench-{number}"));
        for activity in &options.activity {
            let counters = Arc::clone(&counters);
            let handler = move |task: Task<String>| {
                let output = counters.work(task.input);
                async move { Ok::<_, TaskError>(output) }
            };
            worker = worker.activity_raw(activity.as_str(), handler);
            worker = worker.slots(options.slots);
        }
        workers.spawn(worker.run(exit.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

/// As many pollers as slots, each taking one task after another.
async fn unary(
    options: &WorkerOptions,
    counters: Arc<Counters>,
    exit: CancellationToken,
) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS.min(options.slots) {
        clients.push(Client::connect(options.endpoint.as_str()).await?);
    }
    let mut pollers = JoinSet::new();
    for (_, client) in (0..options.slots).zip(clients.iter().cycle()) {
        let counters = Arc::clone(&counters);
        let activity = options.activity.first().cloned().unwrap_or_default();
        pollers.spawn(poll(client.clone(), activity, counters));
    }
    // A long poll in the air holds nothing once the load is over.
    exit.cancelled().await;
    Ok(())
}

async fn poll(client: Client, activity_arn: String, counters: Arc<Counters>) {
    loop {
        if let Err(error) = serve_one(&client, &activity_arn, &counters).await {
            counters.failed(&error);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn serve_one(client: &Client, activity_arn: &str, counters: &Counters) -> Result<(), Error> {
    let request = api::GetActivityTaskRequest {
        activity_arn: activity_arn.to_owned(),
        worker_name: "bench".to_owned(),
    };
    let task = client.get_activity_task(request).await?;
    if task.task_token.is_empty() {
        return Ok(());
    }
    let output = counters.work(task.input);
    let request = api::SendTaskSuccessRequest {
        task_token: task.task_token,
        output,
    };
    client.send_task_success(request).await?;
    Ok(())
}

impl Counters {
    fn new(timed: bool) -> Self {
        Self {
            tasks: AtomicU64::new(0),
            ends: Ends::default(),
            failures: AtomicU64::new(0),
            failure: Mutex::new(None),
            steps: timed.then(|| Mutex::new(Steps::new())),
        }
    }

    /// The whole work of a task.
    fn work(&self, mut payload: String) -> String {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        let left = machine::next_payload(&mut payload);
        if let Some(steps) = &self.steps {
            let first = left.map(u32::from) == Some(CHAIN_TASKS - 2);
            steps
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .arrived(first);
        }
        if left.is_none() {
            self.ends.add();
        }
        payload
    }

    fn failed(&self, error: &Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| error.to_string());
    }

    fn report(&self) -> Report {
        let steps = self.steps.as_ref();
        Report {
            ended: self.ends.count(),
            tasks: self.tasks.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            failure: self
                .failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            step: steps.map(|steps| steps.lock().unwrap_or_else(PoisonError::into_inner).take()),
            ..Report::default()
        }
    }
}

impl Steps {
    fn new() -> Self {
        let nanoseconds = Histogram::new(3).expect("three digits are allowed");
        Self {
            last: Stopwatch::start(),
            nanoseconds,
        }
    }

    /// The first task of an execution begins a new series: what came before it was a start, not a step.
    fn arrived(&mut self, first: bool) {
        let elapsed = self.last.elapsed();
        self.last = Stopwatch::start();
        if !first {
            let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            self.nanoseconds
                .record(nanoseconds)
                .expect("the histogram resizes itself");
        }
    }

    fn take(&mut self) -> Step {
        let at = |percent| {
            Duration::from_nanos(self.nanoseconds.value_at_percentile(percent)).as_secs_f64()
        };
        let step = Step {
            p50: at(50.0),
            p99: at(99.0),
        };
        self.nanoseconds.reset();
        step
    }
}
