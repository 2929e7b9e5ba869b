//! Workers that do not come back, and how long their tasks wait for them.

use stepfleet_proto::v1::away_max::Bound;

use super::*;

impl Stage {
    async fn away_max(&self, activity: &str, bound: Option<Bound>) {
        let change = v1::UpdateActivityRequest {
            activity_arn: activity_arn(activity),
            away_max: Some(v1::AwayMax { bound }),
            ..Default::default()
        };
        let answer = self.activities().update_activity(change).await.unwrap();
        let settings = answer.into_inner().settings.unwrap();
        assert_eq!(settings.away_max.and_then(|away| away.bound), bound);
    }

    /// A worker of the activities `a` and `b` with a task of each, in this order; their executions are called like them.
    async fn with_tasks(session_ttl: Duration, bound: Bound) -> (Self, Hand, Vec<v1::Push>) {
        Self::of_tasks(stage_with(session_ttl).await, bound).await
    }

    async fn of_tasks(stage: Self, bound: Bound) -> (Self, Hand, Vec<v1::Push>) {
        for name in ["a", "b"] {
            stage.activity(name).await;
            stage.machine(name, name).await;
        }
        stage.away_max("a", Some(bound)).await;
        let mut hand = stage.worker("w", &[("a", 1), ("b", 1)], &[]).await;
        let mut pushes = Vec::new();
        for name in ["a", "b"] {
            stage.start(name, name, "{}").await;
            pushes.extend(hand.pushes().await);
        }
        let acknowledged = WorkerMessage {
            received: 2,
            ..WorkerMessage::default()
        };
        hand.say.send(acknowledged).await.unwrap();
        (stage, hand, pushes)
    }

    async fn status(&self, name: &str) -> v1::ExecutionStatus {
        let request = v1::DescribeExecutionRequest {
            execution_arn: format!("{PREFIX}execution:{name}:{name}"),
        };
        let answer = ExecutionServiceClient::new(self.router.clone())
            .describe_execution(request)
            .await
            .unwrap();
        answer.into_inner().status()
    }

    async fn ends(&self, name: &str, status: v1::ExecutionStatus) {
        self.until(async |stage| stage.status(name).await == status)
            .await;
    }

    /// The same worker again, with these tokens in its hands.
    async fn again(&self, session: &str, held: &[&v1::Push]) -> Hand {
        let slots = |activity: &str| v1::ActivitySlots {
            activity: activity.into(),
            slots: 1,
            max_rate: 0.0,
        };
        self.connect(Hello {
            worker_name: "w".into(),
            session_id: session.into(),
            activities: vec![slots("a"), slots("b")],
            held: held.iter().map(|push| push.task_token.clone()).collect(),
            ..Hello::default()
        })
        .await
    }
}

