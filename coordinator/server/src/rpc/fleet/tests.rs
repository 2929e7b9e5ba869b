//! Workers over the face in memory: what operators see of them and do with them.

mod away;
mod connectors;
mod progress;
mod queues;
mod turns;

use stepfleet_proto::v1;
use stepfleet_proto::v1::activity_service_client::ActivityServiceClient;
use stepfleet_proto::v1::admin_service_client::AdminServiceClient;
use stepfleet_proto::v1::execution_service_client::ExecutionServiceClient;
use stepfleet_proto::v1::fleet_service_client::FleetServiceClient;
use stepfleet_proto::v1::state_machine_service_client::StateMachineServiceClient;
use stepfleet_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::face::testing;

const PREFIX: &str = "arn:aws:states:us-east-1:000000000000:";

/// A coordinator in memory with every service.
struct Stage {
    router: axum::Router,
    shared: Arc<crate::shared::Shared>,
    /// What the workers of the test have been given as session ids.
    sessions: std::cell::Cell<u64>,
}

/// A worker in the test's hands.
struct Hand {
    say: mpsc::Sender<WorkerMessage>,
    hear: Streaming<CoordinatorMessage>,
    session: String,
}

async fn stage() -> Stage {
    stage_with(Duration::from_secs(60)).await
}

async fn stage_with(session_ttl: Duration) -> Stage {
    let (face, _drain) = testing::face().await;
    let fleet = FleetFace {
        service: face.service.clone(),
        session_ttl,
    };
    let shared = face.service.shared.clone();
    let (router, _health) = crate::rpc::routes(face, fleet).await.unwrap();
    Stage {
        router: testing::admitting(router),
        shared,
        sessions: 0.into(),
    }
}

/// Its workers were all heard last when `heard` says.
async fn stage_heard(session_ttl: Duration, heard: Heard) -> Stage {
    let stage = stage_with(session_ttl).await;
    let router = stage.router.layer(axum::Extension(heard));
    Stage { router, ..stage }
}

