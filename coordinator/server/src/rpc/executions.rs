//! `ExecutionService`.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, stream};
use stepfleet_engine::EventId;
use stepfleet_proto::v1::execution_service_server::ExecutionService;
use stepfleet_proto::v1::{
    DescribeExecutionRequest, DescribeExecutionResponse, ExecutionListItem,
    GetExecutionHistoryRequest, GetExecutionHistoryResponse, ListExecutionsRequest,
    ListExecutionsResponse, OpenTask, RedriveExecutionRequest, RedriveExecutionResponse,
    StartExecutionRequest, StartExecutionResponse, StartSyncExecutionRequest,
    StartSyncExecutionResponse, StopExecutionRequest, StopExecutionResponse, WatchExecutionRequest,
    WatchExecutionResponse,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::{
    count, details, execution_status, history_event, present, redrive_status, status_word,
    timestamp,
};
use super::status;
use crate::aws::input::executions::{
    ExecutionInput, HistoryInput, ListExecutionsInput, RedriveExecutionInput, StartExecutionInput,
    StopExecutionInput,
};
use crate::face::Face;
use crate::service::api::{self, ExecutionItem, HistoryBatch};
use crate::service::error::{ApiError, ErrorCode};

pub(super) struct Executions(pub(super) Arc<Face>);

type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchExecutionResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExecutionService for Executions {
    type WatchExecutionStream = WatchStream;

    async fn start_execution(
        &self,
        request: Request<StartExecutionRequest>,
    ) -> Result<Response<StartExecutionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "StartExecution", request)?;
        let answer = start(&call, message).await;
        call.finish(answer)
    }

    async fn start_sync_execution(
        &self,
        request: Request<StartSyncExecutionRequest>,
    ) -> Result<Response<StartSyncExecutionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "StartSyncExecution", request)?;
        let answer = start_sync(&call, message).await;
        call.finish(answer)
    }

    async fn stop_execution(
        &self,
        request: Request<StopExecutionRequest>,
    ) -> Result<Response<StopExecutionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "StopExecution", request)?;
        let answer = stop(&call, message).await;
        call.finish(answer)
    }

    async fn redrive_execution(
        &self,
        request: Request<RedriveExecutionRequest>,
    ) -> Result<Response<RedriveExecutionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "RedriveExecution", request)?;
        let answer = redrive(&call, message).await;
        call.finish(answer)
    }

    async fn describe_execution(
        &self,
        request: Request<DescribeExecutionRequest>,
    ) -> Result<Response<DescribeExecutionResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DescribeExecution", request)?;
        let answer = describe(&call, message).await;
        call.finish(answer)
    }

    async fn list_executions(
        &self,
        request: Request<ListExecutionsRequest>,
    ) -> Result<Response<ListExecutionsResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListExecutions", request)?;
        let answer = list(&call, message).await;
        call.finish(answer)
    }

    async fn get_execution_history(
        &self,
        request: Request<GetExecutionHistoryRequest>,
    ) -> Result<Response<GetExecutionHistoryResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "GetExecutionHistory", request)?;
        let answer = history(&call, message).await;
        call.finish(answer)
    }

    async fn watch_execution(
        &self,
        request: Request<WatchExecutionRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        let (call, message) = Call::begin(&self.0, "WatchExecution", request)?;
        let answer = watch(&call, message).await;
        call.finish(answer)
    }
}

async fn start(
    call: &Call,
    message: StartExecutionRequest,
) -> Result<StartExecutionResponse, ApiError> {
    let input = StartExecutionInput {
        state_machine_arn: Some(message.state_machine_arn),
        name: present(message.name),
        input: present(message.input),
        trace_header: present(message.trace_header),
    };
    let request = input.check(&call.face.bounds)?;
    let request = request.in_trace(call.trace_header.clone());
    let started = call
        .service()
        .start_execution(&call.caller, request)
        .await?;
    Ok(StartExecutionResponse {
        execution_arn: started.arn,
        start_date: timestamp(started.started_at),
    })
}

