//! Bounds of an execution, with their units. Defaults are AWS's quotas; [`Limits`] carries what an installation set.

/// A payload: input, output, result, the values of one `Assign` and so of one variable. Bytes of UTF-8.
pub const PAYLOAD_BYTES_MAX: usize = 262_144;
/// The names and values of all variables of an execution. Bytes of UTF-8.
pub const VARIABLES_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Events of one public history; the last one is the failing event. 0 is unlimited.
pub const HISTORY_EVENTS_MAX: u64 = 25_000;
/// State transitions of one decision; what is left goes on by `Input::Continue`.
pub const DECISION_TRANSITIONS_MAX: u32 = 256;
/// JSONata expressions of one decision, after which the rest waits for `Input::Continue`: each may take
/// `JSONATA_BRIEF_MS` of the thread that others share.
pub const DECISION_EVALUATIONS_MAX: u32 = 32;
/// Bytes of new payload of one decision.
pub const DECISION_BYTES_MAX: usize = 262_144;
/// Nesting of Parallel and Map.
pub const FRAME_DEPTH_MAX: u32 = 32;
/// From an execution's end to the last moment in which it can be redriven, milliseconds. 0 is unlimited.
pub const REDRIVE_MS_MAX: i64 = 14 * 86_400_000;
/// From an execution's start to the last moment in which it can be redriven, milliseconds: no execution is older.
pub const EXECUTION_MS_MAX: i64 = 365 * 86_400_000;
/// Requests for a redrive that an execution remembers by their client tokens.
pub const CLIENT_TOKENS_MAX: usize = 10;
/// How long it remembers one, milliseconds.
pub const CLIENT_TOKEN_MS_MAX: i64 = 15 * 60_000;
/// Details of a heartbeat: progress of one task. Bytes of UTF-8.
pub const PROGRESS_BYTES_MAX: usize = 8192;
/// Between two records of the progress of one task, milliseconds.
pub const PROGRESS_MS: i64 = 10_000;
/// Progress that one decision records. More of a tick's is recorded by the next one; what exceeds it when an execution
/// closes is kept with what a redrive goes on from, but not recorded. Bytes of UTF-8.
pub const DECISION_PROGRESS_BYTES_MAX: usize = 262_144;
/// `error` of a failure, in characters.
pub const ERROR_CHARS_MAX: usize = 256;
/// `cause` of a failure, in characters.
pub const CAUSE_CHARS_MAX: usize = 32_768;

/// The limits in force for one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub payload_bytes_max: usize,
    pub variables_bytes_max: usize,
    pub history_events_max: u64,
    pub redrive_ms_max: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            variables_bytes_max: VARIABLES_BYTES_MAX,
            history_events_max: HISTORY_EVENTS_MAX,
            redrive_ms_max: REDRIVE_MS_MAX,
        }
    }
}
