//! Which worker gets which task, as an operator sets it on the command line: slots, rates and bounds, keeping to workers,
//! ramps of builds, weights of state machines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, History, Process, Settings, World, activity, create_machine, outcome,
    scenario, start, until,
};
use stepfleet_sdk::{CancellationToken, Client, Endpoint, Task, TaskError, Worker, api};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::machines::one_activity;
use crate::programs::{cli, worker};

/// A coordinator with the activity `work` and the machine `work` of one such task.
struct Stage {
    coordinator: Coordinator,
    client: Client,
    machine: String,
}

impl Stage {
    async fn new(world: &World) -> Result<Self> {
        // A worker that is gone may not be counted on for long.
        let settings = Settings::new(world, "coordinator").with("session_ttl_s", 2);
        let coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let arn = activity(&client, "work").await?;
        let machine = create_machine(&client, "work", &one_activity(&arn)).await?;
        Ok(Self {
            coordinator,
            client,
            machine,
        })
    }

    async fn cli(&self, arguments: &[&str]) -> Result<String> {
        cli(&self.coordinator, arguments).await
    }

    /// So many executions of a machine, named by their numbers.
    async fn start_many(&self, machine: &str, prefix: &str, count: usize) -> Result<Vec<String>> {
        let mut arns = Vec::new();
        for number in 0..count {
            let name = format!("{prefix}{number}");
            arns.push(start(&self.client, machine, &name, &json!({})).await?);
        }
        Ok(arns)
    }

    async fn all_succeed(&self, arns: &[String]) -> Result<()> {
        for arn in arns {
            let ended = outcome(&self.client, arn, Deadline::seconds(120)).await?;
            ensure!(
                ended.status() == api::ExecutionStatus::Succeeded,
                "{ended:?}"
            );
        }
        Ok(())
    }

    async fn connected(&self, workers: u64) -> Result<()> {
        until("workers are connected", Deadline::seconds(30), async || {
            let listed = self.client.list_workers(Default::default()).await?.workers;
            let is_open = |it: &&api::WorkerInfo| it.status() == api::WorkerStatus::Connected;
            let count = listed.iter().filter(is_open).count();
            Ok((u64::try_from(count)? == workers).then_some(()))
        })
        .await
    }

    /// A stock worker whose command notes its begin and its end in a file, and stays until `gate` is there.
    fn stock(&self, world: &World, name: &str, settings: &str) -> Result<Process> {
        let at = |name: &str| world.path(name).display().to_string();
        let command = format!(
            "echo + >> {notes}; while [ ! -e {gate} ]; do sleep 0.02; done; echo - >> {notes}; echo 1",
            notes = at("notes"),
            gate = at("gate")
        );
        let config = format!(
            "endpoint = \"{}\"\nname = \"{name}\"\n\n[[activity]]\nname = \"work\"\nshell = {command:?}\n{settings}\n",
            self.coordinator.url()
        );
        worker(world, name, &config, &[])
    }

    /// Seconds from the first to the last task that was given to a worker.
    async fn started_within(&self, arns: &[String]) -> Result<f64> {
        let mut times = BTreeSet::new();
        for arn in arns {
            let history = History::read(&self.client, arn).await?;
            times.extend(history.of("ActivityStarted").map(|event| event.at));
        }
        let (first, last) = (times.first().copied(), times.last().copied());
        let millis = (last.unwrap_or(0) - first.unwrap_or(0)) / 1_000_000;
        Ok(f64::from(i32::try_from(millis)?) / 1000.0)
    }
}

/// The most commands that ran at once, and those that began, by their notes.
fn at_once(notes: &Path) -> (usize, usize) {
    let (mut now, mut most, mut begun) = (0_usize, 0, 0);
    for line in std::fs::read_to_string(notes).unwrap_or_default().lines() {
        if line == "+" {
            now += 1;
            begun += 1;
        } else {
            now = now.saturating_sub(1);
        }
        most = most.max(now);
    }
    (most, begun)
}

/// What workers in this process were given: worker and execution, in order.
#[derive(Clone)]
struct Given {
    tasks: Arc<Mutex<Vec<(String, String)>>>,
    /// Handlers wait for a permit each.
    permits: Arc<Semaphore>,
}

