//! The AWS face from the wire: what is refused before the service is asked, and the shape of what it answers.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use stepfleet_store::state::Order;
use stepfleet_store::{Row, Table};
use tower::ServiceExt as _;

use super::*;
use crate::face::testing;
use crate::shared::Shared;
use crate::writer::Write;

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
const EXECUTION: &str = "arn:aws:states:us-east-1:000000000000:execution:m:e";
const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:a";
const ROLE: &str = "arn:aws:iam::000000000000:role/r";

async fn router_for_tests() -> Router {
    let (face, _drain) = testing::face().await;
    testing::admitting(router(face))
}

async fn send(router: &Router, target: &str, body: impl Into<Body>) -> (u16, Value, HeaderMap) {
    let request = Request::post("/")
        .header("x-amz-target", target)
        .body(body.into())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    (head.status.as_u16(), body, head.headers)
}

async fn call(router: &Router, operation: &str, body: &Value) -> (u16, Value) {
    let (status, answer, headers) = send(
        router,
        &format!("AWSStepFunctions.{operation}"),
        body.to_string(),
    )
    .await;
    assert!(
        headers.contains_key("x-amzn-requestid")
            && headers["content-type"] == "application/x-amz-json-1.0"
    );
    if status != 200 {
        assert_eq!(
            headers["x-amzn-errortype"].to_str().ok(),
            answer["__type"].as_str()
        );
    }
    (status, answer)
}