impl Hand {
    async fn cancelled(&mut self) -> Vec<String> {
        loop {
            let message = self.hear.message().await.unwrap().unwrap();
            if !message.cancelled.is_empty() {
                return message.cancelled;
            }
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn tasks_of_an_activity_end_at_once_with_the_connection_when_it_says_so() {
    let (stage, hand, pushes) = Stage::with_tasks(MINUTE, Bound::Seconds(0)).await;
    let session = hand.session.clone();
    drop(hand);
    stage.ends("a", v1::ExecutionStatus::Failed).await;
    assert_eq!(stage.status("b").await, v1::ExecutionStatus::Running);
    // The worker that comes back is told, and its other task counts.
    let mut hand = stage.again(&session, &[&pushes[0], &pushes[1]]).await;
    assert_eq!(hand.cancelled().await, [pushes[0].task_token.as_str()]);
    hand.succeed(1, &pushes[1]).await;
    stage.ends("b", v1::ExecutionStatus::Succeeded).await;
}

#[tokio::test]
async fn tasks_that_only_their_timeouts_end_outlast_the_session_and_can_be_claimed() {
    let (stage, hand, pushes) = Stage::with_tasks(Duration::ZERO, Bound::Unbounded(true)).await;
    let session = hand.session.clone();
    drop(hand);
    stage.ends("b", v1::ExecutionStatus::Failed).await;
    stage
        .until(async |stage| {
            let worker = stage.describe(&session).await.unwrap().worker.unwrap();
            worker.status() == v1::WorkerStatus::Gone
        })
        .await;
    assert_eq!(stage.status("a").await, v1::ExecutionStatus::Running);
    let mut hand = stage.again(&session, &[&pushes[0]]).await;
    hand.succeed(1, &pushes[0]).await;
    stage.ends("a", v1::ExecutionStatus::Succeeded).await;
}

#[tokio::test]
async fn a_task_that_never_arrived_is_offered_again_when_its_worker_is_back_after_its_session() {
    let (stage, hand, pushes) = Stage::with_tasks(Duration::ZERO, Bound::Seconds(600)).await;
    let session = hand.session.clone();
    drop(hand);
    stage.ends("b", v1::ExecutionStatus::Failed).await;
    let mut hand = stage.again(&session, &[]).await;
    let again = hand.pushes().await.remove(0);
    assert_eq!(again.execution_arn, pushes[0].execution_arn);
    assert_ne!(again.task_token, pushes[0].task_token);
    // The superseded attempt closes nothing.
    hand.succeed(1, &pushes[0]).await;
    assert_eq!(hand.refused().await, ["TaskTimedOut"]);
    assert_eq!(stage.status("a").await, v1::ExecutionStatus::Running);
    hand.succeed(2, &again).await;
    stage.ends("a", v1::ExecutionStatus::Succeeded).await;
}

#[tokio::test]
async fn tasks_wait_for_their_worker_beyond_its_session_and_not_for_ever() {
    let (stage, hand, pushes) = Stage::with_tasks(Duration::ZERO, Bound::Seconds(1)).await;
    let session = hand.session.clone();
    drop(hand);
    stage.ends("b", v1::ExecutionStatus::Failed).await;
    assert_eq!(stage.status("a").await, v1::ExecutionStatus::Running);
    stage.ends("a", v1::ExecutionStatus::Failed).await;
    let mut hand = stage.again(&session, &[&pushes[0]]).await;
    assert_eq!(hand.cancelled().await, [pushes[0].task_token.as_str()]);
}

#[tokio::test]
async fn how_long_workers_may_be_away_is_bounded_and_can_be_taken_back() {
    let stage = stage().await;
    stage.activity("a").await;
    stage.away_max("a", Some(Bound::Seconds(99_999_999))).await;
    stage.away_max("a", Some(Bound::Unbounded(true))).await;
    stage.away_max("a", None).await;
    for bound in [Bound::Seconds(100_000_000), Bound::Unbounded(false)] {
        let change = v1::UpdateActivityRequest {
            activity_arn: activity_arn("a"),
            away_max: Some(v1::AwayMax { bound: Some(bound) }),
            ..Default::default()
        };
        let refused = stage.activities().update_activity(change).await;
        let code = refused.unwrap_err().code();
        assert_eq!(code, tonic::Code::InvalidArgument);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_worker_that_vanished_counts_from_when_it_was_heard_last() {
    let stage = stage_heard(MINUTE, Heard::default()).await;
    let (stage, hand, _) = Stage::of_tasks(stage, Bound::Seconds(40)).await;
    passes(15).await;
    // Only now is it noticed.
    drop(hand);
    passes(24).await;
    assert_eq!(stage.status("a").await, v1::ExecutionStatus::Running);
    passes(2).await;
    assert_eq!(stage.status("a").await, v1::ExecutionStatus::Failed);
    passes(18).await;
    assert_eq!(stage.status("b").await, v1::ExecutionStatus::Running);
    passes(2).await;
    assert_eq!(stage.status("b").await, v1::ExecutionStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn tasks_beyond_the_session_count_from_when_their_worker_was_heard_last_too() {
    let stage = stage_heard(Duration::from_secs(10), Heard::default()).await;
    let (stage, hand, _) = Stage::of_tasks(stage, Bound::Seconds(40)).await;
    passes(15).await;
    drop(hand);
    passes(1).await;
    assert_eq!(stage.status("b").await, v1::ExecutionStatus::Failed);
    passes(23).await;
    assert_eq!(stage.status("a").await, v1::ExecutionStatus::Running);
    passes(2).await;
    assert_eq!(stage.status("a").await, v1::ExecutionStatus::Failed);
}
