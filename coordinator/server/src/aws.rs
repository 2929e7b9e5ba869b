//! The AWS face: AWS JSON 1.0 on `POST /`. It reads, checks, calls the service and writes; it decides nothing. The
//! head of a request is judged (caller, operation, size) before its body is read.

mod activities;
mod answer;
mod check;
mod executions;
mod express;
pub(crate) mod input;
mod map_runs;
mod operation;
mod state_machines;
mod tags;
mod tasks;
mod test_state;
#[cfg(test)]
mod tests;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::auth;
use crate::face::{Face, Pending, confirm_deliveries};
use crate::metrics;
use crate::observe::trace;
use crate::service::Service;
use crate::service::api::Caller;
use crate::service::error::{ApiError, ErrorCode};

pub(crate) use answer::{error_response, seconds, status_of};
pub(crate) use executions::status_name;
use input::{Bounds, Requested};
use operation::Operation;

/// For the whole body of a request, once its head is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// One request on its way to its operation.
struct Call<'a> {
    face: &'a Face,
    service: &'a Service,
    caller: &'a Caller,
    operation: Operation,
    bounds: &'a Bounds,
    body: &'a [u8],
    /// In which trace the request was made, as its head tells.
    trace_header: Option<String>,
}

/// The body of a success, and the task that it delivers.
struct Answer {
    body: Vec<u8>,
    delivery: Option<Pending>,
}

/// A refusal, and its status where the code's own does not tell enough.
#[derive(Debug)]
pub(crate) struct Refusal {
    error: ApiError,
    status: Option<StatusCode>,
}

/// `POST /`. Requests must have passed `auth::require`.
pub(crate) fn router(face: Arc<Face>) -> Router {
    Router::new()
        .route("/", post(handle))
        .layer(map_response(confirm_deliveries))
        .with_state(face)
}

async fn handle(State(face): State<Arc<Face>>, request: Request) -> Response {
    let began = Instant::now();
    let operation = Operation::of(request.headers());
    let name = operation
        .as_ref()
        .map_or("unknown", |operation| operation.name());
    let answer = match operation {
        Ok(operation) => serve(&face, operation, request).await,
        Err(error) => {
            // A body that is left unread ends the connection, below the client's next request.
            let (head, body) = request.into_parts();
            drop(read(&head.headers, body, face.bounds.request_bytes_max).await);
            Err(error.into())
        }
    };
    let error = answer.as_ref().err().map(|refusal| &refusal.error);
    face.answered(metrics::Face::Aws, name, error, began);
    match answer {
        Ok(answer) => answer.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Refusal {
    pub(crate) fn into_response(self) -> Response {
        match self.status {
            None => error_response(&self.error),
            Some(status) => answer::error_response_as(status, &self.error),
        }
    }
}

async fn serve(face: &Face, operation: Operation, request: Request) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let caller = auth::caller(&head.extensions)?;
    let body = read(&head.headers, body, face.bounds.request_bytes_max).await?;
    let call = Call {
        face,
        service: &face.service,
        caller: &caller,
        operation,
        bounds: &face.bounds,
        body: &body,
        trace_header: trace::header_of(&head.headers),
    };
    call.answer().await.map_err(Refusal::from)
}

impl Call<'_> {
    /// Reads the request, if its caller may make it. There is no other way to it, so that no operation is served to
    /// whom it is not allowed.
    fn read<T: Requested + DeserializeOwned + Default>(&self) -> Result<T, ApiError> {
        let request: T = input::parse(self.body)?;
        let subject = request.subject(self.operation);
        self.caller.permit.check(self.operation.action(), subject)?;
        Ok(request)
    }

    async fn answer(&self) -> Result<Answer, ApiError> {
        let body = match self.operation {
            Operation::CreateActivity => self.create_activity().await?,
            Operation::CreateStateMachine => self.create_state_machine().await?,
            Operation::CreateStateMachineAlias => self.create_alias().await?,
            Operation::DeleteActivity => self.delete_activity().await?,
            Operation::DeleteStateMachine => self.delete_state_machine().await?,
            Operation::DeleteStateMachineAlias => self.delete_alias().await?,
            Operation::DeleteStateMachineVersion => self.delete_version().await?,
            Operation::DescribeActivity => self.describe_activity().await?,
            Operation::DescribeExecution => self.describe_execution().await?,
            Operation::DescribeMapRun => self.describe_map_run()?,
            Operation::DescribeStateMachine => self.describe_state_machine().await?,
            Operation::DescribeStateMachineAlias => self.describe_alias()?,
            Operation::DescribeStateMachineForExecution => {
                self.describe_state_machine_for_execution().await?
            }
            Operation::GetActivityTask => return self.get_activity_task().await,
            Operation::GetExecutionHistory => self.get_execution_history().await?,
            Operation::ListActivities => self.list_activities().await?,
            Operation::ListExecutions => self.list_executions().await?,
            Operation::ListMapRuns => self.list_map_runs().await?,
            Operation::ListStateMachineAliases => self.list_aliases()?,
            Operation::ListStateMachineVersions => self.list_versions()?,
            Operation::ListStateMachines => self.list_state_machines().await?,
            Operation::ListTagsForResource => self.list_tags().await?,
            Operation::PublishStateMachineVersion => self.publish_version().await?,
            Operation::RedriveExecution => self.redrive_execution().await?,
            Operation::SendTaskFailure => self.send_task_failure().await?,
            Operation::SendTaskHeartbeat => self.send_task_heartbeat().await?,
            Operation::SendTaskSuccess => self.send_task_success().await?,
            Operation::StartExecution => self.start_execution().await?,
            Operation::StartSyncExecution => self.start_sync_execution().await?,
            Operation::StopExecution => self.stop_execution().await?,
            Operation::TagResource => self.tag_resource().await?,
            Operation::TestState => self.test_state().await?,
            Operation::UntagResource => self.untag_resource().await?,
            Operation::UpdateMapRun => self.update_map_run()?,
            Operation::UpdateStateMachine => self.update_state_machine().await?,
            Operation::UpdateStateMachineAlias => self.update_alias().await?,
            Operation::ValidateStateMachineDefinition => self.validate_definition().await?,
        };
        Ok(Answer {
            body,
            delivery: None,
        })
    }
}

