//! Cases that pass, cases that fail and how that is shown, and files that cannot be used.

use serde_json::json;

use super::*;
use crate::cli::output::Format;
use crate::cli::testing;

const WORK: &str = "arn:aws:states:us-east-1:000000000000:activity:work";

fn machine() -> serde_json::Value {
    json!({"StartAt": "Rest", "States": {
        "Rest": {"Type": "Wait", "Seconds": 86_400, "Next": "Work"},
        "Work": {"Type": "Task", "Resource": WORK, "TimeoutSeconds": 3600, "ResultPath": "$.made",
            "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 2, "IntervalSeconds": 600}],
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}], "Next": "Ask"},
        "Ask": {"Type": "Task", "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
            "Parameters": {"token.$": "$$.Task.Token"}, "End": true},
        "Late": {"Type": "Fail", "Error": "Late", "Cause": "nobody came"}}})
}

/// Runs the command on these two documents; gives its outcome, or its fault, and what it wrote.
fn run_files(
    definition: &serde_json::Value,
    cases: &serde_json::Value,
    change: impl FnOnce(&mut TestArgs),
) -> (Result<Outcome, String>, String) {
    run_files_as(Format::Table, definition, cases, change)
}

fn run_files_as(
    format: Format,
    definition: &serde_json::Value,
    cases: &serde_json::Value,
    change: impl FnOnce(&mut TestArgs),
) -> (Result<Outcome, String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, document: &serde_json::Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, document.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut args = TestArgs {
        file: write("machine.json", definition),
        cases: write("cases.json", cases),
        only: None,
    };
    change(&mut args);
    let (mut output, written) = testing::output_as(format);
    let outcome = test(&args, &mut output).map_err(|fault| {
        assert_eq!(fault.exit_code(), 2);
        let folder = folder.path().to_str().unwrap();
        fault.to_string().replace(folder, "")
    });
    (outcome, written.results.text())
}

#[track_caller]
fn assert_refused(cases: &serde_json::Value, part: &str) {
    let (outcome, _) = run_files(&machine(), cases, |_| {});
    let fault = outcome.unwrap_err();
    assert!(fault.contains(part), "{fault}");
}

