//! Workers that die and connections that break: tasks are offered again, none is lost, each closes once.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Coordinator, Deadline, Direction, History, Process, Proxy, Settings, Signal, World, activity,
    create_machine, outcome, request, scenario, start, until, wait_for_event,
};
use stepfleet_sdk::{CancellationToken, Client, Endpoint, Task, TaskError, Worker, api};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::machines::one_activity;
use crate::programs::{cli, worker};

const SESSION_TTL_SECONDS: u64 = 2;

async fn coordinator(world: &World) -> Result<(Coordinator, Client, String)> {
    let settings = Settings::new(world, "coordinator").with("session_ttl_s", SESSION_TTL_SECONDS);
    let coordinator = settings.start(world).await?;
    let client = coordinator.client()?;
    let arn = activity(&client, "work").await?;
    let machine = create_machine(&client, "work", &one_activity(&arn)).await?;
    Ok((coordinator, client, machine))
}

/// Every execution succeeded, its history is right, and every attempt closed once.
async fn check_all(client: &Client, arns: &[String]) -> Result<()> {
    for arn in arns {
        let ended = outcome(client, arn, Deadline::seconds(60)).await?;
        let history = History::read(client, arn).await?;
        let events = &history.events;
        ensure!(
            ended.status() == api::ExecutionStatus::Succeeded,
            "{ended:?} {events:#?}"
        );
        history.check()?;
        history
            .check_closed()
            .with_context(|| format!("{events:#?}"))?;
    }
    Ok(())
}

fn config(url: &str, command: &str) -> String {
    format!(
        "endpoint = \"{url}\"\nname = \"stock\"\n\n[[activity]]\nname = \"work\"\nshell = {command:?}\nconcurrency = 2\n"
    )
}

async fn connected(client: &Client, slots: i64) -> Result<()> {
    let arn = "arn:aws:states:us-east-1:000000000000:activity:work".to_owned();
    until(
        "the worker is connected",
        Deadline::seconds(30),
        async || {
            let request = api::DescribeActivityRequest {
                activity_arn: arn.clone(),
            };
            Ok((client.describe_activity(request).await?.workers >= slots).then_some(()))
        },
    )
    .await
}

#[test]
fn tasks_of_a_killed_worker_are_done_by_another() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        // The first worker begins and never ends.
        let fifo = world.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU)?;
        let stuck = config(&coordinator.url(), &format!("cat {}", fifo.display()));
        let mut first: Process = worker(world, "first", &stuck, &[])?;
        let mut arns = Vec::new();
        for n in 0..2 {
            arns.push(start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?);
        }
        for arn in &arns {
            wait_for_event(&client, arn, "ActivityStarted", 1).await?;
        }
        first.kill()?;
        let second = worker(world, "second", &config(&coordinator.url(), "cat"), &[])?;
        check_all(&client, &arns).await?;
        drop(second);
        // The command that the first one left behind ends when its pipe has a writer.
        let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
        drop(
            OpenOptions::new()
                .write(true)
                .custom_flags(nonblocking)
                .open(&fifo),
        );
        Ok(())
    });
}

#[test]
fn a_worker_that_is_asked_to_stop_hands_back_what_it_did_not_begin() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let mut first = worker(world, "first", &config(&coordinator.url(), "cat"), &[])?;
        connected(&client, 2).await?;
        let mut arns = Vec::new();
        for n in 0..40 {
            arns.push(start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?);
        }
        first.signal(Signal::SIGTERM)?;
        let status = first.end(Deadline::seconds(30)).await?;
        ensure!(status.success(), "the worker ended with {status}");
        let _second = worker(world, "second", &config(&coordinator.url(), "cat"), &[])?;
        check_all(&client, &arns).await?;
        for arn in &arns {
            let history = History::read(&client, arn).await?;
            ensure!(
                history.count("ActivityTimedOut") == 0,
                "{:#?}",
                history.events
            );
        }
        Ok(())
    });
}

/// A worker in this process, behind a proxy, whose handlers wait for a permit.
struct Behind {
    proxy: Proxy,
    permits: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    _tasks: JoinSet<Result<(), stepfleet_sdk::Error>>,
}

