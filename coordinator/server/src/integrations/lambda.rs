//! Lambda functions that are HTTP endpoints: `arn:aws:states:::lambda:invoke`, with `.waitForTaskToken`, and Tasks whose
//! `Resource` is a function's ARN. The payload is posted as JSON; the answer is a function's, or its error. Functions that
//! are activities never get here: the engine offers their tasks to workers.

#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;
use stepfleet_asl::resource::{Integration, Pattern};
use stepfleet_asl::{Object, Payload, Value};
use stepfleet_engine::Served;
use stepfleet_engine::event::Failure;

use super::http::request::Request;
use super::http::{self, Exchange, answer as http_answer};
use super::sfn::{runtime, unusable};
use super::{Begun, Call, Ended, Serve, child, pattern};
use crate::connections::Connection;
use crate::functions::{Functions, Named, Target};
use crate::outbound::{Answer, Bounds};

/// How long an endpoint may take that stands for a function, when the task has no timeout: as long as on AWS.
const FUNCTION: Duration = Duration::from_secs(900);
const FIELDS: [&str; 6] = [
    "FunctionName",
    "Payload",
    "Qualifier",
    "InvocationType",
    "LogType",
    "ClientContext",
];
const TOO_LARGE: &str = "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes service limit.";

/// The integration.
#[derive(Debug)]
pub(crate) struct Lambda(pub(crate) Arc<Functions>);

/// What a task asks of a function.
#[derive(Debug)]
pub(crate) struct Invocation {
    function: String,
    qualifier: Option<String>,
    pub(crate) payload: Payload,
    kind: Kind,
    client_context: Option<String>,
}

/// `InvocationType`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    RequestResponse,
    /// Of the endpoint's answer only the status counts, so that what was not delivered can be tried again.
    Event,
    DryRun,
}

impl Serve for Lambda {
    fn matches(&self, integration: &Integration) -> bool {
        integration.service.as_ref() == "lambda"
    }

    fn served(&self) -> Served {
        if self.0.is_empty() {
            Served::No
        } else {
            Served::Starts
        }
    }

    fn begin(&self, call: Call) -> BoxFuture<'static, Begun> {
        Box::pin(async move {
            let waits = pattern(&call.resource) == Pattern::Callback;
            match invoke(&call).await {
                Some(Ok(answer)) if waits => Begun::Submitted(answer),
                ended => Begun::Ended(ended),
            }
        })
    }

    fn finish(&self, _: Call) -> BoxFuture<'static, Ended> {
        Box::pin(ready(None))
    }

    fn stop(&self, _: Call) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}

impl Invocation {
    /// Of a Task that names the function by its ARN.
    pub(crate) fn of_function(arn: &str, input: &Payload) -> Self {
        Self {
            function: arn.to_owned(),
            qualifier: None,
            payload: input.clone(),
            kind: Kind::RequestResponse,
            client_context: None,
        }
    }

    /// Of `lambda:invoke`.
    pub(crate) fn read(parameters: &Payload) -> Result<Self, String> {
        let Some(members) = parameters.value().as_object() else {
            return Err("They must be a JSON object".to_owned());
        };
        if let Some(name) = members.keys().find(|name| !FIELDS.contains(&&***name)) {
            return Err(format!(
                "The field '{name}' is not supported by Step Functions"
            ));
        }
        let function = text(members, "FunctionName")?;
        let payload = members
            .get("Payload")
            .map_or_else(Payload::empty_object, |payload| {
                Payload::from_value(payload.clone())
            });
        if !matches!(text(members, "LogType")?.as_deref(), None | Some("None")) {
            return Err(
                "Functions of this installation have no logs: LogType can only be None".to_owned(),
            );
        }
        Ok(Self {
            function: function.ok_or("The field 'FunctionName' is required but was missing")?,
            qualifier: text(members, "Qualifier")?,
            payload,
            kind: match text(members, "InvocationType")?.as_deref() {
                None | Some("RequestResponse") => Kind::RequestResponse,
                Some("Event") => Kind::Event,
                Some("DryRun") => Kind::DryRun,
                Some(_) => {
                    let why = "The field 'InvocationType' should have one of these values: [RequestResponse, Event, DryRun]";
                    return Err(why.to_owned());
                }
            },
            client_context: text(members, "ClientContext")?,
        })
    }

    pub(crate) fn named(&self) -> Named<'_> {
        Named::read(&self.function, self.qualifier.as_deref())
    }

    /// Whether an activity can do it: its workers answer, and know of nothing but the payload.
    pub(crate) fn is_plain(&self) -> bool {
        self.kind == Kind::RequestResponse && self.client_context.is_none()
    }
}

async fn invoke(call: &Call) -> Ended {
    // What would begin while the coordinator ends is begun after its start.
    if call.is_ending() {
        return None;
    }
    Some(perform(call).await)
}

