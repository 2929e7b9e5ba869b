//! Commands of the stock worker that outlive everything: they run once, their end is told, and they end when nobody waits
//! for them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Direction, History, Process, Proxy, Settings, World, create_machine,
    outcome, scenario, start, until, wait_for_event,
};
use stepfleet_sdk::{Client, api};

use crate::programs::{cli, worker};

const SESSION_TTL_SECONDS: u64 = 20;

/// A coordinator, a worker that runs any shell command, and a machine of this pattern whose command writes a line, waits
/// for the file `gate`, and answers.
struct Stage {
    coordinator: Coordinator,
    client: Client,
    worker: Process,
    machine: String,
}

fn config(world: &World, url: &str) -> String {
    let state = world.path("state").display().to_string();
    format!(
        "endpoint = \"{url}\"\nname = \"host\"\nkill_seconds = 1\n\n[run_command]\nenabled = true\nstate = \"{state}\"\nshell = true\n\
         programs = [\"/bin/echo\"]\nvariables = [\"TOKEN\"]\n"
    )
}

fn command(world: &World) -> String {
    let at = |name: &str| world.path(name).display().to_string();
    format!(
        "trap 'echo ended >> {ends}; exit 4' TERM; echo run >> {runs}; while [ ! -e {gate} ]; do sleep 0.05; done; echo '{{\"n\":12345678901234567890}}'",
        ends = at("ends"),
        runs = at("runs"),
        gate = at("gate")
    )
}

fn machine(pattern: &str, parameters: Value, more: Value) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": format!("arn:aws:states:::stepfleet:runCommand{pattern}"),
        "Parameters": parameters,
        "End": true,
    });
    if let (Value::Object(state), Value::Object(more)) = (&mut state, more) {
        state.extend(more);
    }
    json!({"StartAt": "Run", "States": {"Run": state}})
}

async fn connected(client: &Client) -> Result<()> {
    until(
        "the worker is connected",
        Deadline::seconds(30),
        async || {
            let request = api::DescribeActivityRequest {
                activity_arn:
                    "arn:aws:states:us-east-1:000000000000:activity:connector.stepfleet.runCommand"
                        .to_owned(),
            };
            let workers = client.describe_activity(request).await;
            Ok(workers.is_ok_and(|it| it.workers > 0).then_some(()))
        },
    )
    .await
}

impl Stage {
    async fn new(world: &World, more: Value) -> Result<Self> {
        let settings =
            Settings::new(world, "coordinator").with("session_ttl_s", SESSION_TTL_SECONDS);
        let coordinator = settings.start(world).await?;
        let client = coordinator.patient_client()?;
        let worker = worker(world, "worker", &config(world, &coordinator.url()), &[])?;
        connected(&client).await?;
        let parameters = json!({"Shell": command(world)});
        let definition = machine(".sync", parameters, more);
        let machine = create_machine(&client, "run", &definition).await?;
        Ok(Self {
            coordinator,
            client,
            worker,
            machine,
        })
    }

    /// An execution whose command runs.
    async fn running(&self, world: &World) -> Result<String> {
        let arn = start(&self.client, &self.machine, "e", &json!({})).await?;
        wait_for_event(&self.client, &arn, "TaskSubmitted", 1).await?;
        lines(world, "runs", 1).await?;
        Ok(arn)
    }

    async fn restart_worker(&mut self, world: &World) -> Result<()> {
        let config = config(world, &self.coordinator.url());
        self.worker = worker(world, "worker", &config, &[])?;
        Ok(())
    }

    /// Lets the command end: the execution succeeds, and the command has run once.
    async fn ends_well(&self, world: &World, arn: &str) -> Result<()> {
        world.file("gate", "")?;
        let ended = outcome(&self.client, arn, Deadline::seconds(90)).await?;
        let history = History::read(&self.client, arn).await?;
        let events = &history.events;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?} {events:#?}"
        );
        history.check_closed()?;
        for kind in ["TaskStarted", "TaskSubmitted", "TaskSucceeded"] {
            ensure!(history.count(kind) == 1, "{kind}: {events:#?}");
        }
        let output = ended.output.context("it has an output")?;
        ensure!(output.contains("\"ExitCode\":0"), "{output}");
        ensure!(count(&world.path("runs")) == 1, "the command ran again");
        Ok(())
    }
}