async fn behind_proxy(coordinator: &Coordinator, slots: u32) -> Result<Behind> {
    let proxy = Proxy::start(coordinator.address()).await?;
    let permits = Arc::new(Semaphore::new(0));
    let begun = Arc::new(AtomicUsize::new(0));
    let endpoint = Endpoint::new(proxy.url())
        .keepalive(Duration::from_millis(500), Duration::from_millis(500));
    let (gate, count) = (Arc::clone(&permits), Arc::clone(&begun));
    let worker = Worker::new(Client::connect_lazy(endpoint)?)
        .name("behind")
        .activity("work", move |task: Task<Value>| {
            let (gate, count) = (Arc::clone(&gate), Arc::clone(&count));
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await?.forget();
                Ok::<_, TaskError>(task.into_parts().0)
            }
        })
        .slots(slots);
    let mut tasks = JoinSet::new();
    tasks.spawn(worker.run(CancellationToken::new()));
    Ok(Behind {
        proxy,
        permits,
        begun,
        _tasks: tasks,
    })
}

#[test]
fn a_cut_connection_costs_no_attempt() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let behind = behind_proxy(&coordinator, 8).await?;
        connected(&client, 8).await?;
        let mut arns = Vec::new();
        for n in 0..8 {
            arns.push(start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?);
        }
        for arn in &arns {
            wait_for_event(&client, arn, "ActivityStarted", 1).await?;
        }
        behind.proxy.cut();
        behind.permits.add_permits(8);
        check_all(&client, &arns).await?;
        for arn in &arns {
            let history = History::read(&client, arn).await?;
            ensure!(
                history.count("ActivityStarted") == 1,
                "{:#?}",
                history.events
            );
            ensure!(
                history.count("ActivitySucceeded") == 1,
                "{:#?}",
                history.events
            );
        }
        ensure!(
            behind.begun.load(Ordering::SeqCst) == 8,
            "a task was begun twice"
        );
        Ok(())
    });
}

#[test]
fn a_push_that_never_arrived_is_offered_again() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let behind = behind_proxy(&coordinator, 4).await?;
        connected(&client, 4).await?;
        behind.proxy.swallow(Direction::Down);
        let mut arns = Vec::new();
        for n in 0..4 {
            arns.push(start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?);
        }
        for arn in &arns {
            wait_for_event(&client, arn, "ActivityStarted", 1).await?;
        }
        ensure!(
            behind.begun.load(Ordering::SeqCst) == 0,
            "the proxy let a push through"
        );
        behind.permits.add_permits(100);
        behind.proxy.cut();
        check_all(&client, &arns).await?;
        for arn in &arns {
            let history = History::read(&client, arn).await?;
            ensure!(
                history.count("ActivitySucceeded") == 1,
                "{:#?}",
                history.events
            );
            ensure!(
                history.count("ActivityTimedOut") == 0,
                "{:#?}",
                history.events
            );
        }
        Ok(())
    });
}

#[test]
fn a_result_whose_confirmation_was_lost_counts_once() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let behind = behind_proxy(&coordinator, 4).await?;
        connected(&client, 4).await?;
        let mut arns = Vec::new();
        for n in 0..4 {
            arns.push(start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?);
        }
        until("all have begun", Deadline::seconds(30), async || {
            Ok((behind.begun.load(Ordering::SeqCst) == 4).then_some(()))
        })
        .await?;
        behind.proxy.swallow(Direction::Down);
        behind.permits.add_permits(100);
        for arn in &arns {
            wait_for_event(&client, arn, "ActivitySucceeded", 1).await?;
        }
        behind.proxy.cut();
        check_all(&client, &arns).await?;
        // The worker is fit for more.
        let next = start(&client, &machine, "next", &json!({})).await?;
        check_all(&client, &[next]).await
    });
}

#[test]
fn a_poll_whose_connection_is_gone_takes_no_task_with_it() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let arn = "arn:aws:states:us-east-1:000000000000:activity:work".to_owned();
        let proxy = Proxy::start(coordinator.address()).await?;
        let behind = Client::connect_lazy(Endpoint::new(proxy.url()).retries(0))?;
        let mut polls = JoinSet::new();
        let request = api::GetActivityTaskRequest {
            activity_arn: arn,
            worker_name: "gone".into(),
        };
        let poll = request.clone();
        polls.spawn(async move { behind.get_activity_task(poll).await });
        connected(&client, 1).await?;
        proxy.cut();
        ensure!(
            polls.join_next().await.context("one poll")??.is_err(),
            "the poll was answered"
        );
        let execution = start(&client, &machine, "e", &json!({ "n": 1 })).await?;
        let task = client.get_activity_task(request).await?;
        client.complete(&task.task_token, &json!(1)).await?;
        check_all(&client, &[execution]).await
    });
}