async fn start_sync(
    call: &Call,
    message: StartSyncExecutionRequest,
) -> Result<StartSyncExecutionResponse, ApiError> {
    let input = StartExecutionInput {
        state_machine_arn: Some(message.state_machine_arn),
        name: present(message.name),
        input: present(message.input),
        trace_header: present(message.trace_header),
    };
    let request = input.check(&call.face.bounds)?;
    let request = request.in_trace(call.trace_header.clone());
    let service = call.service();
    let ended = service.start_sync_execution(&call.caller, request).await?;
    Ok(StartSyncExecutionResponse {
        execution_arn: ended.arn,
        state_machine_arn: ended.machine_arn,
        name: ended.name,
        status: execution_status(ended.status).into(),
        start_date: timestamp(ended.started_at),
        stop_date: timestamp(ended.stopped_at),
        input: ended.input,
        output: ended.output,
        error: ended.error,
        cause: ended.cause,
        trace_header: ended.trace_header.unwrap_or_default(),
        billed_duration_ms: count(ended.billed_ms),
        billed_memory_mb: count(ended.billed_mb),
    })
}

async fn stop(
    call: &Call,
    message: StopExecutionRequest,
) -> Result<StopExecutionResponse, ApiError> {
    let input = StopExecutionInput {
        execution_arn: Some(message.execution_arn),
        error: message.error,
        cause: message.cause,
    };
    let request = input.check()?;
    let at = call
        .service()
        .stop_execution(&call.caller, &request.arn, request.error, request.cause)
        .await?;
    Ok(StopExecutionResponse {
        stop_date: timestamp(at),
    })
}

async fn redrive(
    call: &Call,
    message: RedriveExecutionRequest,
) -> Result<RedriveExecutionResponse, ApiError> {
    let input = RedriveExecutionInput {
        execution_arn: Some(message.execution_arn),
        client_token: present(message.client_token),
    };
    let (arn, token) = input.check()?;
    let service = call.service();
    let at = service.redrive_execution(&call.caller, &arn, token).await?;
    Ok(RedriveExecutionResponse {
        redrive_date: timestamp(at),
    })
}

async fn describe(
    call: &Call,
    message: DescribeExecutionRequest,
) -> Result<DescribeExecutionResponse, ApiError> {
    let arn = execution_arn(message.execution_arn)?;
    let execution = call
        .service()
        .describe_execution(&call.caller, &arn)
        .await?;
    Ok(DescribeExecutionResponse {
        execution_arn: execution.arn,
        state_machine_arn: execution.machine_arn,
        name: execution.name,
        status: execution_status(execution.status).into(),
        start_date: timestamp(execution.started_at),
        stop_date: execution.closed_at.and_then(timestamp),
        input: execution.input,
        output: execution.output,
        error: execution.error,
        cause: execution.cause,
        trace_header: execution.trace_header.unwrap_or_default(),
        state_machine_version_arn: execution.version_arn.unwrap_or_default(),
        state_machine_alias_arn: execution.alias_arn.unwrap_or_default(),
        redrive_count: execution.redrive_count,
        redrive_date: execution.redriven_at.and_then(timestamp),
        redrive_status: redrive_status(execution.not_redrivable).into(),
        redrive_status_reason: execution
            .not_redrivable
            .map(|why| why.to_string())
            .unwrap_or_default(),
        open_task_count: count(execution.open_tasks.count),
        open_tasks: execution
            .open_tasks
            .first
            .into_iter()
            .map(open_task)
            .collect(),
    })
}

