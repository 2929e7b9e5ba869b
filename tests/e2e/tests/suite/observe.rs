//! What operators see of executions besides the API: the execution log, changes of status,
//! metrics, traces.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepfleet_e2e::{
    Collector, Coordinator, Deadline, History, Receiver, Settings, activity, call_aws,
    create_express_machine, create_machine, outcome, request, scenario, start, until,
};
use stepfleet_sdk::{CancellationToken, Task, TaskError, Worker, api};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::machines::{callback, pass};

/// Creates a state machine with a log of this level, through the AWS API.
async fn logged(
    coordinator: &Coordinator,
    name: &str,
    definition: &Value,
    kind: &str,
    level: &str,
) -> Result<String> {
    let body = json!({
        "name": name, "definition": definition.to_string(), "type": kind,
        "roleArn": "arn:aws:iam::000000000000:role/e2e",
        "loggingConfiguration": {
            "level": level, "includeExecutionData": true,
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": format!("arn:group:{name}:*")}}],
        },
    });
    let address = coordinator.address();
    let created = call_aws(&address, "CreateStateMachine", &body.to_string()).await?;
    let arn = created.json()?["stateMachineArn"]
        .as_str()
        .map(str::to_owned);
    arn.with_context(|| format!("{created:?}"))
}

/// Every whole line of a file, if it is there.
fn lines(path: &Path) -> Result<Vec<Value>> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(Vec::new());
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().map(serde_json::from_str);
    Ok(lines.collect::<Result<_, _>>()?)
}

/// The lines of a file once there are so many.
async fn so_many(path: &Path, count: usize) -> Result<Vec<Value>> {
    let what = format!("{} has {count} lines", path.display());
    until(&what, Deadline::seconds(20), async || {
        let lines = lines(path)?;
        Ok((lines.len() >= count).then_some(lines))
    })
    .await
}

#[test]
fn the_log_has_the_history_once_over_a_kill() {
    scenario(async |world| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let machine = logged(&coordinator, "m", &callback(), "STANDARD", "ALL").await?;
        let client = coordinator.client()?;
        let arn = start(&client, &machine, "e", &json!({"a": 1})).await?;
        let file = coordinator.settings().data.join("logs/executions.jsonl");
        let before = History::read(&client, &arn).await?.events.len();
        so_many(&file, before).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let stop = api::StopExecutionRequest {
            execution_arn: arn.clone(),
            error: Some("Enough".to_owned()),
            ..api::StopExecutionRequest::default()
        };
        client.stop_execution(stop).await?;
        outcome(&client, &arn, Deadline::seconds(10)).await?;
        let (address, body) = (coordinator.address(), json!({ "executionArn": arn }));
        let history = call_aws(&address, "GetExecutionHistory", &body.to_string()).await?;
        let history = history.json()?;
        let events = history["events"].as_array().context("events")?;
        coordinator.stop().await?;
        let records = lines(&file)?;
        ensure!(records.len() == events.len(), "{records:#?}");
        for (record, event) in records.iter().zip(events) {
            ensure!(record["id"] == json!(event["id"].to_string()), "{record}");
            ensure!(record["type"] == event["type"], "{record} {event}");
            ensure!(
                record["previous_event_id"] == json!(event["previousEventId"].to_string()),
                "{record} {event}"
            );
            ensure!(record["execution_arn"] == json!(arn), "{record}");
            ensure!(record["log_group_arn"] == "arn:group:m:*", "{record}");
        }
        ensure!(
            records[0]["details"]["input"] == r#"{"a":1}"#,
            "{}",
            records[0]
        );
        Ok(())
    });
}

