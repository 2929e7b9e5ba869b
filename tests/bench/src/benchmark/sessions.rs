//! Workers' sessions apart from throughput: what a connected worker costs in memory, how soon an idle one begins a task, how
//! long draining takes, what heartbeats cost.
//!
//! The workers are in this process, on one thread, each with a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use stepfleet_sdk::{CancellationToken, Client, Error, Task, TaskError, Worker, api};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Bench;
use crate::clock::Stopwatch;
use crate::control::{self, Prepared};
use crate::coordinator::Coordinator;
use crate::figure::Figure;
use crate::interrupt::pause;
use crate::machine;
use crate::output;
use crate::probe;

/// Workers whose memory is measured, or that leave together.
const WORKERS: u32 = 1000;
/// Idle workers of which one gets the task, and tasks.
const IDLE_WORKERS: u32 = 100;
const STARTS: u32 = 2000;
/// Tasks that a worker has in hand when it is asked to leave.
const LOADED: u32 = 1000;
/// Tasks that are alive at once, of workers with a thousand each; one heartbeat a second each.
const ALIVE: u32 = 10_000;
const ALIVE_EACH: u32 = 1000;
const HEARTBEAT_SECONDS: u32 = 3;
/// Starts on the way at once.
const LANES: u32 = 64;
/// Between two looks, and how often.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS_MAX: u32 = 12_000;
/// Until memory is read.
const SETTLE: Duration = Duration::from_secs(1);
const MILLISECONDS: f64 = 1e3;
const MICROSECONDS: f64 = 1e6;

pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for slots in [1, 16] {
        figures.extend(memory(bench, slots)?);
    }
    figures.extend(start_latency(bench)?);
    figures.extend(drain(bench)?);
    figures.extend(heartbeats(bench)?);
    Ok(figures)
}

/// A coordinator with one activity and a machine of it, and the runtime of workers.
struct Stage {
    coordinator: Coordinator,
    prepared: Prepared,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

/// Workers at work.
struct Crew {
    stop: CancellationToken,
    workers: JoinSet<Result<(), Error>>,
}

impl Stage {
    fn new(bench: &Bench<'_>, definition: fn(&[String]) -> String) -> anyhow::Result<Self> {
        let folder = bench.temporary()?;
        let coordinator = Coordinator::start(bench.program, &folder.path().join("data"))?;
        Ok(Self {
            prepared: control::prepare(&coordinator.endpoint(), 1, definition)?,
            coordinator,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            _folder: folder,
        })
    }

    async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(self.coordinator.endpoint().as_str()).await?)
    }

    fn activity(&self) -> &str {
        self.prepared.activities.first().map_or("", String::as_str)
    }

    /// Connects workers with a handler each.
    async fn crew<H>(&self, count: u32, slots: u32, handler: H) -> anyhow::Result<Crew>
    where
        H: AsyncHandler,
    {
        let stop = CancellationToken::new();
        let mut workers = JoinSet::new();
        for number in 0..count {
            let handler = handler.clone();
            let worker = Worker::new(self.client().await?)
                .name(format!("bench-{number}"))
                .activity_raw(self.activity(), move |task: Task<String>| {
                    handler.clone().work(task.input)
                })
                .slots(slots);
            workers.spawn(worker.run(stop.clone()));
        }
        let client = self.client().await?;
        let all = i64::from(count) * i64::from(slots);
        until("every worker is connected", async || {
            let stats = self.stats(&client).await?;
            Ok(stats.slots == all)
        })
        .await?;
        Ok(Crew { stop, workers })
    }

    async fn stats(&self, client: &Client) -> anyhow::Result<api::GetActivityStatsResponse> {
        let request = api::GetActivityStatsRequest {
            activity_arn: self.activity().to_owned(),
        };
        Ok(client.get_activity_stats(request).await?)
    }

    /// Starts so many executions, and waits until workers have the task of each.
    async fn start_all(&self, count: u32) -> anyhow::Result<()> {
        let next = Arc::new(AtomicU32::new(0));
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            let (client, next) = (self.client().await?, Arc::clone(&next));
            let machine = self.prepared.machine().to_owned();
            lanes.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Error>(());
                    }
                    client.start_execution(request(&machine, number)).await?;
                }
            });
        }
        while let Some(ended) = lanes.join_next().await {
            ended??;
        }
        let client = self.client().await?;
        until("every task is in hand", async || {
            Ok(self.stats(&client).await?.slots_used == i64::from(count))
        })
        .await
    }
}

impl Crew {
    /// Asks all to leave; the seconds until the last has.
    async fn leave(mut self) -> anyhow::Result<f64> {
        let watch = Stopwatch::start();
        self.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended??;
        }
        Ok(watch.seconds())
    }
}

/// A handler that each worker has a copy of.
trait AsyncHandler: Clone + Send + Sync + 'static {
    fn work(
        self,
        input: String,
    ) -> impl Future<Output = Result<String, TaskError>> + Send + 'static;
}

/// Gives its input back when the gate is open.
#[derive(Clone)]
struct Gate(watch::Receiver<bool>);

impl AsyncHandler for Gate {
    fn work(
        self,
        input: String,
    ) -> impl Future<Output = Result<String, TaskError>> + Send + 'static {
        let mut open = self.0;
        async move {
            // A gate that is gone is open.
            let _ = open.wait_for(|open| *open).await;
            Ok(input)
        }
    }
}

/// Tells that it began.
#[derive(Clone)]
struct Begun(mpsc::Sender<()>);

