//! The API of this installation as tasks see it: the AWS face without a wire, with names and times as the AWS SDK for
//! Java writes them (`ExecutionArn`, ISO 8601).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use stepfleet_asl::{Object, Payload, Value as Parameters};
use stepfleet_engine::event::Failure;

use super::Call;
use crate::aws;
use crate::face::{Face, Pending};
use crate::service::api::Caller;
use crate::service::error::{ApiError, ErrorCode};

/// Members that hold JSON as text; a task may write the value itself.
const PAYLOADS: [&str; 5] = ["input", "output", "definition", "context", "variables"];
/// A map by names of states, which keep their case.
const BY_STATE: &str = "variableReferences";

/// Who answers, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `states:startExecution`
    Optimized,
    /// `aws-sdk:sfn:…`
    Sdk,
}

impl Call {
    /// The face, once the coordinator serves; none when it ends.
    pub(super) async fn face(&self) -> Option<Arc<Face>> {
        tokio::select! {
            face = self.shared.face.wait() => face.upgrade(),
            () = self.shared.stop.cancelled() => None,
        }
    }

    /// Tasks act in the account of their execution, whatever their parameters name.
    pub(super) fn caller(&self) -> Caller {
        Caller::trusted(
            self.header.execution_arn.clone(),
            self.header.namespace.clone(),
        )
    }

    /// Makes a call again as long as the coordinator is under pressure. None when it ends, as in [`Ended`](super::Ended).
    pub(super) async fn insist<T, F>(
        &self,
        style: Style,
        attempt: impl Fn() -> F + Send,
    ) -> Option<Result<T, Failure>>
    where
        F: Future<Output = Result<T, ApiError>> + Send,
    {
        loop {
            match attempt().await {
                Ok(answer) => return Some(Ok(answer)),
                Err(error) if self.may_try_again(&error).await => {}
                Err(_) if self.is_ending() => return None,
                Err(error) => return Some(Err(self.failure(style, &error))),
            }
        }
    }