#[test]
fn a_level_and_a_type_of_machine_each_have_their_log() {
    scenario(async |world| {
        let file = world.path("own.jsonl");
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!("[execution_log]\nfile = {:?}\n", file.display().to_string());
        let mut coordinator = settings.start(world).await?;
        let fail = json!({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Broken"}}});
        let failing = logged(&coordinator, "failing", &fail, "STANDARD", "ERROR").await?;
        let express = logged(&coordinator, "express", &pass(), "EXPRESS", "ALL").await?;
        let fatal = logged(&coordinator, "fatal", &pass(), "EXPRESS", "FATAL").await?;
        let client = coordinator.client()?;
        let arn = start(&client, &failing, "e", &json!({})).await?;
        outcome(&client, &arn, Deadline::seconds(10)).await?;
        for machine in [&express, &fatal] {
            let request = api::StartSyncExecutionRequest {
                state_machine_arn: machine.clone(),
                ..api::StartSyncExecutionRequest::default()
            };
            client.start_sync_execution(request).await?;
        }
        coordinator.stop().await?;
        let records = lines(&file)?;
        let of = |group: &str| -> Vec<&str> {
            let own = records
                .iter()
                .filter(|record| record["log_group_arn"] == group);
            own.filter_map(|record| record["type"].as_str()).collect()
        };
        ensure!(of("arn:group:failing:*") == ["FailStateEntered", "ExecutionFailed"]);
        let whole = [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ];
        ensure!(of("arn:group:express:*") == whole);
        ensure!(records.len() == 6, "{records:#?}");
        Ok(())
    });
}

#[test]
fn a_collector_that_never_answers_holds_up_neither_executions_nor_the_end() {
    scenario(async |world| {
        // It is connected to, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await?;
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!(
            "[execution_log]\nto = \"otlp\"\notlp = \"http://{}\"\n",
            silent.local_addr()?
        );
        let mut coordinator = settings.start(world).await?;
        let machine = logged(&coordinator, "m", &pass(), "STANDARD", "ALL").await?;
        let client = coordinator.client()?;
        for n in 0..50 {
            let arn = start(&client, &machine, &format!("e{n}"), &json!({})).await?;
            outcome(&client, &arn, Deadline::seconds(5)).await?;
        }
        let status = timeout(Duration::from_secs(15), coordinator.stop()).await??;
        ensure!(status.success(), "exit status {status}");
        Ok(())
    });
}

#[test]
fn a_log_that_cannot_be_opened_is_told_at_the_start() {
    scenario(async |world| {
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = "[execution_log]\nfile = \"/proc/none/log.jsonl\"\n".to_owned();
        let (status, output) = settings.refused(world).await?;
        ensure!(!status.success());
        ensure!(
            output.contains("[execution_log]: cannot open the file /proc/none/log.jsonl"),
            "{output}"
        );
        Ok(())
    });
}

fn told(event: &Value) -> (&str, &str) {
    let of = |name: &str| event["detail"][name].as_str().unwrap_or_default();
    (of("name"), of("status"))
}

#[test]
fn changes_of_status_arrive_whatever_becomes_of_webhook_and_coordinator() {
    scenario(async |world| {
        let mut receiver = Receiver::start().await?;
        let file = world.path("events.jsonl");
        let mut settings = Settings::new(world, "coordinator").with("checkpoint.interval_s", 1);
        settings.sections = format!(
            "[status_events]\nwebhook = {:?}\nfile = {:?}\n",
            receiver.url,
            file.display().to_string()
        );
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "m", &callback()).await?;
        let express = create_express_machine(&client, "express", &pass()).await?;
        start(&client, &express, "untold", &json!({})).await?;
        start(&client, &machine, "a", &json!({"n": 1})).await?;
        let event = receiver.next().await?;
        ensure!(told(&event) == ("a", "RUNNING"), "{event}");
        ensure!(event["detail"]["input"] == r#"{"n":1}"#, "{event}");

        // What it does not take outlives checkpoints and the process.
        receiver.refuse(true);
        let arn = start(&client, &machine, "b", &json!({})).await?;
        let stop = || api::StopExecutionRequest {
            execution_arn: arn.clone(),
            ..api::StopExecutionRequest::default()
        };
        client.stop_execution(stop()).await?;
        receiver.refused().await?;
        let spool = coordinator.settings().data.join("status-events.jsonl");
        until(
            "a checkpoint was taken",
            Deadline::seconds(20),
            async || Ok(spool.exists().then_some(())),
        )
        .await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        receiver.refused().await?;
        receiver.refuse(false);
        let client = coordinator.client()?;
        let mut events = Vec::new();
        while events.last() != Some(&("b".to_owned(), "ABORTED".to_owned())) {
            let event = receiver.next().await?;
            let (name, status) = told(&event);
            events.push((name.to_owned(), status.to_owned()));
        }
        ensure!(
            events.contains(&("b".to_owned(), "RUNNING".to_owned())),
            "{events:?}"
        );

        let redrive = api::RedriveExecutionRequest {
            execution_arn: arn.clone(),
            ..api::RedriveExecutionRequest::default()
        };
        client.redrive_execution(redrive).await?;
        let event = loop {
            let event = receiver.next().await?;
            if event["detail"]["redriveCount"] == 1 {
                break event;
            }
        };
        ensure!(told(&event) == ("b", "RUNNING"), "{event}");
        coordinator.stop().await?;
        let lines = lines(&file)?;
        ensure!(lines.iter().all(|event| told(event).0 != "untold"));
        ensure!(lines.last() == Some(&event), "{lines:#?}");
        Ok(())
    });
}

#[test]
fn events_that_were_delivered_are_not_told_again_after_a_regular_end() {
    scenario(async |world| {
        let mut receiver = Receiver::start().await?;
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!("[status_events]\nwebhook = {:?}\n", receiver.url);
        let mut coordinator = settings.start(world).await?;
        let machine = create_machine(&coordinator.client()?, "m", &callback()).await?;
        start(&coordinator.client()?, &machine, "before", &json!({})).await?;
        ensure!(told(&receiver.next().await?) == ("before", "RUNNING"));
        coordinator.stop().await?;
        coordinator.restart().await?;
        start(&coordinator.client()?, &machine, "after", &json!({})).await?;
        let event = receiver.next().await?;
        ensure!(told(&event) == ("after", "RUNNING"), "{event}");
        Ok(())
    });
}

/// The value of a series, absent when it is not there.
async fn series(coordinator: &Coordinator, path: &str, name: &str) -> Result<Option<f64>> {
    let line = format!("GET {path} HTTP/1.1");
    let answer = request(&coordinator.address(), &line, &[], b"").await?;
    let own = answer
        .body
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(own.map(str::parse).transpose()?)
}

#[test]
fn numbers_of_executions_and_tasks_are_there_under_both_names() {
    scenario(async |world| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let activity = activity(&client, "work").await?;
        let task = json!({"StartAt": "T", "States": {"T": {
            "Type": "Task", "Resource": activity, "End": true,
        }}});
        let machine = create_machine(&client, "m", &task).await?;
        let arn = start(&client, &machine, "e", &json!({})).await?;
        let address = coordinator.address();
        let poll = json!({ "activityArn": activity }).to_string();
        let polled = call_aws(&address, "GetActivityTask", &poll).await?.json()?;
        let done = json!({"taskToken": polled["taskToken"], "output": "1"}).to_string();
        call_aws(&address, "SendTaskSuccess", &done).await?;
        outcome(&client, &arn, Deadline::seconds(10)).await?;
        let named = |name: &str, label: &str, of: &str| format!("{name}{{{label}=\"{of}\"}}");
        for name in [
            "ActivityScheduleTime_count",
            "ActivityRunTime_count",
            "ActivityTime_count",
        ] {
            let name = named(name, "ActivityArn", &activity);
            let count = series(&coordinator, "/metrics?names=aws", &name).await?;
            ensure!(count == Some(1.0), "{name} is {count:?}");
        }
        for name in [
            "ExecutionsStarted",
            "ExecutionsSucceeded",
            "ExecutionTime_count",
        ] {
            let name = named(name, "StateMachineArn", &machine);
            let count = series(&coordinator, "/metrics?names=aws", &name).await?;
            ensure!(count == Some(1.0), "{name} is {count:?}");
        }
        let name = "stepfleet_activity_task_run_seconds_count";
        let name = named(name, "activity", &activity);
        ensure!(series(&coordinator, "/metrics", &name).await? == Some(1.0));
        Ok(())
    });
}

const TRACEPARENT: &str = "traceparent: 00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";

/// Starts an execution of a traced machine with a task of this activity. Its request is in a trace, which wins over
/// that of its body.
async fn start_in_trace(coordinator: &Coordinator, activity: &str) -> Result<String> {
    let definition = json!({"StartAt": "First", "States": {
        "First": {"Type": "Pass", "Next": "T"},
        "T": {"Type": "Task", "Resource": activity, "End": true},
    }});
    let body = json!({
        "name": "m", "definition": definition.to_string(),
        "roleArn": "arn:aws:iam::000000000000:role/e2e",
        "tracingConfiguration": {"enabled": true},
    });
    let address = coordinator.address();
    let created = call_aws(&address, "CreateStateMachine", &body.to_string()).await?;
    let body = json!({
        "stateMachineArn": created.json()?["stateMachineArn"],
        "traceHeader": "Root=1-00000001-000000000000000000000001;Sampled=0",
    });
    let headers = [
        "X-Amz-Target: AWSStepFunctions.StartExecution",
        "Content-Type: application/x-amz-json-1.0",
        TRACEPARENT,
    ];
    let body = body.to_string();
    let started = request(&address, "POST / HTTP/1.1", &headers, body.as_bytes()).await?;
    let arn = started.json()?["executionArn"].as_str().map(str::to_owned);
    arn.with_context(|| format!("{started:?}"))
}

#[test]
fn a_trace_goes_on_over_a_kill_and_into_workers() {
    scenario(async |world| {
        let mut collector = Collector::start().await?;
        let mut settings = Settings::new(world, "coordinator");
        settings.sections = format!("[tracing]\notlp = {:?}\n", collector.url);
        let mut coordinator = settings.start(world).await?;
        let client = coordinator.client()?;
        let activity = activity(&client, "work").await?;
        let arn = start_in_trace(&coordinator, &activity).await?;
        let first = collector.next().await?;
        ensure!(first.name == "First", "{first:?}");
        let describe = json!({ "executionArn": arn }).to_string();
        let address = coordinator.address();
        let described = call_aws(&address, "DescribeExecution", &describe).await?;
        let described = described.json()?;
        ensure!(
            described["traceHeader"]
                == "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            "{described}"
        );
        coordinator.kill()?;
        coordinator.restart().await?;

        let (seen, mut contexts) = mpsc::channel(1);
        let worker =
            Worker::new(coordinator.client()?).activity("work", move |task: Task<Value>| {
                let seen = seen.clone();
                async move {
                    let context = task.traceparent().unwrap_or_default().to_owned();
                    // The test waits for the first one alone.
                    let _ = seen.try_send(context);
                    Ok::<_, TaskError>(json!(1))
                }
            });
        let stop = CancellationToken::new();
        let working = tokio::task::spawn_local(worker.run(stop.clone()));
        let context = contexts.recv().await.context("the worker is gone")?;
        let (task, root) = (collector.next().await?, collector.next().await?);
        ensure!(task.name == "T" && root.name == "m", "{task:?} {root:?}");
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        ensure!(hex(&first.trace_id) == "5759e988bd862e3fe1be46a994272793");
        ensure!(hex(&root.parent_span_id) == "53995c3f42cd8ad8");
        for span in [&first, &task] {
            ensure!(span.trace_id == root.trace_id && span.parent_span_id == root.span_id);
        }
        ensure!(task.start_time_unix_nano == first.end_time_unix_nano);
        let own = format!("00-{}-{}-01", hex(&task.trace_id), hex(&task.span_id));
        ensure!(context == own, "{context} is not {own}");
        stop.cancel();
        working.await??;
        Ok(())
    });
}
