//! Progress of tasks: seen by operators, handed to the next attempt, bounded.

use stepfleet_proto::v1::task_service_client::TaskServiceClient;

use super::*;

impl Stage {
    fn tasks(&self) -> TaskServiceClient<axum::Router> {
        TaskServiceClient::new(self.router.clone())
    }

    /// A machine whose only state is a task of the activity `a`, which is tried again at once.
    async fn retrying(&self) {
        self.activity("a").await;
        let definition = serde_json::json!({"StartAt": "T", "States": {"T": {
            "Type": "Task", "Resource": activity_arn("a"), "End": true,
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 5}],
        }}});
        let request = v1::CreateStateMachineRequest {
            name: "m".into(),
            definition: definition.to_string(),
            ..Default::default()
        };
        let mut machines = StateMachineServiceClient::new(self.router.clone());
        machines.create_state_machine(request).await.unwrap();
    }

    /// Open tasks of an execution of `m`: attempt, worker, progress.
    async fn open(&self, name: &str) -> Vec<(u32, String, String)> {
        let request = v1::DescribeExecutionRequest {
            execution_arn: format!("{PREFIX}execution:m:{name}"),
        };
        let mut executions = ExecutionServiceClient::new(self.router.clone());
        let answer = executions.describe_execution(request).await.unwrap();
        let answer = answer.into_inner();
        assert_eq!(answer.open_task_count, answer.open_tasks.len() as i64);
        let tasks = answer.open_tasks.into_iter();
        tasks
            .map(|task| {
                assert_eq!(task.progress.is_empty(), task.progress_date.is_none());
                (task.attempt, task.worker_name, task.progress)
            })
            .collect()
    }

    /// The unary heartbeat, until what it says is seen.
    async fn beat(&self, token: &str, details: &str) -> Result<(), Status> {
        let request = v1::SendTaskHeartbeatRequest {
            task_token: token.into(),
            details: details.into(),
        };
        self.tasks().send_task_heartbeat(request).await.map(drop)
    }
}

impl Hand {
    async fn say(&self, push: &v1::Push, details: &str) {
        let beat = TaskHeartbeat {
            task_token: push.task_token.clone(),
            details: details.into(),
        };
        let message = WorkerMessage {
            heartbeats: vec![beat],
            ..WorkerMessage::default()
        };
        self.say.send(message).await.unwrap();
    }

