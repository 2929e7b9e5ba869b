//! A coordinator that answers every call from canned data and writes down the requests that change something.

mod access;
mod activities;
mod tags;
mod versions;
mod workers;

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use stepfleet_sdk::api::access_service_server::AccessServiceServer;
use stepfleet_sdk::api::activity_service_server::ActivityServiceServer;
use stepfleet_sdk::api::admin_service_server::{AdminService, AdminServiceServer};
use stepfleet_sdk::api::execution_service_server::{ExecutionService, ExecutionServiceServer};
use stepfleet_sdk::api::state_machine_service_server::{
    StateMachineService, StateMachineServiceServer,
};
use stepfleet_sdk::api::tag_service_server::TagServiceServer;
use stepfleet_sdk::api::task_service_server::{TaskService, TaskServiceServer};
use stepfleet_sdk::api::version_service_server::VersionServiceServer;
use stepfleet_sdk::api::worker_service_server::WorkerServiceServer;
use stepfleet_sdk::api::*;
use stepfleet_sdk::tonic::{Code, Request, Response, Status};
use tokio_stream::wrappers::TcpListenerStream;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{ago, events};

pub(crate) const PREFIX: &str = "arn:aws:states:us-east-1:000000000000:";

/// Requests that changed something, as text.
pub(crate) type Journal = Arc<Mutex<Vec<String>>>;

#[derive(Clone, Debug, Default)]
struct Canned {
    journal: Journal,
    backup: &'static [&'static str],
}

type Answer<T> = Result<Response<T>, Status>;
type Chunks<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

/// Starts one on a free port; its URL and journal. It ends with the test's runtime.
pub(crate) async fn start() -> (String, Journal) {
    start_with_backup(&["first ", "second"]).await
}

/// The same with these chunks for a backup.
pub(crate) async fn start_with_backup(backup: &'static [&'static str]) -> (String, Journal) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let canned = Canned {
        backup,
        ..Canned::default()
    };
    let journal = canned.journal.clone();
    let server = tonic::transport::Server::builder()
        .add_service(StateMachineServiceServer::new(canned.clone()))
        .add_service(ExecutionServiceServer::new(canned.clone()))
        .add_service(ActivityServiceServer::new(canned.clone()))
        .add_service(VersionServiceServer::new(canned.clone()))
        .add_service(TagServiceServer::new(canned.clone()))
        .add_service(TaskServiceServer::new(canned.clone()))
        .add_service(WorkerServiceServer::new(canned.clone()))
        .add_service(AccessServiceServer::new(canned.clone()))
        .add_service(AdminServiceServer::new(canned))
        .serve_with_incoming(TcpListenerStream::new(listener));
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody joins it: it ends with the test's runtime"
    )]
    tokio::task::spawn(server);
    (url, journal)
}

fn give<T>(message: T) -> Answer<T> {
    Ok(Response::new(message))
}

fn version_of(publish: bool, machine: &str) -> String {
    let arn = || format!("{PREFIX}stateMachine:{machine}:1");
    publish.then(arn).unwrap_or_default()
}

fn refuse<T>(reason: &str, message: impl Into<String>) -> Answer<T> {
    let details = ErrorDetails::with_error_info(reason, "stepfleet", [] as [(String, String); 0]);
    Err(Status::with_error_details(Code::NotFound, message, details))
}

impl Canned {
    fn note(&self, what: impl Into<String>) {
        self.journal.lock().unwrap().push(what.into());
    }
}

#[tonic::async_trait]
impl StateMachineService for Canned {
    async fn create_state_machine(
        &self,
        request: Request<CreateStateMachineRequest>,
    ) -> Answer<CreateStateMachineResponse> {
        let request = request.into_inner();
        self.note(format!(
            "create {} {:?} {:?}{}{}",
            request.name,
            request.r#type(),
            request.tags,
            request.logging_configuration,
            request.tracing_configuration
        ));
        give(CreateStateMachineResponse {
            state_machine_arn: format!("{PREFIX}stateMachine:{}", request.name),
            creation_date: ago(0),
            warnings: vec![finding(diagnostic::Severity::Warning, "/States/A")],
            state_machine_version_arn: version_of(request.publish, &request.name),
        })
    }

    async fn update_state_machine(
        &self,
        request: Request<UpdateStateMachineRequest>,
    ) -> Answer<UpdateStateMachineResponse> {
        let request = request.into_inner();
        self.note(format!(
            "update {} {:?} {:?} {:?}",
            request.state_machine_arn,
            request.role_arn,
            request.logging_configuration,
            request.tracing_configuration
        ));
        give(UpdateStateMachineResponse {
            update_date: ago(0),
            revision_id: "r2".into(),
            warnings: Vec::new(),
            state_machine_version_arn: String::new(),
        })
    }

