//! The state machine under load: every kind of state that waits or branches, and an output that its input determines.

use serde_json::{Value, json};

/// Served by stream workers (`double`, `square`) and by unary pollers (`label`).
pub(crate) const ACTIVITIES: [&str; 3] = ["double", "square", "label"];

/// Pass, Choice, activities with Retry, Map, a callback for odd numbers, a Wait, Parallel. Fragile ones fail in a branch
/// until they are redriven.
pub(crate) fn definition() -> Value {
    json!({
        "StartAt": "Prepare",
        "States": {
            "Prepare": {
                "Type": "Pass",
                "Parameters": {
                    "n.$": "$.n",
                    "fragile.$": "$.fragile",
                    "items.$": "States.ArrayRange(1, 3, 1)",
                },
                "Next": "Double",
            },
            "Double": task("double", json!({ "n.$": "$.n" }), "$.double", "Route"),
            "Route": {
                "Type": "Choice",
                "Choices": [{ "Variable": "$.double.odd", "BooleanEquals": true, "Next": "Approve" }],
                "Default": "Settle",
            },
            "Approve": {
                "Type": "Task",
                "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
                "Parameters": { "token.$": "$$.Task.Token", "n.$": "$.n" },
                "ResultPath": "$.approval",
                "Next": "Squares",
            },
            "Settle": { "Type": "Wait", "Seconds": 1, "Next": "Squares" },
            "Squares": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "ItemSelector": { "n.$": "$$.Map.Item.Value" },
                "MaxConcurrency": 2,
                "ItemProcessor": {
                    "StartAt": "Square",
                    "States": { "Square": task_end("square", json!({ "n.$": "$.n" })) },
                },
                "ResultPath": "$.squares",
                "Next": "Both",
            },
            "Both": both(),
            "Report": {
                "Type": "Pass",
                "Parameters": {
                    "n.$": "$.n",
                    "double.$": "$.double.value",
                    "squares.$": "$.squares[*].value",
                    "label.$": "$.both.label",
                },
                "End": true,
            },
        },
    })
}

/// A Parallel of which a branch fails until a fragile execution is redriven.
fn both() -> Value {
    json!({
        "Type": "Parallel",
        "Branches": [
            {
                "StartAt": "Label",
                "States": { "Label": task_end("label", json!({ "n.$": "$.n" })) },
            },
            {
                "StartAt": "Gate",
                "States": {
                    "Gate": {
                        "Type": "Choice",
                        "Choices": [
                            { "Variable": "$.fragile", "BooleanEquals": false, "Next": "Nothing" },
                            { "Variable": "$$.Execution.RedriveCount", "NumericGreaterThan": 0, "Next": "Nothing" },
                        ],
                    },
                    "Nothing": { "Type": "Pass", "Result": 0, "End": true },
                },
            },
        ],
        "ResultSelector": { "label.$": "$[0].label" },
        "ResultPath": "$.both",
        "Next": "Report",
    })
}

/// What an execution of `n` is started with.
pub(crate) fn input(n: u64) -> Value {
    json!({ "n": n, "fragile": is_fragile(n) })
}

/// Whether an execution of `n` fails once.
pub(crate) fn is_fragile(n: u64) -> bool {
    n.is_multiple_of(5)
}

/// What an execution of `n` gives.
pub(crate) fn expected(n: u64) -> Value {
    json!({ "n": n, "double": 2 * n, "squares": [1, 4, 9], "label": format!("label-{n}") })
}

fn task(activity: &str, parameters: Value, result_path: &str, next: &str) -> Value {
    let mut state = task_end(activity, parameters);
    state["ResultPath"] = json!(result_path);
    state["Next"] = json!(next);
    state.as_object_mut().map(|state| state.remove("End"));
    state
}

/// An attempt may be lost with its worker's answer: it ends by its heartbeat, and the next one follows.
fn task_end(activity: &str, parameters: Value) -> Value {
    json!({
        "Type": "Task",
        "Resource": format!("arn:aws:states:us-east-1:000000000000:activity:{activity}"),
        "Parameters": parameters,
        "HeartbeatSeconds": 4,
        "TimeoutSeconds": 120,
        "Retry": [
            { "ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "MaxAttempts": 50, "BackoffRate": 1.0 },
            { "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 500, "BackoffRate": 1.0 },
        ],
        "End": true,
    })
}
