//! What a URL does and does not do, over HTTP, where everything else wants a key.

mod revoked;

use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::config::{ApiKey, Config};
use crate::face::testing;
use crate::service::api::{Caller, ListCallbacks};

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
const STATE: &str = "<script>alert('1')</script>";
/// SHA-256 of `foo`.
const FOO: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

struct World {
    router: Router,
    service: Service,
}

fn config(url: Option<&str>) -> Config {
    let mut config = Config::default();
    config.callbacks.url = url.map(str::to_owned);
    config.limits.payload_bytes_max = 1000;
    config.auth.keys = vec![ApiKey {
        name: "foo".to_owned(),
        sha256: FOO.to_owned(),
        rights: config::Rights {
            policies: vec!["administrator".to_owned()],
            namespace: None,
        },
    }];
    config
}

/// A coordinator that wants keys, with a machine whose one task shows its URL.
async fn world(url: Option<&str>) -> World {
    world_by(config(url)).await
}

async fn world_by(config: Config) -> World {
    let (face, _drain) = testing::face_with(config.clone()).await;
    let service = face.service.clone();
    let web = crate::aws::router(face).merge(router(service.clone()));
    let world = World {
        router: testing::judging(web, &config),
        service,
    };
    let definition = json!({"StartAt": STATE, "States": {STATE: {
        "Type": "Task", "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
        "Parameters": {"url.$": "$$.Task.CallbackUrl", "token.$": "$$.Task.Token"}, "End": true,
    }}});
    let create = json!({
        "name": "m", "definition": definition.to_string(), "roleArn": "arn:aws:iam::000000000000:role/r",
    });
    world.aws("CreateStateMachine", &create).await;
    world
}

