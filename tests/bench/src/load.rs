//! A closed loop of three processes: the starter keeps executions in flight, the coordinator runs them, the worker does
//! their activity tasks and says which ended.
//!
//! An execution counts as ended when the worker takes its last task; its last result may still be on the way, so that a
//! few more executions than asked for can be open. In the end everything is drained, and the coordinator must have
//! closed as many executions as were started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::args::{Args, Way};
use crate::clock::Stopwatch;
use crate::control::{self, Prepared};
use crate::coordinator::Coordinator;
use crate::interrupt::pause;
use crate::output;
use crate::probe;
use crate::process;
use crate::profile;
use crate::role::console::{Remote, Report, Step};

const DRAIN_PATIENCE: Duration = Duration::from_secs(60);

/// What is run, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// Of the benchmark, for files and messages.
    pub(crate) name: &'a str,
    pub(crate) program: &'a Path,
    /// An empty folder.
    pub(crate) folder: &'a Path,
    pub(crate) definition: fn(&[String]) -> String,
    pub(crate) fleet: Fleet,
    /// Activity tasks of one execution.
    pub(crate) tasks: u32,
    pub(crate) way: Way,
    pub(crate) in_flight: u32,
    /// Tasks of an activity that a worker can take at once.
    pub(crate) slots: u32,
}

/// How many serve, and how many activities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    /// Workers, each with a connection of its own, in one process.
    pub(crate) workers: u32,
    pub(crate) activities: u32,
}

impl Fleet {
    /// One worker of one activity.
    pub(crate) const ONE: Self = Self {
        workers: 1,
        activities: 1,
    };
}

/// One measurement: differences over its seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) tasks: f64,
    pub(crate) executions: f64,
    /// Processor seconds of each process.
    pub(crate) coordinator_cpu: f64,
    pub(crate) worker_cpu: f64,
    pub(crate) starter_cpu: f64,
    /// Bytes written to the disk, by anybody.
    pub(crate) disk_bytes: Option<f64>,
    /// Bytes written to the log, when the coordinator counts them.
    pub(crate) log_bytes: Option<f64>,
    pub(crate) appends: Option<f64>,
    pub(crate) step: Option<Step>,
}

/// The processes of one load.
#[derive(Debug)]
struct Processes {
    coordinator: Coordinator,
    worker: Remote,
    starter: Remote,
}

/// Everything at one moment.
#[derive(Debug)]
struct Moment {
    watch: Stopwatch,
    worker: Report,
    /// Of coordinator, worker, starter.
    cpu_seconds: [f64; 3],
    disk_bytes: Option<f64>,
    log_bytes: Option<f64>,
    appends: Option<f64>,
}

/// Runs the load, measures it `repeat` times after a warm-up, and drains it.
pub(crate) fn run(load: &Load<'_>, args: &Args) -> anyhow::Result<Vec<Sample>> {
    output::progress(&format!("{}: {} in flight …", load.name, load.in_flight));
    let mut processes = start(load)?;
    pause(Duration::from_secs(args.warmup))?;
    let mut samples = Vec::new();
    for number in 0..args.repeat {
        let profile = args.profile.as_deref().filter(|_| number == 0);
        samples.push(measure(&mut processes, load, args.seconds, profile)?);
    }
    drain(processes)?;
    Ok(samples)
}

/// This program again, in a role.
pub(crate) fn role(name: &str) -> anyhow::Result<Command> {
    let mut command = process::command(&std::env::current_exe()?);
    command.arg(name);
    Ok(command)
}

