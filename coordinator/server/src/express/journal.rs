//! The journal of Express executions that nobody waits for: a partition of the log with a start record of each, durable
//! before the start is answered, and an end record later. It has no rows: a checkpoint writes the starts of what is open
//! once more behind what it covers.

use std::collections::BTreeMap;
use std::future::pending;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use futures::future::BoxFuture;
use stepfleet_asl::Payload;
use stepfleet_engine::execution::Header;
use stepfleet_engine::{
    Data, Event, EventBody, EventId, EventSeq, ExecutionId, PartitionId, PayloadId, Timestamp,
};
use stepfleet_store::records::record::{RecordHeader, encode_express_end, encode_record};
use stepfleet_store::{Append, Seq, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::run::{Run, Unended};
use crate::partition::batch::{Batch, Partition};
use crate::partition::message::Answer;
use crate::partition::{going_down, throttled};
use crate::service::api::StartedExecution;
use crate::service::error::ApiError;
use crate::shared::Shared;

/// The partition of the log; no execution hashes to it.
pub(crate) const PARTITION: PartitionId = PartitionId(u16::MAX - 1);
/// Starts that may wait; one more is refused with `ThrottlingException`.
const STARTS_MAX: usize = 4096;
/// Ends that may wait; executions that end wait for room and keep their places meanwhile.
const NOTES_MAX: usize = 4096;
/// Messages of either kind that are taken at once.
const DRAIN_MAX: usize = 1024;
/// Bytes of a batch that waits for the one in flight; beyond it messages wait.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an end waits for starts to share an append with. After a crash its execution runs once more than needed.
const LINGER: Duration = Duration::from_millis(10);
/// Pause before an append is sent again that storage refused.
const RETRY: Duration = Duration::from_millis(100);
/// How long storage may be unavailable for another reason than a full disk.
const UNAVAILABLE_MAX: Duration = Duration::from_secs(30);

/// Reaches the journal.
#[derive(Clone, Debug)]
pub(super) struct JournalHandle {
    starts: mpsc::Sender<Start>,
    notes: mpsc::Sender<Note>,
}

/// An execution that begins once its start is durable.
#[derive(Debug)]
pub(super) struct Start {
    pub run: Run,
    pub header: Arc<Header>,
    pub input: Payload,
    pub at: Timestamp,
    pub answer: Answer<StartedExecution>,
}

/// What else the journal hears.
#[derive(Debug)]
enum Note {
    Ended(ExecutionId),
    /// Answered with what a checkpoint may cover.
    Checkpoint(oneshot::Sender<Seq>),
}

/// An execution without an end record.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub header: Arc<Header>,
    pub input: Payload,
    pub at: Timestamp,
}

/// The task that owns the partition.
pub(crate) struct Journal {
    shared: Arc<Shared>,
    partition: Partition,
    batch: Batch,
    starts: mpsc::Receiver<Start>,
    notes: mpsc::Receiver<Note>,
    /// Each with the batch that holds its newest start record.
    open: BTreeMap<ExecutionId, (Started, u64)>,
    /// Of the open batch.
    waiting: Waiting,
    /// Since when the open batch has an end.
    ended_at: Option<Instant>,
    in_flight: Option<InFlight>,
}

/// What an append lets go.
#[derive(Default)]
struct Waiting {
    starts: Vec<Start>,
    checkpoints: Vec<(oneshot::Sender<Seq>, Seq)>,
}

struct InFlight {
    waiting: Waiting,
    appended: BoxFuture<'static, ()>,
    begun: Instant,
    chunks: usize,
}

impl JournalHandle {
    /// Refused when too many wait.
    pub(super) fn start(&self, start: Start) -> Result<(), ApiError> {
        self.starts.try_send(start).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => throttled(),
            mpsc::error::TrySendError::Closed(_) => going_down(),
        })
    }

    /// The execution needs no other run.
    pub(super) async fn ended(&self, execution: ExecutionId) {
        // A journal that is gone means that the process ends; the next one runs the execution again.
        let _gone = self.notes.send(Note::Ended(execution)).await;
    }

    pub(super) async fn checkpoint(&self) -> Result<Seq, ApiError> {
        let (answer, receiver) = oneshot::channel();
        let asked = self.notes.send(Note::Checkpoint(answer)).await;
        asked.map_err(|_gone| going_down())?;
        receiver.await.map_err(|_gone| going_down())
    }
}