#[test]
fn a_stock_worker_that_is_told_to_drain_finishes_and_leaves() {
    scenario(async |world: &World| {
        let (coordinator, client, machine) = coordinator(world).await?;
        let fifo = world.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU)?;
        let wait = format!("cat {} > /dev/null", fifo.display());
        let command = format!("if grep -q quick; then echo 2; else {wait}; echo 1; fi");
        let mut worker = worker(
            world,
            "stock",
            &config(&coordinator.url(), &command),
            &[("HOSTNAME", "eu-7")],
        )?;
        connected(&client, 2).await?;
        let first = start(&client, &machine, "first", &json!({})).await?;
        wait_for_event(&client, &first, "ActivityStarted", 1).await?;
        let shown = cli(&coordinator, &["fleet", "show", "stock"]).await?;
        ensure!(
            shown.contains("work:first") && shown.contains("eu-7"),
            "{shown}"
        );
        let told = cli(&coordinator, &["fleet", "drain", "--activity", "work"]).await?;
        ensure!(told.starts_with("DRAINING stock"), "{told}");
        let second = start(&client, &machine, "second", &json!("quick")).await?;
        let status = cli(&coordinator, &["status"]).await?;
        ensure!(
            status.contains("nobody serves work, and 1 task waits"),
            "{status}"
        );
        let told = cli(&coordinator, &["fleet", "resume", "stock"]).await?;
        ensure!(told.starts_with("CONNECTED stock"), "{told}");
        wait_for_event(&client, &second, "ActivitySucceeded", 1).await?;
        cli(&coordinator, &["fleet", "drain", "stock"]).await?;
        drop(OpenOptions::new().write(true).open(&fifo)?);
        let ended = worker.end(Deadline::seconds(30)).await?;
        ensure!(ended.success(), "the worker ended with {ended}");
        check_all(&client, &[first, second]).await?;
        let list = cli(&coordinator, &["fleet", "list"]).await?;
        ensure!(list.contains("stock") && list.contains("eu-7"), "{list}");
        Ok(())
    });
}

#[test]
fn a_drain_that_its_worker_has_not_heard_is_told_by_the_next_coordinator() {
    scenario(async |world: &World| {
        let (mut coordinator, client, _machine) = coordinator(world).await?;
        let proxy = Proxy::start(coordinator.address()).await?;
        let mut worker = worker(world, "stock", &config(&proxy.url(), "cat"), &[])?;
        connected(&client, 2).await?;
        proxy.swallow(Direction::Down);
        let told = cli(&coordinator, &["fleet", "drain", "stock"]).await?;
        ensure!(told.starts_with("DRAINING stock"), "{told}");
        coordinator.kill()?;
        proxy.cut();
        coordinator.restart().await?;
        let ended = worker.end(Deadline::seconds(60)).await?;
        ensure!(ended.success(), "the worker ended with {ended}");
        let output = worker.output();
        ensure!(output.contains("told to drain"), "{output}");
        Ok(())
    });
}

#[test]
fn an_activity_without_workers_is_an_alarm_that_ends() {
    scenario(async |world: &World| {
        let (mut coordinator, client, _machine) = coordinator(world).await?;
        let said = async |coordinator: &mut Coordinator, text: &str| {
            until(text, Deadline::seconds(40), async || {
                let output = coordinator.process().output();
                Ok(output.contains(text).then_some(()))
            })
            .await
        };
        said(
            &mut coordinator,
            "no worker serves an activity that is needed",
        )
        .await?;
        let metrics = request(&coordinator.address(), "GET /metrics HTTP/1.1", &[], b"").await?;
        let metrics = metrics.body;
        ensure!(
            metrics.contains("stepfleet_activities_unserved 1"),
            "{metrics}"
        );
        let _worker = worker(world, "stock", &config(&coordinator.url(), "cat"), &[])?;
        connected(&client, 2).await?;
        said(&mut coordinator, "is served again, or needed no more").await
    });
}