fn start(load: &Load<'_>) -> anyhow::Result<Processes> {
    let coordinator = Coordinator::start(load.program, &load.folder.join("data"))?;
    let endpoint = coordinator.endpoint();
    let Prepared {
        activities,
        machines,
    } = control::prepare(&endpoint, load.fleet.activities, load.definition)?;
    let socket: PathBuf = load.folder.join("ended.sock");
    let worker = Remote::start(
        role("worker")?
            .args(["--endpoint", &endpoint])
            .args(activities.iter().flat_map(|arn| ["--activity", arn]))
            .args(["--workers", &load.fleet.workers.to_string()])
            .args(["--slots", &load.slots.to_string()])
            .args(["--way", load.way.as_str(), "--socket"])
            .arg(&socket),
    )
    .context("cannot start the worker")?;
    let starter = Remote::start(
        role("starter")?
            .args(["--endpoint", &endpoint])
            .args(machines.iter().flat_map(|arn| ["--machine", arn]))
            .args(["--in-flight", &load.in_flight.to_string()])
            .args(["--tasks", &load.tasks.to_string(), "--socket"])
            .arg(&socket),
    )
    .context("cannot start the starter")?;
    Ok(Processes {
        coordinator,
        worker,
        starter,
    })
}

fn measure(
    processes: &mut Processes,
    load: &Load<'_>,
    seconds: u64,
    profile_folder: Option<&Path>,
) -> anyhow::Result<Sample> {
    let recorder = profile_folder
        .map(|folder| profile::record(folder, load, processes.coordinator.process.id(), seconds))
        .transpose()?;
    let before = Moment::now(processes, load.folder)?;
    pause(Duration::from_secs(seconds))?;
    let after = Moment::now(processes, load.folder)?;
    if let Some(recorder) = recorder {
        recorder.finish()?;
    }
    let sample = Sample::between(&before, &after);
    if sample.tasks == 0.0 {
        bail!("no task was done in {seconds} s: the load came to a halt");
    }
    Ok(sample)
}

/// Lets everything that was started come to its end, and compares the books.
fn drain(mut processes: Processes) -> anyhow::Result<()> {
    processes.starter.stop()?;
    let watch = Stopwatch::start();
    loop {
        let report = processes.starter.mark()?;
        let closed = processes
            .coordinator
            .metric("stepfleet_executions_closed_total")?
            .unwrap_or(0.0);
        if report.started == report.ended && closed >= report.started as f64 {
            break;
        }
        if watch.elapsed() > DRAIN_PATIENCE {
            bail!(
                "{} started, {} at their last task, {closed} closed",
                report.started,
                report.ended
            );
        }
        pause(Duration::from_millis(20))?;
    }
    processes.worker.mark()?;
    processes.starter.exit()?;
    processes.worker.exit()?;
    processes.coordinator.stop()
}

impl Moment {
    fn now(processes: &mut Processes, folder: &Path) -> anyhow::Result<Self> {
        // The starter is asked only so that a failed call does not go unseen.
        processes.starter.mark()?;
        let coordinator = &processes.coordinator;
        Ok(Self {
            disk_bytes: probe::written_bytes(folder),
            log_bytes: coordinator.metric("stepfleet_log_bytes_total")?,
            appends: coordinator.metric("stepfleet_append_seconds_count")?,
            watch: Stopwatch::start(),
            worker: processes.worker.mark()?,
            cpu_seconds: [
                coordinator.process.cpu_seconds()?,
                processes.worker.process.cpu_seconds()?,
                processes.starter.process.cpu_seconds()?,
            ],
        })
    }
}

impl Sample {
    fn between(before: &Moment, after: &Moment) -> Self {
        let difference = |before: Option<f64>, after: Option<f64>| Some(after? - before?);
        let [coordinator_cpu, worker_cpu, starter_cpu] =
            [0, 1, 2].map(|index: usize| after.cpu_seconds[index] - before.cpu_seconds[index]);
        Self {
            seconds: before.watch.seconds() - after.watch.seconds(),
            tasks: (after.worker.tasks - before.worker.tasks) as f64,
            executions: (after.worker.ended - before.worker.ended) as f64,
            coordinator_cpu,
            worker_cpu,
            starter_cpu,
            disk_bytes: difference(before.disk_bytes, after.disk_bytes),
            log_bytes: difference(before.log_bytes, after.log_bytes),
            appends: difference(before.appends, after.appends),
            step: after.worker.step,
        }
    }
}
