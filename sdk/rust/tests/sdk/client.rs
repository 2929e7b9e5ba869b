//! Calls, retries, and waiting for an execution.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepfleet_sdk::api::execution_service_server::{ExecutionService, ExecutionServiceServer};
use stepfleet_sdk::api::{self, CreateActivityRequest, ExecutionStatus, HistoryEvent};
use stepfleet_sdk::tonic::service::Routes;
use stepfleet_sdk::tonic::{Request, Response, Status};
use stepfleet_sdk::{Client, Error};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::in_memory;

fn create() -> CreateActivityRequest {
    CreateActivityRequest {
        name: "a".to_owned(),
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn safe_calls_are_repeated_until_they_get_through() {
    let (fake, client) = in_memory::pair();
    let lost = || Status::unavailable("lost");
    fake.refusals.lock().unwrap().extend([lost(), lost()]);
    let begun = Instant::now();
    let response = client.create_activity(create()).await.unwrap();
    assert!(response.activity_arn.ends_with(":activity:a"));
    assert!(
        begun.elapsed() >= Duration::from_millis(150),
        "with delays between them"
    );
}

#[tokio::test(start_paused = true)]
async fn retries_end_with_the_last_error() {
    let (fake, client) = in_memory::pair();
    fake.refusals
        .lock()
        .unwrap()
        .extend((0..9).map(|n| Status::unavailable(format!("lost {n}"))));
    let error = client.create_activity(create()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Transport(text) if text == "lost 4"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_not_repeated() {
    let (fake, client) = in_memory::pair();
    fake.refusals
        .lock()
        .unwrap()
        .push_back(Status::invalid_argument("Invalid Name: 'a'"));
    let error = client.create_activity(create()).await.unwrap_err();
    assert_eq!(error.reason(), Some("InvalidArgument"));
    assert!(fake.created.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn waiting_bridges_a_break_and_gives_the_outcome() {
    let (client, executions) = executions();
    let arn = client
        .start("arn:aws:states:r:0:stateMachine:m", &[1, 2])
        .await
        .unwrap();
    assert_eq!(arn, "execution of [1,2]");
    let outcome = client.wait(&arn).await.unwrap();
    assert_eq!(outcome.status, ExecutionStatus::Succeeded);
    assert_eq!(outcome.into_output::<Vec<u32>>().unwrap(), [3]);
    assert_eq!(
        *executions.watched.lock().unwrap(),
        [0, 2],
        "it goes on after the last event it saw"
    );
}

#[tokio::test(start_paused = true)]
async fn a_redrive_is_repeated_under_its_token() {
    let (client, executions) = executions();
    let request = api::RedriveExecutionRequest {
        execution_arn: "e".to_owned(),
        ..Default::default()
    };
    client.redrive_execution(request).await.unwrap();
    let tokens = executions.tokens.lock().unwrap().clone();
    assert!(tokens.len() == 2 && !tokens[0].is_empty(), "{tokens:?}");
    assert_eq!(tokens[0], tokens[1], "the coordinator knows the repetition");
}

fn executions() -> (Client, Executions) {
    let service = Executions::default();
    let routes = Routes::new(ExecutionServiceServer::new(service.clone()));
    (in_memory::client(routes), service)
}

/// Executions that succeed with `[3]`; the first watch breaks after two events, and the first redrive is lost.
#[derive(Clone, Default)]
struct Executions {
    watched: Arc<Mutex<Vec<i64>>>,
    tokens: Arc<Mutex<Vec<String>>>,
}

#[stepfleet_sdk::tonic::async_trait]
impl ExecutionService for Executions {
    type WatchExecutionStream = ReceiverStream<Result<api::WatchExecutionResponse, Status>>;

    async fn start_execution(
        &self,
        request: Request<api::StartExecutionRequest>,
    ) -> Result<Response<api::StartExecutionResponse>, Status> {
        let request = request.into_inner();
        assert!(
            !request.name.is_empty(),
            "a name makes the start repeatable"
        );
        let execution_arn = format!("execution of {}", request.input);
        Ok(Response::new(api::StartExecutionResponse {
            execution_arn,
            start_date: None,
        }))
    }

    async fn start_sync_execution(
        &self,
        _: Request<api::StartSyncExecutionRequest>,
    ) -> Result<Response<api::StartSyncExecutionResponse>, Status> {
        Err(Status::unimplemented("no test calls it"))
    }

    async fn describe_execution(
        &self,
        _: Request<api::DescribeExecutionRequest>,
    ) -> Result<Response<api::DescribeExecutionResponse>, Status> {
        let mut description = api::DescribeExecutionResponse {
            output: Some("[3]".to_owned()),
            ..api::DescribeExecutionResponse::default()
        };
        description.set_status(ExecutionStatus::Succeeded);
        Ok(Response::new(description))
    }

    async fn watch_execution(
        &self,
        request: Request<api::WatchExecutionRequest>,
    ) -> Result<Response<Self::WatchExecutionStream>, Status> {
        let after = request.into_inner().after_event_id;
        self.watched.lock().unwrap().push(after);
        let (sender, receiver) = mpsc::channel(4);
        let event = |id| HistoryEvent {
            id,
            ..HistoryEvent::default()
        };
        let mut response = api::WatchExecutionResponse {
            events: vec![event(after + 1), event(after + 2)],
            ..api::WatchExecutionResponse::default()
        };
        if after == 0 {
            response.set_status(ExecutionStatus::Running);
            sender.send(Ok(response)).await.unwrap();
            sender
                .send(Err(Status::unavailable("going down")))
                .await
                .unwrap();
        } else {
            response.set_status(ExecutionStatus::Succeeded);
            sender.send(Ok(response)).await.unwrap();
        }
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn redrive_execution(
        &self,
        request: Request<api::RedriveExecutionRequest>,
    ) -> Result<Response<api::RedriveExecutionResponse>, Status> {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.push(request.into_inner().client_token);
        if tokens.len() == 1 {
            return Err(Status::unavailable("lost"));
        }
        Ok(Response::new(api::RedriveExecutionResponse::default()))
    }

    async fn stop_execution(
        &self,
        _: Request<api::StopExecutionRequest>,
    ) -> Result<Response<api::StopExecutionResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn list_executions(
        &self,
        _: Request<api::ListExecutionsRequest>,
    ) -> Result<Response<api::ListExecutionsResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn get_execution_history(
        &self,
        _: Request<api::GetExecutionHistoryRequest>,
    ) -> Result<Response<api::GetExecutionHistoryResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }
}
