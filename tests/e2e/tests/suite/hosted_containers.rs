//! `stepfleet:runContainer` of the stock worker: containers that outlive their worker, run once, and go with their task. By
//! an engine that stands in everywhere, and by a real one where it works.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, History, Process, Settings, World, create_machine, outcome, scenario,
    skipped, start, until, wait_for_event,
};
use stepfleet_sdk::{Client, api};

use crate::containers::{Engine, IMAGE};
use crate::programs::worker;

/// A program that runs containers, and an image that it has.
struct Runner {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    image: &'static str,
    /// One that it has not.
    missing: &'static str,
}

struct Stage {
    coordinator: Coordinator,
    client: Client,
    runner: Runner,
    /// A folder that containers see under the same path.
    shared: PathBuf,
    worker: Process,
}

impl Runner {
    /// A copy of the engine that stands in: its containers are beside it.
    fn standing_in(world: &World) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worker/tests/engine/engine");
        let folder = world.path("engine");
        fs::create_dir(&folder)?;
        let program = folder.join("engine");
        // With its mode: it is a program.
        fs::copy(script, &program)?;
        Ok(Self {
            program,
            environment: Vec::new(),
            image: "tools:1",
            missing: "missing:1",
        })
    }

    /// Names of all containers that a worker made.
    fn containers(&self) -> Result<String> {
        let filter = "--filter=label=io.stepfleet.worker";
        let mut command = Command::new(&self.program);
        command.args(["ps", "--all", filter, "--format={{.Names}}"]);
        command.envs(self.environment.iter().map(|(key, value)| (*key, value)));
        Ok(String::from_utf8(command.output()?.stdout)?)
    }

    async fn has(&self, containers: bool) -> Result<()> {
        until(
            "a container appears or goes",
            Deadline::seconds(60),
            async || Ok((self.containers()?.trim().is_empty() != containers).then_some(())),
        )
        .await
    }
}

impl Stage {
    async fn new(world: &World, runner: Runner) -> Result<Self> {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.patient_client()?;
        fs::create_dir(world.path("shared"))?;
        let shared = fs::canonicalize(world.path("shared"))?;
        let worker = work(world, &coordinator, &runner, &shared)?;
        let stage = Self {
            coordinator,
            client,
            runner,
            shared,
            worker,
        };
        stage.connected().await?;
        Ok(stage)
    }

    async fn connected(&self) -> Result<()> {
        let request = api::ListWorkersRequest {
            activity: "connector.stepfleet.runContainer".to_owned(),
            ..Default::default()
        };
        until("the worker is there", Deadline::seconds(30), async || {
            let listed = self.client.list_workers(request.clone()).await;
            let is_there = listed.is_ok_and(|listed| !listed.workers.is_empty());
            Ok(is_there.then_some(()))
        })
        .await
    }

    /// An execution, called like its machine, of a container with this script.
    async fn run(&self, name: &str, image: &str, script: &str) -> Result<String> {
        let shared = self.shared.display();
        let state = json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::stepfleet:runContainer.sync",
            "Parameters": {
                "Image": image,
                "Command": ["/bin/sh", "-c", script],
                "Environment": {"GREETING": "hello"},
                "Mounts": [format!("{shared}:{shared}")],
                "Input": {"n": 12_345_678},
            },
            "End": true,
        });
        let definition = json!({"StartAt": "Run", "States": {"Run": state}});
        let machine = create_machine(&self.client, name, &definition).await?;
        Ok(start(&self.client, &machine, name, &json!({})).await?)
    }

    async fn ended(&self, arn: &str) -> Result<api::DescribeExecutionResponse> {
        outcome(&self.client, arn, Deadline::seconds(90)).await
    }

    /// Notes that it runs, waits for the file `gate`, and gives back what it was given.
    fn script(&self) -> String {
        let shared = self.shared.display();
        format!(
            "echo run >> {shared}/runs; while [ ! -e {shared}/gate ]; do /bin/sleep 0.05; done; /bin/cat; echo; echo $GREETING"
        )
    }

    async fn runs(&self, count: usize) -> Result<()> {
        let path = self.shared.join("runs");
        until("containers run", Deadline::seconds(60), async || {
            let lines = fs::read_to_string(&path).map_or(0, |text| text.lines().count());
            Ok((lines == count).then_some(()))
        })
        .await
    }
}