    async fn delete_state_machine(
        &self,
        request: Request<DeleteStateMachineRequest>,
    ) -> Answer<DeleteStateMachineResponse> {
        self.note(format!("delete {}", request.into_inner().state_machine_arn));
        give(DeleteStateMachineResponse {})
    }

    async fn describe_state_machine(
        &self,
        request: Request<DescribeStateMachineRequest>,
    ) -> Answer<DescribeStateMachineResponse> {
        let arn = request.into_inner().state_machine_arn;
        let express = arn.ends_with(":quick");
        if !arn.ends_with(":orders") && !arn.ends_with(":orders:2") && !express {
            let message = format!("State Machine Does Not Exist: '{arn}'");
            return refuse("StateMachineDoesNotExist", message);
        }
        give(DescribeStateMachineResponse {
            state_machine_arn: arn,
            name: "orders".into(),
            status: StateMachineStatus::Active.into(),
            definition: r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#.into(),
            role_arn: "arn:aws:iam::000000000000:role/stepfleet".into(),
            r#type: if express {
                StateMachineType::Express.into()
            } else {
                StateMachineType::Standard.into()
            },
            creation_date: ago(90_000),
            ..DescribeStateMachineResponse::default()
        })
    }

    async fn describe_state_machine_for_execution(
        &self,
        _: Request<DescribeStateMachineForExecutionRequest>,
    ) -> Answer<DescribeStateMachineForExecutionResponse> {
        Err(Status::unimplemented("no command asks for it"))
    }

    async fn list_state_machines(
        &self,
        request: Request<ListStateMachinesRequest>,
    ) -> Answer<ListStateMachinesResponse> {
        // Pages of one, so that paging is always exercised.
        let (name, next) = match request.into_inner().page_token.as_str() {
            "" => ("orders", "second"),
            _ => ("billing", ""),
        };
        give(ListStateMachinesResponse {
            state_machines: vec![StateMachineListItem {
                state_machine_arn: format!("{PREFIX}stateMachine:{name}"),
                name: name.into(),
                r#type: StateMachineType::Standard.into(),
                creation_date: ago(90_000),
            }],
            next_page_token: next.into(),
        })
    }

    async fn validate_state_machine_definition(
        &self,
        request: Request<ValidateStateMachineDefinitionRequest>,
    ) -> Answer<ValidateStateMachineDefinitionResponse> {
        let ok = !request.into_inner().definition.contains("Tusk");
        let found = || finding(diagnostic::Severity::Error, "/States/A/Type");
        give(ValidateStateMachineDefinitionResponse {
            ok,
            diagnostics: if ok { Vec::new() } else { vec![found()] },
            truncated: false,
        })
    }

    async fn test_state(&self, _: Request<TestStateRequest>) -> Answer<TestStateResponse> {
        give(TestStateResponse::default())
    }
}

#[tonic::async_trait]
impl ExecutionService for Canned {
    type WatchExecutionStream = Chunks<WatchExecutionResponse>;

    async fn start_execution(
        &self,
        request: Request<StartExecutionRequest>,
    ) -> Answer<StartExecutionResponse> {
        let request = request.into_inner();
        self.note(format!(
            "start {} {}",
            request.state_machine_arn, request.input
        ));
        let name = if request.name.is_empty() {
            "drawn"
        } else {
            &request.name
        };
        let machine = request
            .state_machine_arn
            .rsplit(':')
            .next()
            .unwrap_or_default();
        give(StartExecutionResponse {
            execution_arn: format!("{PREFIX}execution:{machine}:{name}"),
            start_date: ago(600),
        })
    }

    async fn start_sync_execution(
        &self,
        request: Request<StartSyncExecutionRequest>,
    ) -> Answer<StartSyncExecutionResponse> {
        let request = request.into_inner();
        let failed = request.name == "bad";
        let status = if failed {
            ExecutionStatus::Failed
        } else {
            ExecutionStatus::Succeeded
        };
        give(StartSyncExecutionResponse {
            execution_arn: format!("{PREFIX}express:orders:{}:drawn", request.name),
            state_machine_arn: request.state_machine_arn,
            name: request.name,
            status: status.into(),
            start_date: ago(2),
            stop_date: ago(1),
            output: (!failed).then(|| request.input.clone()),
            error: failed.then(|| "No".into()),
            input: request.input,
            ..StartSyncExecutionResponse::default()
        })
    }

    async fn stop_execution(
        &self,
        request: Request<StopExecutionRequest>,
    ) -> Answer<StopExecutionResponse> {
        let request = request.into_inner();
        self.note(format!(
            "stop {} {:?}",
            request.execution_arn, request.error
        ));
        give(StopExecutionResponse { stop_date: ago(0) })
    }

