//! What a partition host is asked, and how it answers. Every answer is given once the append that covers what its
//! decision saw has succeeded.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stepfleet_asl::Payload;
use stepfleet_engine::event::{Failure, Handle};
use stepfleet_engine::execution::Header;
use stepfleet_engine::{
    Attempt, EventId, Execution, ExecutionId, KeyHash, PartitionId, SessionId, TaskRef, Timestamp,
};
use stepfleet_proto::Action;
use stepfleet_store::Seq;
use stepfleet_store::records::history::{Block, BlockHeader};
use tokio::sync::{Notify, oneshot};

use super::aside::Decided;
use crate::auth::{Permit, actions};
use crate::catalog::Revision;
use crate::fleet::Session;
use crate::matching::{Offer, Slot};
use crate::service::api::StartedExecution;
use crate::service::error::ApiError;

/// Where one answer goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, ApiError>>;

/// One message to a host.
#[derive(Debug)]
pub(crate) enum Message {
    Start(Box<Start>),
    Task(TaskReport),
    Tasks(Vec<TaskReport>),
    /// A free slot for an offered task.
    Slot {
        offer: Offer,
        slot: Slot,
    },
    /// A task that waits for a worker is to fail instead.
    Withdraw(Box<Withdraw>),
    Stop {
        execution: ExecutionId,
        failure: Failure,
        answer: Option<Answer<Timestamp>>,
    },
    Redrive(Box<Redrive>),
    /// Ends everything of a deleted state machine.
    StopMachine {
        machine_arn: Arc<str>,
    },
    Read(ReadRequest),
    /// A worker is back whose session was not known: the attempts that it names.
    Claim {
        session: SessionId,
        held: Vec<TaskRef>,
        answer: oneshot::Sender<Vec<Claimed>>,
    },
    /// A worker's session ends; it may still come back for these tasks.
    Orphans {
        session: SessionId,
        orphans: Vec<Orphan>,
    },
    /// A load from the state store ended.
    Loaded(Vec<(ExecutionId, LoadResult)>),
    /// A decision was made off the host, see `aside`.
    Decided(Box<Decided>),
    /// Rows of these executions, as of their number of changes, are in the state store.
    Written(Vec<(ExecutionId, u64)>),
    /// Make rows of everything that changed; answers what they cover.
    Checkpoint {
        answer: oneshot::Sender<Vec<(PartitionId, Seq)>>,
    },
}

impl Message {
    /// Payload bytes that it holds while it waits.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Start(start) => start.input.len(),
            Self::Task(report) => report.outcome.bytes(),
            Self::Tasks(reports) => reports.iter().map(|report| report.outcome.bytes()).sum(),
            Self::Slot { .. }
            | Self::Withdraw(_)
            | Self::Stop { .. }
            | Self::Redrive(_)
            | Self::StopMachine { .. }
            | Self::Read(_)
            | Self::Claim { .. }
            | Self::Orphans { .. }
            | Self::Loaded(_)
            | Self::Decided(_)
            | Self::Written(_)
            | Self::Checkpoint { .. } => 0,
        }
    }
}

impl Outcome {
    /// What somebody outside does by it; none of what only the coordinator tells.
    pub(super) fn action(&self) -> Option<Action> {
        match self {
            Self::Succeeded(_) | Self::Begun(..) => Some(actions::states("SendTaskSuccess")),
            Self::Failed(_) => Some(actions::states("SendTaskFailure")),
            Self::Heartbeat(_) => Some(actions::states("SendTaskHeartbeat")),
            // A worker gives back what it took.
            Self::Undelivered => Some(actions::POLL),
            Self::Submitted(_) | Self::Lost(_) | Self::Withdrawn(_) | Self::Continue => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Succeeded(output) | Self::Submitted(output) | Self::Begun(output, _) => {
                output.len()
            }
            Self::Heartbeat(details) => details.as_ref().map_or(0, |details| details.len()),
            Self::Failed(_)
            | Self::Withdrawn(_)
            | Self::Undelivered
            | Self::Lost(_)
            | Self::Continue => 0,
        }
    }
}

/// A task that is to fail, unless a worker has it.
#[derive(Debug)]
pub(crate) struct Withdraw {
    pub hash: KeyHash,
    pub execution: ExecutionId,
    pub attempt: Attempt,
    pub failure: Failure,
    pub answer: Option<Answer<()>>,
}

impl Withdraw {
    pub(super) fn refuse(self, error: &ApiError) {
        if let Some(answer) = self.answer {
            let _gone = answer.send(Err(error.clone()));
        }
    }
}

/// A new execution.
#[derive(Debug)]
pub(crate) struct Start {
    pub header: Arc<Header>,
    pub revision: Arc<Revision>,
    pub input: Payload,
    /// The client chose the name: an execution that closed earlier may have it.
    pub named: bool,
    pub answer: Answer<StartedExecution>,
}

