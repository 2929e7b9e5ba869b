//! What the tests of the protocol have in common: a coordinator, workers of which each deed is known, executions of one
//! activity task each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Deed, Entry, History, Process, Settings, Signal, World, activity,
    create_machine, outcome, read_ledgers, start, until,
};
use stepfleet_sdk::{Client, api};

/// A coordinator and whoever asks it.
pub(crate) struct Scene {
    pub(crate) coordinator: Coordinator,
    pub(crate) client: Client,
    folder: PathBuf,
}

/// One activity with its machine, its executions, and a folder for ledgers and gates.
pub(crate) struct Play {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) machine: String,
    pub(crate) client: Client,
}

impl Scene {
    pub(crate) async fn new(world: &World, session_ttl_s: u64) -> Result<Self> {
        let settings = Settings::new(world, "coordinator").with("session_ttl_s", session_ttl_s);
        let coordinator = settings.start(world).await?;
        Ok(Self {
            client: coordinator.client()?,
            coordinator,
            folder: world.path(""),
        })
    }

    /// An activity and a machine of this name.
    pub(crate) async fn play(&self, name: &str) -> Result<Play> {
        let arn = activity(&self.client, name).await?;
        self.play_of(name, &one_task(&arn)).await
    }

    /// The same with a definition of its own.
    pub(crate) async fn play_of(&self, name: &str, definition: &Value) -> Result<Play> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder)?;
        Ok(Play {
            name: name.to_owned(),
            machine: create_machine(&self.client, name, definition).await?,
            client: self.client.clone(),
            folder,
        })
    }
}

/// One task; an attempt that is lost is followed by another.
pub(crate) fn one_task(arn: &str) -> Value {
    json!({
        "StartAt": "Work",
        "States": { "Work": {
            "Type": "Task",
            "Resource": arn,
            "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 3 }],
            "End": true,
        } },
    })
}

impl Play {
    /// A worker process of this activity.
    pub(crate) fn worker(&self, url: &str, name: &str, slots: u32) -> Result<Process> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger_worker"));
        command
            .args([url, name, "1", &slots.to_string()])
            .arg(self.ledgers())
            .arg(&self.name);
        Process::start(command, &self.folder.with_extension(format!("{name}.log")))
    }

    fn ledgers(&self) -> PathBuf {
        self.folder.join("ledgers")
    }

    /// Starts an execution whose handler waits for the gate of its worker; `more` is added to its input.
    pub(crate) async fn start(&self, name: &str, more: Value) -> Result<String> {
        let mut input = more;
        input["gate"] = json!(self.folder);
        let name = format!("{}-{name}", self.name);
        Ok(start(&self.client, &self.machine, &name, &input).await?)
    }

    /// Lets the handlers of a worker end.
    pub(crate) fn open_gate(&self, worker: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.join(worker), "")?)
    }

    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        read_ledgers(&self.ledgers())
    }

    /// Waits until this many handlers have done this.
    pub(crate) async fn wait_for(&self, deed: Deed, count: usize) -> Result<Vec<Entry>> {
        let what = format!("{}: {count} handlers tell {deed:?}", self.name);
        until(&what, Deadline::seconds(60), async || {
            let mut entries = self.entries()?;
            entries.retain(|entry| entry.deed == deed);
            Ok((entries.len() >= count).then_some(entries))
        })
        .await
    }

    /// Whether a worker of this name may still come back, or is there.
    pub(crate) async fn serves(&self, worker: &str) -> Result<bool> {
        let request = api::ListWorkersRequest {
            activity: self.name.clone(),
            ..Default::default()
        };
        let workers = self.client.list_workers(request).await?.workers;
        let named = workers.iter().filter(|info| info.name.starts_with(worker));
        Ok(named
            .map(api::WorkerInfo::status)
            .any(|status| status != api::WorkerStatus::Gone))
    }

    /// Waits for the success of an execution whose task closed once, by the last of its handlers.
    pub(crate) async fn check_success(&self, arn: &str) -> Result<()> {
        let ended = outcome(&self.client, arn, Deadline::seconds(60)).await?;
        let history = History::read(&self.client, arn).await?;
        let events = || format!("{:#?}", history.events);
        let status = ended.status();
        ensure!(
            status == api::ExecutionStatus::Succeeded,
            "{status:?} {}",
            events()
        );
        history.check()?;
        history.check_closed().with_context(events)?;
        let succeeded = history.of("ActivitySucceeded").last();
        let by = succeeded.context("no success")?.output()["by"].clone();
        let starts = self.starts()?;
        // A paused one may begin a superseded attempt when it wakes up: the last is not the latest.
        let starts = starts.get(name_of(arn)).into_iter().flatten();
        let last = starts.max_by_key(|entry| (entry.attempt, entry.at_ms));
        let last = last.with_context(|| format!("no handler of {arn} began"))?;
        let token = last.token.to_string();
        ensure!(
            by == token.as_str(),
            "a superseded attempt closed its task: {}",
            events()
        );
        Ok(())
    }

    /// Starts of handlers, by execution.
    pub(crate) fn starts(&self) -> Result<BTreeMap<String, Vec<Entry>>> {
        let mut starts: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in self.entries()? {
            if entry.deed == Deed::Start {
                starts
                    .entry(entry.execution.clone())
                    .or_default()
                    .push(entry);
            }
        }
        Ok(starts)
    }

    /// No attempt began twice.
    pub(crate) fn check_attempts(&self) -> Result<()> {
        for (execution, starts) in self.starts()? {
            let mut attempts: Vec<u32> = starts.iter().map(|entry| entry.attempt).collect();
            attempts.sort_unstable();
            attempts.dedup();
            ensure!(
                attempts.len() == starts.len(),
                "an attempt of {execution} began twice: {starts:#?}"
            );
        }
        Ok(())
    }
}

/// Asks a worker to leave, which it does in order.
pub(crate) async fn leave(mut worker: Process) -> Result<()> {
    if worker.ended()?.is_none() {
        worker.signal(Signal::SIGTERM)?;
    }
    let status = worker.end(Deadline::seconds(60)).await?;
    ensure!(
        status.success(),
        "the worker ended with {status}:\n{}",
        worker.output()
    );
    Ok(())
}

/// Name of an execution.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// A file of the world that nobody else has.
pub(crate) fn file(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}
