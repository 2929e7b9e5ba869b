//! The public history: every public event becomes one history event, its ids as they were fixed in the decision.

mod details;
mod json;
mod kind;
mod project;
mod severity;

pub use details::HistoryDetails;
pub use kind::HistoryKind;
pub use project::project;
pub use severity::Severity;

use crate::ids::{EventId, Timestamp};

/// One event of `GetExecutionHistory`.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    pub id: EventId,
    pub previous: EventId,
    pub at: Timestamp,
    pub kind: HistoryKind,
    pub details: HistoryDetails,
}
