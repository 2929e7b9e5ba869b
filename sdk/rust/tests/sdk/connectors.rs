//! Connectors: starts, questions, and what becomes of work that nobody waits for.

use std::sync::Arc;

use stepfleet_sdk::api::connector_answer::Answer;
use stepfleet_sdk::api::connector_query::Kind;
use stepfleet_sdk::api::task_result::Outcome;
use stepfleet_sdk::api::{
    self, ConnectorQuery, CoordinatorMessage, Push, RefusedResult, TaskPattern,
};
use stepfleet_sdk::{
    Connector, Pattern, Reports, Resumed, Standing, Start, Started, TaskError, Work, Worker,
};
use tokio::sync::{Semaphore, mpsc};

use super::fake::Connection;
use super::in_memory::{pair, run};

const EXECUTION: &str = "arn:aws:states:us-east-1:000000000000:execution:m:e";

/// Begins when the test lets it, and tells what it is asked for.
struct Training {
    gate: Arc<Semaphore>,
    stopped: mpsc::Sender<Work>,
    attached: mpsc::Sender<Reports>,
}

impl Connector for Training {
    async fn start(&self, start: Start) -> Result<Started, TaskError> {
        self.gate.acquire().await.unwrap().forget();
        if start.client_id == "client-early" {
            start.task.cancelled().await;
        }
        Ok(match start.pattern {
            Pattern::RequestResponse => Started::Answered(start.input),
            Pattern::Sync | Pattern::WaitForTaskToken => Started::Begun {
                handle: format!("\"{}\"", start.client_id),
                output: start.input,
            },
        })
    }

    async fn describe(&self, work: Work) -> Result<Standing, TaskError> {
        match work.handle.as_str() {
            "1" => Ok(Standing::Going(None)),
            "2" => Ok(Standing::Succeeded("2".to_owned())),
            "3" => Ok(Standing::Failed(TaskError::new("E", "C"))),
            _ => Err(TaskError::new("Busy", "later")),
        }
    }

    async fn stop(&self, work: Work) -> Result<(), TaskError> {
        self.stopped.try_send(work).unwrap();
        Ok(())
    }

    fn place(&self) -> String {
        "here".to_owned()
    }

    fn attach(&self, reports: Reports) {
        self.attached.try_send(reports).unwrap();
    }
}

struct Stage {
    gate: Arc<Semaphore>,
    stopped: mpsc::Receiver<Work>,
    reports: Reports,
    connection: Connection,
    running: super::in_memory::Running,
}

async fn stage() -> Stage {
    let (mut fake, client) = pair();
    let gate = Arc::new(Semaphore::new(0));
    let (stopped, stops) = mpsc::channel(8);
    let (attached, mut attaches) = mpsc::channel(8);
    let training = Training {
        gate: Arc::clone(&gate),
        stopped,
        attached,
    };
    let running = run(Worker::new(client)
        .create_activities(true)
        .connector("acme:train", training)
        .slots(3)
        .activity_raw("a", async |task: stepfleet_sdk::Task<String>| {
            Ok::<_, TaskError>(task.input.clone())
        }));
    let connection = fake.welcomed().await;
    let connectors = &connection.hello.connectors;
    assert_eq!(
        (
            connectors[0].connector.as_str(),
            connectors[0].slots,
            connectors[0].place.as_str()
        ),
        ("acme:train", 3, "here")
    );
    assert_eq!(*fake.created.lock().unwrap(), ["a", "connector.acme.train"]);
    Stage {
        gate,
        stopped: stops,
        reports: attaches.recv().await.unwrap(),
        connection,
        running,
    }
}

fn start(number: u64, token: &str, pattern: TaskPattern) -> Push {
    Push {
        number,
        task_token: token.to_owned(),
        // Behind the activity.
        activity: 1,
        input: "7".to_owned(),
        execution_arn: EXECUTION.to_owned(),
        start: Some(api::Start {
            client_id: format!("client-{token}"),
            pattern: pattern.into(),
        }),
        ..Push::default()
    }
}

fn begun(client_id: &str) -> Outcome {
    Outcome::Begun(api::Begun {
        handle: format!("\"{client_id}\""),
        output: "7".to_owned(),
        place: "here".to_owned(),
    })
}