/// `code: message` of a refusal.
async fn refusal(router: &Router, operation: &str, body: &Value) -> String {
    let (status, answer) = call(router, operation, body).await;
    assert_eq!(status, 400, "{operation} {body}: {answer}");
    format!(
        "{}: {}",
        answer["__type"].as_str().unwrap(),
        answer["message"].as_str().unwrap()
    )
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn members_outside_the_model_are_violations_in_its_words() {
    let router = router_for_tests().await;
    let long_name = "n".repeat(81);
    let long_arn = "a".repeat(257);
    for (operation, body, violations) in [
        (
            "CreateActivity",
            json!({}),
            vec!["Value null at 'name'|Member must not be null"],
        ),
        (
            "CreateActivity",
            json!({"name": ""}),
            vec!["Value '' at 'name'|Member must have length greater than or equal to 1"],
        ),
        (
            "CreateActivity",
            json!({"name": long_name, "tags": [{"key": "k"}, {"key": "a!", "value": "v"}]}),
            vec![
                "at 'name'|Member must have length less than or equal to 80",
                r"Value 'a!' at 'tags.2.member.key'|Member must satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$",
            ],
        ),
        (
            "CreateActivity",
            json!({"name": "a", "encryptionConfiguration": {"kmsDataKeyReusePeriodSeconds": 5}}),
            vec![
                "Value '5' at 'encryptionConfiguration.kmsDataKeyReusePeriodSeconds'|Member must have value greater than or equal to 60",
                "Value null at 'encryptionConfiguration.type'|Member must not be null",
            ],
        ),
        (
            "CreateStateMachine",
            json!({"type": "FAST", "loggingConfiguration": {"level": "LOUD"}}),
            vec![
                "Value null at 'name'|Member must not be null",
                "Value null at 'definition'|Member must not be null",
                "Value null at 'roleArn'|Member must not be null",
                "Value 'FAST' at 'type'|Member must satisfy enum value set: [STANDARD, EXPRESS]",
                "Value 'LOUD' at 'loggingConfiguration.level'|Member must satisfy enum value set: [ALL, ERROR, FATAL, OFF]",
            ],
        ),
        (
            "DescribeStateMachine",
            json!({"stateMachineArn": long_arn}),
            vec!["at 'stateMachineArn'|Member must have length less than or equal to 256"],
        ),
        (
            "DescribeStateMachine",
            json!({"stateMachineArn": MACHINE, "includedData": "ALL"}),
            vec![
                "Value 'ALL' at 'includedData'|Member must satisfy enum value set: [ALL_DATA, METADATA_ONLY]",
            ],
        ),
        (
            "DescribeExecution",
            json!({}),
            vec!["Value null at 'executionArn'|Member must not be null"],
        ),
        (
            "RedriveExecution",
            json!({"clientToken": "a b"}),
            vec![
                "Value null at 'executionArn'|Member must not be null",
                "Value 'a b' at 'clientToken'|Member must satisfy regular expression pattern: [!-~]+",
            ],
        ),
        (
            "RedriveExecution",
            json!({"executionArn": EXECUTION, "clientToken": "t".repeat(65)}),
            vec!["at 'clientToken'|Member must have length less than or equal to 64"],
        ),
        (
            "GetExecutionHistory",
            json!({"executionArn": EXECUTION, "maxResults": 1001}),
            vec!["Value '1001' at 'maxResults'|Member must have value less than or equal to 1000"],
        ),
        (
            "ListExecutions",
            json!({"stateMachineArn": MACHINE, "statusFilter": "succeeded"}),
            vec![
                "Value 'succeeded' at 'statusFilter'|Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]",
            ],
        ),
        (
            "ListExecutions",
            json!({"stateMachineArn": MACHINE, "nextToken": "t".repeat(3097)}),
            vec!["at 'nextToken'|Member must have length less than or equal to 3096"],
        ),
        (
            "ListActivities",
            json!({"maxResults": -1}),
            vec!["Value '-1' at 'maxResults'|Member must have value greater than or equal to 0"],
        ),
        (
            "ListStateMachines",
            json!({"nextToken": ""}),
            vec!["Value '' at 'nextToken'|Member must have length greater than or equal to 1"],
        ),
        (
            "SendTaskSuccess",
            json!({"taskToken": "t"}),
            vec!["Value null at 'output'|Member must not be null"],
        ),
        (
            "SendTaskFailure",
            json!({"error": "e".repeat(257)}),
            vec![
                "Value null at 'taskToken'|Member must not be null",
                "at 'error'|Member must have length less than or equal to 256",
            ],
        ),
        (
            "SendTaskHeartbeat",
            json!({"taskToken": "t".repeat(2049)}),
            vec!["at 'taskToken'|Member must have length less than or equal to 2048"],
        ),
        (
            "GetActivityTask",
            json!({"activityArn": ACTIVITY, "workerName": ""}),
            vec!["Value '' at 'workerName'|Member must have length greater than or equal to 1"],
        ),
        (
            "StartExecution",
            json!({"stateMachineArn": MACHINE, "input": format!("\"{}\"", "x".repeat(262_143))}),
            vec!["at 'input'|Member must have length less than or equal to 262144"],
        ),
        (
            "StartExecution",
            json!({"stateMachineArn": MACHINE, "traceHeader": "é"}),
            vec![
                r"Value 'é' at 'traceHeader'|Member must satisfy regular expression pattern: \p{ASCII}*",
            ],
        ),
        (
            "StopExecution",
            json!({"executionArn": EXECUTION, "cause": "c".repeat(32_769)}),
            vec!["at 'cause'|Member must have length less than or equal to 32768"],
        ),
        (
            "ValidateStateMachineDefinition",
            json!({"definition": "", "severity": "INFO", "maxResults": 101}),
            vec![
                "Value '' at 'definition'|Member must have length greater than or equal to 1",
                "Value 'INFO' at 'severity'|Member must satisfy enum value set: [ERROR, WARNING]",
                "Value '101' at 'maxResults'|Member must have value less than or equal to 100",
            ],
        ),
    ] {
        let text = refusal(&router, operation, &body).await;
        let count = violations.len();
        let plural = if count == 1 { "" } else { "s" };
        assert!(
            text.starts_with(&format!(
                "ValidationException: {count} validation error{plural} detected: "
            )),
            "{text}"
        );
        assert_eq!(
            text.matches(" failed to satisfy constraint: ").count(),
            count,
            "{text}"
        );
        for violation in violations {
            let violation = violation.replace('|', " failed to satisfy constraint: ");
            assert!(
                text.contains(&violation),
                "{violation} is missing in {text}"
            );
        }
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn what_this_release_does_not_support_is_refused_and_not_ignored() {
    let router = router_for_tests().await;
    let machine = |extra: Value| {
        let mut body = json!({"name": "m", "definition": "{}", "roleArn": ROLE});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    };
    let tags: Vec<Value> = (0..51)
        .map(|number| json!({"key": number.to_string(), "value": ""}))
        .collect();
    for (operation, body, expect) in [
        (
            "CreateStateMachine",
            machine(json!({"versionDescription": "v"})),
            "ValidationException: Version description can only be set when publish is true",
        ),
        (
            "CreateStateMachine",
            machine(json!({"loggingConfiguration": {"level": "ALL"}})),
            "InvalidLoggingConfiguration: Invalid Logging Configuration: Must specify exactly one Log Destination.",
        ),
        (
            "CreateStateMachine",
            machine(json!({"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY"}})),
            "InvalidEncryptionConfiguration: Invalid Encryption Configuration: 'kmsKeyId is required",
        ),
        (
            "CreateStateMachine",
            machine(json!({"tags": tags})),
            "TooManyTags: ",
        ),
        (
            "CreateActivity",
            json!({"name": "a", "tags": [{"key": "aws:x"}]}),
            "ValidationException: Tag key 'aws:x'",
        ),
        (
            "UpdateStateMachine",
            json!({"stateMachineArn": MACHINE}),
            "MissingRequiredParameter: Either the definition, the role ARN, the LoggingConfiguration, or the \
             TracingConfiguration must be specified",
        ),
        (
            "UpdateStateMachine",
            json!({"stateMachineArn": MACHINE, "roleArn": ROLE, "versionDescription": "v"}),
            "ValidationException: Version description can only be set when publish is true",
        ),
        (
            "ListExecutions",
            json!({"mapRunArn": "m", "stateMachineArn": MACHINE}),
            "ValidationException: Must specify exactly one of stateMachineArn and mapRunArn",
        ),
        (
            "ListExecutions",
            json!({}),
            "ValidationException: Must specify exactly one of",
        ),
        (
            "ListExecutions",
            json!({"stateMachineArn": MACHINE, "redriveFilter": "REDRIVEN"}),
            "ValidationException: redriveFilter can only",
        ),
        (
            "ListExecutions",
            json!({"stateMachineArn": MACHINE, "statusFilter": "PENDING_REDRIVE"}),
            "ValidationException: statusFilter PENDING_REDRIVE can only",
        ),
        (
            "Sing",
            json!({}),
            "UnknownOperationException: 'Sing' is not an operation",
        ),
    ] {
        let text = refusal(&router, operation, &body).await;
        assert!(text.starts_with(expect), "{operation} {body}: {text}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_a_serialization_exception() {
    let router = router_for_tests().await;
    for body in [
        "{",
        "[]",
        "\"x\"",
        "nil",
        r#"{"name": 5}"#,
        r#"{"name": "a"} x"#,
        "{\"name\": \"\u{0}\"}",
    ] {
        let (status, answer, _) = send(&router, "AWSStepFunctions.CreateActivity", body).await;
        assert_eq!(
            (status, answer["__type"].as_str()),
            (400, Some("SerializationException")),
            "{body}: {answer}"
        );
    }
    let (status, answer, _) = send(
        &router,
        "AWSStepFunctions.CreateActivity",
        b"{\"name\": \"\xff\"}".to_vec(),
    )
    .await;
    assert_eq!(
        (status, answer["__type"].as_str()),
        (400, Some("SerializationException")),
        "{answer}"
    );
}

#[tokio::test]
async fn an_empty_body_is_an_empty_object_and_unknown_members_are_ignored() {
    let router = router_for_tests().await;
    for body in ["", "  ", r#"{"future": {"x": [1]}, "nextToken": null}"#] {
        let (status, answer, _) = send(&router, "AWSStepFunctions.ListActivities", body).await;
        assert_eq!(
            (status, &answer["activities"]),
            (200, &json!([])),
            "{body}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_announced_or_not() {
    let router = router_for_tests().await;
    let big = "x".repeat((2 << 20) + 1);
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(big.clone())]);
    for body in [Body::from(big), Body::from_stream(chunks)] {
        let (status, answer, _) = send(&router, "AWSStepFunctions.StartExecution", body).await;
        assert_eq!(
            (status, answer["__type"].as_str()),
            (413, Some("ValidationException")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_request_that_did_not_pass_authentication_has_no_caller() {
    let (face, _drain) = testing::face().await;
    let (status, answer, _) = send(&router(face), "AWSStepFunctions.ListActivities", "{}").await;
    assert_eq!(
        (status, answer["__type"].as_str()),
        (403, Some("MissingAuthenticationTokenException")),
        "{answer}"
    );
}

#[tokio::test]
async fn an_activity_is_created_and_described() {
    let router = router_for_tests().await;
    let (status, created) = call(&router, "CreateActivity", &json!({"name": "a"})).await;
    assert_eq!(
        (status, created["activityArn"].as_str()),
        (200, Some(ACTIVITY)),
        "{created}"
    );
    assert!(created["creationDate"].is_f64(), "{created}");
    let (status, described) = call(
        &router,
        "DescribeActivity",
        &json!({"activityArn": ACTIVITY}),
    )
    .await;
    assert_eq!((status, &described["name"]), (200, &json!("a")));
    assert_eq!(
        described["encryptionConfiguration"],
        json!({"type": "AWS_OWNED_KEY"})
    );
    assert_eq!(
        call(&router, "DeleteActivity", &json!({"activityArn": ACTIVITY})).await,
        (200, json!({}))
    );
}

#[tokio::test]
async fn a_refusal_of_the_service_is_passed_on() {
    let router = router_for_tests().await;
    let missing = "arn:aws:states:us-east-1:000000000000:stateMachine:missing";
    let text = refusal(
        &router,
        "DescribeStateMachine",
        &json!({"stateMachineArn": missing}),
    )
    .await;
    assert_eq!(
        text,
        format!("StateMachineDoesNotExist: State Machine Does Not Exist: '{missing}'")
    );
    let text = refusal(
        &router,
        "SendTaskSuccess",
        &json!({"taskToken": "garbage", "output": "{}"}),
    )
    .await;
    assert_eq!(text, "InvalidToken: Invalid Token: 'Invalid token'");
}

#[tokio::test]
async fn a_drain_ends_a_long_poll_without_a_task() {
    let (face, drain) = testing::face().await;
    let router = testing::admitting(router(face));
    call(&router, "CreateActivity", &json!({"name": "a"})).await;
    let body = json!({"activityArn": ACTIVITY, "workerName": "w"});
    let poll = call(&router, "GetActivityTask", &body);
    tokio::pin!(poll);
    assert!(futures::poll!(&mut poll).is_pending());
    drain.cancel();
    assert_eq!(poll.await, (200, json!({})));
}

/// A machine whose one state is an activity task, and one execution of it.
async fn start_activity_execution(router: &Router) {
    call(router, "CreateActivity", &json!({"name": "a"})).await;
    let states = json!({"S": {"Type": "Task", "Resource": ACTIVITY, "End": true}});
    let definition = json!({"StartAt": "S", "States": states}).to_string();
    let machine = json!({"name": "m", "definition": definition, "roleArn": ROLE});
    let (status, created) = call(router, "CreateStateMachine", &machine).await;
    assert_eq!(
        (status, &created["stateMachineArn"]),
        (200, &json!(MACHINE)),
        "{created}"
    );
    let start = json!({"stateMachineArn": MACHINE, "name": "e", "input": r#"{"x":1}"#});
    let (status, started) = call(router, "StartExecution", &start).await;
    assert_eq!(
        (status, &started["executionArn"]),
        (200, &json!(EXECUTION)),
        "{started}"
    );
}

/// Rows that change nothing, so that what is written next waits.
fn hold_up_writer(shared: &Shared) {
    let row = Row {
        table: Table::History,
        key: vec![0xff],
        value: None,
    };
    for _ in 0..1000 {
        let write = Write::Rows {
            rows: vec![row.clone(); 1000],
            host: None,
            written: Vec::new(),
        };
        shared.writer.try_submit(write).unwrap();
    }
}

#[tokio::test]
async fn an_execution_that_runs_again_is_listed_once_and_as_that() {
    let (face, _drain) = testing::face().await;
    let shared = face.service.shared.clone();
    let router = testing::admitting(router(face));
    start_activity_execution(&router).await;
    let execution = json!({"executionArn": EXECUTION});
    call(&router, "StopExecution", &execution).await;
    let is_stored = || {
        let all = (&[][..], &[0xff][..]);
        let rows = shared
            .store
            .scan(Table::Listing, all.0, all.1, Order::Ascending, 1);
        !rows.unwrap().is_empty()
    };
    while !is_stored() {
        tokio::task::yield_now().await;
    }
    hold_up_writer(&shared);
    assert_eq!(call(&router, "RedriveExecution", &execution).await.0, 200);
    for status in [Some("ABORTED"), None] {
        let request = json!({"stateMachineArn": MACHINE, "statusFilter": status});
        let (_, list) = call(&router, "ListExecutions", &request).await;
        let executions = list["executions"].as_array().unwrap();
        let shown: Vec<&Value> = executions.iter().map(|it| &it["status"]).collect();
        let expected: &[&str] = if status.is_some() { &[] } else { &["RUNNING"] };
        assert_eq!(shown, expected, "{list}");
    }
    assert!(is_stored(), "the rows were written too soon for this test");
}

#[tokio::test]
async fn a_stopped_execution_is_redriven_once_for_each_token() {
    let router = router_for_tests().await;
    start_activity_execution(&router).await;
    let execution = json!({"executionArn": EXECUTION});
    let running = "ExecutionNotRedrivable: Execution is RUNNING and cannot be redriven";
    let refused = refusal(&router, "RedriveExecution", &execution).await;
    assert_eq!(refused, running);
    call(&router, "StopExecution", &execution).await;
    let (_, stopped) = call(&router, "DescribeExecution", &execution).await;
    assert_eq!(stopped["redriveStatus"], "REDRIVABLE", "{stopped}");
    assert_eq!(stopped["redriveCount"], 0);

    let request = json!({"executionArn": EXECUTION, "clientToken": "!-~"});
    let (status, redriven) = call(&router, "RedriveExecution", &request).await;
    assert!(
        status == 200 && redriven["redriveDate"].is_f64(),
        "{redriven}"
    );
    let again = call(&router, "RedriveExecution", &request).await;
    assert_eq!(again, (200, redriven.clone()));
    let refused = refusal(&router, "RedriveExecution", &execution).await;
    assert_eq!(refused, running);
    let (_, described) = call(&router, "DescribeExecution", &execution).await;
    assert_eq!(described["status"], "RUNNING");
    assert_eq!(described["redriveCount"], 1);
    assert_eq!(described["redriveDate"], redriven["redriveDate"]);
    assert_eq!(described["stopDate"], Value::Null);
    for (status, count) in [("RUNNING", 1), ("ABORTED", 0)] {
        let list = json!({"stateMachineArn": MACHINE, "statusFilter": status});
        let (_, list) = call(&router, "ListExecutions", &list).await;
        let executions = list["executions"].as_array().unwrap();
        assert_eq!(executions.len(), count, "{status}: {list}");
        assert!(
            executions
                .iter()
                .all(|it| it["redriveCount"] == 1 && it["redriveDate"].is_f64())
        );
    }

    let poll = json!({"activityArn": ACTIVITY});
    let (_, task) = call(&router, "GetActivityTask", &poll).await;
    let success = json!({"taskToken": task["taskToken"], "output": "[2]"});
    assert_eq!(call(&router, "SendTaskSuccess", &success).await.0, 200);
    let (_, history) = call(&router, "GetExecutionHistory", &execution).await;
    let events = history["events"].as_array().unwrap().iter();
    let types: Vec<&str> = events
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types[2..6],
        [
            "ActivityScheduled",
            "ExecutionAborted",
            "ExecutionRedriven",
            "ActivityScheduled"
        ]
    );
    let details = &history["events"][4]["executionRedrivenEventDetails"];
    assert_eq!(details, &json!({"redriveCount": 1}));
    let refused = refusal(&router, "RedriveExecution", &execution).await;
    assert!(refused.ends_with("Execution is SUCCEEDED and cannot be redriven"));
    // The request is remembered, whatever became of the execution.
    assert_eq!(
        call(&router, "RedriveExecution", &request).await,
        (200, redriven)
    );
}

#[tokio::test]
async fn an_execution_goes_through_the_whole_face() {
    let router = router_for_tests().await;
    start_activity_execution(&router).await;
    let poll = json!({"activityArn": ACTIVITY, "workerName": "w"});
    let (_, task) = call(&router, "GetActivityTask", &poll).await;
    assert_eq!(task["input"], r#"{"x":1}"#, "{task}");
    let running = call(
        &router,
        "DescribeExecution",
        &json!({"executionArn": EXECUTION}),
    )
    .await
    .1;
    assert_eq!(
        running["redriveStatusReason"],
        "Execution is RUNNING and cannot be redriven"
    );
    let success = json!({"taskToken": task["taskToken"], "output": "[2]"});
    assert_eq!(
        call(&router, "SendTaskSuccess", &success).await,
        (200, json!({}))
    );
    let again = refusal(&router, "SendTaskSuccess", &success).await;
    assert!(again.starts_with("TaskTimedOut: "), "{again}");

    let (_, mut closed) = call(
        &router,
        "DescribeExecution",
        &json!({"executionArn": EXECUTION}),
    )
    .await;
    for date in ["startDate", "stopDate"] {
        assert!(closed[date].take().is_f64(), "{date}");
    }
    let expect = json!({
        "executionArn": EXECUTION, "stateMachineArn": MACHINE, "name": "e", "status": "SUCCEEDED",
        "startDate": null, "stopDate": null, "input": r#"{"x":1}"#, "inputDetails": {"included": true},
        "output": "[2]", "outputDetails": {"included": true}, "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
    });
    assert_eq!(closed, expect);
    let metadata = json!({"executionArn": EXECUTION, "includedData": "METADATA_ONLY"});
    let (_, metadata) = call(&router, "DescribeExecution", &metadata).await;
    assert_eq!(
        (&metadata["output"], &metadata["input"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(metadata["outputDetails"], json!({"included": false}));

    let history = json!({"executionArn": EXECUTION, "maxResults": 3, "reverseOrder": true});
    let (_, page) = call(&router, "GetExecutionHistory", &history).await;
    let types: Vec<&str> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        ["ExecutionSucceeded", "TaskStateExited", "ActivitySucceeded"]
    );
    assert!(page["nextToken"].is_string(), "{page}");
    let (_, list) = call(
        &router,
        "ListExecutions",
        &json!({"stateMachineArn": MACHINE}),
    )
    .await;
    assert_eq!(list["executions"][0]["status"], "SUCCEEDED", "{list}");
}

#[tokio::test]
async fn trap_29_a_task_whose_answer_was_never_taken_is_handed_out_again() {
    let router = router_for_tests().await;
    start_activity_execution(&router).await;
    let poll = json!({"activityArn": ACTIVITY});
    let request = Request::post("/")
        .header("x-amz-target", "AWSStepFunctions.GetActivityTask")
        .body(Body::from(poll.to_string()))
        .unwrap();
    // The poller is gone when its answer is ready.
    drop(router.clone().oneshot(request).await.unwrap());
    let (_, task) = call(&router, "GetActivityTask", &poll).await;
    assert_eq!(task["input"], r#"{"x":1}"#, "{task}");
    let heartbeat = json!({"taskToken": task["taskToken"]});
    assert_eq!(
        call(&router, "SendTaskHeartbeat", &heartbeat).await,
        (200, json!({}))
    );
}

#[tokio::test]
async fn a_described_machine_gives_its_settings_back() {
    let router = router_for_tests().await;
    let definition = r#"{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}"#;
    let logging = json!({"level": "ERROR", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": "arn:l"}}]});
    let machine = json!({
        "name": "m", "definition": definition, "roleArn": ROLE, "loggingConfiguration": logging,
        "tracingConfiguration": {"enabled": true},
    });
    assert_eq!(call(&router, "CreateStateMachine", &machine).await.0, 200);
    let (_, mut described) = call(
        &router,
        "DescribeStateMachine",
        &json!({"stateMachineArn": MACHINE}),
    )
    .await;
    assert!(described["creationDate"].take().is_f64());
    let mut kept = logging.clone();
    kept["includeExecutionData"] = json!(false);
    let expect = json!({
        "stateMachineArn": MACHINE, "name": "m", "status": "ACTIVE", "definition": definition, "roleArn": ROLE,
        "type": "STANDARD", "creationDate": null, "loggingConfiguration": kept,
        "tracingConfiguration": {"enabled": true}, "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
    });
    assert_eq!(described, expect);
    assert_eq!(
        logging_after(&router, json!({"level": "OFF"})).await,
        json!({"level": "OFF", "includeExecutionData": false})
    );
    assert_eq!(
        logging_after(&router, json!({"destinations": []})).await,
        json!({"level": "OFF", "includeExecutionData": false, "destinations": []})
    );
    let metadata = json!({"stateMachineArn": MACHINE, "includedData": "METADATA_ONLY"});
    let (_, described) = call(&router, "DescribeStateMachine", &metadata).await;
    assert_eq!(described["definition"], Value::Null);
    let validate = json!({"definition": "{", "severity": "WARNING"});
    let (_, found) = call(&router, "ValidateStateMachineDefinition", &validate).await;
    assert_eq!(
        (&found["result"], &found["truncated"]),
        (&json!("FAIL"), &json!(false)),
        "{found}"
    );
    assert_eq!(
        found["diagnostics"][0]["code"], "INVALID_JSON_DESCRIPTION",
        "{found}"
    );
}

/// What is described after an update.
async fn logging_after(router: &Router, logging: Value) -> Value {
    let update = json!({"stateMachineArn": MACHINE, "loggingConfiguration": logging});
    let (status, updated) = call(router, "UpdateStateMachine", &update).await;
    assert!(status == 200 && updated["updateDate"].is_f64(), "{updated}");
    let machine = json!({"stateMachineArn": MACHINE});
    let (_, mut described) = call(router, "DescribeStateMachine", &machine).await;
    described["loggingConfiguration"].take()
}

#[tokio::test]
async fn the_body_of_an_unknown_operation_is_read_so_that_its_connection_lives_on() {
    let router = router_for_tests().await;
    let (read, was_read) = tokio::sync::oneshot::channel();
    let body = futures::stream::once(async move {
        let _receiver_waits = read.send(());
        Ok::<_, std::io::Error>("{}")
    });
    let (status, answer, _) = send(&router, "AWSStepFunctions.Sing", Body::from_stream(body)).await;
    assert_eq!(
        (status, &answer["__type"]),
        (400, &json!("UnknownOperationException"))
    );
    was_read.await.expect("the body was read");
}

#[tokio::test]
async fn an_input_that_is_not_json_is_refused_in_the_words_of_aws() {
    let router = router_for_tests().await;
    let definition = r#"{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}"#;
    let machine = json!({"name": "m", "definition": definition, "roleArn": ROLE});
    assert_eq!(call(&router, "CreateStateMachine", &machine).await.0, 200);
    for (input, expect) in [
        (
            "not some json",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
             'false')",
        ),
        (
            "{'not': 'json'",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
        ),
        ("", "Invalid execution input."),
    ] {
        let start = json!({"stateMachineArn": MACHINE, "input": input});
        let text = refusal(&router, "StartExecution", &start).await;
        let frame = "InvalidExecutionInput: Invalid State Machine Execution Input";
        assert_eq!(text, format!("{frame}: '{expect}'"));
    }
}

#[tokio::test]
async fn variables_are_shown_where_they_are_assigned_and_where_they_are_read() {
    let router = router_for_tests().await;
    let definition = json!({"StartAt": "Set", "States": {
        "Set": {"Type": "Pass", "Assign": {"n": 1, "all.$": "$"}, "Next": "Read"},
        "Read": {"Type": "Pass", "Parameters": {"sum.$": "States.MathAdd($n, $n)", "all.$": "$all.x"}, "End": true},
    }});
    let machine = json!({"name": "m", "definition": definition.to_string(), "roleArn": ROLE});
    assert_eq!(call(&router, "CreateStateMachine", &machine).await.0, 200);
    let start = json!({"stateMachineArn": MACHINE, "name": "e", "input": r#"{"x":7}"#});
    assert_eq!(call(&router, "StartExecution", &start).await.0, 200);
    let references = json!({"Read": ["all", "n"]});
    let machine = json!({"stateMachineArn": MACHINE});
    let (_, described) = call(&router, "DescribeStateMachine", &machine).await;
    assert_eq!(described["variableReferences"], references, "{described}");
    let execution = json!({"executionArn": EXECUTION});
    let (_, described) = call(&router, "DescribeStateMachineForExecution", &execution).await;
    assert_eq!(described["variableReferences"], references, "{described}");

    let (_, page) = call(&router, "GetExecutionHistory", &execution).await;
    let exited = &page["events"][2]["stateExitedEventDetails"];
    let expect = json!({
        "name": "Set", "output": r#"{"x":7}"#, "outputDetails": {"truncated": false},
        "assignedVariables": {"n": "1", "all": r#"{"x":7}"#}, "assignedVariablesDetails": {"truncated": false},
    });
    assert_eq!(exited, &expect);
    let read = &page["events"][4]["stateExitedEventDetails"];
    assert_eq!(read["output"], r#"{"sum":2,"all":7}"#);
    assert_eq!(read["assignedVariables"], Value::Null);
    let without = json!({"executionArn": EXECUTION, "includeExecutionData": false});
    let (_, page) = call(&router, "GetExecutionHistory", &without).await;
    let exited = &page["events"][2]["stateExitedEventDetails"];
    assert_eq!(exited, &json!({"name": "Set"}));
}

#[tokio::test]
async fn a_redrive_opens_no_more_executions_than_may_be_open() {
    let mut config = crate::config::Config::default();
    config.limits.executions_open_max = 1;
    let (face, _drain) = testing::face_with(config).await;
    let router = testing::admitting(router(face));
    start_activity_execution(&router).await;
    let execution = json!({"executionArn": EXECUTION});
    call(&router, "StopExecution", &execution).await;
    let other = json!({"stateMachineArn": MACHINE, "name": "other"});
    let (status, other) = call(&router, "StartExecution", &other).await;
    assert_eq!(status, 200, "{other}");
    let refused = refusal(&router, "RedriveExecution", &execution).await;
    assert!(refused.starts_with("ExecutionLimitExceeded: "), "{refused}");
    let other = json!({"executionArn": other["executionArn"]});
    call(&router, "StopExecution", &other).await;
    let (status, redriven) = call(&router, "RedriveExecution", &execution).await;
    assert_eq!(status, 200, "{redriven}");
}

#[tokio::test]
async fn a_history_ends_at_its_limit_and_is_read_in_pages_and_without_data() {
    let mut config = crate::config::Config::default();
    config.limits.history_events_max = 9;
    let (face, _drain) = testing::face_with(config).await;
    let router = testing::admitting(router(face));
    let states = json!({
        "S": {"Type": "Pass", "Next": "T"},
        "T": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.no", "IsPresent": true, "Next": "U"}],
            "Default": "S",
        },
        "U": {"Type": "Succeed"},
    });
    let definition = json!({"StartAt": "S", "States": states}).to_string();
    let machine = json!({"name": "m", "definition": definition, "roleArn": ROLE});
    call(&router, "CreateStateMachine", &machine).await;
    let start = json!({"stateMachineArn": MACHINE, "name": "e", "input": r#"{"x":1}"#});
    call(&router, "StartExecution", &start).await;
    let mut request = json!({
        "executionArn": EXECUTION, "maxResults": 4, "includeExecutionData": false,
    });
    let mut events = Vec::new();
    loop {
        let (_, page) = call(&router, "GetExecutionHistory", &request).await;
        let found = page["events"].as_array().unwrap();
        assert!(found.len() <= 4, "{page}");
        events.extend(found.clone());
        if page["nextToken"].is_null() {
            break;
        }
        request["nextToken"] = page["nextToken"].clone();
    }
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_u64()).collect();
    assert_eq!(ids, (1..=9).map(Some).collect::<Vec<_>>());
    assert_eq!(events[8]["type"], "ExecutionFailed");
    let failure = &events[8]["executionFailedEventDetails"];
    assert_eq!(failure["error"], "States.Runtime");
    let redrive = json!({"executionArn": EXECUTION});
    let refused = refusal(&router, "RedriveExecution", &redrive).await;
    let full = "ExecutionNotRedrivable: Execution history event limit exceeded.";
    assert_eq!(refused, full);
    for event in &events {
        let text = event.to_string();
        assert!(
            !text.contains("\"input\"") && !text.contains("\"output\""),
            "{text}"
        );
    }
    // A token of one direction is none of the other.
    request["maxResults"] = json!(2);
    request.as_object_mut().unwrap().remove("nextToken");
    let (_, page) = call(&router, "GetExecutionHistory", &request).await;
    request["nextToken"] = page["nextToken"].clone();
    request["reverseOrder"] = json!(true);
    let refused = refusal(&router, "GetExecutionHistory", &request).await;
    assert!(refused.starts_with("InvalidToken: "), "{refused}");
}
