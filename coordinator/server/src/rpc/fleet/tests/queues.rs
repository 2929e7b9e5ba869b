//! Queues that are held back, emptied, bounded, and that ask for labels.

use super::*;

impl Stage {
    async fn update(&self, change: v1::UpdateActivityRequest) -> Result<(), Status> {
        let change = v1::UpdateActivityRequest {
            activity_arn: activity_arn("a"),
            ..change
        };
        self.activities().update_activity(change).await.map(drop)
    }

    async fn pause(&self, paused: bool) {
        let change = v1::UpdateActivityRequest {
            paused: Some(paused),
            ..Default::default()
        };
        self.update(change).await.unwrap();
    }

    async fn history(&self, machine: &str, name: &str) -> Vec<v1::HistoryEvent> {
        let request = v1::GetExecutionHistoryRequest {
            execution_arn: format!("{PREFIX}execution:{machine}:{name}"),
            ..Default::default()
        };
        let history = ExecutionServiceClient::new(self.router.clone())
            .get_execution_history(request)
            .await
            .unwrap();
        history.into_inner().events
    }

    /// A stage with the activity `a`, the machine `m` of it, and a worker.
    async fn with_worker(slots: u32, labels: &[(&str, &str)]) -> (Self, Hand) {
        let stage = stage().await;
        stage.activity("a").await;
        stage.machine("m", "a").await;
        let hand = stage.worker("w", &[("a", slots)], labels).await;
        (stage, hand)
    }
}

impl Hand {
    /// This many pushes, as they come.
    async fn get(&mut self, count: usize) -> Vec<v1::Push> {
        let mut pushes = Vec::new();
        while pushes.len() < count {
            pushes.extend(self.pushes().await);
        }
        assert_eq!(pushes.len(), count);
        pushes
    }
}

#[tokio::test]
async fn a_paused_activity_hands_out_nothing_over_streams_or_to_pollers() {
    let (stage, mut hand) = Stage::with_worker(1, &[]).await;
    stage.pause(true).await;
    stage.start("m", "one", "{}").await;
    stage.start("m", "two", "{}").await;
    let poll = v1::GetActivityTaskRequest {
        activity_arn: activity_arn("a"),
        worker_name: String::new(),
    };
    let mut tasks = v1::task_service_client::TaskServiceClient::new(stage.router.clone());
    let mut polled = Box::pin(tasks.get_activity_task(poll));
    assert!(futures::poll!(&mut polled).is_pending());
    stage
        .until(async |stage| stage.stats("a").await.pollers == 1)
        .await;
    let stats = stage.stats("a").await;
    assert_eq!((stats.queued, stats.started), (2, 0));
    assert!(stats.settings.unwrap().paused);
    stage.pause(false).await;
    let pushed = hand.get(1).await.remove(0);
    let polled = polled.await.unwrap().into_inner();
    assert_ne!(polled.task_token, "");
    assert_ne!(polled.task_token, pushed.task_token);
    assert_eq!(stage.stats("a").await.in_hand, 2);
}

