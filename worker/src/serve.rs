//! From configuration to a worker at work, and to its end by signal.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use stepfleet_sdk::{CancellationToken, Client, Error, Worker};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::config::{Activity, Config};
use crate::container;
use crate::handler::{Serving, perform};

/// Beyond the time that a command has to end after SIGTERM.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// What shells use for an end by SIGINT.
const EXIT_INTERRUPTED: u8 = 130;

/// Serves until a signal asks to stop.
pub(crate) async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?;
    remove_left_behind(&config).await;
    let shutdown = CancellationToken::new();
    let mut work = std::pin::pin!(worker(config)?.run(shutdown.clone()));
    loop {
        tokio::select! {
            result = &mut work => return finish(result),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if shutdown.is_cancelled() {
            warn!("second signal: leaving at once");
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
        info!("signal: draining; another one leaves at once");
        shutdown.cancel();
    }
}

/// Before anything is served: what a killed worker left behind takes room.
async fn remove_left_behind(config: &Config) {
    let engines = config.activities.iter().filter_map(Activity::engine);
    for engine in engines.collect::<BTreeSet<_>>() {
        container::sweep(engine).await;
    }
}

fn finish(result: Result<(), Error>) -> anyhow::Result<ExitCode> {
    result?;
    Ok(ExitCode::SUCCESS)
}

fn worker(config: Config) -> anyhow::Result<Worker> {
    let url: Arc<str> = config.endpoint.url().into();
    let client = Client::connect_lazy(config.endpoint)?;
    let mut worker = Worker::new(client)
        .build_id(concat!("stepfleet-worker ", env!("CARGO_PKG_VERSION")))
        .create_activities(config.create)
        .grace(config.drain)
        .stop_timeout(config.kill_after + STOP_MARGIN);
    if let Some(name) = config.name {
        worker = worker.name(name);
    }
    for (key, value) in config.labels {
        worker = worker.label(key, value);
    }
    for activity in config.activities {
        let (name, slots) = (activity.name.clone(), activity.concurrency);
        let serving = Arc::new(Serving {
            activity,
            kill_after: config.kill_after,
            url: url.clone(),
        });
        worker = worker
            .activity_raw(name, move |task| perform(Arc::clone(&serving), task))
            .slots(slots);
    }
    Ok(worker)
}