impl Given {
    fn new(permits: usize) -> Self {
        Self {
            tasks: Arc::default(),
            permits: Arc::new(Semaphore::new(permits)),
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn by_worker(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (worker, _) in self.tasks().iter() {
            *counts.entry(worker.clone()).or_insert(0) += 1;
        }
        counts
    }

    /// A worker, named like its build; dropping it is the end of its connection.
    fn worker(&self, stage: &Stage, build: &str, slots: u32) -> Result<JoinSet<()>> {
        let client = Client::connect_lazy(Endpoint::new(stage.coordinator.url()))?;
        let (given, name) = (self.clone(), build.to_owned());
        let worker = Worker::new(client)
            .name(build)
            .build_id(build)
            .activity("work", move |task: Task<Value>| {
                let (given, name) = (given.clone(), name.clone());
                async move {
                    let execution = task.execution_arn().to_owned();
                    given.tasks().push((name, execution));
                    given.permits.acquire().await?.forget();
                    Ok::<_, TaskError>(task.into_parts().0)
                }
            })
            .slots(slots);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(worker.run(CancellationToken::new()).await) });
        Ok(tasks)
    }
}

#[test]
fn a_stock_worker_runs_as_many_commands_at_once_as_it_has_slots() {
    // Whatever a host does, it has more than a thousandth of its memory in use.
    let by_host = "concurrency = 8\nfollow_host = { memory = 0.001, min = 2 }";
    for slots in ["concurrency = 2", by_host] {
        scenario(async |world: &World| {
            let stage = Stage::new(world).await?;
            let _worker = stage.stock(world, "stock", slots)?;
            let arns = stage.start_many(&stage.machine, "e", 6).await?;
            let notes = world.path("notes");
            until("its slots are full", Deadline::seconds(30), async || {
                Ok((at_once(&notes).1 == 2).then_some(()))
            })
            .await?;
            let stats = stage.cli(&["activity", "stats", "work"]).await?;
            ensure!(stats.contains("4 tasks"), "{stats}");
            world.file("gate", "")?;
            stage.all_succeed(&arns).await?;
            ensure!(at_once(&notes) == (2, 6), "{:?}", at_once(&notes));
            Ok(())
        });
    }
}

#[test]
fn a_worker_is_given_no_more_a_second_than_its_file_says() {
    scenario(async |world: &World| {
        let stage = Stage::new(world).await?;
        world.file("gate", "")?;
        let _worker = stage.stock(world, "stock", "concurrency = 20\nmax_rate = 5.0")?;
        stage.connected(1).await?;
        let shown = stage.cli(&["fleet", "show", "stock"]).await?;
        ensure!(shown.contains("A SECOND"), "{shown}");
        let arns = stage.start_many(&stage.machine, "e", 12).await?;
        stage.all_succeed(&arns).await?;
        let took = stage.started_within(&arns).await?;
        ensure!(took > 1.5, "12 tasks at 5 a second in {took} s");
        Ok(())
    });
}

#[test]
fn rates_and_bounds_of_an_activity_hold_over_all_its_workers() {
    scenario(async |world: &World| {
        let stage = Stage::new(world).await?;
        let _one = stage.stock(world, "one", "concurrency = 4")?;
        let _two = stage.stock(world, "two", "concurrency = 4")?;
        stage.connected(2).await?;
        stage
            .cli(&["activity", "limit", "work", "--concurrency", "3"])
            .await?;
        let arns = stage.start_many(&stage.machine, "e", 8).await?;
        let notes = world.path("notes");
        until("the bound is reached", Deadline::seconds(30), async || {
            Ok((at_once(&notes).1 == 3).then_some(()))
        })
        .await?;
        let stats = stage.cli(&["activity", "stats", "work"]).await?;
        ensure!(stats.contains("5 tasks"), "{stats}");
        world.file("gate", "")?;
        stage.all_succeed(&arns).await?;
        ensure!(at_once(&notes) == (3, 8), "{:?}", at_once(&notes));

        let limit = [
            "activity",
            "limit",
            "work",
            "--concurrency",
            "0",
            "--rate",
            "5",
        ];
        stage.cli(&limit).await?;
        let arns = stage.start_many(&stage.machine, "f", 12).await?;
        stage.all_succeed(&arns).await?;
        let took = stage.started_within(&arns).await?;
        ensure!(took > 1.5, "12 tasks at 5 a second in {took} s");
        Ok(())
    });
}