#[test]
fn a_machine_runs_through_waits_retries_and_timeouts_at_once() {
    let ask = json!({"result": {"said": "yes"}});
    let cases = json!([
        {"name": "all is well", "input": {"n": 1}, "tasks": {"Work": {"result": 5}, "Ask": ask},
            "expect": {"status": "SUCCEEDED", "output": {"said": "yes"}, "states": ["Rest", "Work", "Ask"]}},
        {"name": "busy twice", "tasks": {"Work": [{"error": "Busy"}, {"error": "Busy"}, {"result": null}], "Ask": ask},
            "expect": {"status": "SUCCEEDED"}},
        {"name": "busy for ever", "tasks": {"Work": {"error": "Busy", "cause": "much to do"}},
            "expect": {"status": "FAILED", "error": "Busy", "cause": "much to do"}},
        {"name": "nobody comes", "tasks": {"Work": {"timeout": true}},
            "expect": {"error": "Late", "states": ["Rest", "Work", "Late"]}},
    ]);
    let (outcome, written) = run_files(&machine(), &cases, |_| {});
    assert_eq!(outcome, Ok(Outcome::Done), "{written}");
    insta::assert_snapshot!(written, @r"
    ok    all is well
    ok    busy twice
    ok    busy for ever
    ok    nobody comes
    4 passed, 0 failed
    ");
}

#[test]
fn failures_are_shown_as_differences() {
    let cases = json!({"cases": [
        {"name": "another output", "tasks": {"Work": {"result": 5}, "Ask": {"result": {"a": [1, 2.50]}}},
            "expect": {"status": "SUCCEEDED", "output": {"a": [1.0, 3]}}},
        {"name": "an error", "tasks": {"Work": {"error": "Broken"}}, "expect": {"status": "SUCCEEDED", "output": 1}},
        {"name": "no answer", "tasks": {"Work": {"result": 5}}, "expect": {"status": "SUCCEEDED"}},
        {"name": "nobody ever answers", "tasks": {"Work": {"result": 5}, "Ask": {"timeout": true}},
            "expect": {"status": "SUCCEEDED"}},
    ]});
    let (outcome, written) = run_files(&machine(), &cases, |_| {});
    assert_eq!(outcome, Ok(Outcome::Negative));
    insta::assert_snapshot!(written);
}

#[test]
fn a_state_of_a_machine_is_tested_alone() {
    let state = |name: &str, more: serde_json::Value, expect: serde_json::Value| {
        let mut case = json!({"name": name, "state": "Work", "expect": expect});
        let members = case.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        case
    };
    let cases = json!([
        state(
            "result",
            json!({"mock": {"result": 5}, "input": {"n": 1}}),
            json!({"status": "SUCCEEDED", "output": {"n": 1, "made": 5}, "nextState": "Ask", "variables": {}})
        ),
        state(
            "retry",
            json!({"mock": {"error": "Busy"}}),
            json!({"status": "RETRIABLE", "error": "Busy"})
        ),
        state(
            "caught",
            json!({"mock": {"error": "States.Timeout"}, "retrierRetryCount": 2}),
            json!({"status": "CAUGHT_ERROR", "nextState": "Late"})
        ),
    ]);
    let (outcome, written) = run_files(&machine(), &cases, |_| {});
    assert_eq!(outcome, Ok(Outcome::Done), "{written}");

    let pass = json!({"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $v & $millis() %}", "End": true});
    let cases = json!([{"name": "time", "startTime": "1970-01-01T00:00:07Z", "variables": {"v": "at "},
        "expect": {"output": "at 7000"}}]);
    let (outcome, written) = run_files(&pass, &cases, |_| {});
    assert_eq!(outcome, Ok(Outcome::Done), "{written}");
}

#[test]
fn files_that_cannot_be_used_say_what_is_wrong() {
    let expect = json!({"status": "SUCCEEDED"});
    let case = |more: serde_json::Value| {
        let mut case = json!({"name": "c", "expect": expect});
        case.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!([case])
    };
    assert_refused(&json!(1), "must be a JSON array of cases");
    assert_refused(
        &case(json!({"task": {}})),
        "/cases.json: case 1: unknown field `task`",
    );
    assert_refused(
        &case(json!({"expect": {}})),
        "case 'c': expect: it is empty",
    );
    assert_refused(
        &case(json!({"tasks": {"Rest": {"result": 1}}})),
        "tasks.Rest: the state is not a Task",
    );
    assert_refused(
        &case(json!({"tasks": {"Wark": {"result": 1}}})),
        "tasks.Wark: the definition has no such state",
    );
    assert_refused(
        &case(json!({"tasks": {"Work": []}})),
        "tasks.Work: there is no answer",
    );
    assert_refused(
        &case(json!({"tasks": {"Work": {"result": 1, "error": "E"}}})),
        "an answer has one of",
    );
    assert_refused(
        &case(json!({"mock": {"result": 1}})),
        "mock: it is of cases of a single state",
    );
    assert_refused(
        &case(json!({"state": "Work", "tasks": {"Work": {"result": 1}}})),
        "tested with a mock",
    );
    assert_refused(
        &case(json!({"startTime": "noon"})),
        "startTime: 'noon' is not a time",
    );
    let (outcome, _) = run_files(&machine(), &case(json!({})), |args| {
        args.only = Some("x".into())
    });
    assert!(
        outcome
            .unwrap_err()
            .contains("has no case whose name has 'x'")
    );
}

#[test]
fn a_function_answers_as_every_task_does() {
    let lambda = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let lambda =
        json!({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": lambda, "End": true}}});
    let cases = json!([{"name": "c", "tasks": {"A": {"result": 1}},
        "expect": {"status": "SUCCEEDED", "output": 1}}]);
    let (outcome, written) = run_files(&lambda, &cases, |_| {});
    assert_eq!(outcome, Ok(Outcome::Done), "{written}");
}

#[test]
fn definitions_that_cannot_be_run_say_what_is_wrong() {
    let cases = |tasks: serde_json::Value| json!([{"name": "c", "tasks": tasks, "expect": {"status": "SUCCEEDED"}}]);
    let bad = json!({"StartAt": "A", "States": {"A": {"Type": "Tusk"}}});
    let (outcome, written) = run_files(&bad, &cases(json!({})), |_| {});
    assert!(
        outcome
            .unwrap_err()
            .contains("machine.json is not a valid definition")
    );
    assert!(
        written.contains("The field 'Type' should have one of these values"),
        "{written}"
    );
    let (outcome, written) = run_files_as(Format::Json, &bad, &cases(json!({})), |_| {});
    outcome.unwrap_err();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written["diagnostics"][0]["location"], "/States/A/Type");
}

#[test]
fn an_endless_machine_ends_with_its_history() {
    let rule = json!({"Variable": "$.way_out", "IsPresent": true, "Next": "Out"});
    let endless = json!({"StartAt": "A", "States": {
        "A": {"Type": "Choice", "Choices": [rule], "Default": "B"},
        "B": {"Type": "Wait", "Seconds": 1, "Next": "A"},
        "Out": {"Type": "Succeed"}}});
    let cases =
        json!([{"name": "endless", "expect": {"status": "FAILED", "error": "States.Runtime"}}]);
    let (outcome, written) = run_files(&endless, &cases, |_| {});
    assert_eq!(outcome, Ok(Outcome::Done), "{written}");
}
