//! One change of an execution's status, and how it reads.

use std::sync::Arc;

use serde::Serialize;
use stepfleet_asl::Payload;
use stepfleet_engine::event::Failure;
use stepfleet_engine::execution::{Execution, Header, Status};
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{EventBody, EventSeq, NotRedrivable, Timestamp, redrivable};

use crate::aws::status_name;
use crate::observe::Decided;

/// Bytes that input and output may have together, as they stand in the event; what is longer is left out.
const DATA_BYTES_MAX: usize = 248 * 1024;

/// Makes changes of decisions.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(super) region: Arc<str>,
    pub(super) limits: Limits,
}

/// See the module.
#[derive(Debug)]
pub(crate) enum Change {
    Made(Box<Made>),
    /// An earlier process has made it.
    Kept {
        key: u64,
        text: String,
    },
}

/// A change of this process, written when it is delivered.
#[derive(Debug)]
pub(crate) struct Made {
    header: Arc<Header>,
    region: Arc<str>,
    /// Of the event that made it.
    event: EventSeq,
    at: Timestamp,
    status: Status,
    started_at: Timestamp,
    input: Payload,
    output: Option<Payload>,
    failure: Failure,
    redrive_count: u32,
    redriven_at: Option<Timestamp>,
    obstacle: Option<NotRedrivable>,
}

impl Maker {
    /// The changes of a decision, in order.
    pub(crate) fn changes(&self, decided: &Decided<'_>) -> Vec<Change> {
        let numbered = (decided.first_seq.0..).map(EventSeq).zip(decided.events);
        let changes = numbered.filter_map(|(seq, event)| {
            let status = status_after(&event.body)?;
            let made = self.made(seq, status, &event.body, decided);
            Some(Change::Made(Box::new(made)))
        });
        changes.collect()
    }

    fn made(
        &self,
        event: EventSeq,
        status: Status,
        body: &EventBody,
        decided: &Decided<'_>,
    ) -> Made {
        let execution = decided.execution;
        let output = body.data().filter(|_| status == Status::Succeeded);
        // AWS describes a timed-out execution without error and cause.
        let failure = failure(body).filter(|_| status != Status::TimedOut);
        Made {
            header: execution.header.clone(),
            region: self.region.clone(),
            event,
            at: decided.at,
            status,
            started_at: execution.started_at,
            input: execution.input.payload.clone(),
            output: output.map(|output| output.payload.clone()),
            failure: failure.cloned().unwrap_or_default(),
            redrive_count: execution.redrive_count(),
            redriven_at: execution.redriven_at(),
            obstacle: self.obstacle(status, decided.at, execution),
        }
    }

    fn obstacle(
        &self,
        status: Status,
        at: Timestamp,
        execution: &Execution,
    ) -> Option<NotRedrivable> {
        match status {
            Status::Running => Some(NotRedrivable::Running),
            Status::Succeeded => Some(NotRedrivable::Succeeded),
            Status::Failed | Status::TimedOut | Status::Aborted => {
                redrivable(execution, at, &self.limits).err()
            }
        }
    }
}

/// The status that an event leads to, if it changes it.
fn status_after(body: &EventBody) -> Option<Status> {
    if matches!(
        body,
        EventBody::ExecutionStarted { .. } | EventBody::ExecutionRedriven { .. }
    ) {
        Some(Status::Running)
    } else if matches!(body, EventBody::ExecutionSucceeded { .. }) {
        Some(Status::Succeeded)
    } else if matches!(body, EventBody::ExecutionFailed(_)) {
        Some(Status::Failed)
    } else if matches!(body, EventBody::ExecutionAborted(_)) {
        Some(Status::Aborted)
    } else if matches!(body, EventBody::ExecutionTimedOut(_)) {
        Some(Status::TimedOut)
    } else {
        None
    }
}

