//! A coordinator for tests: the test itself plays the other side of the worker's stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use stepfleet_sdk::api::activity_service_server::{ActivityService, ActivityServiceServer};
use stepfleet_sdk::api::connector_answer::Answer;
use stepfleet_sdk::api::fleet_service_server::{FleetService, FleetServiceServer};
use stepfleet_sdk::api::task_result::Outcome;
use stepfleet_sdk::api::{
    ConnectorAnswer, CoordinatorMessage, CreateActivityRequest, CreateActivityResponse,
    DeleteActivityRequest, DeleteActivityResponse, DescribeActivityRequest,
    DescribeActivityResponse, GetActivityStatsRequest, GetActivityStatsResponse, Hello,
    ListActivitiesRequest, ListActivitiesResponse, Order, PurgeActivityRequest,
    PurgeActivityResponse, Push, SlotsChange, TaskHeartbeat, TaskResult, UpdateActivityRequest,
    UpdateActivityResponse, Welcome, WorkerMessage,
};
use stepfleet_sdk::tonic::service::Routes;
use stepfleet_sdk::tonic::{Request, Response, Status, Streaming};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// What the test holds: connections as they come, and what else was asked.
pub(crate) struct Fake {
    connections: mpsc::Receiver<Connection>,
    pub(crate) refusals: Arc<Mutex<VecDeque<Status>>>,
    pub(crate) created: Arc<Mutex<Vec<String>>>,
}

/// One stream of a worker, seen from the coordinator.
pub(crate) struct Connection {
    pub(crate) hello: Hello,
    incoming: Streaming<WorkerMessage>,
    outgoing: mpsc::Sender<Result<CoordinatorMessage, Status>>,
    results: VecDeque<TaskResult>,
    heartbeats: VecDeque<TaskHeartbeat>,
    answers: VecDeque<ConnectorAnswer>,
    pub(crate) returned: Vec<String>,
    pub(crate) slots: Vec<SlotsChange>,
    pub(crate) draining: bool,
    pub(crate) received: u64,
    /// Messages that came, without `hello`.
    pub(crate) messages: usize,
}

#[derive(Clone)]
struct Service {
    connections: mpsc::Sender<Connection>,
    refusals: Arc<Mutex<VecDeque<Status>>>,
    created: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// The coordinator, and its services to be served somewhere.
    pub(crate) fn new() -> (Self, Routes) {
        let (sender, connections) = mpsc::channel(16);
        let (refusals, created) = (Arc::default(), Arc::default());
        let service = Service {
            connections: sender,
            refusals: Arc::clone(&refusals),
            created: Arc::clone(&created),
        };
        let routes = Routes::new(FleetServiceServer::new(service.clone()))
            .add_service(ActivityServiceServer::new(service));
        (
            Self {
                connections,
                refusals,
                created,
            },
            routes,
        )
    }

    /// The next connection, after its `hello`.
    pub(crate) async fn connection(&mut self) -> Connection {
        self.connections
            .recv()
            .await
            .expect("the service lives as long as the test")
    }

    /// The next connection, welcomed as a new session.
    pub(crate) async fn welcomed(&mut self) -> Connection {
        let connection = self.connection().await;
        connection.welcome(false, 0).await;
        connection
    }
}

impl Connection {
    pub(crate) async fn welcome(&self, resumed: bool, confirmed: u64) {
        let welcome = Some(Welcome {
            resumed,
            confirmed,
            ..Welcome::default()
        });
        self.send(CoordinatorMessage {
            welcome,
            ..CoordinatorMessage::default()
        })
        .await;
    }

    pub(crate) async fn send(&self, message: CoordinatorMessage) {
        self.outgoing
            .send(Ok(message))
            .await
            .expect("the worker is connected");
    }

    /// Ends out of order.
    pub(crate) async fn fail(self) {
        let failure = Status::unavailable("the connection broke");
        self.outgoing
            .send(Err(failure))
            .await
            .expect("the worker is connected");
    }

    /// Pushes tasks of the first activity; `first` is the number of the first of them.
    pub(crate) async fn push(&self, first: u64, tasks: &[(&str, &str)]) {
        let push = |(number, (token, input)): (u64, &(&str, &str))| Push {
            number,
            task_token: (*token).to_owned(),
            input: (*input).to_owned(),
            execution_arn: "arn:aws:states:us-east-1:000000000000:execution:m:e".to_owned(),
            attempt: 1,
            ..Push::default()
        };
        self.pushes((first..).zip(tasks).map(push).collect()).await;
    }

    pub(crate) async fn pushes(&self, pushes: Vec<Push>) {
        self.send(CoordinatorMessage {
            pushes,
            ..CoordinatorMessage::default()
        })
        .await;
    }

    pub(crate) async fn confirm(&self, confirmed: u64) {
        self.send(CoordinatorMessage {
            confirmed,
            ..CoordinatorMessage::default()
        })
        .await;
    }