/// The body, if it is no longer than the bound and comes in time.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, Refusal> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_long(bytes_max));
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long(bytes_max)),
        Ok(Err(error)) => Err(ApiError::new(
            ErrorCode::SerializationException,
            format!("the request body broke off: {error}"),
        )
        .into()),
        Err(_) => {
            let message = format!(
                "the request body did not come within {} s",
                BODY_TIMEOUT.as_secs()
            );
            let error = ApiError::new(ErrorCode::SerializationException, message);
            Err(Refusal {
                error,
                status: Some(StatusCode::REQUEST_TIMEOUT),
            })
        }
    }
}

fn too_long(bytes_max: usize) -> Refusal {
    let message = format!("the request body is longer than {bytes_max} bytes");
    let error = ApiError::new(ErrorCode::ValidationException, message);
    Refusal {
        error,
        status: Some(StatusCode::PAYLOAD_TOO_LARGE),
    }
}

/// Makes a call from within the process: a body of AWS JSON for one. A task that was handed out goes back unless it is
/// confirmed.
///
/// # Errors
/// What the operation refuses, and `UnknownOperationException`.
pub(crate) async fn call(
    face: &Face,
    caller: &Caller,
    operation: &str,
    body: &[u8],
) -> Result<(Vec<u8>, Option<Pending>), ApiError> {
    let operation = Operation::named(operation)?;
    let call = Call {
        face,
        service: &face.service,
        caller,
        operation,
        bounds: &face.bounds,
        body,
        trace_header: None,
    };
    let Answer { body, delivery } = call.answer().await?;
    Ok((body, delivery))
}

/// Names of all operations.
#[cfg(test)]
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    operation::SERVED.into_iter().map(|(name, _)| name)
}

/// Whether an operation is served.
pub(crate) fn serves(operation: &str) -> bool {
    Operation::named(operation).is_ok()
}

impl Answer {
    fn into_response(self) -> Response {
        let mut response = answer::success(self.body);
        if let Some(delivery) = self.delivery {
            response.extensions_mut().insert(delivery);
        }
        response
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            status: None,
        }
    }
}
