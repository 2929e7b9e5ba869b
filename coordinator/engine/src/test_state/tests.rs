//! Single states of every kind, with what their stages give.

use serde_json::json;
use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_asl::program::StateId;

use super::*;

/// Tests the first state of a machine of this one and a target named `Next`.
fn report(
    state: &serde_json::Value,
    change: impl FnOnce(&mut Case<'_>),
) -> Result<Report, Refusal> {
    let machine = json!({"StartAt": "S", "States": {"S": state, "Next": {"Type": "Succeed"}}});
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
        connects: &|_| false,
    };
    let program = definition::compile_for_test(&machine.to_string(), &options).unwrap();
    let position = program.states.iter().position(|state| &*state.name == "S");
    let mut case = Case {
        program: &program,
        state: StateId(u32::try_from(position.unwrap()).unwrap()),
        input: Payload::parse(r#"{"a":1,"list":[1,2]}"#).unwrap(),
        variables: Object::new(),
        context: Object::new(),
        mock: None,
        retrier_retry_count: 0,
        map_iteration_failure_count: None,
        map_item_reader_data: None,
        now_ms: 0,
        entropy: 1,
        payload_bytes_max: 1000,
        expired: &|| false,
    };
    change(&mut case);
    run(&case)
}

fn result(text: &str) -> Option<Mock> {
    Some(Mock::Result(Payload::parse(text).unwrap()))
}

fn error(name: &str) -> Option<Mock> {
    Some(Mock::Error(failure(name)))
}

fn failure(name: &str) -> Failure {
    Failure {
        error: Some(name.into()),
        cause: None,
    }
}

fn text(payload: &Option<Payload>) -> Option<&str> {
    payload.as_ref().map(Payload::text)
}

const TASK: &str = "arn:aws:states:us-east-1:1:activity:a";

#[test]
fn every_stage_of_a_task_can_be_looked_at() {
    let state = json!({"Type": "Task", "Resource": TASK, "InputPath": "$.list", "Parameters": {"p.$": "$[0]"},
        "ResultSelector": {"r.$": "$.x"}, "ResultPath": "$.b", "OutputPath": "$.b",
        "Assign": {"v.$": "$.x"}, "Next": "Next"});
    let report = report(&state, |case| {
        case.mock = result(r#"{"x":7}"#);
        case.variables.insert("old".into(), 5.into());
    })
    .unwrap();
    let seen = &report.inspection;
    assert_eq!(text(&seen.after_input_path), Some("[1,2]"));
    assert_eq!(text(&seen.after_parameters), Some(r#"{"p":1}"#));
    assert_eq!(text(&seen.result), Some(r#"{"x":7}"#));
    assert_eq!(text(&seen.after_result_selector), Some(r#"{"r":7}"#));
    assert_eq!(
        text(&seen.after_result_path),
        Some(r#"{"a":1,"list":[1,2],"b":{"r":7}}"#)
    );
    let variables = stepfleet_asl::Value::from(seen.variables.clone());
    assert_eq!(variables.to_text(), r#"{"old":5,"v":7}"#);
    let Outcome::Succeeded { output, next } = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert_eq!(
        (output.text(), next.as_deref()),
        (r#"{"r":7}"#, Some("Next"))
    );
}

#[test]
fn what_is_drawn_at_random_is_drawn_once() {
    let state = json!({"Type": "Task", "Resource": TASK, "ResultSelector": {"id.$": "States.UUID()"}, "End": true});
    let report = report(&state, |case| case.mock = result("{}")).unwrap();
    let Outcome::Succeeded { output, .. } = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    let seen = &report.inspection;
    assert_eq!(text(&seen.after_result_selector), Some(output.text()));
    assert_eq!(text(&seen.after_result_path), Some(output.text()));
}

#[test]
fn a_retrier_is_used_up_before_a_catcher_takes_over() {
    let state = json!({"Type": "Task", "Resource": TASK, "End": true,
        "Retry": [{"ErrorEquals": ["Other"]}, {"ErrorEquals": ["Mine"], "IntervalSeconds": 3, "MaxAttempts": 2,
            "BackoffRate": 2.0, "MaxDelaySeconds": 5}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Next"}]});
    for (used, backoff) in [(0, Some(3.0)), (1, Some(5.0)), (2, None)] {
        let report = report(&state, |case| {
            case.mock = error("Mine");
            case.retrier_retry_count = used;
        })
        .unwrap();
        let seen = &report.inspection;
        assert_eq!(seen.retry_index, Some(1));
        assert_eq!(seen.retry_backoff_seconds, backoff);
        assert_eq!(seen.catch_index, backoff.is_none().then_some(0));
        match report.outcome {
            Outcome::Retriable(told) => assert_eq!((told, used < 2), (failure("Mine"), true)),
            Outcome::Caught { output, next, .. } => {
                assert_eq!(
                    output.text(),
                    r#"{"a":1,"list":[1,2],"e":{"Error":"Mine"}}"#
                );
                assert_eq!((&*next, used), ("Next", 2));
            }
            other @ (Outcome::Succeeded { .. } | Outcome::Failed(_)) => panic!("{other:?}"),
        }
    }
}

#[test]
fn states_runtime_is_neither_retried_nor_caught() {
    let state = json!({"Type": "Task", "Resource": TASK, "InputPath": "$.none", "End": true,
        "Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Next"}]});
    let report = report(&state, |case| case.mock = result("{}")).unwrap();
    let cause = "An error occurred while executing the state 'S' (entered at the event id #2). \
                 Invalid path '$.none' : No results for path: $['none']";
    assert_eq!(
        report.outcome,
        Outcome::Failed(Failure {
            error: Some("States.Runtime".into()),
            cause: Some(cause.into()),
        })
    );
}

#[test]
fn a_map_shows_its_items_and_what_each_iteration_gets() {
    let state = json!({"Type": "Map", "ItemsPath": "$.list", "MaxConcurrency": 3, "End": true,
        "ItemSelector": {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "a.$": "$.a"},
        "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}});
    let report = report(&state, |case| case.mock = result("[3,4]")).unwrap();
    let seen = &report.inspection;
    assert_eq!(text(&seen.after_items_path), Some("[1,2]"));
    assert_eq!(
        text(&seen.after_item_selector),
        Some(r#"[{"v":1,"i":0,"a":1},{"v":2,"i":1,"a":1}]"#)
    );
    assert_eq!(seen.max_concurrency, Some(3));
    assert!(
        matches!(report.outcome, Outcome::Succeeded { output, .. } if output.text() == "[3,4]")
    );
}

#[test]
fn the_inputs_of_iterations_are_bounded_in_size_and_time() {
    let state = json!({"Type": "Map", "ItemsPath": "$.list", "End": true, "ItemSelector": {"all.$": "$"},
        "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}});
    let list = json!({"list": vec!["x".repeat(100); 9]}).to_string();
    let large = report(&state, |case| {
        case.mock = result("[]");
        case.payload_bytes_max = 900;
        case.input = Payload::parse(list.as_str()).unwrap();
    });
    assert!(matches!(large.unwrap().outcome, Outcome::Failed(failure)
            if failure.error.as_deref() == Some("States.DataLimitExceeded")));
    let late = report(&state, |case| {
        case.mock = result("[]");
        case.expired = &|| true;
    });
    assert_eq!(late.unwrap_err(), Refusal::TooLong);
}

#[test]
fn a_distributed_map_fails_when_more_iterations_failed_than_it_tolerates() {
    let state = json!({"Type": "Map", "ItemsPath": "$.list", "ToleratedFailureCount": 1, "End": true,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}});
    let outcome = |failures| {
        report(&state, |case| {
            case.mock = result("[3,4]");
            case.map_iteration_failure_count = Some(failures);
        })
        .map(|report| report.outcome)
    };
    assert!(matches!(outcome(1), Ok(Outcome::Succeeded { .. })));
    assert!(matches!(outcome(2), Ok(Outcome::Failed(failure))
            if failure.error.as_deref() == Some("States.ExceedToleratedFailureThreshold")));
    assert_eq!(outcome(3), Err(Refusal::MoreFailuresThanIterations));
}

#[test]
fn outputs_have_the_bound_of_executions() {
    let state = json!({"Type": "Pass", "Result": "x".repeat(1000), "End": true});
    let report = report(&state, |_| {}).unwrap();
    assert!(matches!(report.outcome, Outcome::Failed(failure)
            if failure.error.as_deref() == Some("States.DataLimitExceeded")));
}

#[test]
fn work_without_a_mock_is_refused() {
    let state = json!({"Type": "Task", "Resource": TASK, "End": true});
    assert_eq!(report(&state, |_| {}).unwrap_err(), Refusal::NoMock);
}