    pub(crate) async fn order(&self, order: Order) {
        self.send(CoordinatorMessage {
            order: order.into(),
            ..CoordinatorMessage::default()
        })
        .await;
    }

    pub(crate) async fn cancel(&self, token: &str) {
        let cancelled = vec![token.to_owned()];
        self.send(CoordinatorMessage {
            cancelled,
            ..CoordinatorMessage::default()
        })
        .await;
    }

    /// Takes the next message apart; false at the end of the stream.
    pub(crate) async fn read(&mut self) -> bool {
        let Ok(Some(message)) = self.incoming.message().await else {
            return false;
        };
        assert!(message.hello.is_none(), "hello comes once");
        self.messages += 1;
        self.results.extend(message.results);
        self.heartbeats.extend(message.heartbeats);
        self.answers.extend(message.answers);
        self.returned.extend(message.returned);
        self.slots.extend(message.slots);
        self.draining |= message.draining;
        self.received = self.received.max(message.received);
        true
    }

    /// The next result, as its token and outcome: the output, or `Error: Cause`.
    pub(crate) async fn result(&mut self) -> (String, u64, Result<String, String>) {
        let (token, number, outcome) = self.outcome().await;
        let outcome = match outcome {
            Outcome::Output(output) => Ok(output),
            Outcome::Begun(begun) => Ok(begun.handle),
            Outcome::Failure(failure) => {
                let text = |part: Option<String>| part.expect("failures are complete");
                Err(format!("{}: {}", text(failure.error), text(failure.cause)))
            }
        };
        (token, number, outcome)
    }

    /// The next result as it came.
    pub(crate) async fn outcome(&mut self) -> (String, u64, Outcome) {
        while self.results.is_empty() {
            assert!(self.read().await, "the stream ended before a result came");
        }
        let result = self.results.pop_front().expect("just looked");
        let outcome = result.outcome.expect("results have an outcome");
        (result.task_token, result.number, outcome)
    }

    /// The next answer of a connector, with the number of its question.
    pub(crate) async fn answer(&mut self) -> (u64, Answer) {
        while self.answers.is_empty() {
            assert!(self.read().await, "the stream ended before an answer came");
        }
        let answer = self.answers.pop_front().expect("just looked");
        (answer.number, answer.answer.expect("answers say something"))
    }

    /// The next heartbeat, as its token and details.
    pub(crate) async fn heartbeat(&mut self) -> (String, String) {
        while self.heartbeats.is_empty() {
            assert!(
                self.read().await,
                "the stream ended before a heartbeat came"
            );
        }
        let beat = self.heartbeats.pop_front().expect("just looked");
        (beat.task_token, beat.details)
    }

    /// Results that came and were not asked for.
    pub(crate) fn results_left(&self) -> usize {
        self.results.len()
    }
}

#[stepfleet_sdk::tonic::async_trait]
impl FleetService for Service {
    type WorkStream = ReceiverStream<Result<CoordinatorMessage, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        if let Some(refusal) = self.refusals.lock().unwrap().pop_front() {
            return Err(refusal);
        }
        let mut incoming = request.into_inner();
        let first = incoming.message().await?.expect("hello");
        let (outgoing, messages) = mpsc::channel(64);
        let connection = Connection {
            hello: first.hello.expect("the first message is hello"),
            incoming,
            outgoing,
            results: VecDeque::new(),
            heartbeats: VecDeque::new(),
            answers: VecDeque::new(),
            returned: Vec::new(),
            slots: Vec::new(),
            draining: false,
            received: 0,
            messages: 0,
        };
        // A test that is over takes no more connections.
        let _ = self.connections.send(connection).await;
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

#[stepfleet_sdk::tonic::async_trait]
impl ActivityService for Service {
    async fn create_activity(
        &self,
        request: Request<CreateActivityRequest>,
    ) -> Result<Response<CreateActivityResponse>, Status> {
        if let Some(refusal) = self.refusals.lock().unwrap().pop_front() {
            return Err(refusal);
        }
        let name = request.into_inner().name;
        let activity_arn = format!("arn:aws:states:us-east-1:000000000000:activity:{name}");
        self.created.lock().unwrap().push(name);
        Ok(Response::new(CreateActivityResponse {
            activity_arn,
            creation_date: None,
        }))
    }

    async fn delete_activity(
        &self,
        _: Request<DeleteActivityRequest>,
    ) -> Result<Response<DeleteActivityResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn describe_activity(
        &self,
        _: Request<DescribeActivityRequest>,
    ) -> Result<Response<DescribeActivityResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn list_activities(
        &self,
        _: Request<ListActivitiesRequest>,
    ) -> Result<Response<ListActivitiesResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn get_activity_stats(
        &self,
        _: Request<GetActivityStatsRequest>,
    ) -> Result<Response<GetActivityStatsResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn update_activity(
        &self,
        _: Request<UpdateActivityRequest>,
    ) -> Result<Response<UpdateActivityResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn purge_activity(
        &self,
        _: Request<PurgeActivityRequest>,
    ) -> Result<Response<PurgeActivityResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }
}
