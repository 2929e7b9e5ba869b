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
