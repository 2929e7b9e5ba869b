//! Opening the data: folder, log, state store, control records, recovery; and the reverse at the end.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use stepfleet_engine::PartitionId;
use stepfleet_engine::limits::Limits;
use stepfleet_store::folder::{DataFolder, Format};
use stepfleet_store::log::local::{self, LocalLog};
use stepfleet_store::log::model::ModelLog;
use stepfleet_store::state::fjall::{FjallOptions, FjallStore};
use stepfleet_store::state::memory::MemoryStore;
use stepfleet_store::{PartitionLog, Seq, StateStore};
use tokio::sync::{Semaphore, SetOnce};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Counters;
use crate::arn::ArnSpace;
use crate::callbacks::Callbacks;
use crate::catalog::Catalog;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::connections::Connections;
use crate::control::{ControlStore as _, LocalControl, Origin, SYSTEM_PARTITION};
use crate::entropy::Entropy;
use crate::express::{self, Express, Interrupted};
use crate::fatal::{Fatal, Watched};
use crate::fleet::Fleet;
use crate::functions::Functions;
use crate::integrations::Registry;
use crate::integrations::stops::Stops;
use crate::matching::Matching;
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::observe::Observer;
use crate::outbound::Outbound;
use crate::partition::recovery::{self, seq_of};
use crate::shared::{Pressure, Shared};
use crate::token::TokenKeys;
use crate::writer::{self, WriterHandle};

/// Control key of the secret that seals task tokens.
pub(super) const TOKEN_KEY: &str = "key/task-token/1";
/// A host is bound by one processor; more of them than processors only divide the batches.
const HOSTS_MAX: usize = 16;

/// Where everything is kept.
struct Storage {
    log: Arc<dyn PartitionLog>,
    store: Arc<dyn StateStore>,
    format: Format,
    folder: Option<DataFolder>,
}

/// A coordinator whose hosts work.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    /// Express executions that are to run again.
    pub(crate) interrupted: Interrupted,
    owners: Vec<JoinHandle<()>>,
    owners_stop: CancellationToken,
    _folder: Option<DataFolder>,
}

impl Running {
    /// Lets the owners of partitions finish what they accepted.
    pub(crate) async fn finish(self) {
        self.owners_stop.cancel();
        for owner in self.owners {
            if owner.await.is_err() {
                tracing::error!(
                    "an owner of partitions panicked; what it acknowledged is in the log"
                );
            }
        }
    }
}

/// Opens the data and starts the hosts.
pub(crate) async fn open(config: &Config, metrics: Metrics) -> anyhow::Result<Running> {
    let entropy = Entropy::default();
    let fatal = Fatal::default();
    let (settings, cluster) = (config.clone(), entropy.next_u128());
    let storage =
        crate::task::blocking("open storage", move || storage(&settings, cluster)).await??;
    let covered = storage.store.last_checkpoint().context("the state store")?;
    let (writer, _thread) = writer::start(storage.store.clone(), fatal.clone())
        .context("cannot start the state writer")?;
    let origin = origin(&entropy, &fatal);
    let control = control(&storage, writer.clone(), &covered, origin).await?;
    let cluster_id = storage.format.cluster.to_be_bytes();
    let tokens = tokens(&control, &entropy, cluster_id).await?;
    let host_count = host_count(storage.format.partitions);
    let owners_stop = CancellationToken::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let observer = Arc::new(Observer::open(config, limits(config), &metrics, &clock)?);
    let arns = ArnSpace::of(config);
    let access = super::access::open(config, &clock, &control, &metrics, &entropy).await?;
    let (outbound, connections, functions) = outside(config, &arns)?;
    let shared = Arc::new(Shared {
        started_at: clock.now(),
        clock,
        entropy,
        tokens,
        callbacks: Callbacks::of(&config.callbacks),
        arns,
        access,
        catalog: Catalog::open(control.clone(), metrics.clone())?,
        integrations: Registry::new(functions.clone()),
        outbound,
        connections,
        functions,
        matching: Matching::default(),
        fleet: Fleet::default(),
        log: storage.log,
        store: storage.store,
        writer,
        metrics,
        observer,
        counters: Counters::default(),
        namespaces: Namespaces::new(&config.limits),
        express: express(config),
        calls: Default::default(),
        stops: Stops::open(config).context("what is to be stopped")?,
        control,
        checkpoints: tokio::sync::Mutex::new(()),
        limits: limits(config),
        partition_count: storage.format.partitions,
        session_ttl_ms: milliseconds(config.session_ttl_s),
        cluster_id,
        host_budget_bytes: memory_budget(config) / host_count,
        pressure: Pressure::default(),
        stop: fatal.stop.clone(),
        fatal: fatal.clone(),
        partitions: OnceLock::new(),
        face: SetOnce::new(),
        evaluations: Arc::new(Semaphore::new(evaluations_max())),
    });
    shared.fleet.attach(&shared);
    let (owners, interrupted) = owners(&shared, host_count, &covered, &owners_stop).await?;
    Ok(Running {
        shared,
        interrupted,
        owners,
        owners_stop,
        _folder: storage.folder,
    })
}

fn origin(entropy: &Entropy, fatal: &Fatal) -> Origin {
    Origin {
        batch_seed: entropy.next_u128(),
        fatal: fatal.clone(),
    }
}

fn express(config: &Config) -> Express {
    Express::new(
        config.limits.express_open_max,
        config.memory_budget_bytes / 4,
    )
}

