//! From configuration to a worker at work, to another configuration, and to the end by signal. A change starts another
//! worker beside the one that serves; when the coordinator has welcomed it, the old one takes nothing new and finishes
//! what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use stepfleet_sdk::{CancellationToken, Client, Error, Monitor, Worker};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Interval, timeout};
use tracing::{error, info, warn};

use crate::cli::Cli;
use crate::config::{Activity, Config};
use crate::gate::Gate;
use crate::handler::{Serving, perform};
use crate::hosted::Hosted;
use crate::watch::FileWatch;
use crate::{container, service};

/// Beyond the time that a command has to end after SIGTERM.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// What shells use for an end by SIGINT.
const EXIT_INTERRUPTED: u8 = 130;

/// Serves until a signal asks to stop.
pub(crate) async fn serve(cli: &Cli, config: Config, traced: bool) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    remove_left_behind(&config).await;
    let mut supervisor = Supervisor::new(cli, config, traced)?;
    service::ready("waiting for the coordinator");
    loop {
        let event = tokio::select! {
            Some(ended) = supervisor.crew.workers.join_next() => Event::Ended(ended.context("the runtime stopped")?),
            connected = Supervisor::next_connected(&mut supervisor.next) => Event::Connected(connected),
            connected = connection(&mut supervisor.current) => Event::Connection(connected),
            asked = signals.next() => asked,
            changed = changed(&mut supervisor.watch) => Event::Changed(changed),
            () = tick(&mut supervisor.watchdog) => Event::Tick,
        };
        match event {
            Event::Ended(ended) => {
                if let Some(result) = supervisor.on_ended(ended) {
                    result?;
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Event::Connection(connected) => supervisor.tell_connection(connected),
            Event::Connected(true) => supervisor.replace(),
            // Its end is told by itself.
            Event::Connected(false) => {}
            Event::Stop if supervisor.shutdown.is_cancelled() => {
                warn!("second signal: leaving at once");
                return Ok(ExitCode::from(EXIT_INTERRUPTED));
            }
            Event::Stop => {
                info!("signal: draining; another one leaves at once");
                service::stopping("draining");
                supervisor.shutdown.cancel();
            }
            Event::Reload => supervisor.reload(),
            Event::Changed(Ok(())) => {
                info!("the configuration file has changed");
                supervisor.reload();
            }
            Event::Changed(Err(error)) => {
                warn!(%error, "the configuration file is no longer watched");
                supervisor.watch = None;
            }
            Event::Tick => supervisor.tell_alive().await,
        }
    }
}

/// Before anything is served: what a killed worker left behind takes room.
async fn remove_left_behind(config: &Config) {
    let engines = config.activities.iter().filter_map(Activity::engine);
    let of_tasks = config.run_container.iter().map(|settings| &settings.engine);
    for engine in engines.chain(of_tasks).collect::<BTreeSet<_>>() {
        container::sweep(engine).await;
    }
}

/// What this waits for.
enum Event {
    Ended(Ended),
    /// The worker that serves has its connection, or no longer.
    Connection(bool),
    /// The coordinator knows the one that is to replace it, or never will.
    Connected(bool),
    Stop,
    Reload,
    Changed(io::Result<()>),
    Tick,
}

/// A worker that has ended, by its number.
type Ended = (u64, Result<(), Error>);

/// One configuration at work.
struct Generation {
    number: u64,
    config: Config,
    monitor: Monitor,
    retired: CancellationToken,
    /// It was waited for until its welcome, or its end.
    awaited: bool,
}

/// All workers of this process, the last of which have been replaced.
#[derive(Default)]
struct Crew {
    workers: JoinSet<Ended>,
    gates: BTreeMap<String, Arc<Gate>>,
    numbered: u64,
    traced: bool,
}

struct Supervisor<'a> {
    cli: &'a Cli,
    current: Generation,
    /// Not welcomed yet.
    next: Option<Generation>,
    crew: Crew,
    shutdown: CancellationToken,
    /// How the worker that served ended.
    ended: Option<Result<(), Error>>,
    watch: Option<FileWatch>,
    watchdog: Option<Interval>,
}

