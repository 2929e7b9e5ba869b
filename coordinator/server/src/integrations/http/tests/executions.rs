//! HTTP tasks of executions over a coordinator in memory.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::config::outbound::Http;
use crate::integrations::testing::{PATIENCE, World};
use crate::outbound::testing::{Endpoint, Reply, open};

const RESOURCE: &str = "arn:aws:states:::http:invoke";

fn state(parameters: &Value, more: &Value) -> Value {
    let mut state =
        json!({"Type": "Task", "Resource": RESOURCE, "Parameters": parameters, "End": true});
    let more = more.as_object().unwrap().clone();
    state.as_object_mut().unwrap().extend(more);
    state
}

async fn start(world: &World, parameters: &Value, more: &Value) -> String {
    world.start(&state(parameters, more), &json!({})).await
}

async fn run(world: &World, parameters: &Value, more: &Value) -> (Value, String) {
    world.run(&state(parameters, more), &json!({})).await
}

fn parameters(url: &str) -> Value {
    json!({"ApiEndpoint": format!("{url}/path"), "Method": "GET"})
}

const CONNECTION: &str = r#"
    [[connections]]
    name = "c"
    api_key = { name = "X-Key", value = "s3cret-key" }
    parameters = [
        { in = "query", name = "token", value = "s3cret-token" },
        { in = "body", name = "password", value = "s3cret-password" },
    ]
"#;
const ARN: &str = "arn:aws:events:us-east-1:000000000000:connection/c/1-2-3";

#[tokio::test]
async fn a_connection_adds_its_secrets_and_the_history_has_none_of_them() {
    let endpoint = Endpoint::new(|_| Reply::of("200 OK", "application/json", "{\"a\": 1}")).await;
    let world = World::new(open(), CONNECTION).await;
    let mut parameters = parameters(&endpoint.url);
    parameters["Method"] = json!("POST");
    parameters["InvocationConfig"] = json!({"ConnectionArn": ARN});
    let (described, history) = run(&world, &parameters, &json!({})).await;
    assert_eq!(described["status"], "SUCCEEDED", "{described}");
    let output: Value = serde_json::from_str(described["output"].as_str().unwrap()).unwrap();
    assert_eq!(output["ResponseBody"], json!({"a": 1}));
    let received = &endpoint.received()[0];
    assert_eq!(received.line, "POST /path?token=s3cret-token HTTP/1.1");
    assert_eq!(received.header("x-key"), Some("s3cret-key"));
    assert_eq!(received.body, r#"{"password":"s3cret-password"}"#);
    assert!(!history.contains("s3cret"), "{history}");
    for part in [
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        r#""resourceType":"http""#,
    ] {
        assert!(history.contains(part), "{part} in {history}");
    }
}

#[tokio::test]
async fn a_failure_is_retried_by_its_name() {
    let asked = AtomicU32::new(0);
    let endpoint = Endpoint::new(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::of("503 Busy", "text/plain", "later"),
        1 => Reply::Last(Vec::new()),
        _ => Reply::of("200 OK", "text/plain", "now"),
    })
    .await;
    let world = World::new(open(), "").await;
    let retry = json!({"Retry": [
        {"ErrorEquals": ["States.Http.StatusCode.503"], "IntervalSeconds": 1, "MaxAttempts": 1},
        {"ErrorEquals": ["States.Http.Socket"], "IntervalSeconds": 1, "MaxAttempts": 1},
    ]});
    let (described, history) = run(&world, &parameters(&endpoint.url), &retry).await;
    assert_eq!(described["status"], "SUCCEEDED", "{described} {history}");
    assert_eq!(endpoint.received().len(), 3);
    assert!(history.contains("States.Http.StatusCode.503") && history.contains("later"));
}

