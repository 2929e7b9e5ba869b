//! A worker process for tests that kill and pause it. Its handlers write what they do into a ledger.
//!
//! `ledger_worker URL NAME SESSIONS SLOTS FOLDER ACTIVITY…`: so many workers in one process, called `NAME-0` and so on. A
//! task's input says what its handler does: `ms` is how long it works; `gate` is a folder in which it waits for a file
//! called `NAME`; a `stubborn` one does not mind being cancelled; a `loud` one shows progress, which is a heartbeat.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use stepfleet_e2e::{Deed, Ledger, token_number};
use stepfleet_sdk::{CancellationToken, Client, Endpoint, Task, TaskError, Worker};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// Between two looks for a gate's file.
const LOOK: Duration = Duration::from_millis(5);
/// A silent connection is given up after twice this.
const KEEPALIVE: Duration = Duration::from_millis(500);

/// What all handlers of the process share.
#[derive(Debug)]
struct Shop {
    name: String,
    ledger: Ledger,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, sessions, slots, folder, activities @ ..] = &arguments[..] else {
        anyhow::bail!("usage: ledger_worker URL NAME SESSIONS SLOTS FOLDER ACTIVITY…");
    };
    let (sessions, slots): (u32, u32) = (sessions.parse()?, slots.parse()?);
    let shop = Arc::new(Shop {
        name: name.clone(),
        ledger: Ledger::create(Path::new(folder))?,
    });
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for number in 0..sessions {
        let endpoint = Endpoint::new(url.as_str()).keepalive(KEEPALIVE, KEEPALIVE);
        let mut worker = Worker::new(Client::connect_lazy(endpoint)?);
        worker = worker.name(format!("{name}-{number}"));
        for activity in activities {
            let shop = Arc::clone(&shop);
            let handler = move |task: Task<Value>| work(task, Arc::clone(&shop));
            worker = worker.activity(activity.as_str(), handler).slots(slots);
        }
        workers.spawn(worker.run(stop.clone()));
    }
    let mut asked = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(ended) => ended?.context("a worker")?,
                None => return Ok(()),
            },
            _ = asked.recv() => stop.cancel(),
        }
    }
}

async fn work(task: Task<Value>, shop: Arc<Shop>) -> Result<Value, TaskError> {
    let write = |deed| {
        let written = shop.ledger.write(deed, &shop.name, &task);
        written.map_err(|error| TaskError::new("Ledger", error.to_string()))
    };
    write(Deed::Start)?;
    if task.input["loud"] == true {
        task.progress("begun")?;
    }
    let done = wait(&task.input, &shop.name);
    tokio::select! {
        () = done => {}
        () = task.cancelled(), if task.input["stubborn"] != true => {
            write(Deed::Cancel)?;
            return Err(TaskError::new("Cancelled", "nobody wants it"));
        }
    }
    write(Deed::Finish)?;
    let mut output = task.input.clone();
    output["by"] = json!(token_number(task.token()).to_string());
    Ok(output)
}

async fn wait(input: &Value, name: &str) {
    if let Some(ms) = input["ms"].as_u64() {
        let mut time = tokio::time::interval(Duration::from_millis(ms.max(1)));
        time.tick().await;
        time.tick().await;
    }
    if let Some(folder) = input["gate"].as_str() {
        let gate: PathBuf = Path::new(folder).join(name);
        let mut looks = tokio::time::interval(LOOK);
        while !gate.exists() {
            looks.tick().await;
        }
    }
}