/// Paused time goes on by so many seconds.
async fn passes(seconds: u64) {
    let time = Duration::from_secs(seconds);
    let _passed = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

fn activity_arn(name: &str) -> String {
    format!("{PREFIX}activity:{name}")
}

impl Stage {
    fn activities(&self) -> ActivityServiceClient<axum::Router> {
        ActivityServiceClient::new(self.router.clone())
    }

    fn workers(&self) -> WorkerServiceClient<axum::Router> {
        WorkerServiceClient::new(self.router.clone())
    }

    async fn activity(&self, name: &str) {
        let request = v1::CreateActivityRequest {
            name: name.into(),
            ..Default::default()
        };
        self.activities().create_activity(request).await.unwrap();
    }

    /// A machine whose only state is a task of this activity; the codes and places of its warnings.
    async fn machine(&self, name: &str, activity: &str) -> Vec<(String, String)> {
        let definition = serde_json::json!({"StartAt": "T", "States": {"T": {
            "Type": "Task", "Resource": activity_arn(activity), "End": true,
        }}});
        let request = v1::CreateStateMachineRequest {
            name: name.into(),
            definition: definition.to_string(),
            ..Default::default()
        };
        let created = StateMachineServiceClient::new(self.router.clone())
            .create_state_machine(request)
            .await
            .unwrap();
        let warnings = created.into_inner().warnings.into_iter();
        warnings
            .map(|warning| (warning.code, warning.location))
            .collect()
    }

    async fn start(&self, machine: &str, name: &str, input: &str) {
        let request = v1::StartExecutionRequest {
            state_machine_arn: format!("{PREFIX}stateMachine:{machine}"),
            name: name.into(),
            input: input.into(),
            ..Default::default()
        };
        ExecutionServiceClient::new(self.router.clone())
            .start_execution(request)
            .await
            .unwrap();
    }

    /// Connects a worker and waits for its welcome.
    async fn worker(&self, name: &str, slots: &[(&str, u32)], labels: &[(&str, &str)]) -> Hand {
        self.sessions.set(self.sessions.get() + 1);
        let session = format!("00000000-0000-4000-8000-{:012x}", self.sessions.get());
        let activities = slots.iter().map(|(activity, slots)| v1::ActivitySlots {
            activity: (*activity).into(),
            slots: *slots,
            max_rate: 0.0,
        });
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        self.connect(Hello {
            worker_name: name.into(),
            session_id: session,
            activities: activities.collect(),
            labels: labels.collect(),
            build_id: "b7".into(),
            host: "eu-7".into(),
            ..Hello::default()
        })
        .await
    }

    async fn connect(&self, hello: Hello) -> Hand {
        let (say, said) = mpsc::channel(16);
        let session = hello.session_id.clone();
        let first = WorkerMessage {
            hello: Some(hello),
            ..WorkerMessage::default()
        };
        say.send(first).await.unwrap();
        let mut fleet = FleetServiceClient::new(self.router.clone());
        let mut hear = fleet
            .work(ReceiverStream::new(said))
            .await
            .unwrap()
            .into_inner();
        assert!(hear.message().await.unwrap().unwrap().welcome.is_some());
        Hand { say, hear, session }
    }

    async fn list(&self, activity: &str, labels: &[(&str, &str)]) -> Vec<v1::WorkerInfo> {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        let request = v1::ListWorkersRequest {
            activity: activity.into(),
            labels: labels.collect(),
            ..Default::default()
        };
        let answer = self.workers().list_workers(request).await.unwrap();
        answer.into_inner().workers
    }

    async fn describe(&self, worker: &str) -> Result<v1::DescribeWorkerResponse, Status> {
        let request = v1::DescribeWorkerRequest {
            worker: worker.into(),
        };
        let answer = self.workers().describe_worker(request).await;
        answer.map(Response::into_inner)
    }

    async fn stats(&self, activity: &str) -> v1::GetActivityStatsResponse {
        let request = v1::GetActivityStatsRequest {
            activity_arn: activity_arn(activity),
        };
        let answer = self.activities().get_activity_stats(request).await;
        answer.unwrap().into_inner()
    }

    /// Names of the activities that the status calls unserved, with whether they exist.
    async fn unserved(&self) -> Vec<(String, bool)> {
        let status = AdminServiceClient::new(self.router.clone())
            .get_status(v1::GetStatusRequest {})
            .await
            .unwrap();
        let unserved = status.into_inner().unserved_activities.into_iter();
        unserved
            .map(|of| (of.activity_arn.replace(PREFIX, ""), of.exists))
            .collect()
    }

    /// Waits until it holds; what is waited for comes by itself.
    async fn until(&self, mut holds: impl AsyncFnMut(&Self) -> bool) {
        while !holds(self).await {
            tokio::task::yield_now().await;
        }
    }
}

impl Hand {
    /// The next pushes.
    async fn pushes(&mut self) -> Vec<v1::Push> {
        loop {
            let message = self.hear.message().await.unwrap().unwrap();
            if !message.pushes.is_empty() {
                return message.pushes;
            }
        }
    }

    /// Reports a result and waits until it is durable.
    async fn succeed(&mut self, number: u64, push: &v1::Push) {
        let result = TaskResult {
            task_token: push.task_token.clone(),
            number,
            outcome: Some(Reported::Output("{}".into())),
        };
        let message = WorkerMessage {
            results: vec![result],
            received: push.number,
            ..WorkerMessage::default()
        };
        self.say.send(message).await.unwrap();
    }

    /// Reasons of the results that were refused next.
    async fn refused(&mut self) -> Vec<String> {
        loop {
            let message = self.hear.message().await.unwrap().unwrap();
            if !message.refused.is_empty() {
                let refused = message.refused.into_iter();
                return refused.map(|refused| refused.reason).collect();
            }
        }
    }

    async fn leave(self) {
        let message = WorkerMessage {
            draining: true,
            ..WorkerMessage::default()
        };
        self.say.send(message).await.unwrap();
    }
}

#[tokio::test]
async fn workers_are_listed_by_name_activity_and_label() {
    let stage = stage().await;
    stage.activity("a").await;
    stage.activity("b").await;
    let _two = stage.worker("two", &[("b", 1)], &[("region", "us")]).await;
    let _one = stage
        .worker(
            "one",
            &[("a", 3), ("b", 2)],
            &[("region", "eu"), ("gpu", "")],
        )
        .await;
    let names = |workers: Vec<v1::WorkerInfo>| -> Vec<String> {
        workers.into_iter().map(|worker| worker.name).collect()
    };
    assert_eq!(names(stage.list("", &[]).await), ["one", "two"]);
    assert_eq!(names(stage.list("a", &[]).await), ["one"]);
    assert_eq!(
        names(stage.list(&activity_arn("b"), &[]).await),
        ["one", "two"]
    );
    assert_eq!(names(stage.list("", &[("region", "us")]).await), ["two"]);
    let none = stage.list("", &[("region", "us"), ("gpu", "")]).await;
    assert_eq!(names(none), [""; 0]);
    let worker = &stage.list("a", &[]).await[0];
    assert_eq!(
        (worker.host.as_str(), worker.build_id.as_str()),
        ("eu-7", "b7")
    );
    assert_eq!(worker.status(), v1::WorkerStatus::Connected);
    assert!(worker.connected_date.is_some() && worker.gone_date.is_none());
    let first = v1::ListWorkersRequest {
        page_size: 1,
        ..Default::default()
    };
    let page = stage.workers().list_workers(first.clone()).await.unwrap();
    let next = v1::ListWorkersRequest {
        page_token: page.into_inner().next_page_token,
        ..first
    };
    let page = stage
        .workers()
        .list_workers(next)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (names(page.workers), page.next_page_token.as_str()),
        (vec!["two".into()], "")
    );
}

