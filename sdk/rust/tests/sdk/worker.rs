//! Tasks, results, heartbeats, cancellation and breaks of the connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepfleet_sdk::api::{CoordinatorMessage, Push, RefusedResult};
use stepfleet_sdk::tonic::{Code, Status};
use stepfleet_sdk::{Error, PROGRESS_BYTES_MAX, Task, TaskError, Worker};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use super::in_memory::{pair, run};

#[derive(Deserialize)]
struct Input {
    number: u32,
}

#[derive(Serialize)]
struct Output {
    double: u32,
}

async fn double(task: Task<Input>) -> Result<Output, TaskError> {
    Ok(Output {
        double: task.input.number * 2,
    })
}

async fn echo(task: Task<String>) -> Result<String, TaskError> {
    Ok(task.input.clone())
}

/// A handler that ends when the test lets it, and says whether it was cancelled.
fn gated(gate: &Arc<Semaphore>) -> impl Fn(Task<String>) -> GatedFuture + Send + Sync + use<> {
    let gate = Arc::clone(gate);
    move |task| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            tokio::select! {
                permit = gate.acquire() => permit.unwrap().forget(),
                () = task.cancelled() => return Ok("\"cancelled\"".to_owned()),
            }
            Ok(task.input.clone())
        })
    }
}

type GatedFuture =
    std::pin::Pin<Box<dyn Future<Output = Result<String, TaskError>> + Send + 'static>>;

fn beating(token: &str, heartbeat_seconds: u32) -> Push {
    let input = "0".to_owned();
    Push {
        number: 1,
        task_token: token.to_owned(),
        input,
        heartbeat_seconds,
        ..Push::default()
    }
}

#[tokio::test(start_paused = true)]
async fn hello_names_the_worker_and_its_slots() {
    let (mut fake, client) = pair();
    let _running = run(Worker::new(client)
        .name("host-1")
        .build_id("1.2.3")
        .label("zone", "a")
        .activity("double", double)
        .slots(16)
        .activity_raw("echo", echo)
        .slots(2));
    let hello = fake.connection().await.hello;
    assert_eq!(
        (hello.worker_name.as_str(), hello.build_id.as_str()),
        ("host-1", "1.2.3")
    );
    assert_eq!(
        hello.labels,
        HashMap::from([("zone".to_owned(), "a".to_owned())])
    );
    assert_eq!(hello.session_id.len(), 32);
    let slots: Vec<_> = hello
        .activities
        .iter()
        .map(|a| (a.activity.as_str(), a.slots))
        .collect();
    assert_eq!(slots, [("double", 16), ("echo", 2)]);
    assert!(hello.held.is_empty());
}

