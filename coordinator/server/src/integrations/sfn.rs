//! `arn:aws:states:::aws-sdk:sfn:<operation>`: the operations of the API that this installation serves.

use std::future::ready;

use futures::future::BoxFuture;
use stepfleet_asl::resource::Integration;
use stepfleet_engine::Served;
use stepfleet_engine::event::Failure;

use super::api::{self, Style};
use super::{Begun, Call, Ended, Serve, child};
use crate::aws;

const START: &str = "StartExecution";
const POLL: &str = "GetActivityTask";
const REDRIVE: &str = "RedriveExecution";

/// The integration.
#[derive(Debug)]
pub(crate) struct Sfn;

impl Serve for Sfn {
    fn matches(&self, integration: &Integration) -> bool {
        integration.service.as_ref() == "aws-sdk:sfn"
            && aws::serves(&operation(&integration.action))
    }

    fn served(&self) -> Served {
        Served::Starts
    }

    fn begin(&self, call: Call) -> BoxFuture<'static, Begun> {
        Box::pin(async move {
            let waits = call.resource.action.ends_with(".waitForTaskToken");
            match begin(&call).await {
                Begun::Ended(Some(Ok(answer))) if waits => Begun::Submitted(answer),
                begun @ (Begun::Ended(_) | Begun::Submitted(_) | Begun::Polled(..)) => begun,
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

/// `startExecution` and `startExecution.waitForTaskToken` are the operation `StartExecution`.
fn operation(action: &str) -> String {
    let name = action.split('.').next().unwrap_or_default();
    api::with_first(name, char::to_ascii_uppercase)
}

async fn begin(call: &Call) -> Begun {
    let operation = operation(&call.resource.action);
    if operation == START {
        // It may be begun twice, and must start one execution.
        return Begun::Ended(child::start(call, Style::Sdk).await);
    }
    let Some(face) = call.face().await else {
        return Begun::Ended(None);
    };
    let mut request = api::request(call.parameters.value());
    if operation == REDRIVE
        && let Some(members) = request.as_object()
        && members.get("clientToken").is_none()
    {
        // As the SDKs do: begun twice, it must redrive once.
        let mut members = (**members).clone();
        members.insert("clientToken".into(), child::unique(&call.task).into());
        request = members.into();
    }
    let request = request.to_text();
    let attempt = || async {
        let answer = api::call(&face, &call.caller(), &operation, &request).await;
        let (answer, delivery) = answer?;
        Ok((api::payload(&api::result(answer))?, delivery))
    };
    match call.insist(Style::Sdk, attempt).await {
        // The polls of a coordinator that ends are cut short.
        Some(Ok(_)) if operation == POLL && call.is_ending() => Begun::Ended(None),
        Some(Ok((answer, Some(delivery)))) => Begun::Polled(answer, delivery),
        Some(Ok((answer, None))) => Begun::Ended(Some(Ok(answer))),
        Some(Err(failure)) => Begun::Ended(Some(Err(failure))),
        None => Begun::Ended(None),
    }
}

pub(super) fn runtime(cause: String) -> Failure {
    Failure {
        error: Some("States.Runtime".into()),
        cause: Some(cause.into()),
    }
}

/// Parameters that no task can begin with. What is long is cut, so that the reason is told whole.
pub(super) fn unusable(parameters: &str, why: &str) -> Failure {
    const CHARS_MAX: usize = 8192;
    let shown: String = parameters.chars().take(CHARS_MAX).collect();
    let more = if shown.len() < parameters.len() {
        "…"
    } else {
        ""
    };
    runtime(format!(
        "The Parameters '{shown}{more}' could not be used to start the Task: [{why}]"
    ))
}