impl World {
    async fn send(&self, request: Request<Body>) -> (u16, String, HeaderMap) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (head.status.as_u16(), text, head.headers)
    }

    async fn aws(&self, operation: &str, body: &Value) -> Value {
        let request = Request::post("/")
            .header("x-amz-target", format!("AWSStepFunctions.{operation}"))
            .header("authorization", "Bearer foo")
            .body(Body::from(body.to_string()))
            .unwrap();
        let (status, text, _) = self.send(request).await;
        assert_eq!(status, 200, "{operation}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A new execution: its ARN, and what its task shows.
    async fn start(&self, name: &str) -> (String, Value) {
        let start = json!({"stateMachineArn": MACHINE, "name": name});
        let started = self.aws("StartExecution", &start).await;
        let arn = started["executionArn"].as_str().unwrap().to_owned();
        let caller = Caller::trusted("foo", "000000000000");
        let listed = self
            .service
            .list_callbacks(&caller, ListCallbacks::default())
            .await
            .unwrap();
        let own = listed.items.iter().find(|item| item.execution_arn == arn);
        let parameters = serde_json::from_str(&own.unwrap().parameters).unwrap();
        (arn, parameters)
    }

    /// The path of a new execution's URL, with its ARN.
    async fn path(&self, name: &str) -> (String, String) {
        let (arn, parameters) = self.start(name).await;
        let url = parameters["url"].as_str().unwrap();
        let path = url.strip_prefix("https://flow.example.com/base").unwrap();
        (arn, path.to_owned())
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> (u16, String) {
        let request = Request::post(path).body(body.into()).unwrap();
        let (status, text, headers) = self.send(request).await;
        assert_eq!(headers["referrer-policy"], "no-referrer");
        (status, text)
    }

    async fn execution(&self, arn: &str) -> Value {
        self.aws("DescribeExecution", &json!({"executionArn": arn}))
            .await
    }
}

const URL: Option<&str> = Some("https://flow.example.com/base/");

#[tokio::test]
async fn a_url_completes_its_task_once_without_credentials() {
    let world = world(URL).await;
    let (arn, path) = world.path("e").await;
    assert_eq!(world.post(&format!("{path}/heartbeat"), "").await.0, 200);
    let success = format!("{path}/success");
    assert_eq!(world.post(&success, r#"{"a": 1.50}"#).await.0, 200);
    let ended = world.execution(&arn).await;
    assert_eq!(ended["output"], r#"{"a": 1.50}"#, "{ended}");
    for again in ["success", "failure", "heartbeat", "approve", "reject"] {
        let (status, text) = world.post(&format!("{path}/{again}"), "{}").await;
        assert!(status == 410 && text.contains("is over"), "{again}: {text}");
    }
    let request = Request::get(&path).body(Body::empty()).unwrap();
    assert_eq!(world.send(request).await.0, 410);
}

#[tokio::test]
async fn strangers_are_counted_and_do_not_fill_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut config = config(URL);
    config.audit.file = Some(file.clone());
    let world = world_by(config).await;
    for number in 0..100 {
        let request = Request::get(format!("/callbacks/forged{number}"));
        let (status, _, _) = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, 404);
    }
    world.service.shared.stop.cancel();
    // The count is written by a task of its own.
    tokio::task::yield_now().await;
    world.service.shared.access.audit.flush().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let reasons: Vec<_> = lines
        .filter(|line: &Value| line["principal"] == "callback-url")
        .map(|line| line["reason"].as_str().unwrap().to_owned())
        .collect();
    let followed = "There are no such callbacks: 99 more within a minute.";
    assert_eq!(reasons, [UNKNOWN.text, followed], "{text}");
}

#[tokio::test]
async fn every_use_of_a_url_is_in_the_audit_log_and_the_url_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut config = config(URL);
    config.audit.file = Some(file.clone());
    let world = world_by(config).await;
    let (arn, path) = world.path("e").await;
    let from = |request: http::request::Builder, body: &str| {
        let peer = crate::net::Peer {
            address: ([192, 0, 2, 7], 1234).into(),
            principal: None,
            tls: false,
        };
        request
            .extension(peer)
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    world.send(from(Request::get(&path), "")).await;
    for (what, body) in [
        ("heartbeat", ""),
        ("success", "{"),
        ("success", "{}"),
        ("failure", "{}"),
    ] {
        world
            .send(from(Request::post(format!("{path}/{what}")), body))
            .await;
    }
    world
        .send(from(Request::get("/callbacks/forged"), ""))
        .await;
    world.service.shared.access.audit.flush().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = path.rsplit('/').next().unwrap();
    assert!(!text.contains(secret), "{text}");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines
        .filter(|line: &Value| line["principal"] == "callback-url")
        .collect();
    let found: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["decision"].as_str().unwrap(),
                line["action"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    let expect = [
        ("allowed", "stepfleet:ViewCallback"),
        ("allowed", "states:SendTaskHeartbeat"),
        ("allowed", "states:SendTaskSuccess"),
        ("refused", ""),
        ("refused", ""),
    ];
    assert_eq!(found, expect, "{text}");
    for line in &lines {
        assert_eq!(line["from"], "192.0.2.7:1234");
    }
    for line in &lines[..3] {
        assert_eq!(
            (&line["execution"], &line["resource"]),
            (&json!(arn), &json!(MACHINE))
        );
    }
    let known_as = |n: usize| lines[n]["credential"].as_str().unwrap();
    assert_eq!(known_as(0), known_as(3));
    assert_ne!(known_as(0), known_as(4));
}

#[tokio::test]
async fn failures_and_empty_outputs_are_taken() {
    let world = world(URL).await;
    let (arn, path) = world.path("failed").await;
    let body = r#"{"error": "No", "cause": "too dear"}"#;
    assert_eq!(world.post(&format!("{path}/failure"), body).await.0, 200);
    let ended = world.execution(&arn).await;
    assert_eq!(
        (&ended["error"], &ended["cause"]),
        (&json!("No"), &json!("too dear"))
    );
    let (arn, path) = world.path("empty").await;
    assert_eq!(world.post(&format!("{path}/success"), "").await.0, 200);
    assert_eq!(world.execution(&arn).await["output"], "{}");
}

#[tokio::test]
async fn what_is_no_answer_leaves_the_task_open() {
    let world = world(URL).await;
    let (arn, path) = world.path("e").await;
    let long = format!("\"{}\"", "x".repeat(1000));
    let long_error = json!({"error": "e".repeat(257)}).to_string();
    for (what, body, expect) in [
        ("success", "{", 400),
        ("success", &*long, 413),
        ("approve", "output=%7B", 400),
        ("approve", &*format!("output={long}"), 413),
        ("failure", r#"{"errors": "x"}"#, 400),
        ("failure", &*long_error, 400),
        ("failure", &*" ".repeat(FAILURE_BYTES_MAX + 1), 413),
        ("other", "{}", 404),
        ("success/", "{}", 404),
    ] {
        let request = Request::post(format!("{path}/{what}"));
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (status, text, _) = world.send(request).await;
        assert_eq!(status, expect, "{what} {body:.40}: {text}");
    }
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 2000]))]);
    let unannounced = Body::from_stream(stream);
    assert_eq!(
        world.post(&format!("{path}/success"), unannounced).await.0,
        413
    );
    let not_text = Body::from(vec![b'"', 0xff, b'"']);
    assert_eq!(
        world.post(&format!("{path}/success"), not_text).await.0,
        400
    );
    assert_eq!(world.execution(&arn).await["status"], "RUNNING");
}