fn count(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

async fn lines(world: &World, name: &str, lines: usize) -> Result<()> {
    let path = world.path(name);
    until(
        &format!("`{name}` has {lines} lines"),
        Deadline::seconds(30),
        async || Ok((count(&path) == lines).then_some(())),
    )
    .await
}

#[test]
fn a_command_goes_on_when_its_worker_is_killed() {
    scenario(async |world: &World| {
        let mut stage = Stage::new(world, json!({})).await?;
        let arn = stage.running(world).await?;
        stage.worker.kill()?;
        stage.restart_worker(world).await?;
        stage.ends_well(world, &arn).await
    });
}

#[test]
fn a_command_that_ended_while_its_worker_was_away_is_told_by_the_next() {
    scenario(async |world: &World| {
        let mut stage = Stage::new(world, json!({})).await?;
        let arn = stage.running(world).await?;
        stage.worker.kill()?;
        world.file("gate", "")?;
        stage.restart_worker(world).await?;
        stage.ends_well(world, &arn).await
    });
}

#[test]
fn a_command_goes_on_when_the_coordinator_is_killed() {
    scenario(async |world: &World| {
        let mut stage = Stage::new(world, json!({})).await?;
        let arn = stage.running(world).await?;
        stage.coordinator.kill()?;
        stage.coordinator.restart().await?;
        stage.ends_well(world, &arn).await
    });
}

#[test]
fn a_begin_that_the_coordinator_never_heard_of_counts_after_its_restart() {
    scenario(async |world: &World| {
        let mut stage = Stage::new(world, json!({})).await?;
        stage.worker.kill()?;
        let proxy = Proxy::start(stage.coordinator.address()).await?;
        stage.worker = worker(world, "behind", &config(world, &proxy.url()), &[])?;
        until(
            "the second worker is there",
            Deadline::seconds(60),
            async || {
                let request = api::ListWorkersRequest::default();
                let workers = stage.client.list_workers(request).await?.workers;
                let open =
                    |worker: &&api::WorkerInfo| worker.status() == api::WorkerStatus::Connected;
                Ok((workers.iter().filter(open).count() == 1).then_some(()))
            },
        )
        .await?;
        proxy.swallow(Direction::Up);
        let arn = start(&stage.client, &stage.machine, "e", &json!({})).await?;
        lines(world, "runs", 1).await?;
        let history = History::read(&stage.client, &arn).await?;
        ensure!(history.count("TaskSubmitted") == 0, "{:#?}", history.events);
        stage.coordinator.kill()?;
        proxy.cut();
        stage.coordinator.restart().await?;
        wait_for_event(&stage.client, &arn, "TaskSubmitted", 1).await?;
        stage.ends_well(world, &arn).await
    });
}

#[test]
fn a_command_is_ended_when_its_execution_is_stopped() {
    scenario(async |world: &World| {
        let stage = Stage::new(world, json!({})).await?;
        let arn = stage.running(world).await?;
        let request = api::StopExecutionRequest {
            execution_arn: arn,
            ..Default::default()
        };
        stage.client.stop_execution(request).await?;
        lines(world, "ends", 1).await
    });
}

#[test]
fn a_command_that_nobody_waits_for_any_more_is_ended_by_the_next_worker() {
    scenario(async |world: &World| {
        let mut stage = Stage::new(world, json!({})).await?;
        let arn = stage.running(world).await?;
        stage.worker.kill()?;
        let request = api::StopExecutionRequest {
            execution_arn: arn,
            ..Default::default()
        };
        stage.client.stop_execution(request).await?;
        // What the coordinator still tries to stop goes with its process.
        stage.coordinator.kill()?;
        stage.coordinator.restart().await?;
        stage.restart_worker(world).await?;
        lines(world, "ends", 1).await
    });
}

#[test]
fn a_command_whose_host_stays_away_is_lost_and_ends_when_the_host_is_back() {
    scenario(async |world: &World| {
        let lost = json!([{"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 1}]);
        let mut stage = Stage::new(world, json!({ "Retry": lost })).await?;
        let connector = "connector.stepfleet.runCommand";
        cli(
            &stage.coordinator,
            &["activity", "limit", connector, "--away", "1"],
        )
        .await?;
        let arn = stage.running(world).await?;
        stage.worker.kill()?;
        let lost = wait_for_event(&stage.client, &arn, "TaskTimedOut", 1).await?;
        for part in ["The worker 'host'", "CommandId", "was lost"] {
            ensure!(lost.details.contains(part), "{lost:?}");
        }
        stage.restart_worker(world).await?;
        // The second attempt begins, and what the first had begun ends.
        lines(world, "runs", 2).await?;
        lines(world, "ends", 1).await?;
        world.file("gate", "")?;
        let ended = outcome(&stage.client, &arn, Deadline::seconds(60)).await?;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?}"
        );
        Ok(())
    });
}

#[test]
fn a_task_out_of_time_ends_its_command() {
    scenario(async |world: &World| {
        let stage = Stage::new(world, json!({"TimeoutSeconds": 3})).await?;
        let arn = stage.running(world).await?;
        let ended = outcome(&stage.client, &arn, Deadline::seconds(30)).await?;
        ensure!(
            ended.error.as_deref() == Some("States.Timeout"),
            "{ended:?}"
        );
        lines(world, "ends", 1).await
    });
}

#[test]
fn a_command_fails_its_task_and_what_is_not_allowed_does_not_begin() {
    scenario(async |world: &World| {
        let stage = Stage::new(world, json!({})).await?;
        let cases = [
            (
                json!({"Shell": "echo no >&2; exit 3"}),
                "States.TaskFailed",
                "\"ExitCode\":3",
            ),
            (
                json!({"Shell": "sleep 100", "TimeoutSeconds": 1}),
                "CommandTimedOut",
                "still running",
            ),
            (json!({"Command": ["cat"]}), "NotAllowed", "programs"),
            (
                json!({"Command": ["/bin/echo"], "Environment": {"PATH": "/"}}),
                "NotAllowed",
                "PATH",
            ),
            (
                json!({"Command": ["/bin/echo"], "Directory": "/"}),
                "NotAllowed",
                "directories",
            ),
            (
                json!({"Command": ["/bin/echo"], "User": "root"}),
                "NotAllowed",
                "users",
            ),
            (
                json!({"Command": ["/bin/echo"], "Shell": "true"}),
                "InvalidParameters",
                "exactly one",
            ),
            (
                json!({"Commands": ["/bin/echo"]}),
                "InvalidParameters",
                "Commands",
            ),
        ];
        for (n, (parameters, error, part)) in cases.into_iter().enumerate() {
            let definition = machine(".sync", parameters, json!({}));
            let machine = create_machine(&stage.client, &format!("m{n}"), &definition).await?;
            let arn = start(&stage.client, &machine, "e", &json!({})).await?;
            let ended = outcome(&stage.client, &arn, Deadline::seconds(30)).await?;
            let cause = ended.cause.as_deref().unwrap_or_default();
            ensure!(ended.error.as_deref() == Some(error), "{ended:?}");
            ensure!(cause.contains(part), "{ended:?}");
        }
        Ok(())
    });
}

#[test]
fn a_command_takes_the_token_of_a_callback_away() {
    scenario(async |world: &World| {
        let stage = Stage::new(world, json!({})).await?;
        let token = world.path("token");
        let shell = format!("printf %s \"$TOKEN\" > {}", token.display());
        let parameters = json!({"Shell": shell, "Environment": {"TOKEN.$": "$$.Task.Token"}});
        let definition = machine(".waitForTaskToken", parameters, json!({}));
        let machine = create_machine(&stage.client, "callback", &definition).await?;
        let arn = start(&stage.client, &machine, "e", &json!({})).await?;
        wait_for_event(&stage.client, &arn, "TaskSubmitted", 1).await?;
        let task_token = until("the token is there", Deadline::seconds(30), async || {
            let text = fs::read_to_string(&token).unwrap_or_default();
            Ok((!text.is_empty()).then_some(text))
        })
        .await?;
        let request = api::SendTaskSuccessRequest {
            task_token,
            output: "[1]".to_owned(),
        };
        stage.client.send_task_success(request).await?;
        let ended = outcome(&stage.client, &arn, Deadline::seconds(30)).await?;
        ensure!(ended.output.as_deref() == Some("[1]"), "{ended:?}");
        // A request is answered when the command has begun.
        let parameters = json!({"Command": ["/bin/echo", "hello"], "Input": {"a": 1}});
        let definition = self::machine("", parameters, json!({}));
        let machine = create_machine(&stage.client, "request", &definition).await?;
        let arn = start(&stage.client, &machine, "e", &json!({})).await?;
        let ended = outcome(&stage.client, &arn, Deadline::seconds(30)).await?;
        let output = ended.output.unwrap_or_default();
        ensure!(output.contains("CommandId"), "{output}");
        Ok(())
    });
}