#[tokio::test]
async fn a_request_ends_with_its_execution() {
    let endpoint = Endpoint::new(|_| Reply::Hang).await;
    let world = World::new(open(), "").await;
    let arn = start(&world, &parameters(&endpoint.url), &json!({})).await;
    let asked = async {
        while endpoint.received().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap();
    let request = json!({"executionArn": arn});
    world.call("StopExecution", &request).await.unwrap();
    timeout(PATIENCE, endpoint.left.cancelled()).await.unwrap();
}

#[tokio::test]
async fn a_task_that_takes_too_long_ends_by_its_own_timeout() {
    let endpoint = Endpoint::new(|_| Reply::Hang).await;
    let world = World::new(open(), "").await;
    let more = json!({"TimeoutSeconds": 1});
    let (described, _) = run(&world, &parameters(&endpoint.url), &more).await;
    assert_eq!(described["error"], "States.Timeout", "{described}");
    timeout(PATIENCE, endpoint.left.cancelled()).await.unwrap();
    let brief = Http {
        timeout_s: 1,
        ..open()
    };
    let world = World::new(brief, "").await;
    let (described, _) = run(&world, &parameters(&endpoint.url), &json!({})).await;
    assert_eq!(described["error"], "States.Http.Socket", "{described}");
}

#[tokio::test]
async fn what_may_not_be_called_fails_and_is_caught() {
    let endpoint = Endpoint::new(|_| Reply::Hang).await;
    let world = World::new(Http::default(), "").await;
    let port = endpoint.url.rsplit(':').next().unwrap();
    for (url, cause) in [
        (endpoint.url.clone(), "http://"),
        (format!("https://localhost:{port}"), "private address"),
    ] {
        let (described, _) = run(&world, &parameters(&url), &json!({})).await;
        assert_eq!(described["error"], "States.Permissions", "{described}");
        assert!(described["cause"].as_str().unwrap().contains(cause));
    }
    assert!(endpoint.received().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_too_large_fails_as_every_result_does() {
    let body = "x".repeat(300_000);
    let endpoint = Endpoint::new(move |_| Reply::of("200 OK", "text/plain", &body)).await;
    let world = World::new(open(), "").await;
    let (described, _) = run(&world, &parameters(&endpoint.url), &json!({})).await;
    assert_eq!(
        described["error"], "States.DataLimitExceeded",
        "{described}"
    );
}

#[tokio::test]
async fn an_express_execution_calls_too() {
    let endpoint = Endpoint::new(|_| Reply::of("200 OK", "text/plain", "hello")).await;
    let world = World::new(open(), "").await;
    let selector = json!({"ResultSelector": {"said.$": "$.ResponseBody"}});
    let state = state(&parameters(&endpoint.url), &selector);
    let machine = world.machine("EXPRESS", &state).await;
    let request = json!({"stateMachineArn": machine});
    let ran = world.call("StartSyncExecution", &request).await.unwrap();
    assert_eq!(ran["output"], r#"{"said":"hello"}"#, "{ran}");
}

fn test_state(parameters: &Value, reveal: bool, level: &str) -> Value {
    let state =
        json!({"Type": "Task", "Resource": RESOURCE, "Parameters": parameters, "End": true});
    json!({
        "definition": state.to_string(),
        "roleArn": "arn:aws:iam::000000000000:role/tests",
        "inspectionLevel": level,
        "revealSecrets": reveal,
    })
}

#[tokio::test]
async fn a_test_makes_the_request_and_shows_it_without_secrets_unless_asked_to() {
    let endpoint = Endpoint::new(|_| Reply::of("200 OK", "text/plain", "hello")).await;
    let world = World::new(open(), CONNECTION).await;
    let mut parameters = parameters(&endpoint.url);
    parameters["InvocationConfig"] = json!({"ConnectionArn": ARN});
    let test = async |reveal, level| {
        let request = test_state(&parameters, reveal, level);
        world.call("TestState", &request).await.unwrap()
    };
    let traced = test(false, "TRACE").await;
    assert_eq!(traced["status"], "SUCCEEDED", "{traced}");
    let data = &traced["inspectionData"];
    assert_eq!(data["request"]["method"], "GET");
    assert_eq!(data["request"]["url"], format!("{}/path", endpoint.url));
    let headers = data["request"]["headers"].as_str().unwrap();
    assert!(headers.contains("User-Agent: Amazon|StepFunctions|HttpInvoke|us-east-1"));
    assert_eq!(data["response"]["statusCode"], "200");
    assert_eq!(data["response"]["statusMessage"], "OK");
    assert_eq!(data["response"]["protocol"], "http");
    assert_eq!(data["response"]["body"], "hello");
    assert!(!traced.to_string().contains("s3cret"), "{traced}");
    let revealed = test(true, "TRACE").await;
    let request = &revealed["inspectionData"]["request"];
    assert_eq!(
        request["url"],
        format!("{}/path?token=s3cret-token", endpoint.url)
    );
    assert_eq!(request["body"], r#"{"password":"s3cret-password"}"#);
    let debugged = test(true, "DEBUG").await;
    assert!(debugged["inspectionData"]["result"].is_string());
    assert!(debugged["inspectionData"].get("request").is_none());
    assert_eq!(endpoint.received().len(), 3);
}

#[tokio::test]
async fn a_test_that_fails_or_is_not_allowed_says_so() {
    let endpoint = Endpoint::new(|_| Reply::of("404 No", "text/plain", "gone")).await;
    let world = World::new(open(), "").await;
    let request = test_state(&parameters(&endpoint.url), false, "TRACE");
    let failed = world.call("TestState", &request).await.unwrap();
    assert_eq!(failed["error"], "States.Http.StatusCode.404", "{failed}");
    assert_eq!(failed["inspectionData"]["response"]["statusCode"], "404");
    let mut mocked = test_state(&parameters(&endpoint.url), false, "TRACE");
    mocked["mock"] = json!({"result": r#"{"StatusCode": 200, "ResponseBody": 1}"#});
    mocked.as_object_mut().unwrap().remove("roleArn");
    let mocked = world.call("TestState", &mocked).await.unwrap();
    assert_eq!(
        mocked["output"],
        r#"{"StatusCode": 200, "ResponseBody": 1}"#
    );
    assert_eq!(endpoint.received().len(), 1);
    let strict = World::new(Http::default(), "").await;
    let request = test_state(&parameters(&endpoint.url), true, "TRACE");
    let refused = strict.call("TestState", &request).await.unwrap_err();
    assert!(refused.starts_with("AccessDeniedException"), "{refused}");
}