    /// Waits as long as the coordinator is under pressure; false when it ends, or when the attempt is over.
    async fn may_try_again(&self, error: &ApiError) -> bool {
        let Some(ms) = error.retry_after_ms else {
            return false;
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => true,
            () = self.over.cancelled() => false,
            () = self.shared.stop.cancelled() => false,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.shared.stop.is_cancelled()
    }

    /// A refusal as the error of a task.
    pub(super) fn failure(&self, style: Style, error: &ApiError) -> Failure {
        let (code, message) = (error.code.as_str(), &error.message);
        let exception = format!("{}Exception", code.trim_end_matches("Exception"));
        let status = aws::status_of(error.code).as_u16();
        let id = self.shared.entropy.uuid();
        let (error, cause) = match style {
            Style::Optimized => (
                format!("StepFunctions.{exception}"),
                format!(
                    "{message} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {code}; Request ID: {id}; \
                     Proxy: null)"
                ),
            ),
            Style::Sdk => (
                format!("Sfn.{exception}"),
                format!(
                    "{message} (Service: Sfn, Status Code: {status}, Request ID: {id}) (SDK Attempt Count: 1)"
                ),
            ),
        };
        Failure {
            error: Some(error.into()),
            cause: Some(cause.into()),
        }
    }
}

/// Makes a call, with members in the case of the API. An activity task that it polls goes back unless it is confirmed.
pub(super) async fn call(
    face: &Face,
    caller: &Caller,
    operation: &str,
    request: &str,
) -> Result<(Value, Option<Pending>), ApiError> {
    let (answer, delivery) = aws::call(face, caller, operation, request.as_bytes()).await?;
    let answer = serde_json::from_slice(&answer).map_err(|error| broken(&error))?;
    Ok((answer, delivery))
}

/// A task's parameters as a request: `StateMachineArn` is `stateMachineArn`. Members that are null are left out; numbers
/// keep their digits.
pub(super) fn request(parameters: &Parameters) -> Parameters {
    if let Some(items) = parameters.as_array() {
        return Parameters::Array(Arc::new(items.iter().map(request).collect()));
    }
    let Some(members) = parameters.as_object() else {
        return parameters.clone();
    };
    let member = |(name, value): (&Arc<str>, &Parameters)| {
        let name = with_first(name, char::to_ascii_lowercase);
        let is_text = value.as_str().is_some() || !PAYLOADS.contains(&name.as_str());
        let value = if is_text {
            request(value)
        } else {
            Parameters::String(value.to_text().into())
        };
        (name.into(), value)
    };
    let members = members.iter().filter(|(_, value)| !value.is_null());
    Parameters::Object(Arc::new(members.map(member).collect::<Object>()))
}

/// An answer as a task's result: `executionArn` is `ExecutionArn`, and a time is a text.
pub(super) fn result(answer: Value) -> Value {
    if let Value::Array(items) = answer {
        return Value::Array(items.into_iter().map(result).collect());
    }
    let Value::Object(members) = answer else {
        return answer;
    };
    let member = |(name, value): (String, Value)| {
        let value = match value.as_f64().filter(|_| is_time(&name)) {
            Some(seconds) => time(seconds).unwrap_or(value),
            None if name == BY_STATE => value,
            None => result(value),
        };
        (with_first(&name, char::to_ascii_uppercase), value)
    };
    let mut sorted: Vec<(String, Value)> = members.into_iter().map(member).collect();
    sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
    Value::Object(sorted.into_iter().collect::<Map<String, Value>>())
}

/// A value as a payload.
pub(super) fn payload(value: &Value) -> Result<Payload, ApiError> {
    Payload::parse(value.to_string()).map_err(|error| broken(&error.message))
}

fn is_time(name: &str) -> bool {
    name.ends_with("Date") || name == "timestamp"
}

/// Seconds since the epoch as `2026-01-01T12:00:00.123Z`.
fn time(seconds: f64) -> Option<Value> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds of any real date are far below 2^53"
    )]
    let ms = (seconds * 1000.0).round() as i64;
    let at = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(Value::String(format!("{at:.3}")))
}

/// A name with another first letter.
pub(super) fn with_first(name: &str, change: impl Fn(&char) -> char) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|first| change(&first));
    first.into_iter().chain(chars).collect()
}

fn broken(error: &dyn std::fmt::Display) -> ApiError {
    let message = format!("an answer of our own cannot be read: {error}");
    ApiError::new(ErrorCode::InternalServerError, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_become_a_request() {
        let parameters = r#"{
            "StateMachineArn": "arn",
            "Input": {"Keep": ["Case"], "number": [1.50, 12345678901234567890]},
            "Name": null,
            "Output": "text as it is",
            "Tags": [{"Key": "a", "Value": "B"}],
            "LoggingConfiguration": {"Level": "OFF"}
        }"#;
        let expect = json!({
            "stateMachineArn": "arn",
            "input": r#"{"Keep":["Case"],"number":[1.5,12345678901234567890]}"#,
            "output": "text as it is",
            "tags": [{"key": "a", "value": "B"}],
            "loggingConfiguration": {"level": "OFF"},
        });
        let request = request(&Parameters::parse(parameters).unwrap());
        assert_eq!(request.to_text(), expect.to_string());
    }

    #[test]
    fn an_answer_becomes_a_result() {
        let answer = json!({
            "startDate": 1_767_268_800.123,
            "executions": [{"name": "x", "redriveCount": 0}],
            "variableReferences": {"state": ["v"]},
            "output": "{\"a\":1}",
        });
        let text = r#"{"Executions":[{"Name":"x","RedriveCount":0}],"Output":"{\"a\":1}","StartDate":"2026-01-01T12:00:00.123Z","VariableReferences":{"state":["v"]}}"#;
        assert_eq!(result(answer).to_string(), text);
    }
}
