//! Parameters as requests, answers as results, and tasks of executions against a real endpoint.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value as Json, json};

use super::*;
use crate::connections::Additions;

mod executions;

fn payload(value: &Json) -> Payload {
    Payload::parse(value.to_string()).unwrap()
}

fn read(parameters: &Json) -> Result<Request, Failure> {
    Request::read(&payload(parameters), "us-east-1", 262_144)
}

/// Parameters of a POST, with more members.
fn post(more: &Json) -> Json {
    let mut parameters = json!({"ApiEndpoint": "https://api.example.com/a", "Method": "POST"});
    let members = more.as_object().unwrap().clone();
    parameters.as_object_mut().unwrap().extend(members);
    parameters
}

#[test]
fn parameters_become_a_request() {
    let parameters = json!({
        "ApiEndpoint": "https://api.example.com:8443/a/b%20c?x=1&flag",
        "Method": "PUT",
        "Headers": {"X-One": "1", "x-many": ["a", "b"], "X-Number": 5},
        "QueryParameters": {"q": "a b&c+d/é", "n": 1.50, "list": ["1", true]},
        "RequestBody": {"a": [1.0, "é"]},
        "InvocationConfig": {"ConnectionArn": "arn"},
    });
    let request = read(&parameters).unwrap();
    assert_eq!(request.connection.as_deref(), Some("arn"));
    let shown = request.shown();
    assert_eq!((&*shown.protocol, &*shown.method), ("https", "PUT"));
    assert_eq!(
        shown.url,
        "https://api.example.com:8443/a/b%20c?x=1&flag&q=a%20b%26c%2Bd%2F%C3%A9&n=1.5&list=1&list=true"
    );
    assert_eq!(
        shown.headers,
        "[X-One: 1, x-many: a, x-many: b, X-Number: 5, Content-Type: application/json, \
         User-Agent: Amazon|StepFunctions|HttpInvoke|us-east-1, Range: bytes=0-262144]"
    );
    assert_eq!(shown.body.as_deref(), Some(r#"{"a":[1.0,"é"]}"#));
    assert_eq!(request.message().unwrap().uri().to_string(), shown.url);
}

#[test]
fn a_text_is_sent_as_it_is_and_headers_of_the_task_win_over_defaults() {
    let more = json!({"RequestBody": "a=b", "Headers": {"Content-Type": "text/x", "User-Agent": "me", "Range": "bytes=0-1"}});
    let shown = read(&post(&more)).unwrap().shown();
    assert_eq!(shown.body.as_deref(), Some("a=b"));
    assert_eq!(
        shown.headers,
        "[Content-Type: text/x, User-Agent: me, Range: bytes=0-1]"
    );
    let none = read(&post(&json!({}))).unwrap().shown();
    assert_eq!(none.body, None);
    assert!(!none.headers.contains("Content-Type"));
}

#[test]
fn forms_tell_of_lists_as_they_are_asked_to() {
    let body = json!({"a": ["x", 2], "b": {"c": "d e", "f": [{"g": 1}]}, "n": null, "t": true});
    let nested_lost = json!({"a": ["x", 2], "s": "&"});
    for (format, body, expect) in [
        (
            None,
            &body,
            "a%5B0%5D=x&a%5B1%5D=2&b%5Bc%5D=d+e&b%5Bf%5D%5B0%5D%5Bg%5D=1&n=&t=true",
        ),
        (
            Some("REPEAT"),
            &body,
            "a=x&a=2&b%5Bc%5D=d+e&b%5Bf%5D%5Bg%5D=1&n=&t=true",
        ),
        (
            Some("BRACKETS"),
            &body,
            "a%5B%5D=x&a%5B%5D=2&b%5Bc%5D=d+e&b%5Bf%5D%5B%5D%5Bg%5D=1&n=&t=true",
        ),
        (Some("COMMAS"), &nested_lost, "a=x%2C2&s=%26"),
    ] {
        let mut transform = json!({"RequestBodyEncoding": "URL_ENCODED"});
        if let Some(format) = format {
            transform["RequestEncodingOptions"] = json!({"ArrayFormat": format});
        }
        let more = json!({"RequestBody": body, "Transform": transform});
        let shown = read(&post(&more)).unwrap().shown();
        assert_eq!(shown.body.as_deref(), Some(expect), "{format:?}");
        assert!(shown.headers.contains("application/x-www-form-urlencoded"));
    }
}

#[test]
fn what_is_no_request_is_refused_with_its_reason() {
    for (parameters, reason) in refusals() {
        let failure = read(&parameters).unwrap_err();
        assert_eq!(failure.error.as_deref(), Some("States.Runtime"));
        let cause = failure.cause.unwrap();
        let begins = cause.starts_with(&format!("The Parameters '{parameters}' could not be used"));
        assert!(begins && cause.contains(reason), "{cause}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn refusals() -> Vec<(Json, &'static str)> {
    let form = json!({"RequestBodyEncoding": "URL_ENCODED"});
    let commas = json!({"RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": {"ArrayFormat": "COMMAS"}});
    vec![
        (json!([]), "They must be a JSON object"),
        (
            json!({"Method": "GET"}),
            "The field 'ApiEndpoint' is required but was missing",
        ),
        (
            json!({"ApiEndpoint": "https://a"}),
            "The field 'Method' is required but was missing",
        ),
        (
            json!({"ApiEndpoint": 1, "Method": "GET"}),
            "The value for the field 'ApiEndpoint' must be a STRING",
        ),
        (
            json!({"ApiEndpoint": "a b", "Method": "GET"}),
            "The ApiEndpoint 'a b' is not a URL",
        ),
        (
            json!({"ApiEndpoint": "/path", "Method": "GET"}),
            "must be a whole URL",
        ),
        (
            json!({"ApiEndpoint": "ftp://a/", "Method": "GET"}),
            "must begin with https://",
        ),
        (
            json!({"ApiEndpoint": "https://u:p@a/", "Method": "GET"}),
            "may hold no user name or password",
        ),
        (
            json!({"ApiEndpoint": "https://a", "Method": "TRACE"}),
            "The field 'Method' should have one of these values: [GET, POST, PUT, DELETE, PATCH, OPTIONS, HEAD]",
        ),
        (
            post(&json!({"Nonsense": 1})),
            "The field 'Nonsense' is not supported by Step Functions",
        ),
        (
            post(&json!({"InvocationConfig": {}})),
            "The field 'ConnectionArn' is required but was missing",
        ),
        (
            post(&json!({"Headers": "x"})),
            "The value for the field 'Headers' must be an OBJECT",
        ),
        (
            post(&json!({"Headers": {"a": {}}})),
            "The value of 'a' in the field 'Headers' must be a STRING or a list of these",
        ),
        (
            post(&json!({"Headers": {"a b": "c"}})),
            "The header 'a b' has characters that headers may not have",
        ),
        (
            post(&json!({"Headers": {"a": "b\r\nc: d"}})),
            "The header 'a' has characters that headers may not have",
        ),
        (
            post(&json!({"Headers": {"AUTHORIZATION": "c"}})),
            "The header 'AUTHORIZATION' may not be set by a task",
        ),
        (
            post(&json!({"Headers": {"host": "c"}})),
            "The header 'host' may not be set by a task",
        ),
        (
            post(&json!({"Headers": {"X-Amz-Date": "c"}})),
            "The header 'X-Amz-Date' may not be set by a task",
        ),
        (
            post(&json!({"Headers": {"content-length": "9"}})),
            "The header 'content-length' may not be set by a task",
        ),
        (
            post(&json!({"RequestBody": "x", "Transform": form})),
            "A RequestBody that is URL_ENCODED must be a JSON object",
        ),
        (
            post(&json!({"RequestBody": {"a": [[]]}, "Transform": commas})),
            "The list 'a' holds more than",
        ),
        (
            post(&json!({"Transform": {"RequestBodyEncoding": "x"}})),
            "The field 'RequestBodyEncoding' should have one of these values: [NONE, URL_ENCODED]",
        ),
    ]
}

#[test]
fn a_connection_wins_over_what_has_the_same_name() {
    let additions = Additions {
        headers: vec![("x-key".parse().unwrap(), HeaderValue::from_static("secret"))],
        query: vec![("q".to_owned(), "of the connection".to_owned())],
        body: vec![("b".to_owned(), "of the connection".to_owned())],
    };
    let parameters = json!({
        "ApiEndpoint": "https://a/?q=1&%71=2&r=3",
        "Method": "POST",
        "Headers": {"X-Key": ["mine", "too"]},
        "QueryParameters": {"q": "mine"},
        "RequestBody": {"b": "mine", "c": 1},
    });
    let request = read(&parameters).unwrap().with(&additions).unwrap();
    let debug = format!("{request:?}");
    assert!(!debug.contains("secret"), "{debug}");
    let shown = request.shown();
    assert_eq!(shown.url, "https://a/?r=3&q=of%20the%20connection");
    assert_eq!(
        shown.body.as_deref(),
        Some(r#"{"b":"of the connection","c":1}"#)
    );
    assert!(shown.headers.contains("X-Key: secret") && !shown.headers.contains("mine"));
    let bare = read(&post(&json!({})))
        .unwrap()
        .with(&additions)
        .unwrap()
        .shown();
    assert_eq!(bare.body.as_deref(), Some(r#"{"b":"of the connection"}"#));
    assert!(bare.headers.contains("content-type: application/json"));
    let text = read(&post(&json!({"RequestBody": "text"}))).unwrap();
    let failure = text.with(&additions).unwrap_err();
    assert_eq!(failure.error.as_deref(), Some("States.Runtime"));
}

fn answered(status: u16, kind: &'static str, body: &[u8]) -> Result<Payload, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers.append("set-cookie", HeaderValue::from_static("a"));
    headers.append("set-cookie", HeaderValue::from_static("b"));
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        reason: "Reason".to_owned(),
        headers,
        body: Bytes::copy_from_slice(body),
        cut: false,
    };
    answer::result(&answer, &payload(&post(&json!({}))))
}

#[test]
fn an_answer_becomes_a_result() {
    let result = answered(
        201,
        "application/json; charset=utf-8",
        br#"{"b":1.50,"a":12345678901234567890}"#,
    );
    assert_eq!(
        result.unwrap().text(),
        r#"{"Headers":{"content-type":["application/json; charset=utf-8"],"set-cookie":["a","b"]},"ResponseBody":{"b":1.5,"a":12345678901234567890},"StatusCode":201,"StatusText":"Reason"}"#
    );
    for (kind, body, expect) in [
        ("text/plain", "{}", json!("{}")),
        ("application/problem+json", "[1]", json!([1])),
        ("application/json", "{", json!("{")),
        ("application/json", "", json!("")),
        ("text/html", "é", json!("é")),
    ] {
        let result = answered(200, kind, body.as_bytes()).unwrap();
        let result: Json = serde_json::from_str(result.text()).unwrap();
        assert_eq!(result["ResponseBody"], expect, "{kind}");
    }
}

#[test]
fn an_answer_that_is_no_success_or_no_text_is_a_failure() {
    for (status, kind, body, error) in [
        (
            404,
            "text/plain",
            &b"gone"[..],
            "States.Http.StatusCode.404",
        ),
        (302, "text/plain", b"gone", "States.Http.StatusCode.302"),
        (500, "image/png", b"gone", "States.Http.StatusCode.500"),
        (200, "image/png", b"gone", "States.Runtime"),
        (200, "audio/x", b"gone", "States.Runtime"),
        (200, "application/octet-stream", b"gone", "States.Runtime"),
        (200, "text/plain", b"\xff", "States.Runtime"),
    ] {
        let failure = answered(status, kind, body).unwrap_err();
        assert_eq!(failure.error.as_deref(), Some(error), "{status} {kind}");
        if status != 200 {
            assert_eq!(failure.cause.as_deref(), Some("gone"));
        }
    }
}
