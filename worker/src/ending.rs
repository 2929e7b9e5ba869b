//! What a handler left (exit status, standard output and error, an answer) as the task's output or failure.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::value::RawValue;
use stepfleet_sdk::TaskError;

use crate::config::OutputMode;

/// Largest output, bytes.
pub(crate) const OUTPUT_BYTES_MAX: usize = 262_144;
/// How much of the end of standard error is kept, bytes: a cause with room for the status before it.
pub(crate) const STDERR_BYTES_MAX: usize = 32 * 1024 - 128;

/// What a shell exits with when it does not find a command.
const SHELL_NOT_FOUND: i32 = 127;

/// A command that has ended by itself.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) status: ExitStatus,
    /// At most as much as the call allowed.
    pub(crate) stdout: Vec<u8>,
    /// The last [`STDERR_BYTES_MAX`].
    pub(crate) stderr: Vec<u8>,
    /// Whether a shell ran it.
    pub(crate) shell: bool,
    /// Standard output was longer.
    pub(crate) cut: bool,
}

/// An error that a command chose: an object on the last line of standard error.
#[derive(Deserialize)]
struct Chosen {
    #[serde(rename = "Error")]
    error: String,
    #[serde(rename = "Cause", default)]
    cause: String,
}

impl Left {
    /// The task's output as JSON text, or its failure.
    pub(crate) fn outcome(self, mode: OutputMode, bytes_max: usize) -> Result<String, TaskError> {
        if !self.status.success() {
            return Err(self.failure());
        }
        output("standard output", self.stdout, mode, bytes_max)
    }

    fn failure(&self) -> TaskError {
        let stderr = tail(&self.stderr);
        let last_line = stderr.trim_end().lines().next_back().unwrap_or_default();
        if let Some(error) = chosen(last_line) {
            return error;
        }
        let (error, status) = match (self.status.code(), self.status.signal()) {
            (Some(code), _) if self.shell && code == SHELL_NOT_FOUND => {
                ("CommandNotFound", format!("exit status {code}"))
            }
            (Some(code), _) => ("CommandFailed", format!("exit status {code}")),
            (None, Some(signal)) => ("CommandKilled", signal_text(signal)),
            (None, None) => ("CommandFailed", self.status.to_string()),
        };
        TaskError::new(error, with_stderr(status, &self.stderr))
    }
}

/// What a handler gave, which is called `what`, as the task's output.
pub(crate) fn output(
    what: &str,
    given: Vec<u8>,
    mode: OutputMode,
    bytes_max: usize,
) -> Result<String, TaskError> {
    let text = String::from_utf8(given)
        .map_err(|_| TaskError::new("InvalidOutput", format!("{what} is not UTF-8")))?;
    match (mode, is_json(&text)) {
        (OutputMode::Json | OutputMode::Auto, Ok(())) => Ok(text.trim().to_owned()),
        (OutputMode::Json, Err(error)) => {
            let begin: String = text.chars().take(200).collect();
            let cause = format!("{what} is not JSON: {error}; it begins with: {begin}");
            Err(TaskError::new("InvalidOutput", cause))
        }
        (OutputMode::Text, _) | (OutputMode::Auto, Err(_)) => json_string(&text, bytes_max),
    }
}

/// The failure that a handler chose, if this text is one.
pub(crate) fn chosen(text: &str) -> Option<TaskError> {
    let Chosen { error, cause } = serde_json::from_str(text).ok()?;
    Some(TaskError::new(error, cause))
}

/// `what`, and the end of standard error if there is any.
pub(crate) fn with_stderr(what: String, stderr: &[u8]) -> String {
    match tail(stderr).trim_end() {
        "" => what,
        stderr => format!("{what}: {stderr}"),
    }
}

fn tail(stderr: &[u8]) -> String {
    let start = stderr.len().saturating_sub(STDERR_BYTES_MAX);
    // A character cut in two at the start is left out.
    let tail = &stderr[start..];
    let begin = if start == 0 {
        0
    } else {
        tail.iter().take_while(|byte| **byte & 0xC0 == 0x80).count()
    };
    String::from_utf8_lossy(&tail[begin..]).into_owned()
}

fn signal_text(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(name) => format!("killed by signal {signal} ({name})"),
        Err(_) => format!("killed by signal {signal}"),
    }
}

