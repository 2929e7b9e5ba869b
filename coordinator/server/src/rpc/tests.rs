//! The gRPC face from a generated client: bounds, errors with their reasons, health and reflection.

use stepfleet_proto::v1;
use stepfleet_proto::v1::activity_service_client::ActivityServiceClient;
use stepfleet_proto::v1::admin_service_client::AdminServiceClient;
use stepfleet_proto::v1::execution_service_client::ExecutionServiceClient;
use stepfleet_proto::v1::state_machine_service_client::StateMachineServiceClient;
use stepfleet_proto::v1::task_service_client::TaskServiceClient;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::*;
use crate::face::testing;

const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:a";

/// The face's own tests need no fleet.
struct NoFleet;

#[tonic::async_trait]
impl FleetService for NoFleet {
    type WorkStream = tokio_stream::Empty<Result<v1::CoordinatorMessage, Status>>;

    async fn work(
        &self,
        _: Request<Streaming<v1::WorkerMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

async fn served() -> (Router, Health, CancellationToken) {
    let (face, drain) = testing::face().await;
    let (router, health) = routes(face, NoFleet).await.unwrap();
    (testing::admitting(router), health, drain)
}

fn check<T: std::fmt::Debug>(
    answer: Result<Response<T>, Status>,
    code: Code,
    reason: &str,
    part: &str,
) {
    let status = answer.unwrap_err();
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(
        (status.code(), info.reason.as_str(), info.domain.as_str()),
        (code, reason, "stepfleet"),
        "{status:?}"
    );
    assert!(status.message().contains(part), "{}", status.message());
}

#[tokio::test]
async fn both_faces_refuse_the_same_things() {
    let (router, _health, _drain) = served().await;
    let mut activities = ActivityServiceClient::new(router.clone());
    let nameless = v1::CreateActivityRequest::default();
    let answer = activities.create_activity(nameless).await;
    check(
        answer,
        Code::InvalidArgument,
        "ValidationException",
        "1 validation error detected: Value '' at 'name'",
    );
    let request = v1::ListActivitiesRequest {
        page_size: 1001,
        ..Default::default()
    };
    let answer = activities.list_activities(request).await;
    check(
        answer,
        Code::InvalidArgument,
        "ValidationException",
        "Value '1001' at 'maxResults'",
    );
    let mut machines = StateMachineServiceClient::new(router.clone());
    let request = v1::CreateStateMachineRequest {
        r#type: 7,
        ..Default::default()
    };
    check(
        machines.create_state_machine(request).await,
        Code::InvalidArgument,
        "ValidationException",
        "number 7",
    );
    let request = v1::UpdateStateMachineRequest {
        state_machine_arn: "arn:x".into(),
        ..Default::default()
    };
    let answer = machines.update_state_machine(request).await;
    check(
        answer,
        Code::InvalidArgument,
        "MissingRequiredParameter",
        "Either the definition",
    );
    let mut executions = ExecutionServiceClient::new(router);
    let request = v1::WatchExecutionRequest {
        execution_arn: "arn:x".into(),
        after_event_id: -1,
    };
    let answer = executions.watch_execution(request).await;
    check(
        answer.map(|_| Response::new(())),
        Code::InvalidArgument,
        "ValidationException",
        "after_event_id",
    );
}

#[tokio::test]
async fn settings_are_kept_as_the_other_face_keeps_them() {
    let (router, _health, _drain) = served().await;
    let mut machines = StateMachineServiceClient::new(router.clone());
    let request = v1::CreateStateMachineRequest {
        name: "m".into(),
        definition: r#"{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}"#.into(),
        tracing_configuration: r#"{"enabled": true}"#.into(),
        ..Default::default()
    };
    let mut odd = request.clone();
    odd.logging_configuration = "[".into();
    check(
        machines.create_state_machine(odd).await,
        Code::InvalidArgument,
        "ValidationException",
        "'loggingConfiguration' is not a JSON object of the AWS API",
    );
    let created = machines.create_state_machine(request).await.unwrap();
    let state_machine_arn = created.into_inner().state_machine_arn;
    let update = v1::UpdateStateMachineRequest {
        state_machine_arn: state_machine_arn.clone(),
        logging_configuration: Some(r#"{"includeExecutionData": true}"#.into()),
        ..Default::default()
    };
    machines.update_state_machine(update).await.unwrap();
    let request = v1::DescribeStateMachineRequest { state_machine_arn };
    let machine = machines.describe_state_machine(request).await.unwrap();
    let machine = machine.get_ref();
    assert_eq!(
        [
            machine.logging_configuration.as_str(),
            machine.tracing_configuration.as_str(),
            machine.encryption_configuration.as_str(),
        ],
        [
            r#"{"level":"OFF","includeExecutionData":true}"#,
            r#"{"enabled":true}"#,
            r#"{"type":"AWS_OWNED_KEY"}"#,
        ]
    );
    let request = v1::GetStatusRequest {};
    let status = AdminServiceClient::new(router).get_status(request).await;
    assert_eq!(
        status.unwrap().get_ref().arn_prefix,
        "arn:aws:states:us-east-1:000000000000:"
    );
}

#[tokio::test]
async fn refusals_of_the_service_carry_their_reason() {
    let (router, _health, _drain) = served().await;
    let request = v1::SendTaskSuccessRequest {
        task_token: "garbage".into(),
        output: "{}".into(),
    };
    let answer = TaskServiceClient::new(router.clone())
        .send_task_success(request)
        .await;
    check(
        answer,
        Code::InvalidArgument,
        "InvalidToken",
        "Invalid Token: 'Invalid token'",
    );
    let missing = "arn:aws:states:us-east-1:000000000000:stateMachine:missing".to_owned();
    let request = v1::DescribeStateMachineRequest {
        state_machine_arn: missing,
    };
    let answer = StateMachineServiceClient::new(router)
        .describe_state_machine(request)
        .await;
    check(
        answer,
        Code::NotFound,
        "StateMachineDoesNotExist",
        "State Machine Does Not Exist",
    );
}

#[tokio::test]
async fn an_activity_is_created_polled_and_described() {
    let (router, _health, drain) = served().await;
    let mut activities = ActivityServiceClient::new(router.clone());
    let tags = [("k".to_owned(), "v".to_owned())].into();
    let created = activities
        .create_activity(v1::CreateActivityRequest {
            name: "a".into(),
            tags,
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(created.get_ref().activity_arn, ACTIVITY);
    assert!(created.get_ref().creation_date.is_some());
    let request = v1::DescribeActivityRequest {
        activity_arn: ACTIVITY.into(),
    };
    assert_eq!(
        activities
            .describe_activity(request)
            .await
            .unwrap()
            .get_ref()
            .name,
        "a"
    );
    let mut tasks = TaskServiceClient::new(router.clone());
    let poll = v1::GetActivityTaskRequest {
        activity_arn: ACTIVITY.into(),
        worker_name: String::new(),
    };
    drain.cancel();
    assert_eq!(
        tasks
            .get_activity_task(poll)
            .await
            .unwrap()
            .get_ref()
            .task_token,
        ""
    );
    let status = AdminServiceClient::new(router)
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap();
    assert_eq!(status.get_ref().version, env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn health_follows_start_and_drain() {
    let (router, health, _drain) = served().await;
    let mut client = HealthClient::new(router);
    let mut ask = async |service: &str| {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        client
            .check(request)
            .await
            .map(|response| response.get_ref().status)
    };
    for service in ["", "stepfleet.v1.TaskService", "stepfleet.v1.FleetService"] {
        assert_eq!(ask(service).await.unwrap(), 2, "{service} before the start");
    }
    health.serving().await;
    assert_eq!(ask("stepfleet.v1.TaskService").await.unwrap(), 1);
    health.draining().await;
    assert_eq!(ask("stepfleet.v1.TaskService").await.unwrap(), 2);
    assert_eq!(
        ask("stepfleet.v1.Nothing").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn reflection_lists_every_service_in_both_versions() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::{v1 as current, v1alpha};

    let (router, _health, _drain) = served().await;
    let request = current::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(router.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<&str> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in [
        "ActivityService",
        "AdminService",
        "ExecutionService",
        "FleetService",
        "TaskService",
    ] {
        assert!(
            names.contains(&format!("stepfleet.v1.{name}").as_str()),
            "{name} is missing in {names:?}"
        );
    }
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "stepfleet.v1.FleetService".into(),
            ),
        ),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(router);
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
}

/// An execution of a machine with this one state; its ARN.
async fn start(router: &Router, state: &str) -> String {
    let request = v1::CreateStateMachineRequest {
        name: "m".into(),
        definition: format!(r#"{{"StartAt": "S", "States": {{"S": {state}}}}}"#),
        ..Default::default()
    };
    let mut machines = StateMachineServiceClient::new(router.clone());
    let machine = machines
        .create_state_machine(request)
        .await
        .unwrap()
        .into_inner();
    let request = v1::StartExecutionRequest {
        state_machine_arn: machine.state_machine_arn,
        input: r#"{"x":1}"#.into(),
        ..Default::default()
    };
    let mut executions = ExecutionServiceClient::new(router.clone());
    executions
        .start_execution(request)
        .await
        .unwrap()
        .into_inner()
        .execution_arn
}

#[tokio::test]
async fn a_watch_follows_an_execution_to_its_end() {
    let (router, _health, _drain) = served().await;
    let execution_arn = start(&router, r#"{"Type": "Pass", "End": true}"#).await;
    let mut executions = ExecutionServiceClient::new(router);
    let request = v1::WatchExecutionRequest {
        execution_arn: execution_arn.clone(),
        after_event_id: 0,
    };
    let mut batches = executions
        .watch_execution(request)
        .await
        .unwrap()
        .into_inner();
    let (mut watched, mut status) = (Vec::new(), v1::ExecutionStatus::Unspecified);
    while let Some(batch) = batches.message().await.unwrap() {
        status = batch.status();
        watched.extend(batch.events);
    }
    assert_eq!(status, v1::ExecutionStatus::Succeeded);
    let types: Vec<&str> = watched.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(
        types,
        [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded"
        ]
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&watched[1].details).unwrap(),
        serde_json::json!({"name": "S", "input": r#"{"x":1}"#, "inputDetails": {"truncated": false}})
    );
    let request = v1::GetExecutionHistoryRequest {
        execution_arn: execution_arn.clone(),
        ..Default::default()
    };
    assert_eq!(
        executions
            .get_execution_history(request)
            .await
            .unwrap()
            .get_ref()
            .events,
        watched
    );
    let request = v1::DescribeExecutionRequest { execution_arn };
    let described = executions
        .describe_execution(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (described.output.as_deref(), described.stop_date.is_some()),
        (Some(r#"{"x":1}"#), true)
    );
}

#[tokio::test]
async fn variables_are_shown_in_histories_and_descriptions() {
    let (router, _health, _drain) = served().await;
    let state = r#"{"Type": "Choice", "Choices": [{"Variable": "$twice", "IsPresent": false, "Next": "S",
        "Assign": {"twice.$": "$.x"}}], "Default": "N", "Assign": {"was.$": "$twice"}},
        "N": {"Type": "Pass", "InputPath": "$was", "End": true}"#;
    let execution_arn = start(&router, state).await;
    let request = v1::GetExecutionHistoryRequest {
        execution_arn: execution_arn.clone(),
        ..Default::default()
    };
    let mut executions = ExecutionServiceClient::new(router.clone());
    let history = executions.get_execution_history(request).await.unwrap();
    let assigned: Vec<serde_json::Value> = history
        .get_ref()
        .events
        .iter()
        .filter(|event| event.r#type.ends_with("StateExited"))
        .map(|event| serde_json::from_str::<serde_json::Value>(&event.details).unwrap())
        .map(|mut details| details["assignedVariables"].take())
        .collect();
    let expect = serde_json::json!([{"twice": "1"}, {"was": "1"}, null]);
    assert_eq!(serde_json::Value::from(assigned), expect);

    let mut machines = StateMachineServiceClient::new(router);
    let request = v1::DescribeStateMachineForExecutionRequest { execution_arn };
    let described = machines.describe_state_machine_for_execution(request).await;
    let described = described.unwrap().into_inner();
    let request = v1::DescribeStateMachineRequest {
        state_machine_arn: described.state_machine_arn,
    };
    let current = machines.describe_state_machine(request).await.unwrap();
    assert_eq!(
        current.get_ref().variable_references,
        described.variable_references
    );
    let names = |names: &[&str]| v1::VariableNames {
        names: names.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(
        described.variable_references,
        [
            ("S".to_owned(), names(&["twice"])),
            ("N".to_owned(), names(&["was"]))
        ]
        .into()
    );
}

#[tokio::test]
async fn a_drain_ends_a_watch_as_unavailable() {
    let (router, _health, drain) = served().await;
    let execution_arn = start(&router, r#"{"Type": "Wait", "Seconds": 3600, "End": true}"#).await;
    let request = v1::WatchExecutionRequest {
        execution_arn,
        after_event_id: 0,
    };
    let mut executions = ExecutionServiceClient::new(router);
    let mut batches = executions
        .watch_execution(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        batches.message().await.unwrap().unwrap().status(),
        v1::ExecutionStatus::Running
    );
    drain.cancel();
    let mut end = batches.message().await;
    while let Ok(Some(_)) = end {
        end = batches.message().await;
    }
    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_state_is_tested_with_its_stages() {
    let (router, _health, _drain) = served().await;
    let mut machines = StateMachineServiceClient::new(router);
    let request = v1::TestStateRequest {
        definition: format!(
            r#"{{"Type":"Task","Resource":"{ACTIVITY}","QueryLanguage":"JSONata","Arguments":"{{% $x %}}",
                "Retry":[{{"ErrorEquals":["Busy"]}}],"Assign":{{"x":9}},"Next":"B"}}"#
        ),
        variables: r#"{"x":5}"#.to_owned(),
        mock: Some(v1::test_state_request::Mock::MockResult("[7]".to_owned())),
        ..v1::TestStateRequest::default()
    };
    let told = machines
        .test_state(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told.status(), v1::test_state_response::Status::Succeeded);
    assert_eq!(told.output.as_deref(), Some("[7]"));
    assert_eq!(told.next_state.as_deref(), Some("B"));
    let seen = told.inspection.unwrap();
    assert_eq!(seen.after_arguments.as_deref(), Some("5"));
    assert_eq!(
        (seen.input.as_str(), seen.variables.as_str()),
        ("{}", r#"{"x":9}"#)
    );

    let failing = v1::test_state_request::MockError {
        error: Some("Busy".to_owned()),
        cause: None,
    };
    let told = machines
        .test_state(v1::TestStateRequest {
            mock: Some(v1::test_state_request::Mock::MockError(failing)),
            ..request.clone()
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told.status(), v1::test_state_response::Status::Retriable);
    assert_eq!(told.inspection.unwrap().retry_backoff_seconds, Some(1.0));

    let refused = machines
        .test_state(v1::TestStateRequest {
            field_validation: 9,
            ..request
        })
        .await;
    check(
        refused,
        Code::InvalidArgument,
        "ValidationException",
        "9 is not one of its values",
    );
}