impl Journal {
    /// `open` is what an earlier process left.
    pub(super) fn new(
        shared: &Arc<Shared>,
        partition: Partition,
        open: impl Iterator<Item = Started>,
    ) -> (Self, JournalHandle) {
        let (start_sender, starts) = mpsc::channel(STARTS_MAX);
        let (note_sender, notes) = mpsc::channel(NOTES_MAX);
        let journal = Self {
            partition,
            batch: Batch::new(shared.entropy.next_u128()),
            starts,
            notes,
            open: open
                .map(|started| (started.header.id, (started, 0)))
                .collect(),
            waiting: Waiting::default(),
            ended_at: None,
            in_flight: None,
            shared: shared.clone(),
        };
        let handle = JournalHandle {
            starts: start_sender,
            notes: note_sender,
        };
        (journal, handle)
    }

    /// Works until shutdown, then finishes what it has accepted.
    pub(crate) async fn serve(mut self, shutdown: CancellationToken) {
        let (mut starts, mut notes) = (Vec::new(), Vec::new());
        while !shutdown.is_cancelled() {
            let admits = self.batch.bytes < BATCH_BYTES_MAX;
            let linger = self.ended_at.map(|at| at + LINGER);
            let idle = self.in_flight.is_none();
            tokio::select! {
                biased;
                () = appended(&mut self.in_flight) => self.release(),
                _ = self.notes.recv_many(&mut notes, DRAIN_MAX), if admits => {}
                _ = self.starts.recv_many(&mut starts, DRAIN_MAX), if admits => {}
                () = until(linger), if idle => {}
                () = shutdown.cancelled() => {}
            }
            while admits
                && starts.len() < DRAIN_MAX
                && let Ok(start) = self.starts.try_recv()
            {
                starts.push(start);
            }
            notes.drain(..).for_each(|note| self.note(note));
            starts.drain(..).for_each(|start| self.start(start));
            self.flush();
        }
        self.finish().await;
    }

    fn start(&mut self, start: Start) {
        let started = Started {
            header: start.header.clone(),
            input: start.input.clone(),
            at: start.at,
        };
        let bytes = self.put(&started);
        let counted = &self.shared.counters.log_bytes;
        counted.fetch_add(bytes as u64, Ordering::Relaxed);
        let number = self.batch.number;
        self.open.insert(started.header.id, (started, number));
        self.waiting.starts.push(start);
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Ended(execution) => {
                if self.open.remove(&execution).is_some() {
                    let chunk = self.partition.chunk();
                    encode_express_end(chunk, execution);
                    self.batch.changed = true;
                    self.ended_at.get_or_insert_with(Instant::now);
                }
            }
            // Everything that the log was given is committed when the open batch leaves.
            Note::Checkpoint(answer) => self.waiting.checkpoints.push((answer, Seq(0))),
        }
    }

    /// Writes a start into the open batch; how many bytes it took.
    fn put(&mut self, started: &Started) -> usize {
        let chunk = self.partition.chunk();
        let from = chunk.len();
        put_start(chunk, started);
        let bytes = chunk.len() - from;
        self.batch.changed = true;
        self.batch.bytes += bytes;
        bytes
    }

    /// Gives the open batch to the log, if none is in flight and anybody waits for it.
    fn flush(&mut self) {
        let waits = !self.waiting.starts.is_empty() || !self.waiting.checkpoints.is_empty();
        let lingered = self
            .ended_at
            .is_some_and(|at| at + LINGER <= Instant::now());
        if self.in_flight.is_none() && (waits || lingered) {
            self.send();
        }
    }

    fn send(&mut self) {
        if !self.waiting.checkpoints.is_empty() {
            self.carry_over();
        }
        self.ended_at = None;
        let waiting = std::mem::take(&mut self.waiting);
        let (_, appends, _) = self.batch.close(slice::from_mut(&mut self.partition));
        let bytes: usize = appends.iter().map(|append| append.chunk.len()).sum();
        self.shared.metrics.log_bytes(bytes as u64);
        self.in_flight = Some(InFlight {
            waiting,
            chunks: appends.len(),
            begun: Instant::now(),
            appended: Box::pin(append(self.shared.clone(), appends)),
        });
    }

    /// The starts that only chunks before this batch hold are written once more, so that those chunks may go.
    fn carry_over(&mut self) {
        let covered = self.partition.last;
        for (_, seq) in &mut self.waiting.checkpoints {
            *seq = covered;
        }
        let number = self.batch.number;
        let mut older: Vec<Started> = Vec::new();
        for (started, batch) in self.open.values_mut() {
            if std::mem::replace(batch, number) < number {
                older.push(started.clone());
            }
        }
        for started in older {
            self.put(&started);
        }
    }

    /// The batch in flight is durable: its starts are answered, and run.
    fn release(&mut self) {
        let Some(done) = self.in_flight.take() else {
            return;
        };
        if done.chunks > 0 {
            let took_ms = i64::try_from(done.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
            self.shared.metrics.appended(done.chunks, took_ms);
        }
        self.partition.committed = self.partition.last;
        for start in done.waiting.starts {
            let Start {
                run,
                header,
                input,
                at,
                answer,
            } = start;
            let arn = header.execution_arn.to_string();
            let started_at = at;
            let _gone = answer.send(Ok(StartedExecution { arn, started_at }));
            if !self.shared.express.halt.is_cancelled() {
                let whole = carry_out(self.shared.clone(), run, header, input, at);
                crate::task::spawn("express execution", whole);
            }
        }
        for (answer, covered) in done.waiting.checkpoints {
            let _gone = answer.send(covered);
        }
    }

    /// Makes what was accepted durable. Starts among it are answered; the next process runs them.
    async fn finish(mut self) {
        self.shared.express.halt.cancel();
        self.starts.close();
        self.notes.close();
        loop {
            while let Ok(start) = self.starts.try_recv() {
                self.start(start);
            }
            while let Ok(note) = self.notes.try_recv() {
                self.note(note);
            }
            if self.in_flight.is_none() {
                if !self.batch.changed {
                    return;
                }
                self.send();
            }
            tokio::select! {
                () = appended(&mut self.in_flight) => self.release(),
                () = sleep(RETRY) => {
                    if self.shared.pressure.refusing().is_some() {
                        return;
                    }
                }
            }
        }
    }
}