fn work(client_id: &str) -> Work {
    Work {
        client_id: client_id.to_owned(),
        handle: format!("\"{client_id}\""),
        execution_arn: EXECUTION.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_answers_or_begins() {
    let mut stage = stage().await;
    stage.gate.add_permits(2);
    let pushes = vec![
        start(1, "once", TaskPattern::RequestResponse),
        start(2, "sync", TaskPattern::Sync),
    ];
    stage.connection.pushes(pushes).await;
    let mut outcomes = [
        stage.connection.outcome().await,
        stage.connection.outcome().await,
    ];
    outcomes.sort_by(|one, other| one.0.cmp(&other.0));
    let [once, sync] = outcomes;
    assert_eq!(once.2, Outcome::Output("7".to_owned()));
    assert_eq!(sync.2, begun("client-sync"));
    // A push that is no start is none of a connector's.
    let push = Push {
        start: None,
        ..start(3, "plain", TaskPattern::Sync)
    };
    stage.connection.pushes(vec![push]).await;
    let (_, _, outcome) = stage.connection.result().await;
    assert!(outcome.unwrap_err().starts_with("ConnectorOnly: "));
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_each_for_itself() {
    let mut stage = stage().await;
    let ask = |number: u64, kind: Kind, handle: &str| ConnectorQuery {
        number,
        connector: 1,
        kind: kind.into(),
        client_id: "c".to_owned(),
        handle: handle.to_owned(),
        execution_arn: EXECUTION.to_owned(),
    };
    let unknown = ConnectorQuery {
        connector: 0,
        ..ask(6, Kind::Describe, "1")
    };
    let mut queries: Vec<_> = (1..=4)
        .map(|number| ask(number, Kind::Describe, &number.to_string()))
        .collect();
    queries.extend([ask(5, Kind::Stop, "1"), unknown]);
    let message = CoordinatorMessage {
        queries,
        ..CoordinatorMessage::default()
    };
    stage.connection.send(message).await;
    let mut answers = Vec::new();
    while answers.len() < 6 {
        answers.push(stage.connection.answer().await);
    }
    answers.sort_by_key(|(number, _)| *number);
    let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
    let failure = api::TaskFailure {
        error: Some("E".to_owned()),
        cause: Some("C".to_owned()),
    };
    assert_eq!(
        answers[..5],
        [
            Answer::Going(api::Going::default()),
            Answer::Output("2".to_owned()),
            Answer::Failure(failure),
            Answer::Unknown("Busy: later".to_owned()),
            Answer::Stopped(api::Stopped {}),
        ]
    );
    assert!(matches!(answers[5], Answer::Unknown(_)));
    assert_eq!(stage.stopped.recv().await.unwrap().handle, "1");
}

#[tokio::test(start_paused = true)]
async fn what_begins_for_nobody_is_stopped() {
    let mut stage = stage().await;
    // Cancelled while it begins, and when it has begun.
    for (number, token) in [(1, "early"), (2, "late")] {
        let push = start(number, token, TaskPattern::Sync);
        stage.connection.pushes(vec![push]).await;
        let client_id = format!("client-{token}");
        stage.gate.add_permits(1);
        if token == "early" {
            stage.connection.cancel(token).await;
        } else {
            assert_eq!(stage.connection.outcome().await.2, begun(&client_id));
            stage.connection.confirm(1).await;
            stage.connection.cancel(token).await;
        }
        assert_eq!(stage.stopped.recv().await.unwrap(), work(&client_id));
    }
}

#[tokio::test(start_paused = true)]
async fn what_begins_after_its_task_failed_with_the_worker_is_stopped() {
    let mut stage = stage().await;
    let push = start(1, "early", TaskPattern::Sync);
    stage.connection.pushes(vec![push]).await;
    assert!(stage.connection.read().await, "the acknowledgement");
    stage.gate.add_permits(1);
    stage.running.shutdown.cancel();
    let Outcome::Failure(failure) = stage.connection.outcome().await.2 else {
        panic!("it has begun nothing yet");
    };
    assert_eq!(failure.error.as_deref(), Some("WorkerStopped"));
    assert_eq!(stage.stopped.recv().await.unwrap(), work("client-early"));
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_is_asked_whether_work_is_waited_for() {
    let mut stage = stage().await;
    stage.gate.add_permits(1);
    let push = start(1, "t", TaskPattern::Sync);
    stage.connection.pushes(vec![push]).await;
    assert_eq!(stage.connection.outcome().await.2, begun("client-t"));
    stage.connection.confirm(1).await;
    // From time to time, and when a begin does not count: it may have come before.
    assert_eq!(stage.connection.heartbeat().await.0, "t");
    let refused = RefusedResult {
        task_token: "t".to_owned(),
        reason: "TaskTimedOut".to_owned(),
    };
    let message = CoordinatorMessage {
        refused: vec![refused],
        ..CoordinatorMessage::default()
    };
    stage.connection.send(message).await;
    assert_eq!(stage.connection.heartbeat().await.0, "t");
    assert!(stage.stopped.try_recv().is_err());
    stage.connection.cancel("t").await;
    assert_eq!(stage.stopped.recv().await.unwrap(), work("client-t"));
}

#[tokio::test(start_paused = true)]
async fn work_of_an_earlier_process_goes_on() {
    let mut stage = stage().await;
    let resumed = Resumed {
        token: "old".to_owned(),
        work: work("client-old"),
        pattern: Pattern::Sync,
        output: "7".to_owned(),
    };
    stage.reports.resume(resumed).await.unwrap();
    let (token, number, outcome) = stage.connection.outcome().await;
    assert_eq!(
        (token.as_str(), number, outcome),
        ("old", 1, begun("client-old"))
    );
    let ended = stage.reports.ended("old".to_owned(), Ok("[1]".to_owned()));
    let told = async {
        let (token, number, outcome) = stage.connection.result().await;
        assert_eq!(
            (token.as_str(), number, outcome),
            ("old", 2, Ok("[1]".to_owned()))
        );
        stage.connection.confirm(2).await;
    };
    let (settled, ()) = tokio::join!(ended, told);
    settled.unwrap();
    // It has ended: nothing is left to stop.
    stage.connection.cancel("old").await;
    stage.connection.push(1, &[("t", "8")]).await;
    assert_eq!(stage.connection.result().await.2, Ok("8".to_owned()));
    assert!(stage.stopped.try_recv().is_err());
}