fn failure(body: &EventBody) -> Option<&Failure> {
    if let EventBody::ExecutionFailed(failure)
    | EventBody::ExecutionAborted(failure)
    | EventBody::ExecutionTimedOut(failure) = body
    {
        Some(failure)
    } else {
        None
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Event<'a> {
    version: &'static str,
    id: String,
    detail_type: &'static str,
    source: &'static str,
    account: &'a str,
    time: String,
    region: &'a str,
    resources: [&'a str; 1],
    detail: Detail<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    execution_arn: &'a str,
    state_machine_arn: &'a str,
    name: &'a str,
    status: &'static str,
    start_date: i64,
    stop_date: Option<i64>,
    input: Option<&'a str>,
    input_details: Included,
    output: Option<&'a str>,
    output_details: Option<Included>,
    state_machine_version_arn: Option<&'a str>,
    state_machine_alias_arn: Option<&'a str>,
    redrive_count: u32,
    redrive_date: Option<i64>,
    redrive_status: &'static str,
    redrive_status_reason: Option<String>,
    error: Option<&'a str>,
    cause: Option<&'a str>,
}

#[derive(Serialize)]
struct Included {
    included: bool,
}

impl Change {
    /// Changes of one execution have one key.
    pub(super) fn key(&self) -> u64 {
        match self {
            Self::Made(made) => {
                let [.., low, _] = made.header.id.0.to_be_bytes();
                u64::from(low)
            }
            Self::Kept { key, .. } => *key,
        }
    }

    /// About how much waits with it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Made(made) => {
                1024 + made.input.len() + made.output.as_ref().map_or(0, Payload::len)
            }
            Self::Kept { text, .. } => text.len(),
        }
    }

    /// The event, on one line.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Made(made) => made.text(),
            Self::Kept { text, .. } => text.clone(),
        }
    }
}

impl Made {
    fn text(&self) -> String {
        let header = &self.header;
        let output = self.output.as_ref().map(Payload::text);
        let output_bytes = output.map_or(0, escaped_len);
        let output_fits = output_bytes <= DATA_BYTES_MAX;
        let input_fits = output_bytes + escaped_len(self.input.text()) <= DATA_BYTES_MAX;
        let closed = self.status != Status::Running;
        let detail = Detail {
            execution_arn: &header.execution_arn,
            state_machine_arn: &header.machine_arn,
            name: &header.name,
            status: status_name(self.status),
            start_date: self.started_at.0,
            stop_date: closed.then_some(self.at.0),
            input: input_fits.then(|| self.input.text()),
            input_details: Included {
                included: input_fits,
            },
            output: output.filter(|_| output_fits),
            output_details: output.map(|_| Included {
                included: output_fits,
            }),
            state_machine_version_arn: header.version_arn.as_deref(),
            state_machine_alias_arn: header.alias_arn.as_deref(),
            redrive_count: self.redrive_count,
            redrive_date: self.redriven_at.map(|at| at.0),
            redrive_status: match self.obstacle {
                None => "REDRIVABLE",
                Some(_) => "NOT_REDRIVABLE",
            },
            redrive_status_reason: self.obstacle.map(|why| why.to_string()),
            error: self.failure.error.as_deref(),
            cause: self.failure.cause.as_deref(),
        };
        let event = Event {
            version: "0",
            id: self.id(),
            detail_type: "Step Functions Execution Status Change",
            source: "aws.states",
            account: &header.namespace,
            time: time(self.at),
            region: &self.region,
            resources: [&header.execution_arn],
            detail,
        };
        serde_json::to_string(&event).expect("an event is plain data")
    }

    /// The same whenever and by whichever process the event is told.
    fn id(&self) -> String {
        let header = &self.header;
        let name = format!("{}/{}/{}", header.id.0, header.incarnation, self.event.0);
        let hash = xxhash_rust::xxh3::xxh3_128(name.as_bytes());
        // A UUID of version 8, which is what one makes up oneself.
        let hash = (hash & !(0xf << 76)) | (8 << 76);
        let hash = (hash & !(0b11 << 62)) | (0b10 << 62);
        let hex = format!("{hash:032x}");
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        parts.join("-")
    }
}

/// In whole seconds, as EventBridge has it.
fn time(at: Timestamp) -> String {
    let second = jiff::Timestamp::from_second(at.0.div_euclid(1000));
    second.map(|second| second.to_string()).unwrap_or_default()
}

/// Bytes of a text as it stands in a JSON string.
fn escaped_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..=31 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}