#[test]
fn an_execution_keeps_to_the_worker_that_had_its_last_task() {
    scenario(async |world: &World| {
        let stage = Stage::new(world).await?;
        let arn = activity(&stage.client, "work").await?;
        let definition = json!({ "StartAt": "One", "States": {
            "One": { "Type": "Task", "Resource": arn, "Next": "Two" },
            "Two": { "Type": "Task", "Resource": arn, "Next": "Three" },
            "Three": { "Type": "Task", "Resource": arn, "End": true },
        }});
        let machine = create_machine(&stage.client, "three", &definition).await?;
        let sticky = ["activity", "sticky", "work", "--for", "5m", "--wait", "5m"];
        stage.cli(&sticky).await?;
        let given = Given::new(1000);
        let _workers = [given.worker(&stage, "a", 1)?, given.worker(&stage, "b", 1)?];
        stage.connected(2).await?;
        let arns = stage.start_many(&machine, "e", 12).await?;
        stage.all_succeed(&arns).await?;
        let mut workers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (worker, execution) in given.tasks().iter() {
            workers
                .entry(execution.clone())
                .or_default()
                .insert(worker.clone());
        }
        ensure!(workers.len() == 12, "{workers:?}");
        ensure!(workers.values().all(|of| of.len() == 1), "{workers:?}");
        let stats = stage.cli(&["activity", "stats", "work"]).await?;
        ensure!(stats.contains("100 % of 24 tasks"), "{stats}");
        Ok(())
    });
}

#[test]
fn a_ramp_gives_a_build_its_share_and_is_taken_back_for_what_waits() {
    scenario(async |world: &World| {
        let stage = Stage::new(world).await?;
        let given = Given::new(1000);
        let _old = given.worker(&stage, "b1", 50)?;
        let new = given.worker(&stage, "b2", 50)?;
        stage.connected(2).await?;
        for (percent, expect) in [("10", 2..=24), ("50", 34..=66)] {
            let ramp = [
                "activity",
                "ramp",
                "work",
                "--build",
                "b2",
                "--percent",
                percent,
            ];
            stage.cli(&ramp).await?;
            given.tasks().clear();
            let prefix = format!("p{percent}-");
            let arns = stage.start_many(&stage.machine, &prefix, 100).await?;
            stage.all_succeed(&arns).await?;
            let count = given.by_worker().get("b2").copied().unwrap_or(0);
            ensure!(expect.contains(&count), "{count} of 100 at {percent} %");
        }
        // Nobody of the build is left: its share waits, and is told, until the ramp is off.
        drop(new);
        stage.connected(1).await?;
        given.tasks().clear();
        let arns = stage.start_many(&stage.machine, "off", 40).await?;
        let waits = "for a worker of build 'b2', which a ramp sends them to";
        until("the share is told", Deadline::seconds(30), async || {
            let stats = stage.cli(&["activity", "stats", "work"]).await?;
            Ok(stats.contains(waits).then_some(()))
        })
        .await?;
        stage.cli(&["activity", "ramp", "work", "--off"]).await?;
        stage.all_succeed(&arns).await?;
        let counts = given.by_worker();
        ensure!(
            counts == BTreeMap::from([("b1".to_owned(), 40)]),
            "{counts:?}"
        );
        Ok(())
    });
}

#[test]
fn a_weight_gives_a_machine_more_of_the_turns() {
    scenario(async |world: &World| {
        let stage = Stage::new(world).await?;
        let arn = activity(&stage.client, "work").await?;
        let heavy = create_machine(&stage.client, "heavy", &one_activity(&arn)).await?;
        stage.cli(&["activity", "weigh", "work", "heavy=3"]).await?;
        stage.cli(&["activity", "pause", "work"]).await?;
        let mut arns = stage.start_many(&stage.machine, "e", 40).await?;
        arns.extend(stage.start_many(&heavy, "e", 40).await?);
        let given = Given::new(0);
        let _worker = given.worker(&stage, "w", 20)?;
        stage.connected(1).await?;
        stage.cli(&["activity", "resume", "work"]).await?;
        until("its slots are full", Deadline::seconds(30), async || {
            Ok((given.tasks().len() == 20).then_some(()))
        })
        .await?;
        let is_heavy = |(_, execution): &&(String, String)| execution.contains(":heavy:");
        let count = given.tasks().iter().filter(is_heavy).count();
        ensure!(count == 15, "{count} of 20");
        given.permits.add_permits(1000);
        stage.all_succeed(&arns).await
    });
}