fn open_task(task: api::OpenTask) -> OpenTask {
    let said = task.progress.as_ref();
    OpenTask {
        state_name: task.state_name,
        resource: task.resource,
        attempt: task.attempt,
        scheduled_date: task.scheduled_at.and_then(timestamp),
        started_date: task.started_at.and_then(timestamp),
        worker_name: task
            .worker_name
            .map(|name| name.to_string())
            .unwrap_or_default(),
        progress_date: said.and_then(|said| timestamp(said.at)),
        progress: details(said),
    }
}

async fn list(
    call: &Call,
    message: ListExecutionsRequest,
) -> Result<ListExecutionsResponse, ApiError> {
    let input = ListExecutionsInput {
        state_machine_arn: Some(message.state_machine_arn),
        status_filter: status_word(message.status_filter)?,
        max_results: Some(message.page_size.into()),
        next_token: present(message.page_token),
        ..ListExecutionsInput::default()
    };
    let found = call
        .service()
        .list_executions(&call.caller, input.check()?)
        .await?;
    Ok(ListExecutionsResponse {
        executions: found.items.into_iter().map(item).collect(),
        next_page_token: found.next_token.unwrap_or_default(),
    })
}

async fn history(
    call: &Call,
    message: GetExecutionHistoryRequest,
) -> Result<GetExecutionHistoryResponse, ApiError> {
    let input = HistoryInput {
        execution_arn: Some(message.execution_arn),
        max_results: Some(message.page_size.into()),
        reverse_order: Some(message.reverse_order),
        next_token: present(message.page_token),
        include_execution_data: Some(!message.exclude_execution_data),
    };
    let (request, include_data) = input.check()?;
    let found = call
        .service()
        .get_execution_history(&call.caller, request)
        .await?;
    Ok(GetExecutionHistoryResponse {
        events: found
            .items
            .iter()
            .map(|event| history_event(event, include_data))
            .collect(),
        next_page_token: found.next_token.unwrap_or_default(),
    })
}

async fn watch(call: &Call, message: WatchExecutionRequest) -> Result<WatchStream, ApiError> {
    let arn = execution_arn(message.execution_arn)?;
    let after = u64::try_from(message.after_event_id).map_err(|_| {
        ApiError::new(
            ErrorCode::ValidationException,
            "after_event_id must not be negative",
        )
    })?;
    let batches = call
        .service()
        .watch_execution(&call.caller, &arn, EventId(after))
        .await?;
    let drain = call.face.drain.clone();
    Ok(Box::pin(stream::unfold(
        Some((batches, drain)),
        |watch| async {
            let (mut batches, drain) = watch?;
            tokio::select! {
                biased;
                batch = batches.recv() => {
                    let item = batch?.map(|batch| watched(&batch)).map_err(|error| status(&error));
                    Some((item, Some((batches, drain))))
                }
                // A drain must not look like the end of the execution.
                () = drain.cancelled() => Some((Err(Status::unavailable("the coordinator is shutting down")), None)),
            }
        },
    )))
}

fn watched(batch: &HistoryBatch) -> WatchExecutionResponse {
    WatchExecutionResponse {
        events: batch
            .events
            .iter()
            .map(|event| history_event(event, true))
            .collect(),
        status: execution_status(batch.status).into(),
    }
}

fn execution_arn(arn: String) -> Result<String, ApiError> {
    let (arn, _) = ExecutionInput {
        execution_arn: Some(arn),
        included_data: None,
    }
    .check()?;
    Ok(arn)
}

fn item(item: ExecutionItem) -> ExecutionListItem {
    ExecutionListItem {
        execution_arn: item.arn,
        state_machine_arn: item.machine_arn,
        name: item.name,
        status: execution_status(item.status).into(),
        start_date: timestamp(item.started_at),
        stop_date: item.closed_at.and_then(timestamp),
        state_machine_version_arn: item.version_arn.unwrap_or_default(),
        state_machine_alias_arn: item.alias_arn.unwrap_or_default(),
        redrive_count: item.redrive_count,
        redrive_date: item.redriven_at.and_then(timestamp),
    }
}
