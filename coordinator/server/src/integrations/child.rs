//! `arn:aws:states:::states:startExecution`, with `.sync`, `.sync:2` and `.waitForTaskToken`: executions that tasks
//! start. A child without a name gets one from its task, and knows which task it belongs to: begun again after a restart,
//! the task finds it. The child of a `.sync` task is stopped when the task ends otherwise.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use stepfleet_asl::Payload;
use stepfleet_asl::resource::{Integration, Pattern};
use stepfleet_engine::event::Failure;
use stepfleet_engine::{Served, TaskRef};
use tokio_util::sync::CancellationToken;

use super::api::{self, Style};
use super::sfn::runtime;
use super::{Begun, Call, Ended, Serve, pattern};
use crate::arn::{self, Resource};
use crate::entropy;
use crate::face::Face;
use crate::partition::going_down;
use crate::service::api::StartExecution as Request;
use crate::service::error::{ApiError, ErrorCode};

/// The integration.
#[derive(Debug)]
pub(crate) struct StartExecution;

/// What a task may say of the child.
#[derive(Debug)]
struct Parameters {
    machine_arn: String,
    name: Option<String>,
    /// JSON text.
    input: Option<String>,
    trace_header: Option<String>,
}

impl Serve for StartExecution {
    fn matches(&self, integration: &Integration) -> bool {
        let action = integration.action.split('.').next();
        integration.service.as_ref() == "states" && action == Some("startExecution")
    }

    fn served(&self) -> Served {
        Served::Starts
    }

    fn begin(&self, call: Call) -> BoxFuture<'static, Begun> {
        Box::pin(async move {
            let waits = pattern(&call.resource) != Pattern::RequestResponse;
            match start(&call, Style::Optimized).await {
                Some(Ok(answer)) if waits => Begun::Submitted(answer),
                ended => Begun::Ended(ended),
            }
        })
    }

    fn finish(&self, call: Call) -> BoxFuture<'static, Ended> {
        Box::pin(async move { finish(&call).await })
    }

    fn stop(&self, mut call: Call) -> BoxFuture<'static, ()> {
        // This begins when the attempt is over.
        call.over = CancellationToken::new();
        Box::pin(async move { stop(&call).await })
    }
}

/// Starts the child, or finds it started by the same attempt.
pub(super) async fn start(call: &Call, style: Style) -> Ended {
    let face = call.face().await?;
    let parameters = match Parameters::of(call) {
        Ok(parameters) => parameters,
        Err(failure) => return Some(Err(failure)),
    };
    let attempt = || async {
        let request = Request {
            machine_arn: parameters.machine_arn.clone(),
            name: Some(parameters.name(call)),
            input: parameters.input.clone(),
            trace_header: parameters.trace_header(call),
            origin: Some(origin(&call.task)),
        };
        let (service, caller) = (&face.service, call.caller());
        // What is followed to its end must be able to tell it.
        let started = match pattern(&call.resource) {
            Pattern::RunJob => service.start_standard_execution(&caller, request).await,
            Pattern::RequestResponse | Pattern::Callback => {
                service.start_execution(&caller, request).await
            }
        }?;
        let answer = json!({
            "executionArn": started.arn,
            "startDate": crate::aws::seconds(started.started_at),
        });
        let bytes = answer.to_string().len();
        api::payload(&match style {
            Style::Optimized => decorated(call, bytes, api::result(answer)),
            Style::Sdk => api::result(answer),
        })
    };
    call.insist(style, attempt).await
}

/// The optimized integration also tells of the HTTP answer, which has `bytes`.
fn decorated(call: &Call, bytes: usize, answer: Value) -> Value {
    let Value::Object(mut members) = answer else {
        return answer;
    };
    let id = call.shared.entropy.uuid();
    let length = bytes.to_string();
    let start = members.remove("StartDate").unwrap_or_default();
    let kind = "application/x-amz-json-1.0";
    members.insert(
        "SdkHttpMetadata".to_owned(),
        json!({
            "AllHttpHeaders": {
                "x-amzn-RequestId": [id],
                "connection": ["keep-alive"],
                "Content-Length": [length],
                "Date": [start],
                "Content-Type": [kind],
            },
            "HttpHeaders": {
                "connection": "keep-alive",
                "Content-Length": length,
                "Content-Type": kind,
                "Date": start,
                "x-amzn-RequestId": id,
            },
            "HttpStatusCode": 200,
        }),
    );
    members.insert("SdkResponseMetadata".to_owned(), json!({"RequestId": id}));
    members.insert("StartDate".to_owned(), start);
    Value::Object(members)
}

/// Waits for the child's end. The result is its description; the cause of a failure is that, too.
async fn finish(call: &Call) -> Ended {
    let face = call.face().await?;
    let arn = match child_arn(call) {
        Ok(arn) => arn,
        Err(error) => return Some(Err(call.failure(Style::Optimized, &error))),
    };
    let attempt = || ended(call, &face, &arn);
    let ended = call.insist(Style::Optimized, attempt).await?;
    Some(ended.and_then(|outcome| outcome))
}