#[tokio::test]
async fn a_worker_is_described_with_its_tasks_and_stays_visible_when_it_left() {
    let stage = stage().await;
    stage.activity("a").await;
    stage.machine("m", "a").await;
    let mut hand = stage.worker("w", &[("a", 2)], &[]).await;
    stage.start("m", "one", "{}").await;
    let push = hand.pushes().await.remove(0);
    let described = stage.describe("w").await.unwrap();
    assert_eq!(described.worker.unwrap().activities[0].used, 1);
    assert_eq!(
        described.tasks[0].execution_arn,
        format!("{PREFIX}execution:m:one")
    );
    assert_eq!(described.tasks[0].activity_arn, activity_arn("a"));
    let stats = stage.stats("a").await;
    assert_eq!((stats.workers, stats.slots, stats.slots_used), (1, 2, 1));
    assert_eq!((stats.started, stats.succeeded, stats.queued), (1, 0, 0));
    hand.succeed(1, &push).await;
    stage
        .until(async |stage| stage.stats("a").await.succeeded == 1)
        .await;
    let twin = stage.worker("w", &[("a", 1)], &[]).await;
    let refused = stage.describe("w").await.unwrap_err();
    assert!(
        refused.message().contains("2 workers are named 'w'"),
        "{refused}"
    );
    let session = twin.session.clone();
    assert_eq!(
        stage
            .describe(&session)
            .await
            .unwrap()
            .worker
            .unwrap()
            .session_id,
        session
    );
    twin.leave().await;
    let gone = async |stage: &Stage| {
        let worker = stage.describe(&session).await.unwrap().worker.unwrap();
        worker.status() == v1::WorkerStatus::Gone && worker.gone_date.is_some()
    };
    stage.until(gone).await;
    let missing = stage.describe("nobody").await.unwrap_err();
    assert_eq!(missing.message(), "Worker not found: 'nobody'");
}

#[tokio::test]
async fn activities_that_are_needed_and_have_no_worker_are_told() {
    let stage = stage().await;
    stage.activity("a").await;
    stage.activity("idle").await;
    let warnings = stage.machine("m", "a").await;
    let place = "/States/T/Resource".to_owned();
    assert_eq!(warnings, [("ACTIVITY_UNSERVED".to_owned(), place.clone())]);
    let warnings = stage.machine("n", "typo").await;
    assert_eq!(warnings, [("ACTIVITY_DOES_NOT_EXIST".to_owned(), place)]);
    let both = [
        ("activity:a".to_owned(), true),
        ("activity:typo".to_owned(), false),
    ];
    assert_eq!(stage.unserved().await, both);
    assert!(stage.stats("a").await.unserved && !stage.stats("idle").await.unserved);
    let hand = stage.worker("w", &[("a", 1)], &[]).await;
    assert_eq!(stage.unserved().await, both[1..]);
    assert_eq!(stage.machine("o", "a").await, []);
    hand.leave().await;
    stage
        .until(async |stage| stage.unserved().await == both)
        .await;
}

#[tokio::test]
async fn a_worker_with_odd_labels_is_refused() {
    let stage = stage().await;
    stage.activity("a").await;
    let hello = |labels: Vec<(String, String)>| Hello {
        worker_name: "w".into(),
        session_id: "00000000-0000-4000-8000-000000000001".into(),
        activities: vec![v1::ActivitySlots {
            activity: "a".into(),
            slots: 1,
            max_rate: 0.0,
        }],
        labels: labels.into_iter().collect(),
        ..Hello::default()
    };
    let many = (0..51).map(|n| (n.to_string(), String::new())).collect();
    for (labels, part) in [
        (many, "at most 50 labels"),
        (vec![(String::new(), "x".into())], "a label has a key"),
        (vec![("k".into(), "x".repeat(257))], "a label has a key"),
    ] {
        let first = WorkerMessage {
            hello: Some(hello(labels)),
            ..WorkerMessage::default()
        };
        let mut fleet = FleetServiceClient::new(stage.router.clone());
        let refused = fleet.work(tokio_stream::once(first)).await.unwrap_err();
        assert!(refused.message().contains(part), "{refused}");
    }
}

