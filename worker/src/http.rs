//! Hands one task to an HTTP endpoint: a POST with its input, and the answer as its output, or an acceptance after which
//! the endpoint completes the task by its token. Redirects are errors: following one would carry secrets to another host.

mod client;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use stepfleet_sdk::{TaskContext, TaskError};
use tokio::time::timeout;

pub(crate) use self::settings::{Answer, FileHttp, HttpSettings};
use crate::config::Activity;
use crate::ending::{chosen, output, too_large};

/// How much of an answer that is an error is read, bytes: a cause.
const CAUSE_BYTES_MAX: usize = 32 * 1024 - 128;
const AGENT: &str = concat!("stepfleet-worker/", env!("CARGO_PKG_VERSION"));

/// Sends a task and waits for its output, or for its end where the endpoint completes it. Dropping the future closes the
/// request.
pub(crate) async fn send(
    activity: &Activity,
    settings: &HttpSettings,
    task: &TaskContext,
    input: String,
) -> Result<String, TaskError> {
    let work = async {
        let request = request(settings, task, input)?;
        let response = settings.client.send(request).await?;
        match settings.answer {
            Answer::Response => answered(activity, response).await,
            Answer::Callback => accepted(task, response).await,
        }
    };
    let limited = async {
        match activity.timeout {
            None => work.await,
            Some(limit) => timeout(limit, work).await.unwrap_or_else(|_elapsed| {
                let cause = format!("not done after {} s", limit.as_secs());
                Err(TaskError::new("Http.TimedOut", cause))
            }),
        }
    };
    tokio::select! {
        result = limited => result,
        () = task.cancelled() => Err(TaskError::new("Cancelled", "the task was over")),
    }
}

fn request(
    settings: &HttpSettings,
    task: &TaskContext,
    input: String,
) -> Result<Request<Full<Bytes>>, TaskError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in &settings.headers {
        headers.insert(name.clone(), value.clone());
    }
    let token = match settings.answer {
        Answer::Response => None,
        Answer::Callback => Some(task.token().to_owned()),
    };
    let heartbeat = task.heartbeat_interval();
    for (name, value) in [
        ("stepfleet-activity", Some(task.activity().to_owned())),
        (
            "stepfleet-execution-arn",
            Some(task.execution_arn().to_owned()),
        ),
        ("stepfleet-attempt", Some(task.attempt().to_string())),
        (
            "stepfleet-heartbeat-seconds",
            heartbeat.map(|every| every.as_secs().to_string()),
        ),
        ("stepfleet-task-token", token),
        ("traceparent", crate::trace::parent(task)),
    ] {
        if let Some(value) = value {
            let value = header_value(name, &value)?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let mut request = Request::post(settings.url.clone())
        .body(Full::new(Bytes::from(input)))
        .expect("the URL was checked");
    *request.headers_mut() = headers;
    Ok(request)
}

/// Names may have letters that no header can have.
fn header_value(name: &str, value: &str) -> Result<HeaderValue, TaskError> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_invalid| {
        TaskError::new(
            "InvalidInput",
            format!("{name} cannot be a header: {value}"),
        )
    })
}

async fn answered(
    activity: &Activity,
    response: http::Response<Incoming>,
) -> Result<String, TaskError> {
    let status = response.status();
    if !status.is_success() {
        return Err(refused(response).await);
    }
    let (body, cut) = read(response.into_body(), activity.output_bytes_max).await?;
    if cut {
        return Err(too_large(activity.output_bytes_max));
    }
    if body.is_empty() {
        return Ok("null".to_owned());
    }
    output(
        "the answer",
        body.into(),
        activity.output,
        activity.output_bytes_max,
    )
}

/// The slot is the task's until its end: so many tasks are in the endpoint's hands at once. Whoever has the token sends the
/// heartbeats.
async fn accepted(
    task: &TaskContext,
    response: http::Response<Incoming>,
) -> Result<String, TaskError> {
    if response.status() != StatusCode::ACCEPTED {
        return Err(refused(response).await);
    }
    drop(response);
    task.leave_heartbeats();
    task.cancelled().await;
    Err(TaskError::new("Cancelled", "the task was over"))
}

async fn refused(response: http::Response<Incoming>) -> TaskError {
    let status = response.status();
    let body = read(response.into_body(), CAUSE_BYTES_MAX).await;
    let (body, _cut) = body.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    if let Some(error) = chosen(text.trim()) {
        return error;
    }
    let cause = match (text.trim(), status.canonical_reason()) {
        ("", reason) => reason.unwrap_or("the endpoint gave no reason").to_owned(),
        (text, _) => text.to_owned(),
    };
    TaskError::new(format!("Http.StatusCode.{}", status.as_u16()), cause)
}

/// At most so many bytes, and whether there were more.
async fn read(mut body: Incoming, bytes_max: usize) -> Result<(Bytes, bool), TaskError> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            TaskError::new(
                "Http.Socket",
                format!("the connection broke within the answer: {error}"),
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = bytes_max - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            // The connection goes with what was not read.
            return Ok((read.freeze(), true));
        }
    }
    Ok((read.freeze(), false))
}

/// Compared by what was configured: a client is made of that.
impl PartialEq for HttpSettings {
    fn eq(&self, other: &Self) -> bool {
        let parts = |one: &Self| {
            (
                one.url.clone(),
                one.answer,
                one.ca.clone(),
                one.headers.clone(),
            )
        };
        parts(self) == parts(other)
    }
}

impl Eq for HttpSettings {}

/// Settings that tasks share.
pub(crate) type Shared = Arc<HttpSettings>;
