//! Starting and ending a coordinator: open the data, recover, serve one port, and leave in an order that loses nothing.

mod access;
mod checkpoint;
mod credentials;
mod notify;
pub(crate) mod open;
mod retention;
mod sample;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::auth::jwt::Issuers;
use crate::auth::{Authenticator, require};
use crate::config::Config;
use crate::express;
use crate::face::Face;
use crate::http::{Readiness, Ready};
use crate::metrics::Metrics;
use crate::net;
use crate::rpc::fleet::FleetFace;
use crate::service::Service;
use crate::shared::Shared;

pub(crate) use open::restore;

/// How long the last checkpoint may take at shutdown: without it the next start replays more of the log, no more.
const LAST_CHECKPOINT: Duration = Duration::from_secs(20);

/// Counters that the background tasks share.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Log bytes since the last checkpoint.
    pub log_bytes: AtomicU64,
    /// Executions that are open.
    pub live: AtomicU64,
}

/// Serves until SIGTERM, SIGINT or a fault that makes going on unsafe.
pub(crate) async fn serve(mut config: Config) -> anyhow::Result<()> {
    let metrics = Metrics::new(config.metrics.dimensions_max);
    metrics.executions_open_limit(config.limits.executions_open_max);
    let options = net::Options::new(&config, metrics.clone()).context("TLS")?;
    let grace = options.grace;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| bind_hint(&config))?;
    config.know_address(listener.local_addr()?);
    let mut running = open::open(&config, metrics.clone()).await?;
    let shared = running.shared.clone();
    let readiness = Readiness::new();
    let service = Service::new(shared.clone(), &config);
    service.resume_deletions();
    let (router, health) = routes(&config, service, readiness.clone(), metrics.clone()).await?;
    express::resume(&shared, std::mem::take(&mut running.interrupted));
    let background = background(&config, &shared, metrics);
    // Watched from here on: a signal to a process that says it is ready must never be the end of it.
    watch_signals(shared.stop.clone());
    readiness.set(Ready::Yes);
    health.serving().await;
    tracing::info!(listen = %listener.local_addr()?, data = %open::data_name(&config), "ready");

    let edge = CancellationToken::new();
    let serving = crate::task::spawn(
        "listener",
        net::serve(listener, router, options, edge.clone()),
    );
    // Connections wait in the listener from here on.
    notify::ready(&config.listen.to_string());
    shared.stop.cancelled().await;
    notify::stopping();
    tracing::info!("draining: finishing what was accepted");
    readiness.set(Ready::No("draining"));
    health.draining().await;
    edge.cancel();
    let began = tokio::time::Instant::now();
    let halting = crate::task::spawn("halt", halt_express(shared.clone(), grace));
    let _outcome = serving.await;
    settle_requests(&shared, began + grace).await;
    halting.abort();
    shared.express.halt.cancel();
    background.into_iter().for_each(|task| task.abort());
    let storage_works = shared.fatal.reason().is_none() && shared.pressure.refusing().is_none();
    if storage_works {
        credentials::write_down(&shared).await;
        last_checkpoint(&shared).await;
    }
    running.finish().await;
    shared.access.audit.flush().await;
    shared.observer.flush().await;
    shared.observer.clone().spool().await;
    match shared.fatal.reason() {
        Some(reason) => Err(anyhow!(reason)),
        None => Ok(()),
    }
}

/// What still runs near the end of the grace is answered that it cannot end, which is better than a cut connection.
async fn halt_express(shared: Arc<Shared>, grace: Duration) {
    tokio::time::sleep(grace - grace / 10).await;
    shared.express.halt.cancel();
}

/// Lets HTTP requests of tasks end that are on their way: those that are cut off would be made again.
async fn settle_requests(shared: &Shared, deadline: tokio::time::Instant) {
    let drained = shared.outbound.drained();
    if tokio::time::timeout_at(deadline, drained).await.is_err() {
        tracing::warn!("HTTP requests of tasks were cut off; they are made again after the start");
    }
}

async fn last_checkpoint(shared: &Arc<Shared>) {
    let last = tokio::time::timeout(LAST_CHECKPOINT, checkpoint::run(shared));
    if !matches!(last.await, Ok(Ok(()))) {
        tracing::warn!(
            "the last checkpoint did not complete; the next start replays the log instead"
        );
    }
}

fn bind_hint(config: &Config) -> String {
    format!(
        "cannot listen on {}: is another coordinator running there? Choose another address with --listen",
        config.listen
    )
}

async fn routes(
    config: &Config,
    service: Service,
    readiness: Readiness,
    metrics: Metrics,
) -> anyhow::Result<(Router, crate::rpc::Health)> {
    let drain = service.shared.stop.clone();
    let fleet = FleetFace {
        service: service.clone(),
        session_ttl: Duration::from_secs(config.session_ttl_s),
    };
    let clock = service.shared.clock.clone();
    let access = service.shared.access.clone();
    let outbound = service.shared.outbound.clone();
    let face = Arc::new(Face::new(service, &config.limits, metrics.clone(), drain));
    face.open_to_tasks();
    let (grpc, health) = crate::rpc::routes(face.clone(), fleet).await?;
    let callbacks = crate::callbacks::router(face.service.clone());
    let web = crate::aws::router(face)
        .merge(callbacks)
        .merge(crate::http::router(readiness, metrics));
    let issuers = Issuers::of(config, &outbound, clock.clone());
    let authenticator = Authenticator::new(config, access, clock).believing(issuers);
    let router = net::dispatch(grpc, web).layer(from_fn_with_state(authenticator, require));
    Ok((router, health))
}

fn background(config: &Config, shared: &Arc<Shared>, metrics: Metrics) -> Vec<JoinHandle<()>> {
    let days = config.retention_days;
    vec![
        crate::task::spawn(
            "checkpoints",
            checkpoint::every(shared.clone(), config.checkpoint.clone()),
        ),
        crate::task::spawn("credentials", credentials::every(shared.clone())),
        crate::task::spawn(
            "revoked callback URLs",
            crate::callbacks::revoked::forget_every(shared.clone()),
        ),
        crate::task::spawn("retention", retention::every(shared.clone(), days)),
        crate::task::spawn("metrics", sample::every(shared.clone(), metrics)),
        crate::task::spawn("pace of activities", crate::matching::pace(shared.clone())),
        crate::task::spawn("watchdog", notify::watchdog(shared.clone())),
    ]
}

/// SIGTERM and SIGINT begin the drain.
fn watch_signals(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!(
            "signals cannot be watched; stop the process with SIGKILL, nothing acknowledged is lost"
        );
        return;
    };
    crate::task::spawn("signals", async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
}
