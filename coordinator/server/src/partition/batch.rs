//! What a host has decided and not yet been told to be durable: chunks to append, and everything that must stay inside
//! until they are.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use stepfleet_asl::resource::Pattern;
use stepfleet_engine::execution::Header;
use stepfleet_engine::{ExecutionId, PartitionId, TaskRef};
use stepfleet_proto::v1::{Push, RefusedResult};
use stepfleet_store::log::CHUNK_BYTES_TARGET;
use stepfleet_store::{Append, BatchId, Epoch, Row, Seq, StoreError};
use tokio::sync::{Notify, oneshot};

use super::message::TaskReply;
use crate::fleet::Session;
use crate::matching::Slot;
use crate::observe::Observed;
use crate::service::error::ApiError;

/// One partition of a host.
#[derive(Debug)]
pub(crate) struct Partition {
    pub id: PartitionId,
    pub epoch: Epoch,
    /// The last chunk that was given to the log.
    pub last: Seq,
    /// The last chunk that the log confirmed.
    pub committed: Seq,
    /// Finished chunks of the open batch.
    full: Vec<Bytes>,
    open: BytesMut,
}

impl Partition {
    pub(crate) fn new(id: PartitionId, epoch: Epoch, last: Seq) -> Self {
        Self {
            id,
            epoch,
            last,
            committed: last,
            full: Vec::new(),
            open: BytesMut::new(),
        }
    }

    /// The chunk under construction. A chunk that reached its target is closed first, so that none is ever torn.
    pub(crate) fn chunk(&mut self) -> &mut BytesMut {
        if self.open.len() >= CHUNK_BYTES_TARGET {
            self.full.push(self.open.split().freeze());
        }
        &mut self.open
    }

    /// Takes the open batch's chunks.
    fn take(&mut self, batch: &mut u128, appends: &mut Vec<Append>) {
        if !self.open.is_empty() {
            self.full.push(self.open.split().freeze());
        }
        for chunk in self.full.drain(..) {
            self.last = Seq(self.last.0 + 1);
            *batch = batch.wrapping_add(1);
            let (partition, epoch, seq) = (self.id, self.epoch, self.last);
            appends.push(Append {
                partition,
                epoch,
                seq,
                batch: BatchId(*batch),
                chunk,
            });
        }
    }
}

/// What waits for the state writer, in order.
#[derive(Debug)]
pub(crate) enum Outbound {
    Rows {
        rows: Vec<Row>,
        written: (ExecutionId, u64),
    },
    /// Sent when the writer has taken everything before it: a checkpoint covers no row that could still be lost.
    Covered {
        covered: Vec<(PartitionId, Seq)>,
        answer: oneshot::Sender<Vec<(PartitionId, Seq)>>,
    },
}

/// What a worker is given with a task.
#[derive(Debug)]
pub(crate) struct Given {
    pub input: stepfleet_asl::Payload,
    pub heartbeat_seconds: u32,
    /// What was said of the task last, in an attempt before.
    pub last_progress: Option<Arc<str>>,
    /// Of a task that the worker begins, how that waits.
    pub pattern: Option<Pattern>,
}

/// What leaves the host once its batch is durable.
pub(crate) enum Effect {
    Task {
        reply: TaskReply,
        task: TaskRef,
        result: Result<(), ApiError>,
    },
    /// A started task for its worker.
    Push {
        slot: Slot,
        task: TaskRef,
        header: Arc<Header>,
        given: Given,
        trace_header: Option<Arc<str>>,
    },
    /// The attempt ended otherwise: its worker is told.
    Cancel {
        session: Arc<Session>,
        task: TaskRef,
    },
    Rows {
        rows: Vec<Row>,
        written: (ExecutionId, u64),
    },
    Covered {
        covered: Vec<(PartitionId, Seq)>,
        answer: oneshot::Sender<Vec<(PartitionId, Seq)>>,
    },
    Notify(Arc<Notify>),
    /// What operators are told.
    Observed(Box<Observed>),
    /// Anything rare: an answer bound to its value.
    Run(Box<dyn FnOnce() + Send>),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task { .. } => "Task",
            Self::Push { .. } => "Push",
            Self::Cancel { .. } => "Cancel",
            Self::Rows { .. } => "Rows",
            Self::Covered { .. } => "Covered",
            Self::Notify(_) => "Notify",
            Self::Observed(_) => "Observed",
            Self::Run(_) => "Run",
        })
    }
}

/// The append in flight.
pub(crate) struct InFlight {
    pub number: u64,
    pub appends: Vec<Append>,
    pub effects: Vec<Effect>,
    pub future: BoxFuture<'static, Vec<Result<(), StoreError>>>,
    pub begun: tokio::time::Instant,
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("number", &self.number)
            .field("chunks", &self.appends.len())
            .finish_non_exhaustive()
    }
}

/// The open batch.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Its number; executions remember in which one they last changed.
    pub number: u64,
    /// The last batch that is durable.
    pub committed: u64,
    pub effects: Vec<Effect>,
    pub changed: bool,
    /// Bytes of its records.
    pub bytes: usize,
    next_id: u128,
}

impl Batch {
    /// `seed` makes batch ids unique over restarts.
    pub(crate) fn new(seed: u128) -> Self {
        Self {
            number: 1,
            committed: 0,
            effects: Vec::new(),
            changed: false,
            bytes: 0,
            next_id: seed,
        }
    }

    /// Closes the open batch: its chunks, and its effects.
    pub(crate) fn close(
        &mut self,
        partitions: &mut [Partition],
    ) -> (u64, Vec<Append>, Vec<Effect>) {
        let mut appends = Vec::new();
        for partition in partitions {
            partition.take(&mut self.next_id, &mut appends);
        }
        let number = self.number;
        self.number += 1;
        self.changed = false;
        self.bytes = 0;
        (number, appends, std::mem::take(&mut self.effects))
    }
}

/// How a refused result is told to a session.
pub(crate) fn refused(token: String, error: &ApiError) -> RefusedResult {
    RefusedResult {
        task_token: token,
        reason: error.code.as_str().to_owned(),
    }
}

/// A push without its number and activity, which the session gives, and without its trace.
pub(crate) fn push(token: String, task: &TaskRef, header: &Header, given: &Given) -> Push {
    let last_progress = given.last_progress.as_deref().unwrap_or_default();
    Push {
        number: 0,
        task_token: token,
        activity: 0,
        input: given.input.text().to_owned(),
        heartbeat_seconds: given.heartbeat_seconds,
        execution_arn: header.execution_arn.to_string(),
        attempt: task.attempt.attempt,
        traceparent: String::new(),
        start: None,
        last_progress: last_progress.to_owned(),
    }
}