async fn perform(call: &Call) -> Result<Payload, Failure> {
    let invocation = invocation(call)?;
    let shared = &call.shared;
    let target = shared
        .functions
        .find(&call.header.namespace, invocation.named());
    let (url, connection) = match target {
        Some(Target::Endpoint { url, connection }) => (url, connection.as_deref()),
        Some(Target::Activity(_)) => {
            let why = "The function is an activity here, which takes neither Express executions, events nor a ClientContext";
            return Err(unusable(call.parameters.text(), why));
        }
        None => return Err(unknown(call, &invocation)),
    };
    if invocation.kind == Kind::DryRun {
        return Ok(answered(call, &invocation, 204, None));
    }
    let answer = post(call, &invocation, url, connection).await?;
    let payload = payload_of(&answer)?;
    if call.resource.is_function() {
        return Ok(payload);
    }
    Ok(match invocation.kind {
        Kind::RequestResponse | Kind::DryRun => {
            answered(call, &invocation, answer.status.as_u16(), Some(payload))
        }
        Kind::Event => answered(call, &invocation, 202, None),
    })
}

fn invocation(call: &Call) -> Result<Invocation, Failure> {
    if call.resource.is_function() {
        return Ok(Invocation::of_function(
            &call.resource.action,
            &call.parameters,
        ));
    }
    Invocation::read(&call.parameters).map_err(|why| unusable(call.parameters.text(), &why))
}

async fn post(
    call: &Call,
    invocation: &Invocation,
    url: &str,
    connection: Option<&Connection>,
) -> Result<Answer, Failure> {
    let shared = &call.shared;
    let request = Request::post(url, &invocation.payload, &shared.arns.region);
    let mut request = request.map_err(runtime)?;
    // Made again after a restart, it is the same: endpoints can tell by this.
    request.set("idempotency-key", &child::unique(&call.task));
    if let Some(context) = &invocation.client_context {
        request.set("x-amz-client-context", context);
    }
    let bounds = Bounds {
        timeout: match call.deadline {
            Some(_) => http::timeout(shared, call.deadline),
            None => FUNCTION,
        },
        bytes_max: shared.limits.payload_bytes_max,
    };
    let mut exchange = Exchange::default();
    let sent = http::send(shared, connection, request, bounds, &mut exchange);
    sent.await
        .map_err(|failure| match failure.error.as_deref() {
            // As those name it who call a function that cannot be reached.
            Some("States.Http.Socket") => named("Lambda.SdkClientException", failure.cause),
            _ => failure,
        })
}

/// What the function gave, or its error.
fn payload_of(answer: &Answer) -> Result<Payload, Failure> {
    let text = String::from_utf8_lossy(&answer.body);
    let parsed = Payload::parse(text.as_ref()).ok();
    let is_error = answer.headers.contains_key("x-amz-function-error");
    if is_error || !answer.status.is_success() {
        let value = parsed.as_ref().map(Payload::value);
        let own = value.and_then(|value| value.get("errorType")?.as_str());
        let error = own.unwrap_or(match answer.status.as_u16() {
            429 => "Lambda.TooManyRequestsException",
            500.. => "Lambda.ServiceException",
            _ => "Lambda.Unknown",
        });
        return Err(named(error, Some(text.as_ref().into())));
    }
    if answer.cut {
        return Err(named("States.DataLimitExceeded", Some(TOO_LARGE.into())));
    }
    if let Some(payload) = parsed {
        return Ok(payload);
    }
    if answer.body.is_empty() {
        return Ok(Payload::from_value(Value::Null));
    }
    let kind = http_answer::content_type(&answer.headers);
    let text = http_answer::text(answer, &kind).ok_or_else(|| {
        runtime(format!(
            "The function answered with content that is not text: its type is '{kind}'"
        ))
    })?;
    Ok(Payload::from_value(text.into()))
}

/// As the API of Lambda answers.
fn answered(
    call: &Call,
    invocation: &Invocation,
    status: u16,
    payload: Option<Payload>,
) -> Payload {
    let id = call.shared.entropy.uuid();
    let rest = json!({
        "SdkHttpMetadata": {
            "AllHttpHeaders": {"x-amzn-RequestId": [id]},
            "HttpHeaders": {"x-amzn-RequestId": id},
            "HttpStatusCode": status,
        },
        "SdkResponseMetadata": {"RequestId": id},
        "StatusCode": status,
    });
    let rest = rest.to_string();
    let version = serde_json::Value::from(invocation.named().version());
    // As text: the payload is JSON already, however large it is.
    let payload = payload.map(|payload| format!(r#""Payload":{},"#, payload.text()));
    let payload = payload.unwrap_or_default();
    Payload::trusted(format!(
        r#"{{"ExecutedVersion":{version},{payload}{}"#,
        &rest[1..]
    ))
}

fn unknown(call: &Call, invocation: &Invocation) -> Failure {
    let arn = invocation
        .named()
        .arn(&call.shared.arns, &call.header.namespace);
    let id = call.shared.entropy.uuid();
    let cause = format!(
        "Function not found: {arn} (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; \
         Request ID: {id}; Proxy: null)"
    );
    named("Lambda.ResourceNotFoundException", Some(cause.into()))
}

fn named(error: &str, cause: Option<Arc<str>>) -> Failure {
    Failure {
        error: Some(error.into()),
        cause,
    }
}

fn text(members: &Object, name: &str) -> Result<Option<String>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.to_string())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(format!("The value for the field '{name}' must be a STRING"))
        }
    }
}