#[test]
fn what_holds_an_activity_back_survives_a_kill() {
    scenario(async |world: &World| {
        let (mut coordinator, client, machine) = coordinator(world).await?;
        let held = cli(&coordinator, &["activity", "pause", "work"]).await?;
        ensure!(held.contains("held back: paused"), "{held}");
        let _worker = worker(world, "stock", &config(&coordinator.url(), "cat"), &[])?;
        connected(&client, 2).await?;
        let mut arns = Vec::new();
        for n in 0..3 {
            arns.push(start(&client, &machine, &format!("e{n}"), &json!({ "n": n })).await?);
        }
        let asks = json!({ "stepfleet:task": { "requires": { "gpu": "" } } });
        let placed = start(&client, &machine, "placed", &asks).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        connected(&client, 2).await?;
        let stats = cli(&coordinator, &["activity", "stats", "work"]).await?;
        ensure!(
            stats.contains("4 tasks") && stats.contains("paused"),
            "{stats}"
        );
        ensure!(
            stats.contains("1 task waits for a worker with gpu"),
            "{stats}"
        );
        for arn in &arns {
            let history = History::read(&client, arn).await?;
            ensure!(
                history.count("ActivityStarted") == 0,
                "{:#?}",
                history.events
            );
        }
        cli(&coordinator, &["activity", "resume", "work"]).await?;
        check_all(&client, &arns).await?;
        let purged = cli(&coordinator, &["activity", "purge", "work"]).await?;
        ensure!(purged.contains("purged activity work  1 task"), "{purged}");
        coordinator.kill()?;
        coordinator.restart().await?;
        // The machine retries: what came of the purge stands in the history, and the task waits anew.
        let failed = wait_for_event(&client, &placed, "ActivityFailed", 1).await?;
        let details = &failed.details;
        ensure!(details.contains("Stepfleet.TaskPurged"), "{details}");
        wait_for_event(&client, &placed, "ActivityScheduled", 2).await?;
        Ok(())
    });
}

#[test]
fn a_task_that_asks_for_it_goes_to_the_worker_of_the_one_before() {
    scenario(async |world: &World| {
        let (coordinator, client, _machine) = coordinator(world).await?;
        let arn = activity(&client, "work").await?;
        let gate = world.path("gate").display().to_string();
        let waits = format!("while [ ! -e {gate} ]; do sleep 0.05; done; cat");
        let of = |name: &str, command: &str| {
            let config =
                config(&coordinator.url(), command).replace("concurrency = 2", "concurrency = 1");
            config.replace("\"stock\"", &format!("\"{name}\""))
        };
        let task = |after: Value, sticky: Value| {
            let mut task = json!({"Type": "Task", "Resource": arn, "Parameters": {"stepfleet:task": {"sticky": sticky}}});
            if let (Value::Object(task), Value::Object(after)) = (&mut task, after) {
                task.extend(after);
            }
            task
        };
        let definition = json!({"StartAt": "One", "States": {
            "One": task(json!({"Next": "Two"}), json!(true)),
            "Two": task(json!({"End": true}), json!({"forSeconds": 60, "waitSeconds": 30})),
        }});
        let machine = create_machine(&client, "kept", &definition).await?;
        let _own = worker(world, "own", &of("own", &waits), &[])?;
        connected(&client, 1).await?;
        let execution = start(&client, &machine, "e", &json!({})).await?;
        wait_for_event(&client, &execution, "ActivityStarted", 1).await?;
        // The only idle one, until the first task is done.
        let _other = worker(world, "other", &of("other", "cat"), &[])?;
        connected(&client, 1).await?;
        world.file("gate", "")?;
        check_all(&client, std::slice::from_ref(&execution)).await?;
        let history = History::read(&client, &execution).await?;
        let started: Vec<String> = history
            .events
            .iter()
            .filter(|event| event.kind == "ActivityStarted")
            .map(|event| event.details.to_string())
            .collect();
        ensure!(
            started.len() == 2 && started.iter().all(|by| by.contains("\"own\"")),
            "{started:?}"
        );
        // What cannot be meant fails the task, and says why.
        let definition =
            json!({"StartAt": "One", "States": {"One": task(json!({"End": true}), json!("yes"))}});
        let machine = create_machine(&client, "odd", &definition).await?;
        let execution = start(&client, &machine, "odd", &json!({})).await?;
        let ended = outcome(&client, &execution, Deadline::seconds(30)).await?;
        ensure!(
            ended.error.as_deref() == Some("Stepfleet.InvalidPlacement"),
            "{ended:?}"
        );
        let cause = ended.cause.unwrap_or_default();
        ensure!(
            cause.contains("`sticky`") && cause.contains("`forSeconds`"),
            "{cause}"
        );
        Ok(())
    });
}