#[tokio::test]
async fn reading_completes_nothing_and_shows_names_escaped() {
    let world = world(URL).await;
    let (arn, path) = world.path("e").await;
    let (_, parameters) = world.start("other").await;
    for method in ["GET", "HEAD"] {
        let request = Request::builder().method(method).uri(&path);
        let (status, text, headers) = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, 200);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert_eq!(headers["cache-control"], "no-store");
        if method == "GET" {
            assert!(!text.contains("<script"), "{text}");
            assert!(text.contains("&lt;script&gt;alert(&#39;1&#39;)"), "{text}");
            let token = parameters["token"].as_str().unwrap();
            assert!(
                !text.contains(token) && !text.contains("flow.example.com"),
                "{text}"
            );
        }
    }
    for what in ["success", "failure", "heartbeat", "approve", "reject"] {
        for method in ["GET", "HEAD"] {
            let request = Request::builder()
                .method(method)
                .uri(format!("{path}/{what}"));
            let (status, _, _) = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(status, 405, "{method} {what}");
        }
    }
    assert_eq!(world.execution(&arn).await["status"], "RUNNING");
}

#[tokio::test]
async fn the_forms_of_the_page_approve_and_reject() {
    let world = world(URL).await;
    let (arn, path) = world.path("approved").await;
    let form = "output=%7B%22by%22%3A+%22M%C3%BCller%22%7D";
    let (status, text) = world.post(&format!("{path}/approve"), form).await;
    assert!(
        status == 200 && text.starts_with("<!doctype html>"),
        "{text}"
    );
    assert_eq!(world.execution(&arn).await["output"], r#"{"by": "Müller"}"#);
    let (arn, path) = world.path("rejected").await;
    assert_eq!(
        world
            .post(&format!("{path}/reject"), "cause=no+%3Cmoney%3E")
            .await
            .0,
        200
    );
    let ended = world.execution(&arn).await;
    assert_eq!(
        (&ended["error"], &ended["cause"]),
        (&json!("Rejected"), &json!("no <money>"))
    );
}

#[tokio::test]
async fn forged_expired_and_ended_urls_do_nothing() {
    let world = world(URL).await;
    let (arn, path) = world.path("e").await;
    let (_, parameters) = world.start("other").await;
    let keys = &world.service.shared.tokens;
    let text = path.strip_prefix(PATH).unwrap();
    let mut forged = text.to_owned();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    let token = parameters["token"].as_str().unwrap();
    for unknown in ["x", &*"A".repeat(96), &forged, token, "%F0%9F"] {
        let (status, text) = world.post(&format!("{PATH}{unknown}/success"), "{}").await;
        assert!(
            status == 404 || (unknown == "%F0%9F" && status == 400),
            "{unknown}: {status} {text}"
        );
    }
    // Neither is a URL a task token.
    assert_eq!(keys.open(text), None);
    let mut grant = keys.open_grant(text).unwrap();
    grant.expires_at = world.service.shared.clock.now();
    let expired = keys.seal_grant(&grant).unwrap();
    assert_eq!(
        world
            .post(&format!("{PATH}{expired}/success"), "{}")
            .await
            .0,
        410
    );
    grant.expires_at = Timestamp(i64::MAX);
    grant.namespace = "111111111111".into();
    let foreign = keys.seal_grant(&grant).unwrap();
    assert_eq!(
        world
            .post(&format!("{PATH}{foreign}/success"), "{}")
            .await
            .0,
        410
    );
    assert_eq!(world.execution(&arn).await["status"], "RUNNING");
    world
        .aws("StopExecution", &json!({"executionArn": arn}))
        .await;
    assert_eq!(world.post(&format!("{path}/success"), "{}").await.0, 410);
    assert_eq!(world.execution(&arn).await["status"], "ABORTED");
}

#[tokio::test]
async fn other_paths_still_want_a_key() {
    let world = world(URL).await;
    let (_, path) = world.path("e").await;
    for other in ["/callbacks", "/", "//callbacks/x"] {
        let request = Request::post(other).body(Body::empty()).unwrap();
        let (status, text, _) = world.send(request).await;
        assert!(
            status == 401 || status == 400 || status == 403,
            "{other}: {status} {text}"
        );
    }
    let request =
        Request::post(format!("{path}/success")).header("content-type", "application/grpc");
    let (_, _, headers) = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(headers["grpc-status"], "16");
}

#[tokio::test]
async fn without_an_address_the_failure_says_what_to_set() {
    let world = world(None).await;
    let start = json!({"stateMachineArn": MACHINE, "name": "e"});
    let started = world.aws("StartExecution", &start).await;
    let ended = world
        .execution(started["executionArn"].as_str().unwrap())
        .await;
    let cause = ended["cause"].as_str().unwrap();
    assert!(
        ended["status"] == "FAILED" && cause.contains("need `url` in [callbacks]"),
        "{ended}"
    );
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Comment": "$$.Task.CallbackUrl", "End": true}}});
    let request = json!({"definition": definition.to_string(), "severity": "WARNING"});
    let found = world.aws("ValidateStateMachineDefinition", &request).await;
    assert_eq!(found["result"], "OK");
    assert_eq!(
        found["diagnostics"][0]["code"], "CALLBACK_URL_UNKNOWN",
        "{found}"
    );
}

#[tokio::test]
async fn more_than_so_many_at_once_are_told_to_try_again() {
    let world = world(URL).await;
    let (_, path) = world.path("e").await;
    let desk = Desk {
        service: world.service.clone(),
        turns: Semaphore::new(0),
        strangers: Arc::default(),
    };
    let text = path.strip_prefix(PATH).unwrap();
    assert_eq!(desk.beat(&Visit::of(text)).await, Err(BUSY));
    assert_eq!(desk.beat(&Visit::of("x")).await, Err(UNKNOWN));
}

#[tokio::test]
async fn open_callbacks_are_found_by_execution_machine_and_age() {
    let world = world(URL).await;
    let (one, _) = world.start("one").await;
    let (_, path) = world.path("two").await;
    let found = async |namespace: &str, request: ListCallbacks| {
        let caller = Caller::trusted("foo", namespace);
        let page = world.service.list_callbacks(&caller, request).await;
        page.map(|page| {
            let items = page.items.into_iter();
            items.map(|item| item.execution_arn).collect::<Vec<_>>()
        })
        .map_err(|error| error.code)
    };
    let of_execution = |arn: &str| ListCallbacks {
        execution_arn: Some(arn.to_owned()),
        ..ListCallbacks::default()
    };
    let of_machine = |arn: &str| ListCallbacks {
        machine_arn: Some(arn.to_owned()),
        ..ListCallbacks::default()
    };
    let before = |at: Timestamp| ListCallbacks {
        scheduled_before: Some(at),
        ..of_machine(MACHINE)
    };
    let (own, other) = ("000000000000", "111111111111");
    assert_eq!(found(own, of_execution(&one)).await, Ok(vec![one.clone()]));
    assert_eq!(found(own, of_machine(MACHINE)).await.unwrap().len(), 2);
    assert_eq!(found(own, before(Timestamp(0))).await, Ok(vec![]));
    let later = Timestamp(world.service.shared.clock.now().0 + 1);
    assert_eq!(found(own, before(later)).await.unwrap().len(), 2);
    for (request, code) in [
        (
            of_execution(&format!("{one}x")),
            ErrorCode::ExecutionDoesNotExist,
        ),
        (
            of_machine(&format!("{MACHINE}x")),
            ErrorCode::StateMachineDoesNotExist,
        ),
    ] {
        assert_eq!(found(own, request).await, Err(code));
    }
    for request in [of_execution(&one), of_machine(MACHINE)] {
        assert!(found(other, request).await.is_err());
    }
    assert_eq!(found(other, ListCallbacks::default()).await, Ok(vec![]));
    assert_eq!(world.post(&format!("{path}/success"), "").await.0, 200);
    assert_eq!(found(own, of_machine(MACHINE)).await, Ok(vec![one]));
}