    /// Fails a task, and says in the same message what it was doing.
    async fn fail_with(&self, number: u64, push: &v1::Push, details: &str) {
        let result = TaskResult {
            task_token: push.task_token.clone(),
            number,
            outcome: Some(Reported::Failure(v1::TaskFailure::default())),
        };
        let message = WorkerMessage {
            results: vec![result],
            heartbeats: vec![TaskHeartbeat {
                task_token: push.task_token.clone(),
                details: details.into(),
            }],
            received: push.number,
            ..WorkerMessage::default()
        };
        self.say.send(message).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_gets_what_was_said_last() {
    let stage = stage().await;
    stage.retrying().await;
    let mut hand = stage.worker("w", &[("a", 1)], &[]).await;
    stage.start("m", "one", "{}").await;
    let first = hand.pushes().await.remove(0);
    assert_eq!(first.last_progress, "");
    assert_eq!(stage.open("one").await, [(0, "w".into(), String::new())]);
    hand.say(&first, r#"{"row":1}"#).await;
    let said = |progress: &str| vec![(0, "w".to_owned(), progress.to_owned())];
    stage
        .until(async |stage| stage.open("one").await == said(r#"{"row":1}"#))
        .await;
    let described = stage.describe("w").await.unwrap();
    assert_eq!(described.tasks[0].progress, r#"{"row":1}"#);
    assert!(described.tasks[0].progress_date.is_some());
    // By a single call, too; the worker's own task shows it.
    stage.beat(&first.task_token, r#"{"row":2}"#).await.unwrap();
    assert_eq!(stage.open("one").await, said(r#"{"row":2}"#));
    let described = stage.describe("w").await.unwrap();
    assert_eq!(described.tasks[0].progress, r#"{"row":2}"#);
    hand.fail_with(1, &first, r#"{"row":3}"#).await;
    let second = hand.pushes().await.remove(0);
    assert_eq!(
        (second.attempt, second.last_progress.as_str()),
        (1, r#"{"row":3}"#)
    );
    // What this attempt has not said itself is not shown as its own.
    let described = stage.describe("w").await.unwrap();
    assert_eq!(described.tasks[0].progress, "");
    assert_eq!(
        stage.open("one").await,
        [(1, "w".into(), r#"{"row":3}"#.into())]
    );
    hand.fail_with(2, &second, "").await;
    hand.say(&second, r#"{"row":4}"#).await;
    let third = hand.pushes().await.remove(0);
    assert_eq!(
        third.last_progress, r#"{"row":3}"#,
        "a heartbeat that is late says nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_lost_leaves_its_progress_to_another_and_pollers_get_it_too() {
    let stage = stage().await;
    stage.retrying().await;
    let mut hand = stage.worker("w", &[("a", 1)], &[]).await;
    stage.start("m", "one", "{}").await;
    let push = hand.pushes().await.remove(0);
    hand.say(&push, "[7]").await;
    drop(hand);
    // The session ends after a minute; the clock of the test runs by itself.
    let mut other = stage.worker("x", &[("a", 1)], &[]).await;
    let again = other.pushes().await.remove(0);
    assert_eq!((again.attempt, again.last_progress.as_str()), (1, "[7]"));
    other.fail_with(1, &again, "[8]").await;
    other.leave().await;
    let request = v1::GetActivityTaskRequest {
        activity_arn: activity_arn("a"),
        ..Default::default()
    };
    let polled = stage.tasks().get_activity_task(request).await.unwrap();
    assert_eq!(polled.into_inner().last_progress, "[8]");
}

#[tokio::test]
async fn progress_that_is_too_large_or_no_json_is_refused_and_the_heartbeat_counts() {
    let stage = stage().await;
    stage.retrying().await;
    let mut hand = stage.worker("w", &[("a", 1)], &[]).await;
    stage.start("m", "one", "{}").await;
    let push = hand.pushes().await.remove(0);
    let large = format!("\"{}\"", "x".repeat(8191));
    for (details, reason, message) in [
        (
            large.as_str(),
            "ProgressTooLarge",
            "at most 8192 bytes, not 8193",
        ),
        ("{row: 1}", "InvalidProgress", "must be JSON"),
    ] {
        hand.say(&push, details).await;
        let heard = hand.hear.message().await.unwrap().unwrap();
        let refused = &heard.refused_progress[0];
        assert_eq!(
            (&*refused.reason, &refused.task_token),
            (reason, &push.task_token)
        );
        assert!(heard.cancelled.is_empty());
        let unary = stage.beat(&push.task_token, details).await.unwrap_err();
        assert!(unary.message().contains(message), "{unary}");
    }
    let fits = format!("\"{}\"", "x".repeat(8190));
    stage.beat(&push.task_token, &fits).await.unwrap();
    assert_eq!(stage.open("one").await[0].2, fits);
}

#[tokio::test]
async fn heartbeats_write_one_record_however_many_come() {
    use std::sync::atomic::Ordering;
    let stage = stage().await;
    stage.retrying().await;
    let mut hand = stage.worker("w", &[("a", 1)], &[]).await;
    stage.start("m", "one", "{}").await;
    let push = hand.pushes().await.remove(0);
    stage.beat(&push.task_token, "0").await.unwrap();
    let written = || stage.shared.counters.log_bytes.load(Ordering::Relaxed);
    stage
        .until(async |stage| stage.open("one").await[0].2 == "0")
        .await;
    let before = written();
    for number in 1..200 {
        stage
            .beat(&push.task_token, &number.to_string())
            .await
            .unwrap();
    }
    assert_eq!(stage.open("one").await[0].2, "199");
    assert_eq!(written(), before);
}