impl<'a> Supervisor<'a> {
    fn new(cli: &'a Cli, config: Config, traced: bool) -> anyhow::Result<Self> {
        let shutdown = CancellationToken::new();
        let mut crew = Crew {
            traced,
            ..Crew::default()
        };
        let current = crew.start(config, &shutdown)?;
        let watch = watch(cli, &current.config);
        Ok(Self {
            cli,
            current,
            next: None,
            crew,
            shutdown,
            ended: None,
            watch,
            watchdog: service::watchdog(),
        })
    }

    /// Takes another configuration if it is one; otherwise all goes on as it is.
    fn reload(&mut self) {
        if self.shutdown.is_cancelled() {
            return;
        }
        service::reloading();
        let status = match self.take_configuration() {
            Ok(true) => "taking another configuration".to_owned(),
            Ok(false) => {
                info!("the configuration says the same as before");
                serving(&self.current.config)
            }
            Err(error) => {
                error!("configuration refused, going on with the one before: {error:#}");
                format!("configuration refused, going on with the one before: {error}")
            }
        };
        service::ready(&status);
    }

    fn take_configuration(&mut self) -> anyhow::Result<bool> {
        let config = Config::load(self.cli)?;
        let newest = self.next.as_ref().unwrap_or(&self.current);
        if newest.config == config {
            return Ok(false);
        }
        // Whatever was on its way is overtaken.
        if let Some(overtaken) = self.next.take() {
            overtaken.retired.cancel();
        }
        self.next = Some(self.crew.start(config, &self.shutdown)?);
        Ok(true)
    }

    async fn next_connected(next: &mut Option<Generation>) -> bool {
        match next {
            Some(next) if !next.awaited => {
                let connected = next.monitor.connected().await;
                next.awaited = true;
                connected
            }
            Some(_) | None => pending().await,
        }
    }

    /// The next worker serves; the one before finishes what it has.
    fn replace(&mut self) {
        let Some(next) = self.next.take() else {
            return;
        };
        let before = std::mem::replace(&mut self.current, next);
        before.retired.cancel();
        for activity in &self.current.config.activities {
            if let Some(gate) = self.crew.gates.get(&activity.name) {
                gate.set_limit(activity.concurrency);
            }
        }
        let names: BTreeSet<_> = activities(&self.current.config).collect();
        let gone: Vec<_> = activities(&before.config)
            .filter(|name| !names.contains(name))
            .collect();
        info!(activities = ?names, ?gone, "serving by another configuration");
        self.watch = match self.watch.take() {
            // What has changed since it was read is told.
            Some(watch) if self.current.config.watch => Some(watch),
            Some(_) | None => watch(self.cli, &self.current.config),
        };
        service::status(&serving(&self.current.config));
    }

    fn tell_connection(&self, connected: bool) {
        if !self.shutdown.is_cancelled() {
            service::status(&if connected {
                serving(&self.current.config)
            } else {
                "without coordinator; trying again until it is back".to_owned()
            });
        }
    }

    /// The end of all, if it is that.
    fn on_ended(&mut self, (number, result): Ended) -> Option<Result<(), Error>> {
        if number == self.current.number {
            // It ends when it is told to, or when it can serve nothing; what else runs goes on to its end.
            self.shutdown.cancel();
            self.ended = Some(result);
        } else if self.next.as_ref().is_some_and(|next| next.number == number) {
            self.next = None;
            if let Err(error) = result {
                error!(%error, "the coordinator refused the other configuration, going on with the one before");
                service::status("configuration refused, going on with the one before");
            }
        } else if let Err(error) = result {
            warn!(%error, "a replaced worker did not end well");
        }
        self.is_over().then(|| self.ended.take().unwrap_or(Ok(())))
    }

    fn is_over(&self) -> bool {
        self.crew.workers.is_empty()
    }

    /// Only the loop that all work goes through may say so.
    async fn tell_alive(&self) {
        let Some(watchdog) = &self.watchdog else {
            return;
        };
        let pulse = timeout(watchdog.period(), self.current.monitor.pulse()).await;
        match pulse {
            Ok(Some(_)) => service::alive(),
            Ok(None) if self.shutdown.is_cancelled() => service::alive(),
            Ok(None) | Err(_) => {
                warn!("the worker does not answer; the service manager is not told that it lives")
            }
        }
    }
}