impl AsyncHandler for Begun {
    fn work(
        self,
        input: String,
    ) -> impl Future<Output = Result<String, TaskError>> + Send + 'static {
        // There is room: one task runs at a time.
        let _ = self.0.try_send(());
        async move { Ok(input) }
    }
}

fn memory(bench: &Bench<'_>, slots: u32) -> anyhow::Result<Vec<Figure>> {
    output::progress(&format!("sessions: memory of {WORKERS} workers …"));
    let stage = Stage::new(bench, machine::one_task)?;
    pause(SETTLE)?;
    let before = stage.coordinator.process.resident_bytes()?;
    let (_gate, open) = watch::channel(false);
    let crew = stage
        .runtime
        .block_on(stage.crew(WORKERS, slots, Gate(open)))?;
    pause(SETTLE)?;
    let after = stage.coordinator.process.resident_bytes()?;
    let name = format!("sessions: resident per worker with {slots} slots");
    let left = stage.runtime.block_on(crew.leave())?;
    let each = Figure::new(
        format!("sessions: {WORKERS} idle workers with {slots} slots leave"),
        "ms",
        &[left * MILLISECONDS],
    );
    stage.coordinator.stop()?;
    Ok(vec![
        Figure::new(name, "B", &[(after - before) / f64::from(WORKERS)]),
        each.compared(1.0 / f64::from(WORKERS), "ms each"),
    ])
}

/// From the call of StartExecution to the handler of an idle worker, one at a time.
fn start_latency(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    output::progress("sessions: time to start …");
    let stage = Stage::new(bench, machine::one_task)?;
    let disk = probe::disk(bench.folder)?;
    let (sender, mut begun) = mpsc::channel(1);
    let mut times = Histogram::<u64>::new(3)?;
    stage.runtime.block_on(async {
        let crew = stage.crew(IDLE_WORKERS, 4, Begun(sender)).await?;
        let client = stage.client().await?;
        for number in 0..STARTS {
            let watch = Stopwatch::start();
            let start = client.start_execution(request(stage.prepared.machine(), number));
            let arrival = async {
                begun.recv().await.context("the workers are gone")?;
                anyhow::Ok(watch.elapsed())
            };
            let (started, elapsed) = tokio::join!(start, arrival);
            started?;
            times.record(u64::try_from(elapsed?.as_nanos())?)?;
        }
        crew.leave().await
    })?;
    stage.coordinator.stop()?;
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    let figure = |name: &str, value: f64| {
        let name = format!("sessions: start call to handler, {IDLE_WORKERS} idle workers, {name}");
        let figure = Figure::new(name, "µs", &[value]);
        figure.compared(1.0 / (disk.p50 * MICROSECONDS), "fdatasync p50")
    };
    Ok(vec![figure("p50", at(0.5)), figure("p99", at(0.99))])
}

/// A worker with a thousand tasks in hand that all end as it is asked to leave.
fn drain(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    output::progress("sessions: draining …");
    let stage = Stage::new(bench, machine::one_task)?;
    let (gate, open) = watch::channel(false);
    let seconds = stage.runtime.block_on(async {
        let crew = stage.crew(1, LOADED, Gate(open)).await?;
        stage.start_all(LOADED).await?;
        gate.send_replace(true);
        crew.leave().await
    })?;
    stage.coordinator.stop()?;
    let name = format!("sessions: a worker leaves with {LOADED} results");
    Ok(vec![Figure::new(name, "ms", &[seconds * MILLISECONDS])])
}

fn heartbeats(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    output::progress("sessions: heartbeats …");
    let stage = Stage::new(bench, |activities| {
        machine::alive(activities, HEARTBEAT_SECONDS)
    })?;
    let (gate, open) = watch::channel(false);
    let cpu = || stage.coordinator.process.cpu_seconds();
    let (busy, timed_out) = stage.runtime.block_on(async {
        let crew = stage
            .crew(ALIVE / ALIVE_EACH, ALIVE_EACH, Gate(open))
            .await?;
        stage.start_all(ALIVE).await?;
        // The workers beat on this thread: it may not sleep.
        tokio::time::sleep(SETTLE).await;
        let (before, watch) = (cpu()?, Stopwatch::start());
        tokio::time::sleep(Duration::from_secs(bench.args.seconds)).await;
        let busy = (cpu()? - before) / watch.seconds();
        let client = stage.client().await?;
        let timed_out = stage.stats(&client).await?.timed_out;
        gate.send_replace(true);
        crew.leave().await?;
        anyhow::Ok((busy, timed_out))
    })?;
    ensure!(timed_out == 0, "{timed_out} tasks missed their heartbeat");
    stage.coordinator.stop()?;
    let per_second = f64::from(ALIVE) * 3.0 / f64::from(HEARTBEAT_SECONDS);
    let name = format!("sessions: coordinator's processor, {per_second} heartbeats a second");
    let figure = Figure::new(name, "ms/s", &[busy * MILLISECONDS]);
    Ok(vec![figure.compared(
        MICROSECONDS / MILLISECONDS / per_second,
        "µs each",
    )])
}

fn request(machine: &str, number: u32) -> api::StartExecutionRequest {
    api::StartExecutionRequest {
        state_machine_arn: machine.to_owned(),
        name: format!("bench-{number}"),
        input: "{}".to_owned(),
        trace_header: String::new(),
    }
}

async fn until(
    what: &str,
    mut holds: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    for _ in 0..LOOKS_MAX {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!("waited in vain: {what}")
}