#[tokio::test(start_paused = true)]
async fn results_of_one_batch_go_out_in_one_message_with_the_acknowledgement() {
    let (mut fake, client) = pair();
    let _running = run(Worker::new(client).activity("double", double));
    let mut connection = fake.welcomed().await;
    connection
        .push(
            1,
            &[
                ("a", r#"{"number":1}"#),
                ("b", r#"{"number":2}"#),
                ("c", r#"{"number":3}"#),
            ],
        )
        .await;
    for (token, number, output) in [
        ("a", 1, r#"{"double":2}"#),
        ("b", 2, r#"{"double":4}"#),
        ("c", 3, r#"{"double":6}"#),
    ] {
        assert_eq!(
            connection.result().await,
            (token.to_owned(), number, Ok(output.to_owned()))
        );
    }
    assert_eq!(connection.messages, 1);
    assert_eq!(connection.received, 3);
}

#[tokio::test(start_paused = true)]
async fn an_input_that_does_not_fit_fails_its_task() {
    let (mut fake, client) = pair();
    let _running = run(Worker::new(client).activity("double", double));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("a", r#"{"number":"x"}"#)]).await;
    let (_, _, outcome) = connection.result().await;
    let expected = "InvalidInput: the input does not fit activity `double`: invalid type: string";
    assert!(outcome.unwrap_err().starts_with(expected));
}

#[tokio::test(start_paused = true)]
async fn errors_and_panics_fail_their_task_and_nothing_else() {
    let (mut fake, client) = pair();
    let handler = |task: Task<String>| async move {
        match task.input.as_str() {
            "1" => panic!("not {}", task.input),
            "2" => Err(TaskError::new("Custom", "because")),
            "3" => {
                tokio::task::yield_now().await;
                panic!("later")
            }
            text => Ok(u32::to_string(&text.parse()?)),
        }
    };
    let _running = run(Worker::new(client).activity_raw("a", handler));
    let mut connection = fake.welcomed().await;
    connection
        .push(
            1,
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "x"), ("e", "5")],
        )
        .await;
    let mut outcomes = HashMap::new();
    for _ in 0..5 {
        let (token, _, outcome) = connection.result().await;
        outcomes.insert(token, outcome);
    }
    let failure = |text: &str| Err(text.to_owned());
    assert_eq!(outcomes["a"], failure("Panic: not 1"));
    assert_eq!(outcomes["b"], failure("Custom: because"));
    assert_eq!(outcomes["c"], failure("Panic: later"));
    assert_eq!(
        outcomes["d"],
        failure("ParseIntError: invalid digit found in string")
    );
    assert_eq!(outcomes["e"], Ok("5".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_a_third_of_the_interval_while_the_handler_runs() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Semaphore::new(0));
    let _running = run(Worker::new(client).activity_raw("slow", gated(&gate)));
    let mut connection = fake.welcomed().await;
    let begun = Instant::now();
    connection.pushes(vec![beating("a", 30)]).await;
    for beat in 1..=3 {
        assert_eq!(
            connection.heartbeat().await,
            ("a".to_owned(), String::new())
        );
        let elapsed = begun.elapsed().as_millis();
        let expected = beat * 10_000;
        assert!(
            (expected..expected + 100).contains(&elapsed),
            "beat {beat} after {elapsed} ms"
        );
    }
    gate.add_permits(1);
    assert_eq!(connection.result().await.0, "a");
    let quiet = tokio::time::timeout(Duration::from_secs(60), connection.heartbeat()).await;
    assert!(quiet.is_err(), "no heartbeat after the result");
}

#[tokio::test(start_paused = true)]
async fn progress_goes_out_at_once() {
    let (mut fake, client) = pair();
    let handler = |task: Task<String>| async move {
        task.progress(&HashMap::from([("done", 50)]))?;
        task.cancelled().await;
        Ok::<_, TaskError>(String::new())
    };
    let _running = run(Worker::new(client).activity_raw("slow", handler));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("a", "0")]).await;
    assert_eq!(
        connection.heartbeat().await,
        ("a".to_owned(), r#"{"done":50}"#.to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_on_from_the_one_before_and_what_it_said_goes_out_with_its_failure() {
    let (mut fake, client) = pair();
    let handler = |task: Task<String>| async move {
        let row = task.last_progress::<u32>()?.unwrap_or(0);
        let large = task.heartbeat(&"x".repeat(PROGRESS_BYTES_MAX)).unwrap_err();
        assert!(large.to_string().contains("8194 bytes"), "{large}");
        task.heartbeat(&(row + 1))?;
        Err::<String, _>(TaskError::new(
            "Boom",
            task.last_progress_text().unwrap_or("none"),
        ))
    };
    let _running = run(Worker::new(client).activity_raw("slow", handler));
    let mut connection = fake.welcomed().await;
    let push = |number, token: &str, last_progress: &str| Push {
        number,
        task_token: token.to_owned(),
        last_progress: last_progress.to_owned(),
        ..Push::default()
    };
    let pushes = vec![push(1, "first", ""), push(2, "second", "41")];
    connection.pushes(pushes).await;
    let beats = [connection.heartbeat().await, connection.heartbeat().await];
    let beat = |token: &str, details: &str| (token.to_owned(), details.to_owned());
    assert_eq!(beats, [beat("first", "1"), beat("second", "42")]);
    let failed = |cause: &str| Err(format!("Boom: {cause}"));
    assert_eq!(connection.result().await.2, failed("none"));
    assert_eq!(connection.result().await.2, failed("41"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_is_told_and_its_result_is_dropped() {
    let (mut fake, client) = pair();
    let (sender, mut seen) = mpsc::channel(1);
    let handler = move |task: Task<String>| {
        let sender = sender.clone();
        async move {
            if task.input == "1" {
                task.cancelled().await;
                sender.send(task.is_cancelled()).await.unwrap();
            }
            Ok::<_, TaskError>("\"done\"".to_owned())
        }
    };
    let _running = run(Worker::new(client).activity_raw("a", handler));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("first", "1")]).await;
    connection.cancel("first").await;
    assert_eq!(seen.recv().await, Some(true));
    connection.push(2, &[("second", "2")]).await;
    assert_eq!(connection.result().await.0, "second");
    assert_eq!(connection.results_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_free_again_only_when_the_cancelled_handler_has_ended() {
    let (mut fake, client) = pair();
    let (entered, mut entries) = mpsc::channel(4);
    let cleaned = Arc::new(Notify::new());
    let handler = {
        let cleaned = Arc::clone(&cleaned);
        move |task: Task<String>| {
            let (entered, cleaned) = (entered.clone(), Arc::clone(&cleaned));
            async move {
                entered.send(task.input.clone()).await.unwrap();
                if task.input == "1" {
                    task.cancelled().await;
                    cleaned.notified().await;
                }
                Ok::<_, TaskError>("0".to_owned())
            }
        }
    };
    let _running = run(Worker::new(client).activity_raw("a", handler).slots(1));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("first", "1")]).await;
    connection.cancel("first").await;
    connection.push(2, &[("second", "2")]).await;
    assert_eq!(entries.recv().await.as_deref(), Some("1"));
    let early = tokio::time::timeout(Duration::from_secs(5), entries.recv()).await;
    assert!(early.is_err(), "the second task waits for the slot");
    cleaned.notify_one();
    assert_eq!(entries.recv().await.as_deref(), Some("2"));
    assert_eq!(connection.result().await.0, "second");
}

#[tokio::test(start_paused = true)]
async fn a_push_without_other_news_is_acknowledged_after_a_second() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Semaphore::new(0));
    let _running = run(Worker::new(client).activity_raw("slow", gated(&gate)));
    let mut connection = fake.welcomed().await;
    let begun = Instant::now();
    connection.push(1, &[("a", "0"), ("b", "0")]).await;
    assert!(connection.read().await);
    assert_eq!(connection.received, 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_reconnection_names_what_is_held_and_sends_again_what_is_not_confirmed() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Semaphore::new(0));
    let _running = run(Worker::new(client)
        .activity_raw("echo", echo)
        .activity_raw("slow", gated(&gate)));
    let mut first = fake.welcomed().await;
    let slow = Push {
        activity: 1,
        number: 4,
        ..beating("slow", 0)
    };
    first.push(1, &[("a", "1"), ("b", "2"), ("c", "3")]).await;
    first.pushes(vec![slow]).await;
    for _ in 0..3 {
        first.result().await.2.unwrap();
    }
    first.confirm(1).await;
    let session_id = first.hello.session_id.clone();
    // The confirmation is on the wire before the break.
    first.push(5, &[("d", "4")]).await;
    first.result().await.2.unwrap();
    drop(first);

    let mut second = fake.connection().await;
    assert_eq!(second.hello.session_id, session_id);
    let mut held = second.hello.held.clone();
    held.sort();
    assert_eq!(held, ["b", "c", "d", "slow"]);
    second.welcome(true, 2).await;
    assert_eq!(
        second.result().await,
        ("c".to_owned(), 3, Ok("3".to_owned()))
    );
    assert_eq!(
        second.result().await,
        ("d".to_owned(), 4, Ok("4".to_owned()))
    );
    gate.add_permits(1);
    assert_eq!(
        second.result().await,
        ("slow".to_owned(), 5, Ok("0".to_owned()))
    );
    assert_eq!(second.received, 5);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_came_up_without_connection_is_sent_once() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Semaphore::new(0));
    let _running = run(Worker::new(client).activity_raw("slow", gated(&gate)));
    let first = fake.welcomed().await;
    first.push(1, &[("a", "1")]).await;
    drop(first);
    let mut second = fake.connection().await;
    if second.hello.held.is_empty() {
        // The break overtook the push.
        second.welcome(true, 0).await;
        second.push(1, &[("a", "1")]).await;
        gate.add_permits(1);
    } else {
        gate.add_permits(1);
        tokio::task::yield_now().await;
        second.welcome(true, 0).await;
    }
    assert_eq!(
        second.result().await,
        ("a".to_owned(), 1, Ok("1".to_owned()))
    );
    assert_eq!(second.results_left(), 0);
    let more = tokio::time::timeout(Duration::from_secs(60), second.result()).await;
    assert!(more.is_err(), "sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_token_pushed_twice_is_begun_once() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Semaphore::new(0));
    let _running = run(Worker::new(client).activity_raw("slow", gated(&gate)));
    let mut connection = fake.welcomed().await;
    connection
        .push(1, &[("a", "1"), ("a", "1"), ("b", "2")])
        .await;
    gate.add_permits(3);
    let mut tokens = vec![connection.result().await.0, connection.result().await.0];
    tokens.sort();
    assert_eq!(tokens, ["a", "b"]);
    let more = tokio::time::timeout(Duration::from_secs(5), connection.result()).await;
    assert!(more.is_err(), "begun twice");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_the_coordinator_cannot_take_fails_the_task() {
    let (mut fake, client) = pair();
    let _running = run(Worker::new(client).activity_raw("echo", echo));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("a", "no json")]).await;
    connection.result().await.2.unwrap();
    let refused = vec![RefusedResult {
        task_token: "a".to_owned(),
        reason: "InvalidOutput".to_owned(),
    }];
    let message = CoordinatorMessage {
        confirmed: 1,
        refused,
        ..CoordinatorMessage::default()
    };
    connection.send(message).await;
    let (token, number, outcome) = connection.result().await;
    assert_eq!((token.as_str(), number), ("a", 2));
    assert!(outcome.unwrap_err().starts_with("InvalidOutput: "));
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_is_left_for_as_long_as_it_says() {
    let (mut fake, client) = pair();
    let _running = run(Worker::new(client).activity_raw("echo", echo));
    let first = fake.welcomed().await;
    let begun = Instant::now();
    first
        .send(CoordinatorMessage {
            reconnect_after_ms: 3000,
            ..Default::default()
        })
        .await;
    let second = fake.connection().await;
    assert_eq!(second.hello.session_id, first.hello.session_id);
    assert!(begun.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn missing_activities_are_created_first() {
    let (mut fake, client) = pair();
    let _running = run(Worker::new(client)
        .create_activities(true)
        .activity_raw("echo", echo)
        .activity_raw("arn:aws:states:us-east-1:000000000000:activity:other", echo));
    fake.welcomed().await;
    assert_eq!(*fake.created.lock().unwrap(), ["echo", "other"]);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_not_there_yet_is_waited_for_but_a_refusal_is_final() {
    let (mut fake, client) = pair();
    fake.refusals
        .lock()
        .unwrap()
        .extend([Status::unavailable("starting"); 1]);
    let running = run(Worker::new(client.clone()).activity_raw("echo", echo));
    fake.welcomed().await;
    drop(running);

    fake.refusals
        .lock()
        .unwrap()
        .push_back(Status::unauthenticated("who are you?"));
    let refused = run(Worker::new(client).activity_raw("echo", echo))
        .worker
        .await
        .unwrap();
    let Err(Error::Api { code, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(code, Code::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_work_says_why() {
    let (_fake, client) = pair();
    let cases = [
        (
            Worker::new(client.clone()),
            "a worker needs at least one activity",
        ),
        (
            Worker::new(client.clone())
                .activity_raw("a", echo)
                .activity_raw("a", echo),
            "activity `a` is registered twice",
        ),
        (
            Worker::new(client.clone()).activity_raw("a", echo).slots(0),
            "activity `a` has no slots",
        ),
        (
            Worker::new(client).activity_raw("a", echo).name(""),
            "worker name `` must have 1 to 80 characters",
        ),
    ];
    for (worker, text) in cases {
        assert_eq!(
            run(worker).worker.await.unwrap().unwrap_err().to_string(),
            text
        );
    }
}
