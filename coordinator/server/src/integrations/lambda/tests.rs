//! Functions that are endpoints or activities, over a coordinator in memory.

use serde_json::{Value as Json, json};

use crate::integrations::testing::{PATIENCE, World};
use crate::outbound::testing::{Endpoint, Received, Reply, open};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function";

fn invoke(parameters: &Json) -> Json {
    let resource = "arn:aws:states:::lambda:invoke";
    json!({"Type": "Task", "Resource": resource, "Parameters": parameters, "End": true})
}

fn function(name: &str) -> Json {
    json!({"Type": "Task", "Resource": format!("{FUNCTION}:{name}"), "End": true})
}

/// Answers by the path.
fn answer(request: &Received) -> Reply {
    let json = |status: &str, body: &str| Reply::of(status, "application/json", body);
    match request.line.split(' ').nth(1).unwrap() {
        "/works" => json("200 OK", r#"{"n": 1.50}"#),
        "/text" => Reply::of("200 OK", "text/plain", "hello"),
        "/nothing" => Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".into()),
        "/broken" => json(
            "500 Broken",
            r#"{"errorType": "ValueError", "errorMessage": "m"}"#,
        ),
        "/flagged" => {
            let body = r#"{"errorType": "KeyError"}"#;
            let head = "HTTP/1.1 200 OK\r\nx-amz-function-error: Unhandled\r\ncontent-length:";
            Reply::Bytes(format!("{head} {}\r\n\r\n{body}", body.len()).into())
        }
        "/busy" => json("429 Busy", "later"),
        "/down" => json("503 Down", "later"),
        "/lost" => json("404 Lost", "lost"),
        _ => Reply::Last(Vec::new()),
    }
}

/// A coordinator with a function for each path of the endpoint.
async fn world() -> (Endpoint, World) {
    let endpoint = Endpoint::new(answer).await;
    let paths = [
        "works", "text", "nothing", "broken", "flagged", "busy", "down", "lost", "cut",
    ];
    let functions = paths.map(|path| {
        let url = &endpoint.url;
        format!(
            "[[functions]]\nname = \"{path}\"\nendpoint = \"{url}/{path}\"\nconnection = \"c\"\n"
        )
    });
    let text = format!(
        "[[connections]]\nname = \"c\"\napi_key = {{ name = \"x-key\", value = \"k\" }}\n{}\n\
         [[functions]]\nname = \"worker\"\nactivity = \"worker\"\n",
        functions.concat()
    );
    let world = World::new(open(), &text).await;
    (endpoint, world)
}

fn output(described: &Json) -> Json {
    assert_eq!(described["status"], "SUCCEEDED", "{described}");
    serde_json::from_str(described["output"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn an_endpoint_answers_for_a_function() {
    let (endpoint, world) = world().await;
    let state = invoke(&json!({"FunctionName": "works:live", "Payload.$": "$"}));
    let (described, history) = world.run(&state, &json!({"a": [1]})).await;
    let result = output(&described);
    assert_eq!(result["Payload"], json!({"n": 1.5}));
    assert_eq!(
        (&result["StatusCode"], &result["ExecutedVersion"]),
        (&json!(200), &json!("live"))
    );
    assert!(result["SdkResponseMetadata"]["RequestId"].is_string());
    assert!(history.contains("TaskSucceeded"), "{history}");
    let received = &endpoint.received()[0];
    assert_eq!(received.line, "POST /works HTTP/1.1");
    assert_eq!(received.body, r#"{"a":[1]}"#);
    assert_eq!(received.header("x-key"), Some("k"));
    assert!(received.header("idempotency-key").is_some());
    for (path, expect) in [("text", json!("hello")), ("nothing", json!(null))] {
        let (described, _) = world.run(&function(path), &json!({})).await;
        assert_eq!(output(&described), expect, "{path}");
    }
}

#[tokio::test]
async fn a_functions_arn_has_events_of_its_own() {
    let (_endpoint, world) = world().await;
    let (described, history) = world.run(&function("works"), &json!({"a": 1})).await;
    assert_eq!(output(&described), json!({"n": 1.5}));
    for kind in [
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
    ] {
        assert!(history.contains(kind), "{history}");
    }
    let (described, history) = world.run(&function("broken"), &json!({})).await;
    assert_eq!(described["error"], "ValueError");
    assert!(history.contains("LambdaFunctionFailed"), "{history}");
}

#[tokio::test]
async fn errors_are_named_as_functions_and_lambda_name_them() {
    let (_endpoint, world) = world().await;
    for (name, error, cause) in [
        (
            "broken",
            "ValueError",
            r#"{"errorType": "ValueError", "errorMessage": "m"}"#,
        ),
        ("flagged", "KeyError", r#"{"errorType": "KeyError"}"#),
        ("busy", "Lambda.TooManyRequestsException", "later"),
        ("down", "Lambda.ServiceException", "later"),
        ("lost", "Lambda.Unknown", "lost"),
        ("cut", "Lambda.SdkClientException", "The connection broke"),
        (
            "absent",
            "Lambda.ResourceNotFoundException",
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:absent",
        ),
    ] {
        let state = invoke(&json!({"FunctionName": name}));
        let (described, _) = world.run(&state, &json!({})).await;
        assert_eq!(described["error"], error, "{described}");
        assert!(
            described["cause"].as_str().unwrap().starts_with(cause),
            "{described}"
        );
    }
    for (parameters, why) in [
        (
            json!({"Payload": 1}),
            "The field 'FunctionName' is required",
        ),
        (
            json!({"FunctionName": "works", "InvocationType": "x"}),
            "InvocationType",
        ),
        (
            json!({"FunctionName": "works", "LogType": "Tail"}),
            "LogType",
        ),
        (json!({"FunctionName": "works", "Nonsense": 1}), "Nonsense"),
        (
            json!({"FunctionName": "worker", "InvocationType": "Event"}),
            "is an activity",
        ),
    ] {
        let parameters = json!({"In": parameters});
        let state = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "InputPath": "$.In", "End": true});
        let (described, _) = world.run(&state, &parameters).await;
        assert_eq!(described["error"], "States.Runtime", "{described}");
        assert!(
            described["cause"].as_str().unwrap().contains(why),
            "{described}"
        );
    }
}

#[tokio::test]
async fn an_event_is_not_waited_for_and_a_dry_run_calls_nobody() {
    let (endpoint, world) = world().await;
    for (kind, status, calls) in [("DryRun", 204, 0), ("Event", 202, 1)] {
        let parameters =
            json!({"FunctionName": "works", "InvocationType": kind, "ClientContext": "e30="});
        let (described, _) = world.run(&invoke(&parameters), &json!({})).await;
        let result = output(&described);
        assert_eq!(result["StatusCode"], status);
        assert!(result.get("Payload").is_none(), "{result}");
        assert_eq!(endpoint.received().len(), calls);
    }
    assert_eq!(
        endpoint.received()[0].header("x-amz-client-context"),
        Some("e30=")
    );
}

#[tokio::test]
async fn a_function_that_was_called_back_from_ends_its_task() {
    let (endpoint, world) = world().await;
    let state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "works", "Payload": {"token.$": "$$.Task.Token"}},
        "End": true,
    });
    let arn = world.start(&state, &json!({})).await;
    let submitted = async {
        let request = json!({"executionArn": arn});
        loop {
            let history = world.call("GetExecutionHistory", &request).await.unwrap();
            if history.to_string().contains("TaskSubmitted") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, submitted).await.unwrap();
    let sent: Json = serde_json::from_str(&endpoint.received()[0].body).unwrap();
    let request = json!({"taskToken": sent["token"], "output": "7"});
    world.call("SendTaskSuccess", &request).await.unwrap();
    let (described, _) = world.closed(&arn).await;
    assert_eq!(output(&described), json!(7));
}

#[tokio::test]
async fn the_workers_of_an_activity_do_a_functions_work() {
    let (_endpoint, world) = world().await;
    let activity = world
        .call("CreateActivity", &json!({"name": "worker"}))
        .await
        .unwrap();
    let qualified = json!({"FunctionName": format!("{FUNCTION}:worker"), "Payload": {"a": 1}});
    for (state, expect) in [
        (function("worker"), json!({"b": 2})),
        (
            invoke(&qualified),
            json!({"ExecutedVersion": "$LATEST", "Payload": {"b": 2}, "StatusCode": 200}),
        ),
    ] {
        let arn = world.start(&state, &json!({"a": 1})).await;
        let task = world.call("GetActivityTask", &activity).await.unwrap();
        assert_eq!(task["input"], r#"{"a":1}"#);
        let request = json!({"taskToken": task["taskToken"], "output": r#"{"b":2}"#});
        world.call("SendTaskSuccess", &request).await.unwrap();
        let (described, _) = world.closed(&arn).await;
        assert_eq!(output(&described), expect);
    }
    // One that waits for its token: the worker has one of its own, and what it answers is not the task's output.
    let state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "worker", "Payload": {"token.$": "$$.Task.Token"}},
        "End": true,
    });
    let arn = world.start(&state, &json!({})).await;
    let task = world.call("GetActivityTask", &activity).await.unwrap();
    let input: Json = serde_json::from_str(task["input"].as_str().unwrap()).unwrap();
    assert_ne!(input["token"], task["taskToken"]);
    for (token, output) in [(&task["taskToken"], "true"), (&input["token"], "[1]")] {
        let request = json!({"taskToken": token, "output": output});
        world.call("SendTaskSuccess", &request).await.unwrap();
    }
    let (described, history) = world.closed(&arn).await;
    assert_eq!(output(&described), json!([1]));
    assert!(history.contains(r#"\"Payload\":true"#), "{history}");
    // No worker ever sees an Express execution.
    let machine = world.machine("EXPRESS", &function("worker")).await;
    let request = json!({"stateMachineArn": machine});
    let ran = world.call("StartSyncExecution", &request).await.unwrap();
    assert_eq!(ran["error"], "States.Runtime", "{ran}");
}
