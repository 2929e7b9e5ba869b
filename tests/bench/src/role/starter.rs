//! The starter: keeps a number of executions in flight with unary StartExecution calls over a few connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use stepfleet_sdk::{Client, Error, api};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::console::{self, Report};
use super::{CONNECTIONS, block_on, ended};
use crate::args::StarterOptions;
use crate::machine;

/// Calls at once on one connection.
const LANES: u32 = 32;

/// What all lanes share.
#[derive(Debug)]
struct Starter {
    machines: Vec<String>,
    input: String,
    /// One permit for each execution that may be started now.
    room: Semaphore,
    /// Numbers given to executions, and how many there may be.
    next: AtomicU64,
    limit: u64,
    started: AtomicU64,
    ended: AtomicU64,
    failures: AtomicU64,
    failure: Mutex<Option<String>>,
}

/// Serves until the input ends.
pub(crate) fn serve(options: &StarterOptions) -> anyhow::Result<()> {
    block_on(run(options))
}

async fn run(options: &StarterOptions) -> anyhow::Result<()> {
    let starter = Arc::new(Starter::new(options));
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(options.endpoint.as_str()).await?);
    }
    let reporter = Arc::clone(&starter);
    let orders = console::obey(move || reporter.report())?;
    let mut lanes = JoinSet::new();
    for client in clients
        .iter()
        .flat_map(|client| std::iter::repeat_n(client, LANES as usize))
    {
        lanes.spawn(Arc::clone(&starter).lane(client.clone()));
    }
    if let Some(socket) = options.socket.clone() {
        let starter = Arc::clone(&starter);
        lanes.spawn(async move {
            // Without a worker nothing is started any more, and the benchmark sees that nothing ends.
            let _ = ended::hear(&socket, |count| starter.ended(count)).await;
        });
    }
    orders.stop.cancelled().await;
    starter.room.close();
    orders.exit.cancelled().await;
    Ok(())
}

impl Starter {
    fn new(options: &StarterOptions) -> Self {
        Self {
            machines: options.machine.clone(),
            input: machine::input(options.tasks),
            room: Semaphore::new(usize::try_from(options.in_flight).unwrap_or(usize::MAX)),
            next: AtomicU64::new(0),
            limit: options.limit.unwrap_or(u64::MAX),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Starts one execution after another, each as soon as there is room.
    async fn lane(self: Arc<Self>, client: Client) {
        while let Ok(permit) = self.room.acquire().await {
            permit.forget();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.limit {
                break;
            }
            match client.start_execution(self.request(number)).await {
                Ok(_) => {
                    self.started.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    fn request(&self, number: u64) -> api::StartExecutionRequest {
        let count = u64::try_from(self.machines.len()).unwrap_or(1).max(1);
        let index = usize::try_from(number % count).unwrap_or_default();
        api::StartExecutionRequest {
            state_machine_arn: self.machines.get(index).cloned().unwrap_or_default(),
            // The process id tells apart the starters of one data folder.
            name: format!("{}-{number}", std::process::id()),
            input: self.input.clone(),
            trace_header: String::new(),
        }
    }

    fn ended(&self, count: u64) {
        self.ended.fetch_add(count, Ordering::Relaxed);
        if !self.room.is_closed() {
            self.room
                .add_permits(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }

    fn failed(&self, error: &Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| error.to_string());
    }

    fn report(&self) -> Report {
        Report {
            started: self.started.load(Ordering::Relaxed),
            ended: self.ended.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            failure: self
                .failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            ..Report::default()
        }
    }
}