#[tokio::test]
async fn a_purge_fails_what_waits_and_leaves_what_a_worker_has() {
    let (stage, mut hand) = Stage::with_worker(1, &[]).await;
    stage.start("m", "held", "{}").await;
    hand.get(1).await;
    for n in 0..3 {
        stage.start("m", &format!("e{n}"), "{}").await;
    }
    let purge = async |until| {
        let request = v1::PurgeActivityRequest {
            activity_arn: activity_arn("a"),
            scheduled_until: until,
            cause: "upgrade".into(),
        };
        let answer = stage.activities().purge_activity(request).await.unwrap();
        let answer = answer.into_inner();
        (answer.purged, answer.more)
    };
    let before = prost_types::Timestamp {
        seconds: 1,
        nanos: 0,
    };
    assert_eq!(purge(Some(before)).await, (0, false));
    assert_eq!(purge(None).await, (3, false));
    let stats = stage.stats("a").await;
    assert_eq!((stats.queued, stats.in_hand, stats.failed), (0, 1, 3));
    let events = stage.history("m", "e1").await;
    let types: Vec<&str> = events.iter().map(|event| event.r#type.as_str()).collect();
    let expect = [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityFailed",
        "ExecutionFailed",
    ];
    assert_eq!(types, expect);
    assert_eq!(
        events[3].details,
        r#"{"error":"Stepfleet.TaskPurged","cause":"upgrade"}"#
    );
}

#[tokio::test]
async fn a_task_goes_to_a_worker_with_the_labels_that_its_input_asks_for() {
    let (stage, _us) = Stage::with_worker(1, &[("region", "us")]).await;
    let asks = r#"{"stepfleet:task": {"requires": {"region": "eu"}}, "file": "f"}"#;
    stage.start("m", "eu", asks).await;
    stage
        .until(async |stage| stage.stats("a").await.queued == 1)
        .await;
    let unplaceable = stage.stats("a").await.unplaceable;
    assert_eq!((unplaceable.len(), unplaceable[0].queued), (1, 1));
    assert_eq!(unplaceable[0].labels["region"], "eu");
    let mut eu = stage.worker("eu", &[("a", 1)], &[("region", "eu")]).await;
    assert_eq!(eu.get(1).await[0].input, asks);
    assert!(stage.stats("a").await.unplaceable.is_empty());
}

#[tokio::test]
async fn a_task_that_asks_for_nonsense_fails_with_the_reason() {
    let (stage, _hand) = Stage::with_worker(1, &[]).await;
    stage
        .start("m", "odd", r#"{"stepfleet:task": {"priority": 12}}"#)
        .await;
    stage
        .until(async |stage| stage.history("m", "odd").await.len() == 5)
        .await;
    let failed = &stage.history("m", "odd").await[3];
    assert_eq!(failed.r#type, "ActivityFailed");
    assert!(
        failed.details.contains("Stepfleet.InvalidPlacement") && failed.details.contains("0 to 9"),
        "{}",
        failed.details
    );
}

#[tokio::test]
async fn an_activity_is_served_by_workers_with_the_labels_it_requires_alone() {
    let (stage, mut hand) = Stage::with_worker(1, &[("gpu", "")]).await;
    let _plain = stage.worker("plain", &[("a", 5)], &[]).await;
    let require = |labels: &[(&str, &str)]| v1::UpdateActivityRequest {
        required_labels: Some(v1::Labels {
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
        }),
        ..Default::default()
    };
    stage.update(require(&[("gpu", "")])).await.unwrap();
    stage.start("m", "one", "{}").await;
    stage.start("m", "two", "{}").await;
    hand.get(1).await;
    assert_eq!(stage.stats("a").await.queued, 1);
    stage.update(require(&[("gpu", "h100")])).await.unwrap();
    assert_eq!(stage.unserved().await, [("activity:a".to_owned(), true)]);
    let refused = stage.update(require(&[("", "x")])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn bounds_hold_over_all_workers() {
    let (stage, mut hand) = Stage::with_worker(10, &[]).await;
    let mut other = stage.worker("other", &[("a", 10)], &[]).await;
    let bound = |max| v1::UpdateActivityRequest {
        max_concurrency: Some(max),
        ..Default::default()
    };
    stage.update(bound(1)).await.unwrap();
    for n in 0..3 {
        stage.start("m", &format!("e{n}"), "{}").await;
    }
    let push = hand.get(1).await.remove(0);
    let stats = stage.stats("a").await;
    assert_eq!((stats.queued, stats.in_hand), (2, 1));
    hand.succeed(1, &push).await;
    let next = tokio::select! {
        next = hand.get(1) => next,
        next = other.get(1) => next,
    };
    assert_eq!(next.len(), 1);
    assert_eq!(stage.stats("a").await.in_hand, 1);
    stage.update(bound(0)).await.unwrap();
    stage
        .until(async |stage| stage.stats("a").await.in_hand == 2)
        .await;
}

#[tokio::test]
async fn a_rate_is_kept_by_the_coordinator_itself() {
    let stage = stage().await;
    stage.activity("a").await;
    stage.machine("m", "a").await;
    let shared = stage.shared.clone();
    crate::task::spawn("pace", crate::matching::pace(shared));
    let rate = |rate| v1::UpdateActivityRequest {
        max_rate: Some(rate),
        ..Default::default()
    };
    let refused = stage.update(rate(-1.0)).await.unwrap_err();
    assert!(refused.message().contains("`max_rate`"), "{refused}");
    stage.update(rate(50.0)).await.unwrap();
    let mut hand = stage.worker("w", &[("a", 10)], &[]).await;
    let begun = tokio::time::Instant::now();
    for n in 0..5 {
        stage.start("m", &format!("e{n}"), "{}").await;
    }
    hand.get(5).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(70), "{took:?}");
}
