//! Reading chunks back: on a thread of its own, so that no partition's task waits for the disk.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use stepfleet_engine::PartitionId;
use tokio::sync::oneshot;

use super::frame::{self, Found, Place};
use super::index::Entry;
use super::queue::Reply;
use super::segment::{Segment, failed};
use super::{Shared, closed};
use crate::error::StoreError;
use crate::log::admission::readable;
use crate::log::{BatchId, Chunk, Epoch, Seq};

/// Reads that may wait; beyond, they are refused as `Unavailable`.
const QUEUED_MAX: usize = 4096;

/// The thread and the way to it.
#[derive(Debug)]
pub(super) struct Reader {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Request {
    partition: PartitionId,
    seq: Seq,
    bytes_max: usize,
    reply: Reply<Vec<Chunk>>,
}

impl Reader {
    pub(super) fn spawn(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (requests, waiting) = sync_channel(QUEUED_MAX);
        let thread = std::thread::Builder::new()
            .name("log-reader".to_owned())
            .spawn(move || run(&shared, &waiting))
            .map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    pub(super) fn read(
        &self,
        partition: PartitionId,
        seq: Seq,
        bytes_max: usize,
    ) -> Result<oneshot::Receiver<Result<Vec<Chunk>, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            partition,
            seq,
            bytes_max,
            reply,
        };
        match self
            .requests
            .as_ref()
            .map(|requests| requests.try_send(request))
        {
            Some(Ok(())) => Ok(answer),
            Some(Err(TrySendError::Full(_))) => Err(StoreError::Unavailable(format!(
                "{QUEUED_MAX} reads wait for the log already"
            ))),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(closed()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the reader of the log panicked");
        }
    }
}

fn run(shared: &Shared, requests: &Receiver<Request>) {
    for request in requests {
        let chunks = read(shared, request.partition, request.seq.0, request.bytes_max);
        // A caller that went away does not matter.
        drop(request.reply.send(chunks));
    }
}

fn read(
    shared: &Shared,
    partition: PartitionId,
    seq: u64,
    bytes_max: usize,
) -> Result<Vec<Chunk>, StoreError> {
    let entries = {
        let index = shared.index();
        let seqs = readable(partition, seq, index.state(partition.0))?;
        index.entries(partition.0, seqs, bytes_max)
    };
    let mut chunks = Vec::with_capacity(entries.len());
    for (entry, segment) in entries {
        match read_one(partition, &entry, &segment) {
            Ok(chunk) => chunks.push(chunk),
            Err(error) => {
                // The segment may have been trimmed and reused meanwhile; then that is the answer.
                readable(partition, seq, shared.index().state(partition.0))?;
                return Err(error);
            }
        }
    }
    Ok(chunks)
}

fn read_one(partition: PartitionId, entry: &Entry, segment: &Segment) -> Result<Chunk, StoreError> {
    let length = usize::try_from(entry.length).expect("a usize holds 32 bits");
    let mut bytes = vec![0; frame::HEADER_BYTES + length];
    let path = &segment.file.path;
    let file = &segment.file.file;
    file.read_exact_at(&mut bytes, u64::from(entry.offset))
        .map_err(|error| failed("read", path, &error))?;
    let place = Place {
        segment: segment.number,
        offset: entry.offset,
    };
    let frame = match frame::find(&bytes, place) {
        Found::Valid(frame, _) if frame.partition == partition.0 && frame.seq == entry.seq => frame,
        Found::Valid(..) | Found::Torn(_) | Found::Unknown { .. } | Found::Nothing => {
            return Err(StoreError::Corrupt(format!(
                "chunk {} of partition {} at offset {} of {} does not match its checksum; restore a backup",
                entry.seq,
                partition.0,
                entry.offset,
                path.display()
            )));
        }
    };
    Ok(Chunk {
        epoch: Epoch(frame.epoch),
        seq: Seq(frame.seq),
        batch: BatchId(frame.batch),
        bytes: Bytes::from(bytes).slice(frame::HEADER_BYTES..),
    })
}