fn work(
    world: &World,
    coordinator: &Coordinator,
    runner: &Runner,
    shared: &Path,
) -> Result<Process> {
    let config = format!(
        "endpoint = \"{}\"\nname = \"host\"\nkill_seconds = 1\n\n[run_container]\nenabled = true\nstate = {:?}\nengine = {:?}\n\
         images = [{:?}, {:?}]\nmounts = [{shared:?}]\nvariables = [\"GREETING\"]\npull = \"never\"\nnetwork = \"none\"\n",
        coordinator.url(),
        world.path("state"),
        runner.program,
        runner.image,
        runner.missing,
    );
    let environment: Vec<_> = runner
        .environment
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    worker(world, "worker", &config, &environment)
}

async fn check(world: &World, runner: Runner) -> Result<()> {
    let mut stage = Stage::new(world, runner).await?;
    refusals(&stage).await?;
    // It goes on without its worker, and the next one tells how it ended.
    let arn = stage
        .run("goes-on", stage.runner.image, &stage.script())
        .await?;
    wait_for_event(&stage.client, &arn, "TaskSubmitted", 1).await?;
    stage.runs(1).await?;
    stage.worker.kill()?;
    stage.worker = work(world, &stage.coordinator, &stage.runner, &stage.shared)?;
    fs::write(stage.shared.join("gate"), "")?;
    let ended = stage.ended(&arn).await?;
    ensure!(
        ended.status() == api::ExecutionStatus::Succeeded,
        "{ended:?}"
    );
    let output: Value = serde_json::from_str(ended.output())?;
    ensure!(output["ExitCode"] == 0, "{output}");
    let said = output["Stdout"].to_string();
    ensure!(
        said.contains("12345678") && said.contains("hello"),
        "{output}"
    );
    let history = History::read(&stage.client, &arn).await?;
    ensure!(history.count("TaskStarted") == 1, "{:#?}", history.events);
    stage.runs(1).await?;
    stage.runner.has(false).await?;
    // It goes when nobody waits for it.
    fs::remove_file(stage.shared.join("gate"))?;
    let arn = stage
        .run("stopped", stage.runner.image, &stage.script())
        .await?;
    stage.runs(2).await?;
    stage.runner.has(true).await?;
    let request = api::StopExecutionRequest {
        execution_arn: arn,
        ..Default::default()
    };
    stage.client.stop_execution(request).await?;
    stage.runner.has(false).await
}

/// What fails, or does not begin.
async fn refusals(stage: &Stage) -> Result<()> {
    for (name, image, script, error) in [
        ("fails", stage.runner.image, "exit 3", "States.TaskFailed"),
        (
            "missing",
            stage.runner.missing,
            "",
            "ContainerImageNotFound",
        ),
        ("foreign", "foreign:1", "", "NotAllowed"),
    ] {
        let arn = stage.run(name, image, script).await?;
        let ended = stage.ended(&arn).await?;
        let cause = ended.cause.as_deref().unwrap_or_default();
        let found = format!("{} {cause}", ended.error());
        ensure!(found.contains(error), "{name}: {ended:?}");
    }
    Ok(())
}

#[test]
fn containers_of_an_engine_that_stands_in_outlive_their_worker_and_go_with_their_task() {
    scenario(async |world: &World| {
        let runner = Runner::standing_in(world)?;
        check(world, runner).await
    });
}

#[test]
fn containers_of_a_real_engine_outlive_their_worker_and_go_with_their_task() {
    scenario(async |world: &World| {
        let Some(engine) = Engine::find(world)? else {
            skipped("neither podman nor docker runs containers here");
            return Ok(());
        };
        let runner = Runner {
            program: engine.program.clone(),
            environment: engine.environment.clone(),
            image: IMAGE,
            missing: "localhost/none:1",
        };
        // The image goes with the engine.
        let checked = check(world, runner).await;
        drop(engine);
        checked
    });
}