impl Crew {
    /// Starts a worker of a configuration.
    fn start(
        &mut self,
        config: Config,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Generation> {
        self.numbered += 1;
        let number = self.numbered;
        let retired = CancellationToken::new();
        let worker = self.worker(&config)?.retire_on(retired.clone());
        let monitor = worker.monitor();
        let run = worker.run(shutdown.clone());
        self.workers.spawn(async move { (number, run.await) });
        Ok(Generation {
            number,
            config,
            monitor,
            retired,
            awaited: false,
        })
    }

    fn worker(&mut self, config: &Config) -> anyhow::Result<Worker> {
        let url: Arc<str> = config.endpoint.url().into();
        let client = Client::connect_lazy(config.endpoint.clone())?;
        let mut worker = Worker::new(client)
            .build_id(concat!("stepfleet-worker ", env!("CARGO_PKG_VERSION")))
            .create_activities(config.create)
            .grace(config.drain)
            .stop_timeout(config.kill_after + STOP_MARGIN);
        if self.traced {
            worker = worker.traced();
        }
        if let Some(name) = &config.name {
            worker = worker.name(name);
        }
        for (key, value) in &config.labels {
            worker = worker.label(key, value);
        }
        for activity in &config.activities {
            let (name, slots) = (activity.name.clone(), activity.concurrency);
            let gate = self.gates.entry(name.clone());
            let gate = gate.or_insert_with(|| Gate::new(slots));
            let serving = Arc::new(Serving {
                activity: activity.clone(),
                kill_after: config.kill_after,
                url: url.clone(),
                gate: Arc::clone(gate),
            });
            worker = worker
                .activity_raw(name, move |task| perform(Arc::clone(&serving), task))
                .slots(slots);
            if let Some(follow) = activity.follow_host {
                worker = worker.slots_by_resources(follow.targets(slots));
            }
            if let Some(rate) = activity.rate_per_1000_s {
                worker = worker.max_rate(f64::from(rate) / 1000.0);
            }
        }
        connectors(worker, config)
    }
}

/// Work on this host. One start at a time: it takes no longer than to make a folder, and one that waits for room is not
/// to wait here while another host has some.
fn connectors(mut worker: Worker, config: &Config) -> anyhow::Result<Worker> {
    let fails = "cannot use the state folder";
    if let Some(settings) = config.run_command.clone() {
        let commands = Hosted::commands(settings, config.kill_after).context(fails)?;
        worker = worker.connector("stepfleet:runCommand", commands).slots(1);
    }
    if let Some(settings) = config.run_container.clone() {
        let containers = Hosted::containers(settings, config.kill_after).context(fails)?;
        worker = worker
            .connector("stepfleet:runContainer", containers)
            .slots(1);
    }
    Ok(worker)
}

fn activities(config: &Config) -> impl Iterator<Item = &str> {
    config
        .activities
        .iter()
        .map(|activity| activity.name.as_str())
}

fn serving(config: &Config) -> String {
    let mut names: Vec<_> = activities(config).collect();
    names.extend(config.run_command.as_ref().map(|_| "stepfleet:runCommand"));
    names.extend(
        config
            .run_container
            .as_ref()
            .map(|_| "stepfleet:runContainer"),
    );
    format!("serving {} at {}", names.join(", "), config.endpoint.url())
}

fn watch(cli: &Cli, config: &Config) -> Option<FileWatch> {
    let path = cli.config.as_ref().filter(|_| config.watch)?;
    FileWatch::new(path)
        .inspect_err(|error| warn!(path = %path.display(), %error, "the configuration file cannot be watched"))
        .ok()
}

/// The next time that the connection comes or goes.
async fn connection(generation: &mut Generation) -> bool {
    match generation.monitor.connection_changed().await {
        Some(connected) => connected,
        None => pending().await,
    }
}

async fn changed(watch: &mut Option<FileWatch>) -> io::Result<()> {
    match watch {
        Some(watch) => watch.changed().await,
        None => pending().await,
    }
}

async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(interval) => drop(interval.tick().await),
        None => pending().await,
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind, name| signal(kind).with_context(|| format!("cannot listen to {name}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            hangup: listen(SignalKind::hangup(), "SIGHUP")?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
            _ = self.hangup.recv() => Event::Reload,
        }
    }
}
