//! How a run ended: what its supervisor leaves, and what the task is told of it.

use std::os::unix::process::ExitStatusExt as _;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stepfleet_sdk::{CAUSE_CHARS_MAX, Standing, TaskError};

use crate::ending::{Left, OUTPUT_BYTES_MAX};

/// As it stands in the folder of the work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) stdout: String,
    /// Standard output was longer.
    pub(super) cut: bool,
    /// Its end.
    pub(super) stderr: String,
    /// Why there is no exit status.
    pub(super) failure: Option<(String, String)>,
    /// Somebody asked for the end.
    pub(super) stopped: bool,
}

/// Whose end it is, and when it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    pub(super) client_id: &'a str,
    pub(super) host: &'a str,
    pub(super) started_at: Option<SystemTime>,
    pub(super) stopped_at: Option<SystemTime>,
}

impl Ended {
    pub(super) fn of(result: Result<Left, TaskError>, stopped: bool) -> Self {
        match result {
            Ok(left) => Self {
                exit_code: left.status.code(),
                signal: left.status.signal(),
                cut: left.cut,
                stdout: String::from_utf8_lossy(&left.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&left.stderr).into_owned(),
                failure: None,
                stopped,
            },
            Err(error) => Self::failed(error, stopped),
        }
    }

    pub(super) fn failed(error: TaskError, stopped: bool) -> Self {
        Self {
            failure: Some((error.error, error.cause)),
            stopped,
            ..Self::default()
        }
    }

    /// The task's output, or its failure: a description in JSON, as the cause too.
    pub(super) fn standing(&self, of: Of<'_>) -> Standing {
        if let Some((error, cause)) = &self.failure {
            let description = self.description(of, Some((error, cause)), CAUSE_CHARS_MAX);
            return Standing::Failed(TaskError::new(error.clone(), description));
        }
        if self.exit_code == Some(0) {
            return Standing::Succeeded(self.description(of, None, OUTPUT_BYTES_MAX));
        }
        let description = self.description(of, None, CAUSE_CHARS_MAX);
        Standing::Failed(TaskError::new("States.TaskFailed", description))
    }

    /// At most `bytes_max` long: texts are cut until it is.
    fn description(&self, of: Of<'_>, failure: Option<(&str, &str)>, bytes_max: usize) -> String {
        let mut room = bytes_max;
        loop {
            let text = self.described(of, failure, room).to_string();
            if text.len() <= bytes_max || room == 0 {
                return text;
            }
            room /= 2;
        }
    }

    fn described(&self, of: Of<'_>, failure: Option<(&str, &str)>, room: usize) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("CommandId", json!(of.client_id));
        put("Host", json!(of.host));
        put("StartedAt", json!(of.started_at.and_then(time)));
        put("StoppedAt", json!(of.stopped_at.and_then(time)));
        put("ExitCode", json!(self.exit_code));
        if let Some(signal) = self.signal {
            put("Signal", json!(signal));
        }
        if let Some((error, cause)) = failure {
            put("Error", json!(error));
            put("Cause", json!(first(cause, room)));
        }
        let whole = !self.cut && self.stdout.len() <= room;
        let parsed = serde_json::from_str::<Value>(&self.stdout);
        match parsed {
            Ok(output) if whole => put("Output", output),
            Ok(_) | Err(_) => put("Stdout", json!(first(&self.stdout, room))),
        }
        put("StdoutTruncated", json!(!whole));
        put("Stderr", json!(last(&self.stderr, room)));
        Value::Object(members)
    }
}

fn time(at: SystemTime) -> Option<String> {
    let at = Timestamp::try_from(at).ok()?;
    Some(format!("{at:.3}"))
}

fn first(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn last(text: &str, bytes_max: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
