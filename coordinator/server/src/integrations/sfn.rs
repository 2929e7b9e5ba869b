//! `arn:aws:states:::aws-sdk:sfn:<operation>`: the operations of the API that this installation serves.

use std::future::ready;

use futures::future::BoxFuture;
use serde_json::Value;
use stepfleet_asl::resource::Integration;
use stepfleet_engine::Served;
use stepfleet_engine::event::Failure;

use super::api::{self, Style};
use super::{Begun, Call, Ended, Serve, child};
use crate::aws;

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

/// `startExecution` and `startExecution.waitForTaskToken` are the operation `StartExecution`.
fn operation(action: &str) -> String {
    let name = action.split('.').next().unwrap_or_default();
    let mut chars = name.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

async fn begin(call: &Call) -> Ended {
    let operation = operation(&call.resource.action);
    if operation == "StartExecution" {
        // It may be begun twice, and must start one execution.
        return child::start(call, Style::Sdk).await;
    }
    let face = call.face().await?;
    let parameters = match serde_json::from_str(call.parameters.text()) {
        Ok(parameters) => parameters,
        Err(error) => {
            let cause = format!("The parameters cannot be read: {error}");
            return Some(Err(runtime(cause)));
        }
    };
    let mut request = api::request(parameters);
    if operation == "RedriveExecution"
        && let Value::Object(members) = &mut request
    {
        // As the SDKs do: begun twice, it must redrive once.
        let token = || Value::String(child::unique(call));
        members.entry("clientToken").or_insert_with(token);
    }
    loop {
        let answer = api::call(&face, &call.caller(), &operation, &request).await;
        let answer = answer.and_then(|answer| api::payload(&api::result(answer)));
        match answer {
            Ok(answer) => return Some(Ok(answer)),
            Err(error) if call.may_try_again(&error).await => {}
            Err(_) if call.is_ending() => return None,
            Err(error) => return Some(Err(call.failure(Style::Sdk, &error))),
        }
    }
}

pub(super) fn runtime(cause: String) -> Failure {
    Failure {
        error: Some("States.Runtime".into()),
        cause: Some(cause.into()),
    }
}
