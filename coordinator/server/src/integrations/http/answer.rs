//! What comes back, as a task's result.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use stepfleet_asl::{Object, Payload, Value};
use stepfleet_engine::event::Failure;

use super::super::sfn::runtime;
use crate::outbound::Answer;

const TOO_LARGE: &str = "The state/task 'http' returned a result with a size exceeding the maximum number of bytes service limit.";

/// `Headers`, `ResponseBody`, `StatusCode` and `StatusText`; or what is wrong with the answer.
pub(crate) fn result(answer: &Answer, parameters: &Payload) -> Result<Payload, Failure> {
    if !answer.status.is_success() {
        return Err(Failure {
            error: Some(format!("States.Http.StatusCode.{}", answer.status.as_u16()).into()),
            cause: Some(String::from_utf8_lossy(&answer.body).into()),
        });
    }
    if answer.cut {
        return Err(Failure {
            error: Some("States.DataLimitExceeded".into()),
            cause: Some(TOO_LARGE.into()),
        });
    }
    let kind = content_type(&answer.headers);
    let body = text(answer, &kind).ok_or_else(|| {
        let url = parameters.value().get("ApiEndpoint").map(Value::to_text);
        runtime(format!(
            "The HTTP endpoint {} answered with content that is not text: its type is '{kind}'",
            url.unwrap_or_default()
        ))
    })?;
    // A text that only claims to be JSON stays what it is.
    let parsed = is_json(&kind).then(|| Value::parse(&body).ok()).flatten();
    let mut members = Object::new();
    members.insert("Headers".into(), headers(&answer.headers));
    members.insert("ResponseBody".into(), parsed.unwrap_or(body.into()));
    let status = i64::from(answer.status.as_u16());
    members.insert("StatusCode".into(), status.into());
    members.insert("StatusText".into(), answer.reason.clone().into());
    Ok(Payload::from_value(members.into()))
}

/// The body as text; none when it is binary by its type or its bytes.
pub(crate) fn text(answer: &Answer, kind: &str) -> Option<String> {
    let is_binary = kind == "application/octet-stream"
        || ["image/", "video/", "audio/"]
            .iter()
            .any(|family| kind.starts_with(family));
    let text = std::str::from_utf8(&answer.body).ok();
    text.filter(|_| !is_binary).map(str::to_owned)
}

/// The media type, without its parameters, in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let kind = text.and_then(|text| text.split(';').next());
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

/// `application/json` and its kin (`application/problem+json`).
pub(crate) fn is_json(kind: &str) -> bool {
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

fn headers(headers: &HeaderMap) -> Value {
    let mut members = Object::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let texts = values.map(|value| Value::from(&*String::from_utf8_lossy(value.as_bytes())));
        let texts: Vec<Value> = texts.collect();
        members.insert(name.as_str().into(), texts.into());
    }
    members.into()
}