    async fn redrive_execution(
        &self,
        request: Request<RedriveExecutionRequest>,
    ) -> Answer<RedriveExecutionResponse> {
        let request = request.into_inner();
        if request.execution_arn.ends_with(":good") {
            let message = "Execution is SUCCEEDED and cannot be redriven";
            return refuse("ExecutionNotRedrivable", message);
        }
        let token = match request.client_token.len() {
            32.. => "drawn",
            _ => &request.client_token,
        };
        self.note(format!("redrive {} {token}", request.execution_arn));
        give(RedriveExecutionResponse {
            redrive_date: ago(0),
        })
    }

    async fn describe_execution(
        &self,
        request: Request<DescribeExecutionRequest>,
    ) -> Answer<DescribeExecutionResponse> {
        let arn = request.into_inner().execution_arn;
        let mut description = DescribeExecutionResponse {
            state_machine_arn: format!("{PREFIX}stateMachine:orders"),
            name: arn.rsplit(':').next().unwrap_or_default().into(),
            execution_arn: arn,
            start_date: ago(600),
            stop_date: ago(570),
            input: r#"{"n":10000000000000000000001}"#.into(),
            ..DescribeExecutionResponse::default()
        };
        match description.name.as_str() {
            "good" => {
                description.set_status(ExecutionStatus::Succeeded);
                description.output = Some("[1.0]".into());
                description.set_redrive_status(ExecutionRedriveStatus::NotRedrivable);
                description.redrive_status_reason =
                    "Execution is SUCCEEDED and cannot be redriven".into();
            }
            "bad" => {
                description.set_redrive_status(ExecutionRedriveStatus::Redrivable);
                description.redrive_count = 2;
                description.redrive_date = ago(590);
                description.set_status(ExecutionStatus::Failed);
                description.error = Some("Boom".into());
                description.cause = Some("line one\nline two".into());
            }
            name => {
                let message = format!("Execution Does Not Exist: '{name}'");
                return refuse("ExecutionDoesNotExist", message);
            }
        }
        give(description)
    }

    async fn list_executions(
        &self,
        request: Request<ListExecutionsRequest>,
    ) -> Answer<ListExecutionsResponse> {
        let machine = request.into_inner().state_machine_arn;
        let item =
            |name: &str, status: ExecutionStatus, start, stop: Option<i64>| ExecutionListItem {
                execution_arn: format!("{}:{name}", machine.replace("stateMachine", "execution")),
                state_machine_arn: machine.clone(),
                name: name.into(),
                status: status.into(),
                start_date: ago(start),
                stop_date: stop.and_then(ago),
                ..ExecutionListItem::default()
            };
        let executions = if machine.ends_with(":orders") {
            vec![
                item("b", ExecutionStatus::Running, 125, None),
                item("a", ExecutionStatus::Failed, 4000, Some(3998)),
            ]
        } else {
            vec![item("c", ExecutionStatus::Succeeded, 130, Some(127))]
        };
        give(ListExecutionsResponse {
            executions,
            next_page_token: String::new(),
        })
    }

    async fn get_execution_history(
        &self,
        _: Request<GetExecutionHistoryRequest>,
    ) -> Answer<GetExecutionHistoryResponse> {
        give(GetExecutionHistoryResponse {
            events: history(),
            next_page_token: String::new(),
        })
    }

    async fn watch_execution(
        &self,
        request: Request<WatchExecutionRequest>,
    ) -> Answer<Self::WatchExecutionStream> {
        let request = request.into_inner();
        let mut events = history();
        // The first watch breaks off in the middle.
        let broken = request.after_event_id == 0;
        events.retain(|event| if broken { event.id <= 3 } else { event.id > 2 });
        let status = if broken {
            ExecutionStatus::Running
        } else {
            ExecutionStatus::Succeeded
        };
        let mut answers = vec![Ok(WatchExecutionResponse {
            events,
            status: status.into(),
        })];
        if broken {
            answers.push(Err(Status::unavailable("going down")));
        }
        give(Box::pin(tokio_stream::iter(answers)))
    }
}

#[tonic::async_trait]
impl TaskService for Canned {
    async fn get_activity_task(
        &self,
        _: Request<GetActivityTaskRequest>,
    ) -> Answer<GetActivityTaskResponse> {
        Err(Status::unimplemented("no command asks for it"))
    }

    async fn send_task_success(
        &self,
        request: Request<SendTaskSuccessRequest>,
    ) -> Answer<SendTaskSuccessResponse> {
        let request = request.into_inner();
        if request.task_token == "old" {
            return refuse(
                "TaskTimedOut",
                "Task Timed Out: 'Provided task does not exist anymore'",
            );
        }
        self.note(format!("success {} {}", request.task_token, request.output));
        give(SendTaskSuccessResponse {})
    }