/// An execution that is to run again.
#[derive(Debug)]
pub(crate) struct Redrive {
    pub execution: ExecutionId,
    /// Tells it from another one that had its name before.
    pub incarnation: u32,
    pub revision: Arc<Revision>,
    pub client_token: Option<Arc<str>>,
    pub answer: Answer<Timestamp>,
}

/// What became of an attempt.
#[derive(Debug)]
pub(crate) struct TaskReport {
    pub task: TaskRef,
    pub namespace: Arc<str>,
    /// Of who reports.
    pub permit: Permit,
    pub outcome: Outcome,
    pub reply: TaskReply,
}

/// The kinds of reports.
#[derive(Debug)]
pub(crate) enum Outcome {
    Succeeded(Payload),
    /// An integration has begun what it is waited for; the answer to that.
    Submitted(Payload),
    /// A worker has begun what a task of an integration waits for.
    Begun(Payload, Handle),
    Failed(Failure),
    /// With progress, when it tells any.
    Heartbeat(Option<Arc<str>>),
    /// Never reached its worker, or was handed back unbegun.
    Undelivered,
    /// Its worker is gone for good, with a cause when more is known than that its session is.
    Lost(Option<Arc<str>>),
    /// It waited for a worker and is to fail instead.
    Withdrawn(Failure),
    /// Not a report: a bounded decision goes on.
    Continue,
}

/// Who reported.
#[derive(Debug)]
pub(crate) enum TaskReply {
    /// Nobody waits.
    None,
    Unary(Answer<()>),
    /// A numbered result of a session.
    Result {
        session: Arc<Session>,
        number: u64,
    },
    /// A heartbeat of a session: only a refusal is told, as a cancellation.
    Heartbeat {
        session: Arc<Session>,
    },
}

/// A task whose worker has no session here: it may come back for it until then, or for as long as the task lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orphan {
    pub task: TaskRef,
    pub until: Option<Timestamp>,
}

/// One held task of a claim: the activity and whose it is when the attempt is live.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub task: TaskRef,
    pub live: Option<(Arc<str>, Arc<Header>)>,
    /// Nobody waits for it.
    pub over: bool,
}

/// Reads of live executions. `None` says that the host does not hold it: the state store has the truth.
pub(crate) enum ReadRequest {
    Execution {
        execution: ExecutionId,
        answer: oneshot::Sender<Option<Box<Snapshot>>>,
    },
    Running {
        machine_arn: Arc<str>,
        before: Option<(Timestamp, ExecutionId)>,
        limit: usize,
        answer: oneshot::Sender<LiveItems>,
    },
    Callbacks {
        after: Option<(Timestamp, ExecutionId)>,
        limit: usize,
        answer: oneshot::Sender<Vec<(Timestamp, ExecutionId)>>,
    },
    Watch {
        execution: ExecutionId,
        answer: oneshot::Sender<Arc<Notify>>,
    },
    /// Told when the execution ends, unless it had ended before.
    End {
        execution: ExecutionId,
        answer: oneshot::Sender<()>,
    },
    Count {
        machine_arn: Option<Arc<str>>,
        answer: oneshot::Sender<(u64, u64)>,
    },
}

impl fmt::Debug for ReadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Execution { .. } => "Execution",
            Self::Running { .. } => "Running",
            Self::Callbacks { .. } => "Callbacks",
            Self::Watch { .. } => "Watch",
            Self::End { .. } => "End",
            Self::Count { .. } => "Count",
        })
    }
}

/// An execution as its host holds it, with the records of its history that are not in the state store yet.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub execution: Execution,
    /// The first event of `tail`; everything before it is in the state store.
    pub first_event: EventId,
    pub tail: Bytes,
}

impl Snapshot {
    /// An execution whose whole history is in the state store.
    pub(crate) fn stored(execution: Execution) -> Self {
        Self {
            first_event: EventId(execution.last_event.0 + 1),
            execution,
            tail: Bytes::new(),
        }
    }

    /// The tail as the block that it will be.
    pub(crate) fn tail_block(&self) -> Block {
        let header = BlockHeader {
            first_event: self.first_event,
            ..BlockHeader::default()
        };
        let records = self.tail.clone();
        Block { header, records }
    }
}

/// One entry of a list of running (or just closed) executions; the rest is read from its snapshot or row.
#[derive(Clone, Debug)]
pub(crate) struct LiveItem {
    pub sort: Timestamp,
    pub execution: ExecutionId,
}

/// What a host knows for a list that the state store does not show yet.
#[derive(Debug, Default)]
pub(crate) struct LiveItems {
    pub items: Vec<LiveItem>,
    /// Executions that the state store may list as closed, and that run again.
    pub reopening: Vec<ExecutionId>,
}

/// An execution read, none stored, or why it could not be read.
pub(crate) type LoadResult = Result<Option<Box<Loaded>>, ApiError>;

/// What a load brings.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub execution: Execution,
    /// None when it is closed.
    pub revision: Option<Arc<Revision>>,
}
