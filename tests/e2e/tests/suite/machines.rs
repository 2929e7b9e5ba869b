//! State machines that several tests use.

use serde_json::{Value, json};

/// Gives its input back.
pub(crate) fn pass() -> Value {
    json!({ "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "End": true } } })
}

/// Waits.
pub(crate) fn wait(seconds: u64) -> Value {
    json!({ "StartAt": "Wait", "States": { "Wait": { "Type": "Wait", "Seconds": seconds, "End": true } } })
}

/// Waits for its token; anyone may complete it.
pub(crate) fn callback() -> Value {
    json!({
        "StartAt": "Approve",
        "States": {
            "Approve": {
                "Type": "Task",
                "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
                "Parameters": { "token.$": "$$.Task.Token", "input.$": "$" },
                "End": true,
            },
        },
    })
}

/// A callback with its input in variables, which it tells when it is over.
pub(crate) fn remembering_callback() -> Value {
    let mut definition = callback();
    definition["StartAt"] = json!("Remember");
    let states = &mut definition["States"];
    states["Remember"] = json!({
        "Type": "Pass",
        "Result": {},
        "Assign": { "name.$": "$$.Execution.Input.name", "filler.$": "$$.Execution.Input.filler" },
        "Next": "Approve",
    });
    states["Approve"] = json!({
        "Type": "Task",
        "Resource": states["Approve"]["Resource"],
        "Parameters": { "token.$": "$$.Task.Token", "name.$": "$name" },
        "Assign": { "approved.$": "$" },
        "ResultPath": null,
        "Next": "Tell",
    });
    states["Tell"] = json!({
        "Type": "Pass",
        "Parameters": { "name.$": "$name", "filler.$": "$filler", "approved.$": "$approved" },
        "End": true,
    });
    definition
}

/// One activity, attempted again when its attempt is lost.
pub(crate) fn one_activity(arn: &str) -> Value {
    json!({
        "StartAt": "Work",
        "States": {
            "Work": {
                "Type": "Task",
                "Resource": arn,
                "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 5 }],
                "End": true,
            },
        },
    })
}