    async fn send_task_failure(
        &self,
        request: Request<SendTaskFailureRequest>,
    ) -> Answer<SendTaskFailureResponse> {
        let SendTaskFailureRequest {
            task_token,
            error,
            cause,
        } = request.into_inner();
        self.note(format!("failure {task_token} {error:?} {cause:?}"));
        give(SendTaskFailureResponse {})
    }

    async fn send_task_heartbeat(
        &self,
        request: Request<SendTaskHeartbeatRequest>,
    ) -> Answer<SendTaskHeartbeatResponse> {
        let request = request.into_inner();
        self.note(format!(
            "heartbeat {} {}",
            request.task_token, request.details
        ));
        give(SendTaskHeartbeatResponse {})
    }

    async fn revoke_callback_url(
        &self,
        request: Request<RevokeCallbackUrlRequest>,
    ) -> Answer<RevokeCallbackUrlResponse> {
        self.note(format!("revoke-url {}", request.into_inner().url));
        give(RevokeCallbackUrlResponse {})
    }

    async fn list_callbacks(
        &self,
        request: Request<ListCallbacksRequest>,
    ) -> Answer<ListCallbacksResponse> {
        let request = request.into_inner();
        let item = |token: &str, execution: &str, state: &str, deadline: Option<i64>| Callback {
            task_token: token.into(),
            execution_arn: format!("{PREFIX}execution:orders:{execution}"),
            state_name: state.into(),
            resource: "callback.waitForTaskToken".into(),
            parameters: format!(r#"{{"TaskToken":"{token}","Order":17}}"#),
            scheduled_date: ago(3700),
            deadline: deadline.and_then(|seconds| ago(-seconds)),
            progress: if state == "Sign" {
                r#"{"signed":1,"of":3}"#.into()
            } else {
                String::new()
            },
            progress_date: ago(30).filter(|_| state == "Sign"),
        };
        let mut callbacks = vec![
            item("token-of-the-first-callback", "one", "Approve", Some(300)),
            item("token-of-the-second-callback", "two", "Approve", None),
            item("token-of-the-third-callback", "two", "Sign", None),
        ];
        let seconds = |at: &Option<prost_types::Timestamp>| at.as_ref().map(|at| at.seconds);
        let before = seconds(&request.scheduled_before).unwrap_or(i64::MAX);
        let execution = &request.execution_arn;
        let machine = &request.state_machine_arn;
        callbacks.retain(|callback| {
            (execution.is_empty() || *execution == callback.execution_arn)
                && (machine.is_empty() || machine.ends_with(":orders"))
                && seconds(&callback.scheduled_date) < Some(before)
        });
        give(ListCallbacksResponse {
            callbacks,
            next_page_token: String::new(),
        })
    }
}

#[tonic::async_trait]
impl AdminService for Canned {
    type BackupStream = Chunks<BackupResponse>;

    async fn backup(&self, _: Request<BackupRequest>) -> Answer<Self::BackupStream> {
        let chunks = self.backup.iter().map(|text| {
            Ok(BackupResponse {
                chunk: text.as_bytes().to_vec(),
            })
        });
        give(Box::pin(tokio_stream::iter(chunks)))
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Answer<GetStatusResponse> {
        give(GetStatusResponse {
            version: "0.1.0".into(),
            cluster_id: "c1".into(),
            partitions: 64,
            live_executions: 12,
            resident_executions: 10,
            refusing: "the disk is full".into(),
            arn_prefix: PREFIX.into(),
            unserved_activities: workers::unserved(),
            unserved_count: 3,
        })
    }
}

fn finding(severity: diagnostic::Severity, location: &str) -> Diagnostic {
    Diagnostic {
        severity: severity.into(),
        code: "SCHEMA_VALIDATION_FAILED".into(),
        message: "This is not right".into(),
        location: location.into(),
    }
}

fn history() -> Vec<HistoryEvent> {
    events(
        r#"
        1<0 @0 ExecutionStarted {"input":"{}","inputDetails":{"truncated":false}}
        2<0 @3 TaskStateEntered {"name":"Fetch","input":"{}"}
        3<2 @3 ActivityScheduled {"resource":"arn:aws:states:us-east-1:000000000000:activity:fetch","input":"{}"}
        4<3 @5 ActivityStarted {"workerName":"host-1"}
        5<4 @29000 ActivitySucceeded {"output":"[1.0]"}
        6<5 @29000 TaskStateExited {"name":"Fetch","output":"[1.0]","assignedVariables":{"sizes":"[1.0]","tries":"2"}}
        7<6 @30000 ExecutionSucceeded {"output":"[1.0]"}
        "#,
    )
}