/// Runs an execution whose start is durable, and records its end.
pub(super) async fn carry_out(
    shared: Arc<Shared>,
    mut run: Run,
    header: Arc<Header>,
    input: Payload,
    at: Timestamp,
) {
    let id = header.id;
    let ended = match run.begin(header, input, at) {
        Ok(begun) => run.finish(begun).await.map(|_ended| ()),
        Err(unended) => Err(unended),
    };
    if ended != Err(Unended::GoingDown) {
        shared.express.journal().ended(id).await;
    }
}

fn put_start(chunk: &mut BytesMut, started: &Started) {
    let header = RecordHeader {
        hash: started.header.hash,
        execution: started.header.id,
        at: started.at,
        first_seq: EventSeq(1),
        count: 1,
    };
    let event = Event {
        previous: EventId(0),
        body: EventBody::ExecutionStarted {
            header: started.header.clone(),
            input: Data {
                id: PayloadId(1),
                payload: started.input.clone(),
            },
            // Each run has its own.
            deadline: None,
            keeps_frames: false,
        },
    };
    encode_record(chunk, &header, slice::from_ref(&event), PayloadId(0));
}

/// Appends until the log has taken it. What storage can never take ends the process.
async fn append(shared: Arc<Shared>, appends: Vec<Append>) {
    let mut since = Instant::now();
    while !appends.is_empty() {
        let results = shared.log.append(appends.clone()).await;
        let Some(error) = results.into_iter().find_map(Result::err) else {
            return shared.pressure.storage_recovered();
        };
        let full = matches!(error, StoreError::Full(_));
        if full {
            // A full disk may last; only what is unavailable for other reasons counts.
            since = Instant::now();
        }
        if !error.is_retryable() || (!full && since.elapsed() > UNAVAILABLE_MAX) {
            shared
                .fatal
                .fail(format!("the log cannot be written: {error}"));
        }
        shared.pressure.storage_failed(&error);
        sleep(RETRY).await;
    }
}

async fn appended(in_flight: &mut Option<InFlight>) {
    match in_flight {
        Some(in_flight) => (&mut in_flight.appended).await,
        None => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