impl Stage {
    async fn drain(&self, worker: &str) -> Vec<v1::WorkerInfo> {
        let request = v1::DrainWorkersRequest {
            worker: worker.into(),
            ..Default::default()
        };
        let answer = self.workers().drain_workers(request).await.unwrap();
        answer.into_inner().workers
    }

    async fn resume(&self, worker: &str) -> Vec<v1::WorkerInfo> {
        let request = v1::ResumeWorkersRequest {
            worker: worker.into(),
            ..Default::default()
        };
        let answer = self.workers().resume_workers(request).await.unwrap();
        answer.into_inner().workers
    }
}

impl Hand {
    async fn order(&mut self) -> v1::Order {
        loop {
            let message = self.hear.message().await.unwrap().unwrap();
            if message.order() != v1::Order::Unspecified {
                return message.order();
            }
        }
    }

    async fn hand_back(&self, push: &v1::Push) {
        let message = WorkerMessage {
            returned: vec![push.task_token.clone()],
            ..WorkerMessage::default()
        };
        self.say.send(message).await.unwrap();
    }
}

#[tokio::test]
async fn a_worker_that_is_told_to_drain_gets_nothing_until_it_is_told_to_go_on() {
    let stage = stage().await;
    stage.activity("a").await;
    stage.machine("m", "a").await;
    let mut hand = stage.worker("w", &[("a", 2)], &[]).await;
    stage.start("m", "one", "{}").await;
    let push = hand.pushes().await.remove(0);
    let told = stage.drain("w").await;
    assert_eq!(told[0].status(), v1::WorkerStatus::Draining);
    assert_eq!(hand.order().await, v1::Order::Drain);
    hand.hand_back(&push).await;
    stage.start("m", "two", "{}").await;
    stage
        .until(async |stage| stage.stats("a").await.queued == 2)
        .await;
    assert_eq!(stage.unserved().await, [("activity:a".to_owned(), true)]);
    assert_eq!(
        stage.resume("w").await[0].status(),
        v1::WorkerStatus::Connected
    );
    assert_eq!(hand.order().await, v1::Order::Resume);
    let mut pushes = Vec::new();
    while pushes.len() < 2 {
        pushes.extend(hand.pushes().await);
    }
    // Its two slots are full: no slot of before the drain counts besides them.
    stage.start("m", "three", "{}").await;
    stage
        .until(async |stage| stage.stats("a").await.queued == 1)
        .await;
    let worker = stage.describe("w").await.unwrap().worker.unwrap();
    assert_eq!(worker.activities[0].used, 2);
}

#[tokio::test]
async fn a_worker_that_leaves_is_not_told_to_go_on_and_nobody_drains_the_whole_fleet() {
    let stage = stage().await;
    stage.activity("a").await;
    let hand = stage.worker("w", &[("a", 1)], &[]).await;
    stage.drain("w").await;
    let leaving = WorkerMessage {
        draining: true,
        ..WorkerMessage::default()
    };
    hand.say.send(leaving).await.unwrap();
    stage
        .until(async |stage| stage.resume("w").await[0].status() == v1::WorkerStatus::Draining)
        .await;
    let request = v1::DrainWorkersRequest::default();
    let refused = stage.workers().drain_workers(request).await.unwrap_err();
    assert!(refused.message().contains("the whole fleet"), "{refused}");
    let request = v1::DrainWorkersRequest {
        worker: "nobody".into(),
        ..Default::default()
    };
    let refused = stage.workers().drain_workers(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn a_worker_that_comes_back_is_told_again_what_it_missed() {
    let stage = stage().await;
    stage.activity("a").await;
    let first = stage.worker("w", &[("a", 1)], &[]).await;
    let hello = |told_to_drain| Hello {
        worker_name: "w".into(),
        session_id: first.session.clone(),
        activities: vec![v1::ActivitySlots {
            activity: "a".into(),
            slots: 1,
            max_rate: 0.0,
        }],
        told_to_drain,
        ..Hello::default()
    };
    stage.drain("w").await;
    let mut second = stage.connect(hello(false)).await;
    assert_eq!(second.order().await, v1::Order::Drain);
    stage.resume("w").await;
    let mut third = stage.connect(hello(true)).await;
    assert_eq!(third.order().await, v1::Order::Resume);
    // A coordinator that does not know the session believes the worker.
    let unknown = Hello {
        session_id: "00000000-0000-4000-8000-00000000ffff".into(),
        ..hello(true)
    };
    let fourth = stage.connect(unknown).await;
    let described = stage.describe(&fourth.session).await.unwrap();
    assert_eq!(
        described.worker.unwrap().status(),
        v1::WorkerStatus::Draining
    );
}