async fn ended(call: &Call, face: &Face, arn: &str) -> Result<Result<Payload, Failure>, ApiError> {
    let caller = call.caller();
    tokio::select! {
        closed = face.service.until_closed(&caller, arn) => closed?,
        () = call.shared.stop.cancelled() => return Err(going_down()),
    }
    let request = json!({"executionArn": arn}).to_string();
    let (described, _) = api::call(face, &caller, "DescribeExecution", &request).await?;
    let described = api::result(described);
    if described["Status"] != "SUCCEEDED" {
        return Ok(Err(Failure {
            error: Some("States.TaskFailed".into()),
            cause: Some(described.to_string().into()),
        }));
    }
    let parsed = call.resource.action.ends_with(".sync:2");
    Ok(Ok(output(described, parsed)?))
}

/// The description, with input and output as JSON where `.sync:2` asks for it.
fn output(described: Value, parsed: bool) -> Result<Payload, ApiError> {
    let Value::Object(members) = described else {
        return api::payload(&described);
    };
    if !parsed {
        return api::payload(&Value::Object(members));
    }
    // As text, so that numbers stay what they are.
    let mut text = String::from("{");
    for (at, (name, value)) in members.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let json = value
            .as_str()
            .filter(|_| name == "Input" || name == "Output");
        let value = json.map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("{comma}\"{name}\":{value}"));
    }
    text.push('}');
    Payload::parse(text)
        .map_err(|error| ApiError::new(ErrorCode::InternalServerError, error.message.to_string()))
}

/// Under pressure it is stopped later: a child that nobody waits for would be part of the pressure.
async fn stop(call: &Call) {
    let (Some(face), Ok(arn)) = (call.face().await, child_arn(call)) else {
        return;
    };
    let caller = call.caller();
    let parent = &call.header.execution_arn;
    let cause = format!("The task of '{parent}' that waited for it is over.");
    let attempt = || {
        let cause = Some(cause.clone());
        face.service.stop_execution(&caller, &arn, None, cause)
    };
    if let Some(Err(failure)) = call.insist(Style::Optimized, attempt).await {
        tracing::debug!(?failure, execution.arn = %arn, "a child was not stopped");
    }
}

/// The ARN that [`start`] gave or gives to the child.
fn child_arn(call: &Call) -> Result<String, ApiError> {
    let refuse = |failure: Failure| {
        let cause = failure.cause.as_deref().unwrap_or_default().to_owned();
        ApiError::new(ErrorCode::InternalServerError, cause)
    };
    let parameters = Parameters::of(call).map_err(refuse)?;
    let machine = arn::parse(&parameters.machine_arn)?;
    let Resource::StateMachine { name, .. } = machine.resource else {
        return Err(arn::wrong_kind(&machine.resource));
    };
    let arns = &call.shared.arns;
    Ok(arns.execution(&call.header.namespace, name, &parameters.name(call)))
}

/// The attempt, as the child knows it.
fn origin(task: &TaskRef) -> Arc<str> {
    let attempt = &task.attempt;
    // Whoever begins it again under another generation begins the same.
    let generation = match attempt.is_start() {
        true => 0,
        false => attempt.generation,
    };
    Arc::from(format!(
        "{}/{}/{}/{}/{generation}",
        task.execution, task.incarnation, attempt.entry.0, attempt.attempt
    ))
}

impl Parameters {
    /// The child goes on with the trace of its parent, unless it is to be in another one.
    fn trace_header(&self, call: &Call) -> Option<String> {
        let own = self.trace_header.clone();
        own.or_else(|| call.trace_header.as_deref().map(str::to_owned))
    }

    fn of(call: &Call) -> Result<Self, Failure> {
        let text = call.parameters.text();
        let refuse = |why: String| {
            runtime(format!(
                "The Parameters '{text}' could not be used to start the Task: [{why}]"
            ))
        };
        let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(text) else {
            return Err(refuse("They must be a JSON object".to_owned()));
        };
        let mut take = |name: &str| take_text(&mut members, name).map_err(&refuse);
        let machine_arn = take("StateMachineArn")?;
        let (name, trace_header) = (take("Name")?, take("TraceHeader")?);
        let input = match members.remove("Input") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            // The value's own text, so that numbers stay what they are.
            Some(_) => call
                .parameters
                .value()
                .get("Input")
                .map(|input| input.to_text()),
        };
        if let Some(name) = members.keys().next() {
            return Err(refuse(format!(
                "The field '{name}' is not supported by Step Functions"
            )));
        }
        let Some(machine_arn) = machine_arn else {
            return Err(refuse(
                "The field 'StateMachineArn' is required but was missing".to_owned(),
            ));
        };
        Ok(Self {
            machine_arn,
            name,
            input,
            trace_header,
        })
    }

    /// The child's name: as told, or of the attempt's own.
    fn name(&self, call: &Call) -> String {
        self.name.clone().unwrap_or_else(|| unique(&call.task))
    }
}

/// As random as a UUID, and the same for the same attempt.
pub(crate) fn unique(task: &TaskRef) -> String {
    let digest = Sha256::digest(origin(task).as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Names that were given once never change.
    bytes[8] &= 0x0f;
    entropy::uuid(bytes)
}

fn take_text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("The value for the field '{name}' must be a STRING")),
    }
}