fn is_json(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<&RawValue>(text).map(drop)
}

fn json_string(text: &str, bytes_max: usize) -> Result<String, TaskError> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let json = serde_json::to_string(line)?;
    // Quotes and escapes count too.
    if json.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(json)
}

/// The failure of a command that wrote more than fits.
pub(crate) fn too_large(bytes_max: usize) -> TaskError {
    let cause = format!("the output is larger than {bytes_max} bytes");
    TaskError::new("OutputTooLarge", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `status` as `wait` gives it: the exit code times 256, or the signal.
    fn check(mode: OutputMode, left: (i32, &str, &str), expect: Result<&str, (&str, &str)>) {
        let (status, stdout, stderr) = left;
        let left = Left {
            status: ExitStatus::from_raw(status),
            stdout: stdout.into(),
            stderr: stderr.into(),
            shell: true,
            cut: false,
        };
        let expect = expect
            .map(str::to_owned)
            .map_err(|(error, cause)| TaskError::new(error, cause));
        assert_eq!(left.outcome(mode, OUTPUT_BYTES_MAX), expect);
    }

    #[test]
    fn standard_output_becomes_the_output() {
        check(
            OutputMode::Json,
            (0, " {\"a\": 1}\n", "noise"),
            Ok("{\"a\": 1}"),
        );
        check(OutputMode::Auto, (0, "[1]\n", ""), Ok("[1]"));
        check(
            OutputMode::Auto,
            (0, "a \"b\"\n", ""),
            Ok("\"a \\\"b\\\"\""),
        );
        check(OutputMode::Auto, (0, "", ""), Ok("\"\""));
        check(OutputMode::Text, (0, "1\r\n", ""), Ok("\"1\""));
        check(OutputMode::Text, (0, "1\n\n", ""), Ok("\"1\\n\""));
    }

    #[test]
    fn output_that_should_be_json_and_is_not_fails() {
        let cause = "standard output is not JSON: EOF while parsing a value at line 1 column 0; \
                     it begins with: ";
        check(OutputMode::Json, (0, "", ""), Err(("InvalidOutput", cause)));
        let cause = "standard output is not JSON: expected `:` at line 1 column 6; \
                     it begins with: {\"a\" b";
        check(
            OutputMode::Json,
            (0, "{\"a\" b", ""),
            Err(("InvalidOutput", cause)),
        );
    }

    #[test]
    fn failures_carry_the_status_and_the_end_of_standard_error() {
        let failed = |cause| Err(("CommandFailed", cause));
        check(
            OutputMode::Auto,
            (3 << 8, "out", "a\nb\n"),
            failed("exit status 3: a\nb"),
        );
        check(OutputMode::Auto, (1 << 8, "", ""), failed("exit status 1"));
        let killed = Err(("CommandKilled", "killed by signal 9 (SIGKILL)"));
        check(OutputMode::Auto, (9, "", ""), killed);
        let missing = Err(("CommandNotFound", "exit status 127: sh: x: not found"));
        check(
            OutputMode::Auto,
            (127 << 8, "", "sh: x: not found\n"),
            missing,
        );
    }

    #[test]
    fn a_command_may_choose_its_error_on_the_last_line() {
        let chosen = "noise\n{\"Error\":\"NoSuchFile\",\"Cause\":\"/x\"}\n";
        check(
            OutputMode::Auto,
            (1 << 8, "", chosen),
            Err(("NoSuchFile", "/x")),
        );
        let no_cause = "{\"Error\":\"NoSuchFile\"}";
        check(
            OutputMode::Auto,
            (1 << 8, "", no_cause),
            Err(("NoSuchFile", "")),
        );
        let other = "{\"error\":\"x\"}";
        let failed = Err(("CommandFailed", "exit status 1: {\"error\":\"x\"}"));
        check(OutputMode::Auto, (1 << 8, "", other), failed);
    }

    #[test]
    fn a_long_standard_error_keeps_its_end_and_whole_characters() {
        let text = format!("{}end", "ä".repeat(STDERR_BYTES_MAX));
        let cause = with_stderr("exit status 1".to_owned(), text.as_bytes());
        assert!(cause.ends_with("ääend") && !cause.contains('\u{FFFD}'));
        assert!(cause.len() <= 32 * 1024);
    }
}
