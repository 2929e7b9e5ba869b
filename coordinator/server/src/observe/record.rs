//! Log records: one for each history event that a state machine's level lets through, as CloudWatch Logs gets them from
//! AWS, ids and numbers as texts.

use std::sync::Arc;

use stepfleet_asl::{Object, Value};
use stepfleet_engine::execution::Header;
use stepfleet_engine::{EventId, HistoryEvent, Severity, project};

use super::Decided;
use super::settings::Logging;
use crate::catalog::Revision;

/// Bytes of one payload in a record; what is longer is cut, which the record says.
const DATA_BYTES_MAX: usize = 248 * 1024;
/// What an event takes besides its payload, about. Bytes.
const EVENT_BYTES: usize = 200;

/// The records of one decision.
#[derive(Debug)]
pub(crate) struct Records {
    pub header: Arc<Header>,
    pub revision: Arc<Revision>,
    pub redrive_count: u32,
    pub events: Vec<HistoryEvent>,
    bytes: usize,
}

impl Records {
    /// None when the level lets nothing through.
    pub(crate) fn of(logging: &Logging, decided: &Decided<'_>) -> Option<Self> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut id = decided.last_event;
        for event in decided.events.iter().filter(|event| event.body.is_public()) {
            id = EventId(id.0 + 1);
            let Some(shown) = project(event, id, decided.at) else {
                continue;
            };
            if shown.kind.severity() >= logging.from {
                // The record holds on to its payload, shown or not.
                bytes += EVENT_BYTES + event.body.data().map_or(0, |data| data.payload.len());
                events.push(shown);
            }
        }
        let execution = decided.execution;
        (!events.is_empty()).then(|| Self {
            header: execution.header.clone(),
            revision: decided.revision.clone(),
            redrive_count: execution.redrive_count(),
            events,
            bytes,
        })
    }

    /// About how much waits with it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn count(&self) -> u64 {
        self.events.len() as u64
    }

    pub(crate) fn logging(&self) -> &Logging {
        let logging = self.revision.watched.logging.as_ref();
        logging.expect("records are made for a machine with a log alone")
    }

    /// Writes each as a line. The group's ARN, which tells logs apart that share a destination, follows what AWS writes.
    pub(crate) fn write_lines(&self, out: &mut String) {
        for event in &self.events {
            let mut record = self.record(event);
            let group = self.logging().log_group.clone();
            record.insert("log_group_arn".into(), Value::from(group));
            Value::from(record).write(out);
            out.push('\n');
        }
    }

    /// One record, as AWS writes it.
    pub(crate) fn text(&self, event: &HistoryEvent) -> String {
        Value::from(self.record(event)).to_text()
    }

    fn record(&self, event: &HistoryEvent) -> Object {
        let text = |number: &dyn std::fmt::Display| Value::from(number.to_string());
        let details = event.details_for_log(self.logging().include_data, DATA_BYTES_MAX);
        let mut record = Object::new();
        let mut put = |name: &str, value| record.insert(name.into(), value);
        put("id", text(&event.id.0));
        put("type", Value::from(event.kind.as_str()));
        put("details", details);
        put("previous_event_id", text(&event.previous.0));
        put("event_timestamp", text(&event.at.0));
        let arn = self.header.execution_arn.clone();
        put("execution_arn", Value::from(arn));
        put("redrive_count", text(&self.redrive_count));
        record
    }
}

/// The name of a severity where logs have one.
pub(crate) fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "INFO",
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    }
}

#[cfg(test)]
mod tests;
