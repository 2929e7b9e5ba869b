//! How a worker leaves.

use std::sync::Arc;
use std::time::Duration;

use stepfleet_sdk::api::{Order, Push};
use stepfleet_sdk::{Error, Task, TaskError, Worker};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fake::{Connection, Fake};
use super::in_memory::{pair, run};

/// A handler that waits for the gate; cancellation does not impress it when its input is `"stubborn"`.
fn worker(client: stepfleet_sdk::Client, gate: &Arc<Notify>) -> Worker {
    let gate = Arc::clone(gate);
    let handler = move |task: Task<String>| {
        let gate = Arc::clone(&gate);
        async move {
            if task.input == "\"stubborn\"" {
                std::future::pending::<()>().await;
            }
            tokio::select! {
                () = gate.notified() => {}
                () = task.cancelled() => {}
            }
            Ok::<_, TaskError>("\"done\"".to_owned())
        }
    };
    Worker::new(client).activity_raw("a", handler).slots(1)
}

#[tokio::test(start_paused = true)]
async fn draining_hands_back_what_has_not_begun_and_finishes_the_rest() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate));
    let mut connection = fake.welcomed().await;
    connection
        .push(1, &[("begun", "0"), ("waiting", "0")])
        .await;
    assert!(connection.read().await, "the acknowledgement");
    running.shutdown.cancel();
    assert!(connection.read().await);
    assert!(connection.draining);
    assert_eq!(connection.returned, ["waiting"]);

    connection.push(3, &[("late", "0")]).await;
    assert!(connection.read().await);
    assert_eq!(connection.returned, ["waiting", "late"]);

    gate.notify_one();
    assert_eq!(
        connection.result().await,
        ("begun".to_owned(), 1, Ok("\"done\"".to_owned()))
    );
    assert!(
        !running.worker.is_finished(),
        "it waits for the confirmation"
    );
    connection.confirm(1).await;
    assert!(!connection.read().await, "the worker ends its stream");
    drop(connection);
    running.worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_runs_beyond_the_grace_period_is_cancelled_and_fails() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate).grace(Duration::from_secs(20)));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("slow", "0")]).await;
    assert!(connection.read().await, "the acknowledgement");
    let begun = Instant::now();
    running.shutdown.cancel();
    let (token, _, outcome) = connection.result().await;
    assert_eq!(token, "slow");
    assert_eq!(
        outcome.unwrap_err(),
        "WorkerStopped: the worker stopped before the task was done"
    );
    assert!(begun.elapsed() >= Duration::from_secs(20));
    connection.confirm(1).await;
    assert!(!connection.read().await);
    drop(connection);
    running.worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_leaves_even_when_handlers_and_coordinator_do_not_answer() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("stuck", "\"stubborn\"")]).await;
    assert!(connection.read().await, "the acknowledgement");
    running.shutdown.cancel();
    let result = running.worker.await.unwrap();
    let Err(Error::Abandoned {
        unfinished,
        unconfirmed,
    }) = result
    else {
        panic!("{result:?}")
    };
    assert_eq!((unfinished, unconfirmed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn results_are_confirmed_after_a_break_in_the_middle_of_draining() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate));
    let mut first = fake.welcomed().await;
    first.push(1, &[("a", "0")]).await;
    assert!(first.read().await, "the acknowledgement");
    running.shutdown.cancel();
    assert!(first.read().await && first.draining);
    drop(first);
    let mut second = fake.connection().await;
    assert_eq!(second.hello.held, ["a"]);
    second.welcome(true, 0).await;
    assert!(
        second.read().await && second.draining,
        "it says again that it drains"
    );
    gate.notify_one();
    assert_eq!(second.result().await.0, "a");
    second.confirm(1).await;
    assert!(!second.read().await);
    drop(second);
    running.worker.await.unwrap().unwrap();
}

/// The connection of a worker that is known to be welcome, and has nothing in hand.
async fn idle(fake: &mut Fake) -> Connection {
    let mut connection = fake.welcomed().await;
    let nobodys = Push {
        number: 1,
        task_token: "nobodys".to_owned(),
        activity: 9,
        ..Push::default()
    };
    connection.pushes(vec![nobodys]).await;
    assert!(connection.read().await);
    assert_eq!(connection.returned, ["nobodys"]);
    connection
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_last_words_were_lost_comes_back_to_say_them() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate));
    idle(&mut fake).await.fail().await;
    running.shutdown.cancel();
    let mut second = fake.connection().await;
    second.welcome(true, 0).await;
    assert!(second.read().await && second.draining);
    assert!(!second.read().await, "the worker ends its stream");
    drop(second);
    running.worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_leaves_although_the_coordinator_is_gone() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate).confirm_timeout(Duration::from_secs(3)));
    idle(&mut fake).await.fail().await;
    let unanswered = fake.connection().await;
    let begun = Instant::now();
    running.shutdown.cancel();
    running.worker.await.unwrap().unwrap();
    assert_eq!(begun.elapsed().as_secs(), 3);
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_leaves_at_once() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate));
    let mut connection = fake.welcomed().await;
    gate.notify_one();
    connection.push(1, &[("a", "0")]).await;
    connection.result().await.2.unwrap();
    connection.confirm(1).await;
    running.shutdown.cancel();
    while connection.read().await {}
    assert!(connection.draining);
    drop(connection);
    running.worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_drain_finishes_without_a_deadline_and_leaves() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate).grace(Duration::from_secs(1)));
    let mut connection = fake.welcomed().await;
    connection
        .push(1, &[("begun", "0"), ("waiting", "0")])
        .await;
    assert!(connection.read().await, "the acknowledgement");
    connection.order(Order::Drain).await;
    assert!(connection.read().await);
    assert_eq!(connection.returned, ["waiting"]);
    assert!(!connection.draining, "it can still be told to go on");
    tokio::time::advance(Duration::from_secs(3600)).await;
    gate.notify_one();
    let (token, number, _) = connection.result().await;
    assert_eq!((token.as_str(), number), ("begun", 1));
    connection.confirm(1).await;
    assert!(connection.read().await);
    assert!(connection.draining);
    assert!(!connection.read().await, "the worker ends its stream");
    drop(connection);
    running.worker.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_to_go_on_takes_tasks_again() {
    let (mut fake, client) = pair();
    let gate = Arc::new(Notify::new());
    let running = run(worker(client, &gate));
    let mut connection = fake.welcomed().await;
    connection.push(1, &[("begun", "0")]).await;
    assert!(connection.read().await, "the acknowledgement");
    connection.order(Order::Drain).await;
    connection.push(2, &[("refused", "0")]).await;
    assert!(connection.read().await);
    assert_eq!(connection.returned, ["refused"]);
    connection.order(Order::Resume).await;
    gate.notify_one();
    assert_eq!(connection.result().await.0, "begun");
    connection.push(3, &[("taken", "0")]).await;
    gate.notify_one();
    assert_eq!(connection.result().await.0, "taken");
    connection.confirm(2).await;
    running.shutdown.cancel();
    while connection.read().await {}
    drop(connection);
    running.worker.await.unwrap().unwrap();
}
