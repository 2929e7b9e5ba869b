//! The audit log's settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::at_least_one;

/// Who asked for what, and what was said to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    /// Absent: where callers must say who they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub enabled: Option<bool>,
    /// Absent is `logs/audit.jsonl` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<PathBuf>,
    /// Size at which another file is begun.
    pub file_bytes_max: u64,
    /// Files that are kept, the newest included.
    pub files_max: u32,
    /// Also what only reads.
    pub reads: bool,
    /// How much of the traffic of tasks.
    pub tasks: AuditTasks,
    /// Nothing is done while the log cannot be written.
    pub required: bool,
}

/// What of tasks is logged, beside refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditTasks {
    None,
    /// What ends a task.
    Completions,
    /// Also polls and heartbeats.
    All,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            enabled: None,
            file: None,
            file_bytes_max: 64 << 20,
            files_max: 32,
            reads: false,
            tasks: AuditTasks::Completions,
            required: false,
        }
    }
}

impl Audit {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        at_least_one("audit.file_bytes_max", self.file_bytes_max, faults);
        at_least_one("audit.files_max", u64::from(self.files_max), faults);
        if self.enabled == Some(false) && (self.file.is_some() || self.required) {
            faults
                .push("audit.enabled is false: leave out audit.file and audit.required".to_owned());
        }
    }
}