fn memory_budget(config: &Config) -> usize {
    usize::try_from(config.memory_budget_bytes).unwrap_or(usize::MAX)
}

/// What tasks call outside.
fn outside(
    config: &Config,
    arns: &ArnSpace,
) -> anyhow::Result<(Outbound, Connections, Arc<Functions>)> {
    let outbound = Outbound::new(&config.http).context("http.ca")?;
    let environment = |name: &str| std::env::var(name).ok();
    let connections = Connections::open(config, &outbound, &environment).context("connections")?;
    let functions = Arc::new(Functions::of(config, arns, &connections));
    Ok((outbound, connections, functions))
}

/// Brings back what is stored, and lets those work who own it.
async fn owners(
    shared: &Arc<Shared>,
    host_count: usize,
    covered: &[(PartitionId, Seq)],
    stop: &CancellationToken,
) -> anyhow::Result<(Vec<JoinHandle<()>>, Interrupted)> {
    for arn in shared.catalog.held_back() {
        shared.configure(&arn);
    }
    let hosts = recovery::recover(shared, host_count, covered)
        .await
        .context("recovery")?;
    let covered = seq_of(covered, express::PARTITION);
    let (journal, interrupted) = express::recover(shared, covered)
        .await
        .context("recovery of Express executions")?;
    let work = |name, owner| work(name, owner, &shared.fatal, stop);
    let hosts = hosts
        .into_iter()
        .map(|host| work("host of executions", host.serve(stop.clone()).boxed()));
    let mut owners: Vec<_> = hosts.collect();
    let journal = journal.serve(stop.clone()).boxed();
    owners.push(work("journal of Express executions", journal));
    shared.resume_stops();
    Ok((owners, interrupted))
}

/// Lets an owner of partitions work; the process ends with it, should it end before it is told to.
fn work(
    name: &'static str,
    owner: BoxFuture<'static, ()>,
    fatal: &Fatal,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    let watched = Watched {
        fatal: fatal.clone(),
        name,
        ends: stop.clone(),
    };
    crate::task::spawn("host", async move {
        let _watched = watched;
        owner.await;
    })
}

async fn control(
    storage: &Storage,
    writer: WriterHandle,
    covered: &[(PartitionId, Seq)],
    origin: Origin,
) -> anyhow::Result<Arc<LocalControl>> {
    let system = seq_of(covered, SYSTEM_PARTITION);
    let (log, store) = (storage.log.clone(), storage.store.clone());
    let control = LocalControl::open(log, store, writer, system, origin).await;
    Ok(Arc::new(control.context("control records")?))
}

fn storage(config: &Config, cluster: u128) -> anyhow::Result<Storage> {
    let format = Format {
        partitions: config.partitions,
        cluster,
    };
    if config.ephemeral {
        let (log, store) = (Arc::new(ModelLog::new()), Arc::new(MemoryStore::new()));
        return Ok(Storage {
            log,
            store,
            format,
            folder: None,
        });
    }
    let folder = DataFolder::open_or_create(&config.data, format)?;
    let options = local::Options {
        reserve_bytes: config.disk_reserve_bytes,
        ..local::Options::default()
    };
    let log = LocalLog::open(&folder.log_path(), options).context("the log")?;
    let options = FjallOptions {
        reserve_bytes: config.disk_reserve_bytes / 2,
        ..FjallOptions::default()
    };
    let store = FjallStore::open(&folder.state_path(), options).context("the state store")?;
    Ok(Storage {
        log: Arc::new(log),
        store: Arc::new(store),
        format: folder.format(),
        folder: Some(folder),
    })
}

async fn tokens(
    control: &Arc<LocalControl>,
    entropy: &Entropy,
    cluster: [u8; 16],
) -> anyhow::Result<TokenKeys> {
    if control.get(TOKEN_KEY).is_none() {
        let secret = [entropy.bytes16(), entropy.bytes16()].concat();
        control
            .put(TOKEN_KEY.to_owned(), None, Some(secret))
            .await
            .context("cannot store the key of task tokens")?;
    }
    let entry = control
        .get(TOKEN_KEY)
        .context("the key of task tokens is gone")?;
    let secret: &[u8; 32] = entry
        .value
        .as_ref()
        .try_into()
        .context("the key of task tokens is damaged")?;
    Ok(TokenKeys::new(1, secret, cluster))
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Long evaluations at once: half of the machine stays with the hosts, whatever expressions do.
fn evaluations_max() -> usize {
    (processors() / 2).max(1)
}

fn host_count(partitions: u16) -> usize {
    let most = processors().min(HOSTS_MAX).min(usize::from(partitions));
    // Hosts own equal runs of partitions, whose number is a power of two.
    1 << most.ilog2()
}

fn limits(config: &Config) -> Limits {
    Limits {
        payload_bytes_max: config.limits.payload_bytes_max,
        history_events_max: config.limits.history_events_max,
        // As long as there is something to redrive.
        redrive_ms_max: i64::from(config.retention_days) * 86_400_000,
        ..Limits::default()
    }
}

/// What the log calls the data.
pub(crate) fn data_name(config: &Config) -> String {
    if config.ephemeral {
        "memory".to_owned()
    } else {
        config.data.display().to_string()
    }
}

/// Makes a data folder from a backup.
pub(crate) async fn restore(file: &Path, data: &Path) -> anyhow::Result<()> {
    let (file, data) = (file.to_owned(), data.to_owned());
    crate::task::blocking("restore", move || recovery::restore(&file, &data)).await?
}
