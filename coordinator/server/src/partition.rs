//! Partitions and the hosts that own them. A partition's executions are changed by one task only, through one path:
//! message → decide → events → log → effects.

pub(crate) mod aside;
mod attempts;
pub(crate) mod batch;
pub(crate) mod desk;
mod ends;
pub(crate) mod handle;
mod heartbeats;
pub(crate) mod history;
pub(crate) mod host;
pub(crate) mod load;
pub(crate) mod message;
mod offers;
mod orphans;
mod record;
pub(crate) mod recovery;
pub(crate) mod redrive;
pub(crate) mod release;
pub(crate) mod resident;
pub(crate) mod rows;
pub(crate) mod tasks;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stepfleet_engine::KeyHash;
use tokio::sync::mpsc;

pub(crate) use host::Mailbox;
pub(crate) use message::Message;

use crate::service::error::{ApiError, ErrorCode};

/// Messages that may wait at a host: completions, reads, slots.
const URGENT_MAX: usize = 65_536;
/// Starts that may wait at a host; one more is refused with `ThrottlingException`.
const STARTS_MAX: usize = 4096;
/// Payload bytes that may wait at a host; beyond it senders are refused.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sends to one host.
#[derive(Clone)]
pub(crate) struct HostHandle {
    inner: Arc<HostInner>,
}

struct HostInner {
    urgent: mpsc::Sender<Message>,
    starts: mpsc::Sender<Message>,
    bytes: Arc<AtomicUsize>,
}

impl fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostHandle").finish_non_exhaustive()
    }
}

impl HostHandle {
    /// A handle and the mailbox that its messages reach.
    pub(crate) fn new() -> (Self, Mailbox) {
        let (urgent, urgent_receiver) = mpsc::channel(URGENT_MAX);
        let (starts, starts_receiver) = mpsc::channel(STARTS_MAX);
        let bytes = Arc::new(AtomicUsize::new(0));
        let inner = Arc::new(HostInner {
            urgent,
            starts,
            bytes: bytes.clone(),
        });
        (
            Self { inner },
            Mailbox {
                urgent: urgent_receiver,
                starts: starts_receiver,
                bytes,
            },
        )
    }

    /// Whether both lead to the same host.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// A start: refused when too many wait.
    pub(crate) fn send_start(&self, message: Message) -> Result<(), ApiError> {
        self.admit(&message)?;
        self.inner
            .starts
            .try_send(message)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(message) => {
                    self.inner
                        .bytes
                        .fetch_sub(message.bytes(), Ordering::Relaxed);
                    throttled()
                }
                mpsc::error::TrySendError::Closed(_) => going_down(),
            })
    }

    /// Anything that ends work or reads: waits for room. A caller that goes away while it waits leaves nothing behind.
    pub(crate) async fn send(&self, message: Message) -> Result<(), ApiError> {
        let room = self
            .inner
            .urgent
            .reserve()
            .await
            .map_err(|_closed| going_down())?;
        self.admit(&message)?;
        room.send(message);
        Ok(())
    }

    /// What was taken in already: waits for room and is never refused.
    pub(crate) async fn send_admitted(&self, message: Message) {
        // A closed mailbox means that the process ends; the worker sends again what was not confirmed.
        if let Ok(room) = self.inner.urgent.reserve().await {
            self.inner
                .bytes
                .fetch_add(message.bytes(), Ordering::Relaxed);
            room.send(message);
        }
    }

    /// From within a host or a thread that must not wait. When the mailbox is full a task waits for room instead.
    pub(crate) fn send_later(&self, message: Message) {
        self.inner
            .bytes
            .fetch_add(message.bytes(), Ordering::Relaxed);
        if let Err(mpsc::error::TrySendError::Full(message)) = self.inner.urgent.try_send(message) {
            let urgent = self.inner.urgent.clone();
            crate::task::spawn("deliver to host", async move {
                drop(urgent.send(message).await)
            });
        }
    }

    /// From a thread outside the runtime.
    pub(crate) fn send_blocking(&self, message: Message) {
        self.inner
            .bytes
            .fetch_add(message.bytes(), Ordering::Relaxed);
        let _gone = self.inner.urgent.blocking_send(message);
    }

    fn admit(&self, message: &Message) -> Result<(), ApiError> {
        let bytes = message.bytes();
        let waiting = self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > BYTES_MAX && bytes > 0 {
            self.inner.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(throttled());
        }
        Ok(())
    }
}

/// The refusal of what would have to wait where too much waits.
pub(crate) fn throttled() -> ApiError {
    ApiError::new(ErrorCode::ThrottlingException, "Rate exceeded").with_retry_after_ms(100)
}

/// The refusal of everything while the process ends.
pub(crate) fn going_down() -> ApiError {
    let message = "the coordinator is shutting down; try again";
    ApiError::new(ErrorCode::ServiceUnavailable, message).with_retry_after_ms(500)
}

/// All hosts of this process.
#[derive(Clone, Debug)]
pub(crate) struct Partitions {
    hosts: Arc<[HostHandle]>,
    count: u16,
}

impl Partitions {
    /// `hosts` own equal, contiguous runs of the `count` partitions.
    pub(crate) fn new(hosts: Vec<HostHandle>, count: u16) -> Self {
        Self {
            hosts: hosts.into(),
            count,
        }
    }

    /// The host of a hash.
    pub(crate) fn host(&self, hash: KeyHash) -> &HostHandle {
        &self.hosts[self.host_index(hash)]
    }

    /// Index of the host of a hash.
    pub(crate) fn host_index(&self, hash: KeyHash) -> usize {
        let per_host = usize::from(self.count).div_ceil(self.hosts.len());
        usize::from(hash.partition(self.count).0) / per_host
    }

    pub(crate) fn hosts(&self) -> &[HostHandle] {
        &self.hosts
    }

    pub(crate) fn send_later(&self, hash: KeyHash, message: Message) {
        self.host(hash).send_later(message);
    }
}
