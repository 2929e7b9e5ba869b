//! Connectors in the hands of workers: who begins, who is asked, who is told that nobody waits any more.

use std::collections::VecDeque;

use stepfleet_proto::v1::connector_answer::Answer;
use stepfleet_proto::v1::connector_query::Kind;
use stepfleet_proto::v1::task_service_client::TaskServiceClient;

use super::*;

const HANDLE: &str = r#"{"id":7}"#;

/// A worker of the connector `acme:train`, and what it was told.
struct Serving {
    hand: Hand,
    pushes: VecDeque<v1::Push>,
    queries: VecDeque<v1::ConnectorQuery>,
    cancelled: VecDeque<String>,
    refused: VecDeque<RefusedResult>,
    results: u64,
}

impl Stage {
    async fn machine_of(&self, name: &str, resource: &str) -> Result<Vec<String>, Status> {
        let definition = serde_json::json!({"StartAt": "T", "States": {"T": {
            "Type": "Task",
            "Resource": format!("arn:aws:states:::{resource}"),
            "Parameters": {"n": 1, "token.$": "$$.Task.Token"},
            "End": true,
        }}});
        let definition = match resource.ends_with("waitForTaskToken") {
            true => definition.to_string(),
            false => definition
                .to_string()
                .replace(r#","token.$":"$$.Task.Token""#, ""),
        };
        let request = v1::CreateStateMachineRequest {
            name: name.into(),
            definition,
            ..Default::default()
        };
        let mut machines = StateMachineServiceClient::new(self.router.clone());
        let created = machines.create_state_machine(request).await?.into_inner();
        Ok(created.warnings.into_iter().map(|it| it.code).collect())
    }

    /// A worker of this place, which is connected.
    async fn serving(&self, name: &str, place: &str) -> Serving {
        self.sessions.set(self.sessions.get() + 1);
        let hello = Hello {
            worker_name: name.into(),
            session_id: format!("00000000-0000-4000-8000-{:012x}", self.sessions.get()),
            connectors: vec![v1::ConnectorSlots {
                connector: "acme:train".into(),
                slots: 1,
                place: place.into(),
            }],
            ..Hello::default()
        };
        Serving {
            hand: self.connect(hello).await,
            pushes: VecDeque::new(),
            queries: VecDeque::new(),
            cancelled: VecDeque::new(),
            refused: VecDeque::new(),
            results: 0,
        }
    }

    /// With the connector's activity, a machine `m` of this pattern, and a worker.
    async fn connected(pattern: &str) -> (Self, Serving) {
        let stage = stage().await;
        stage.activity("connector.acme.train").await;
        let serving = stage.serving("w", "").await;
        let resource = format!("acme:train{pattern}");
        let warnings = stage.machine_of("m", &resource).await.unwrap();
        assert_eq!(warnings, [""; 0]);
        (stage, serving)
    }

    async fn stop(&self, name: &str) {
        let request = v1::StopExecutionRequest {
            execution_arn: format!("{PREFIX}execution:m:{name}"),
            ..Default::default()
        };
        let mut executions = ExecutionServiceClient::new(self.router.clone());
        executions.stop_execution(request).await.unwrap();
    }

    async fn described(&self, name: &str) -> v1::DescribeExecutionResponse {
        let request = v1::DescribeExecutionRequest {
            execution_arn: format!("{PREFIX}execution:m:{name}"),
        };
        let mut executions = ExecutionServiceClient::new(self.router.clone());
        executions
            .describe_execution(request)
            .await
            .unwrap()
            .into_inner()
    }

    async fn ended(&self, name: &str) -> v1::DescribeExecutionResponse {
        self.until(async |stage| {
            stage.described(name).await.status() != v1::ExecutionStatus::Running
        })
        .await;
        self.described(name).await
    }

    async fn kinds(&self, name: &str) -> Vec<String> {
        let request = v1::GetExecutionHistoryRequest {
            execution_arn: format!("{PREFIX}execution:m:{name}"),
            ..Default::default()
        };
        let history = ExecutionServiceClient::new(self.router.clone())
            .get_execution_history(request)
            .await
            .unwrap();
        let events = history.into_inner().events.into_iter();
        events.map(|event| event.r#type).collect()
    }
}

impl Serving {
    async fn hear(&mut self) {
        let message = self.hand.hear.message().await.unwrap().unwrap();
        self.pushes.extend(message.pushes);
        self.queries.extend(message.queries);
        self.cancelled.extend(message.cancelled);
        self.refused.extend(message.refused);
    }

    async fn push(&mut self) -> v1::Push {
        while self.pushes.is_empty() {
            self.hear().await;
        }
        self.pushes.pop_front().unwrap()
    }

    async fn query(&mut self) -> v1::ConnectorQuery {
        while self.queries.is_empty() {
            self.hear().await;
        }
        self.queries.pop_front().unwrap()
    }

    async fn cancelled(&mut self) -> String {
        while self.cancelled.is_empty() {
            self.hear().await;
        }
        self.cancelled.pop_front().unwrap()
    }

    async fn refused(&mut self) -> String {
        while self.refused.is_empty() {
            self.hear().await;
        }
        self.refused.pop_front().unwrap().reason
    }

    async fn report(&mut self, token: &str, outcome: Reported) {
        self.results += 1;
        let result = TaskResult {
            task_token: token.to_owned(),
            number: self.results,
            outcome: Some(outcome),
        };
        let message = WorkerMessage {
            results: vec![result],
            ..WorkerMessage::default()
        };
        self.hand.say.send(message).await.unwrap();
    }

    async fn begin(&mut self, token: &str, place: &str) {
        let begun = Begun {
            handle: HANDLE.into(),
            output: r#"{"Id":7}"#.into(),
            place: place.into(),
        };
        self.report(token, Reported::Begun(begun)).await;
    }

    async fn beat(&self, token: &str) {
        let heartbeat = TaskHeartbeat {
            task_token: token.into(),
            ..Default::default()
        };
        let message = WorkerMessage {
            heartbeats: vec![heartbeat],
            ..WorkerMessage::default()
        };
        self.hand.say.send(message).await.unwrap();
    }

    /// Answers the next question, which must be of this kind.
    async fn answer(&mut self, kind: Kind, answer: Answer) -> v1::ConnectorQuery {
        let query = self.query().await;
        assert_eq!((query.kind(), query.handle.as_str()), (kind, HANDLE));
        let answer = v1::ConnectorAnswer {
            number: query.number,
            answer: Some(answer),
        };
        let message = WorkerMessage {
            answers: vec![answer],
            ..WorkerMessage::default()
        };
        self.hand.say.send(message).await.unwrap();
        query
    }
}

fn going() -> Answer {
    Answer::Going(v1::Going { again_after_ms: 1 })
}

#[tokio::test]
async fn work_is_begun_asked_after_and_ends_its_task() {
    let (stage, mut serving) = Stage::connected(".sync").await;
    stage.start("m", "one", "{}").await;
    let push = serving.push().await;
    let start = push.start.clone().unwrap();
    assert_eq!(push.input, r#"{"n":1}"#);
    assert_eq!(start.pattern(), v1::TaskPattern::Sync);
    serving.begin(&push.task_token, "").await;
    let query = serving.answer(Kind::Describe, going()).await;
    assert_eq!(query.client_id, start.client_id);
    // A worker that cannot tell is asked again.
    serving
        .answer(Kind::Describe, Answer::Unknown("busy".into()))
        .await;
    serving
        .answer(Kind::Describe, Answer::Output(r#"{"done":true}"#.into()))
        .await;
    let ended = stage.ended("one").await;
    assert_eq!(ended.output.as_deref(), Some(r#"{"done":true}"#));
    let kinds = stage.kinds("one").await;
    assert_eq!(
        kinds[2..6],
        [
            "TaskScheduled",
            "TaskStarted",
            "TaskSubmitted",
            "TaskSucceeded"
        ]
    );
}

#[tokio::test]
async fn a_failure_of_the_work_is_the_failure_of_its_task() {
    let (stage, mut serving) = Stage::connected(".sync").await;
    stage.start("m", "one", "{}").await;
    let push = serving.push().await;
    serving.begin(&push.task_token, "").await;
    let failure = v1::TaskFailure {
        error: Some("States.TaskFailed".into()),
        cause: Some(r#"{"ExitCode":3}"#.into()),
    };
    serving
        .answer(Kind::Describe, Answer::Failure(failure))
        .await;
    let ended = stage.ended("one").await;
    assert_eq!(ended.status(), v1::ExecutionStatus::Failed);
    assert_eq!(
        (ended.error.as_deref(), ended.cause.as_deref()),
        (Some("States.TaskFailed"), Some(r#"{"ExitCode":3}"#))
    );
}

#[tokio::test]
async fn a_worker_tells_the_end_by_itself() {
    let (stage, mut serving) = Stage::connected(".sync").await;
    stage.start("m", "one", "{}").await;
    let push = serving.push().await;
    serving.begin(&push.task_token, "").await;
    let end = || Reported::Output("[1]".into());
    serving.report(&push.task_token, end()).await;
    assert_eq!(stage.ended("one").await.output.as_deref(), Some("[1]"));
    serving.report(&push.task_token, end()).await;
    assert_eq!(serving.refused().await, "TaskTimedOut");
    let open = || stage.shared.calls.count();
    stage.until(async |_| open() == 0).await;
    // The slot is free again since the work had begun.
    stage.start("m", "two", "{}").await;
    serving.push().await;
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_stopped_and_its_worker_told() {
    let (stage, mut serving) = Stage::connected(".sync").await;
    stage.start("m", "one", "{}").await;
    let push = serving.push().await;
    serving.begin(&push.task_token, "").await;
    serving.answer(Kind::Describe, going()).await;
    stage.stop("one").await;
    serving
        .answer(Kind::Stop, Answer::Unknown("in a moment".into()))
        .await;
    serving
        .answer(Kind::Stop, Answer::Stopped(v1::Stopped {}))
        .await;
    serving.beat(&push.task_token).await;
    assert_eq!(serving.cancelled().await, push.task_token);
}

#[tokio::test]
async fn a_start_that_is_over_is_cancelled_and_begins_nothing() {
    let (stage, mut serving) = Stage::connected(".sync").await;
    stage.start("m", "one", "{}").await;
    let push = serving.push().await;
    stage.stop("one").await;
    assert_eq!(serving.cancelled().await, push.task_token);
    serving.begin(&push.task_token, "").await;
    assert_eq!(serving.refused().await, "TaskTimedOut");
    // One that waits for a worker leaves the queue.
    stage.start("m", "two", "{}").await;
    serving.push().await;
    stage.start("m", "three", "{}").await;
    let queued = async |stage: &Stage| stage.stats("connector.acme.train").await.queued;
    stage.until(async |stage| queued(stage).await == 1).await;
    stage.stop("three").await;
    stage.until(async |stage| queued(stage).await == 0).await;
}

#[tokio::test]
async fn only_workers_of_its_place_are_asked_about_work() {
    let (stage, mut elsewhere) = Stage::connected(".sync").await;
    let mut here = stage.serving("here", "host-1").await;
    stage.start("m", "one", "{}").await;
    let push = elsewhere.push().await;
    elsewhere.begin(&push.task_token, "host-1").await;
    here.answer(Kind::Describe, going()).await;
    here.answer(Kind::Describe, Answer::Output("1".into()))
        .await;
    stage.ended("one").await;
    assert_eq!(elsewhere.queries.len(), 0);
}

/// With a task of the machine `m` that has begun at `host-1` and is not its worker's alone: it may be tried again.
async fn begun_at_a_place() -> (Stage, Serving, v1::Push) {
    let (stage, mut elsewhere) = Stage::connected(".sync").await;
    let mut here = stage.serving("here", "host-1").await;
    stage.start("m", "one", "{}").await;
    let push = elsewhere.push().await;
    elsewhere.begin(&push.task_token, "host-1").await;
    here.answer(Kind::Describe, going()).await;
    drop(elsewhere);
    (stage, here, push)
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_work_is_at_a_place_ends_as_lost_when_nobody_comes_back_there() {
    let (stage, here, _) = begun_at_a_place().await;
    drop(here);
    passes(59).await;
    assert_eq!(
        stage.described("one").await.status(),
        v1::ExecutionStatus::Running
    );
    passes(2).await;
    let ended = stage.described("one").await;
    assert_eq!(ended.error.as_deref(), Some("States.Timeout"));
    let cause = ended.cause.unwrap_or_default();
    assert_eq!(
        cause,
        format!("The worker 'here' that has the work {HANDLE} of this task at 'host-1' was lost.")
    );
    let kinds = stage.kinds("one").await;
    assert!(
        kinds.ends_with(&["TaskSubmitted", "TaskTimedOut", "ExecutionFailed"].map(String::from)),
        "{kinds:?}"
    );
    // Whoever comes there is told to stop it.
    let mut back = stage.serving("back", "host-1").await;
    back.answer(Kind::Stop, Answer::Stopped(v1::Stopped {}))
        .await;
}

#[tokio::test(start_paused = true)]
async fn work_at_a_place_goes_on_when_a_worker_is_back_there_in_time() {
    let (stage, here, _) = begun_at_a_place().await;
    drop(here);
    passes(50).await;
    let mut back = stage.serving("back", "host-1").await;
    passes(50).await;
    back.answer(Kind::Describe, going()).await;
    back.answer(Kind::Describe, Answer::Output("1".into()))
        .await;
    assert_eq!(stage.ended("one").await.output.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_callback_is_begun_by_a_worker_and_ended_by_its_token() {
    let (stage, mut serving) = Stage::connected(".waitForTaskToken").await;
    for (name, answers_first) in [("one", true), ("two", false)] {
        stage.start("m", name, "{}").await;
        let push = serving.push().await;
        let input: serde_json::Value = serde_json::from_str(&push.input).unwrap();
        let token = input["token"].as_str().unwrap();
        assert_ne!(token, push.task_token);
        if answers_first {
            serving.begin(&push.task_token, "").await;
            let submitted = "TaskSubmitted".to_owned();
            stage
                .until(async |stage| stage.kinds(name).await.contains(&submitted))
                .await;
        }
        let request = v1::SendTaskSuccessRequest {
            task_token: token.into(),
            output: r#""called back""#.into(),
        };
        let mut tasks = TaskServiceClient::new(stage.router.clone());
        tasks.send_task_success(request).await.unwrap();
        assert_eq!(
            stage.ended(name).await.output.as_deref(),
            Some(r#""called back""#)
        );
        if !answers_first {
            assert_eq!(serving.cancelled().await, push.task_token);
        }
    }
}

#[tokio::test]
async fn a_connector_is_known_by_its_activity() {
    let stage = stage().await;
    let refused = stage.machine_of("m", "acme:train.sync").await.unwrap_err();
    assert!(refused.message().contains("not recognized"), "{refused}");
    stage.activity("connector.acme.train").await;
    let warnings = stage.machine_of("m", "acme:train.sync").await.unwrap();
    assert_eq!(warnings, ["CONNECTOR_UNSERVED"]);
    let unserved = stage.unserved().await;
    assert_eq!(unserved, [("activity:connector.acme.train".into(), true)]);
    // An integration of Amazon's, too.
    let warnings = stage.machine_of("q", "aws-sdk:s3:getObject").await.unwrap();
    assert_eq!(warnings, ["UNSERVED_INTEGRATION"]);
    stage.activity("connector.aws-sdk.s3.getObject").await;
    let warnings = stage.machine_of("r", "aws-sdk:s3:getObject").await.unwrap();
    assert_eq!(warnings, ["CONNECTOR_UNSERVED"]);
    // What the coordinator serves itself is nobody else's.
    stage.activity("connector.states.startExecution").await;
    let serving = stage.serving("w", "").await;
    drop(serving);
}

#[tokio::test]
async fn what_begins_nothing_is_refused() {
    let (stage, mut hand) = (stage().await, None);
    stage.activity("connector.acme.train").await;
    stage.activity("a").await;
    stage.machine("m", "a").await;
    let hello = Hello {
        worker_name: "w".into(),
        session_id: "00000000-0000-4000-8000-0000000000ff".into(),
        activities: vec![v1::ActivitySlots {
            activity: "a".into(),
            max_rate: 0.0,
            slots: 1,
        }],
        ..Hello::default()
    };
    let serving = hand.insert(Serving {
        hand: stage.connect(hello).await,
        pushes: VecDeque::new(),
        queries: VecDeque::new(),
        cancelled: VecDeque::new(),
        refused: VecDeque::new(),
        results: 0,
    });
    stage.start("m", "one", "{}").await;
    let push = serving.push().await;
    assert_eq!(push.start, None);
    serving.begin(&push.task_token, "").await;
    assert_eq!(serving.refused().await, "InvalidOutput");
    for name in [
        "acme",
        "acme:train.sync",
        "Acme:train",
        "http:invoke",
        "acme:train:x",
    ] {
        let hello = Hello {
            worker_name: "w".into(),
            session_id: "00000000-0000-4000-8000-0000000000fe".into(),
            connectors: vec![v1::ConnectorSlots {
                connector: name.into(),
                slots: 1,
                ..Default::default()
            }],
            ..Hello::default()
        };
        let first = WorkerMessage {
            hello: Some(hello),
            ..WorkerMessage::default()
        };
        let mut fleet = FleetServiceClient::new(stage.router.clone());
        let refused = fleet
            .work(futures::stream::iter([first]))
            .await
            .unwrap_err();
        assert!(
            refused.message().contains("cannot be a connector"),
            "{name}"
        );
    }
}
