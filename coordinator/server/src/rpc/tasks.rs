//! `TaskService`: workers that poll one task at a time, and whoever completes a callback.

use std::sync::Arc;

use stepfleet_proto::v1::task_service_server::TaskService;
use stepfleet_proto::v1::{
    Callback, GetActivityTaskRequest, GetActivityTaskResponse, ListCallbacksRequest,
    ListCallbacksResponse, RevokeCallbackUrlRequest, RevokeCallbackUrlResponse,
    SendTaskFailureRequest, SendTaskFailureResponse, SendTaskHeartbeatRequest,
    SendTaskHeartbeatResponse, SendTaskSuccessRequest, SendTaskSuccessResponse,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::{self, instant, page, present, timestamp};
use crate::aws::input::tasks::{FailureInput, GetActivityTaskInput, HeartbeatInput, SuccessInput};
use crate::face::{Face, Pending};
use crate::service::api;
use crate::service::error::{ApiError, ErrorCode};
use crate::service::tasks::Delivery;

pub(super) struct Tasks(pub(super) Arc<Face>);

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn get_activity_task(
        &self,
        request: Request<GetActivityTaskRequest>,
    ) -> Result<Response<GetActivityTaskResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "GetActivityTask", request)?;
        let mut delivery = None;
        let answer = poll(&call, message, &mut delivery).await;
        let mut response = call.finish(answer)?;
        if let Some(delivery) = delivery {
            response.extensions_mut().insert(Pending::new(delivery));
        }
        Ok(response)
    }

    async fn send_task_success(
        &self,
        request: Request<SendTaskSuccessRequest>,
    ) -> Result<Response<SendTaskSuccessResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "SendTaskSuccess", request)?;
        let answer = succeed(&call, message).await;
        call.finish(answer)
    }

    async fn send_task_failure(
        &self,
        request: Request<SendTaskFailureRequest>,
    ) -> Result<Response<SendTaskFailureResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "SendTaskFailure", request)?;
        let answer = fail(&call, message).await;
        call.finish(answer)
    }

    async fn send_task_heartbeat(
        &self,
        request: Request<SendTaskHeartbeatRequest>,
    ) -> Result<Response<SendTaskHeartbeatResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "SendTaskHeartbeat", request)?;
        let answer = heartbeat(&call, message).await;
        call.finish(answer)
    }

    async fn list_callbacks(
        &self,
        request: Request<ListCallbacksRequest>,
    ) -> Result<Response<ListCallbacksResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListCallbacks", request)?;
        let answer = callbacks(&call, message).await;
        call.finish(answer)
    }

    async fn revoke_callback_url(
        &self,
        request: Request<RevokeCallbackUrlRequest>,
    ) -> Result<Response<RevokeCallbackUrlResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "RevokeCallbackUrl", request)?;
        let (service, caller) = (call.service(), &call.caller);
        let answer = service.revoke_callback_url(caller, &message.url).await;
        call.finish(answer.map(|()| RevokeCallbackUrlResponse {}))
    }
}

async fn poll(
    call: &Call,
    message: GetActivityTaskRequest,
    delivery: &mut Option<Delivery>,
) -> Result<GetActivityTaskResponse, ApiError> {
    let input = GetActivityTaskInput {
        activity_arn: Some(message.activity_arn),
        worker_name: present(message.worker_name),
    };
    let Some(task) = call
        .face
        .get_activity_task(&call.caller, &input.check()?)
        .await?
    else {
        return Ok(GetActivityTaskResponse::default());
    };
    *delivery = task.delivery;
    Ok(GetActivityTaskResponse {
        task_token: task.token,
        input: task.input,
        last_progress: task.last_progress,
    })
}

async fn succeed(
    call: &Call,
    message: SendTaskSuccessRequest,
) -> Result<SendTaskSuccessResponse, ApiError> {
    let input = SuccessInput {
        task_token: Some(message.task_token),
        output: Some(message.output),
    };
    let success = input.check(&call.face.bounds)?;
    let (caller, token, output) = (&call.caller, &success.token, &success.output);
    let sent = call
        .service()
        .send_task_success(caller, token, output)
        .await;
    // Whoever did not see the first answer and asks again is told that it counted.
    if let Err(error) = sent
        && (error.code != ErrorCode::TaskTimedOut
            || !call.service().closed_by(caller, token, output).await?)
    {
        return Err(error);
    }
    Ok(SendTaskSuccessResponse {})
}

async fn fail(
    call: &Call,
    message: SendTaskFailureRequest,
) -> Result<SendTaskFailureResponse, ApiError> {
    let input = FailureInput {
        task_token: Some(message.task_token),
        error: message.error,
        cause: message.cause,
    };
    let failure = input.check()?;
    call.service()
        .send_task_failure(&call.caller, &failure.token, failure.error, failure.cause)
        .await?;
    Ok(SendTaskFailureResponse {})
}

async fn heartbeat(
    call: &Call,
    message: SendTaskHeartbeatRequest,
) -> Result<SendTaskHeartbeatResponse, ApiError> {
    let details = message.details;
    let token = HeartbeatInput {
        task_token: Some(message.task_token),
    }
    .check()?;
    call.service()
        .send_task_heartbeat(&call.caller, &token, &details)
        .await?;
    Ok(SendTaskHeartbeatResponse {})
}

async fn callbacks(
    call: &Call,
    message: ListCallbacksRequest,
) -> Result<ListCallbacksResponse, ApiError> {
    let request = api::ListCallbacks {
        page: page(message.page_size, message.page_token)?,
        execution_arn: present(message.execution_arn),
        machine_arn: present(message.state_machine_arn),
        scheduled_before: message.scheduled_before.map(|at| instant(&at)),
    };
    let found = call.service().list_callbacks(&call.caller, request).await?;
    Ok(ListCallbacksResponse {
        callbacks: found.items.into_iter().map(callback).collect(),
        next_page_token: found.next_token.unwrap_or_default(),
    })
}

fn callback(callback: api::Callback) -> Callback {
    Callback {
        task_token: callback.token,
        execution_arn: callback.execution_arn,
        state_name: callback.state_name,
        resource: callback.resource,
        parameters: callback.parameters,
        scheduled_date: timestamp(callback.scheduled_at),
        deadline: callback.deadline.and_then(timestamp),
        progress_date: callback
            .progress
            .as_ref()
            .and_then(|said| timestamp(said.at)),
        progress: convert::details(callback.progress.as_ref()),
    }
}
