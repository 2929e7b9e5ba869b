//! Containers of a real engine, where one works: podman or docker, as the machine has them, or podman with settings that
//! need less of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Settings, World, activity, create_machine, outcome, scenario, skipped,
    start, until,
};
use stepfleet_sdk::api;

use crate::programs::worker;

pub(crate) const IMAGE: &str = "localhost/stepfleet-e2e:1";

/// An engine that runs containers here, and the image for them.
pub(crate) struct Engine {
    pub(crate) program: PathBuf,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Engine {
    /// The first that works.
    pub(crate) fn find(world: &World) -> Result<Option<Self>> {
        let image = root_file_system(world)?;
        for name in ["podman", "docker"] {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let found = std::env::split_paths(&path).map(|folder| folder.join(name));
            let Some(program) = found.into_iter().find(|path| path.is_file()) else {
                continue;
            };
            for environment in [Vec::new(), frugal(world)?] {
                let program = program.clone();
                let engine = Self {
                    program,
                    environment,
                };
                if engine.works(&image) {
                    return Ok(Some(engine));
                }
            }
        }
        Ok(None)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .envs(self.environment.iter().map(|(key, value)| (*key, value)))
            .stdin(Stdio::null());
        command
    }

    fn works(&self, image: &Path) -> bool {
        let quiet = |arguments: &[&str]| {
            let mut command = self.command(arguments);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let image = image.to_str().unwrap_or_default();
        quiet(&["import", image, IMAGE])
            && quiet(&[
                "run",
                "--rm",
                "--network=none",
                "--memory=64m",
                IMAGE,
                "/bin/sh",
                "-c",
                ":",
            ])
    }

    /// Names of all containers that a worker made.
    fn containers(&self) -> Result<String> {
        let format = "--format={{.Names}}";
        let mut command =
            self.command(&["ps", "--all", "--filter=label=io.stepfleet.worker", format]);
        Ok(String::from_utf8(command.output()?.stdout)?)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.command(&["rmi", "--force", IMAGE]).output();
    }
}

/// A shell and what it needs, from this machine: no registry is asked.
fn root_file_system(world: &World) -> Result<PathBuf> {
    let root = world.path("root");
    for program in ["/bin/sh", "/bin/cat", "/bin/sleep", "/usr/bin/head"] {
        let linked = Command::new("ldd").arg(program).output()?;
        let linked = String::from_utf8(linked.stdout)?;
        let libraries = linked
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        for path in libraries.chain([program]) {
            let copy = root.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(copy.parent().context("files have folders")?)?;
            std::fs::copy(path, copy)?;
        }
    }
    let archive = world.path("root.tar");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".");
    ensure!(tar.status()?.success(), "tar failed");
    Ok(archive)
}

/// podman where it may neither mount overlays nor raise limits.
fn frugal(world: &World) -> Result<Vec<(&'static str, String)>> {
    let text = "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
                [containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n";
    let settings = world.file("containers.conf", text)?;
    let (run, graph) = (world.path("run"), world.path("graph"));
    let text = format!("[storage]\ndriver = \"vfs\"\nrunroot = {run:?}\ngraphroot = {graph:?}\n");
    let storage = world.file("storage.conf", text)?;
    let path = |path: PathBuf| path.display().to_string();
    Ok(vec![
        ("CONTAINERS_CONF", path(settings)),
        ("CONTAINERS_STORAGE_CONF", path(storage)),
    ])
}

const ACTIVITIES: &[(&str, &str)] = &[
    (
        "echo",
        "command = [\"/bin/cat\"], read_only = true, cpus = 0.5, user = \"65532\"",
    ),
    (
        "words",
        "command = [\"/bin/sh\", \"-c\", \"echo $1 $EXTRA\", \"sh\", \"{word}\"]",
    ),
    (
        "fails",
        "command = [\"/bin/sh\", \"-c\", \"echo why >&2; exit 125\"]",
    ),
    ("absent", "command = [\"/no/such/program\"]"),
    ("slow", "command = [\"/bin/sleep\", \"1000\"]"),
];

fn configuration(coordinator: &Coordinator, engine: &Engine) -> String {
    let mut text = format!("endpoint = \"{}\"\nkill_seconds = 1\n", coordinator.url());
    for (name, more) in ACTIVITIES {
        let input = if *name == "words" {
            "arguments"
        } else {
            "stdin"
        };
        text += &format!(
            "[[activity]]\nname = \"{name}\"\ninput = \"{input}\"\nenvironment = {{ EXTRA = \"more\" }}\n\
             container = {{ engine = {:?}, image = \"{IMAGE}\", pull = \"never\", network = \"none\", memory = \"64m\", {more} }}\n",
            engine.program
        );
    }
    text += &format!(
        "[[activity]]\nname = \"gone\"\ncontainer = {{ engine = {:?}, image = \"localhost/none:1\", pull = \"never\" }}\n",
        engine.program
    );
    text
}

async fn machine(coordinator: &Coordinator, name: &str) -> Result<String> {
    let client = coordinator.client()?;
    let arn = activity(&client, name).await?;
    let state = json!({ "Type": "Task", "Resource": arn, "End": true });
    let definition = json!({ "StartAt": "Work", "States": { "Work": state } });
    create_machine(&client, name, &definition).await
}

#[test]
fn a_real_engine_runs_containers_and_keeps_none() {
    scenario(async |world: &World| {
        let Some(engine) = Engine::find(world)? else {
            skipped("neither podman nor docker runs containers here");
            return Ok(());
        };
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let environment: Vec<_> = engine
            .environment
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        let text = configuration(&coordinator, &engine);
        let mut serving = worker(world, "worker", &text, &environment)?;
        let client = coordinator.client()?;
        for (name, expect) in [
            ("echo", Ok(json!({ "word": "hello" }))),
            ("words", Ok(json!("hello more"))),
            ("fails", Err("CommandFailed: exit status 125: why")),
            ("absent", Err("ContainerNotStarted: ")),
            ("gone", Err("ContainerImageNotFound: ")),
        ] {
            let machine = machine(&coordinator, name).await?;
            let execution = start(&client, &machine, "e", &json!({ "word": "hello" })).await?;
            let ended = outcome(&client, &execution, Deadline::seconds(30)).await?;
            check(name, &ended, expect)?;
        }
        ensure!(engine.containers()?.is_empty(), "{}", engine.containers()?);

        // Stopped while it works, and left behind by a worker that is killed.
        let slow = machine(&coordinator, "slow").await?;
        let stopped = start(&client, &slow, "stopped", &json!({})).await?;
        appears(&engine, true).await?;
        let request = api::StopExecutionRequest {
            execution_arn: stopped,
            ..Default::default()
        };
        client.stop_execution(request).await?;
        appears(&engine, false).await?;

        start(&client, &slow, "killed", &json!({})).await?;
        appears(&engine, true).await?;
        serving.kill()?;
        let left = engine.containers()?;
        ensure!(!left.is_empty(), "nobody was left to remove it");
        let _next = worker(world, "next", &text, &environment)?;
        until(
            "what was left behind is removed",
            Deadline::seconds(30),
            async || Ok((!engine.containers()?.contains(left.trim())).then_some(())),
        )
        .await
    });
}

fn check(
    name: &str,
    ended: &api::DescribeExecutionResponse,
    expect: Result<Value, &str>,
) -> Result<()> {
    match expect {
        Ok(output) => {
            let found: Value = serde_json::from_str(ended.output()).unwrap_or_default();
            ensure!(found == output, "{name}: {ended:?}");
        }
        Err(failure) => {
            let found = format!("{}: {}", ended.error(), ended.cause());
            ensure!(found.starts_with(failure), "{name}: {found}");
        }
    }
    Ok(())
}

async fn appears(engine: &Engine, there: bool) -> Result<()> {
    until(
        "a container appears or goes",
        Deadline::seconds(30),
        async || Ok((engine.containers()?.is_empty() != there).then_some(())),
    )
    .await
}
