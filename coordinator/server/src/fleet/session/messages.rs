//! What a session and its worker tell each other: results in, by their numbers, and messages out, to one connection.

use stepfleet_proto::v1::{CoordinatorMessage, Push, RefusedResult};

use super::Session;
use crate::service::error::ApiError;

/// Bytes of task inputs in one message, so that no client's message limit is met.
const MESSAGE_BYTES: usize = 1024 * 1024;

impl Session {
    /// Tells the worker that details of a heartbeat do not count; the heartbeat does.
    pub(crate) fn refuse_progress(&self, refused: RefusedResult) {
        self.lock().outgoing.refused_progress.push(refused);
        self.wake.notify_one();
    }

    /// Whether a result of this number is new.
    pub(crate) fn accept(&self, number: u64) -> bool {
        let mut inner = self.lock();
        if !inner.numbered {
            inner.numbered = true;
            inner.accepted = number.saturating_sub(1);
            inner.confirmed = inner.accepted;
        }
        let new = number > inner.accepted;
        inner.accepted = inner.accepted.max(number);
        new
    }

    /// A result is durable, or refused for good with a reason.
    pub(crate) fn settle(&self, number: u64, refusal: Option<RefusedResult>) {
        let mut inner = self.lock();
        inner.outgoing.refused.extend(refusal);
        inner.settled.insert(number);
        loop {
            let next = inner.confirmed.saturating_add(1);
            if !inner.settled.remove(&next) {
                break;
            }
            inner.confirmed = next;
        }
        inner.outgoing.confirmed = inner.confirmed;
    }

    /// The worker has every push up to this one.
    pub(crate) fn received(&self, number: u64) {
        let mut inner = self.lock();
        inner.received = inner.received.max(number);
    }

    /// Wakes the writer of the current connection.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The next message for this connection; `None` when another connection has taken over or the session ended.
    pub(crate) async fn next_message(
        &self,
        connection: u64,
    ) -> Option<Result<CoordinatorMessage, ApiError>> {
        loop {
            let woken = self.wake.notified();
            if let Some(fault) = self.take_fault(connection) {
                return Some(Err(fault));
            }
            match self.take_outgoing(connection)? {
                message if message == CoordinatorMessage::default() => woken.await,
                message => return Some(Ok(message)),
            }
        }
    }

    /// Ends the current connection with an error.
    pub(crate) fn refuse(&self, error: ApiError) {
        self.lock().fault = Some(error);
        self.wake.notify_one();
    }

    fn take_fault(&self, connection: u64) -> Option<ApiError> {
        let mut inner = self.lock();
        inner.fault.take().filter(|_| self.is_current(connection))
    }

    /// What is to be said, about [`MESSAGE_BYTES`] of it. `None` for a connection that is over: what comes after it
    /// belongs to the next one.
    fn take_outgoing(&self, connection: u64) -> Option<CoordinatorMessage> {
        let mut inner = self.lock();
        if !self.is_current(connection) || !self.is_open() {
            return None;
        }
        let mut bytes = 0;
        let fits = |push: &&Push| {
            bytes += push.input.len();
            bytes <= MESSAGE_BYTES
        };
        let count = inner.outgoing.pushes.iter().take_while(fits).count().max(1);
        let pushes = &mut inner.outgoing.pushes;
        let rest = pushes.split_off(count.min(pushes.len()));
        if !rest.is_empty() {
            self.wake.notify_one();
        }
        let later = CoordinatorMessage {
            pushes: rest,
            ..CoordinatorMessage::default()
        };
        Some(std::mem::replace(&mut inner.outgoing, later))
    }
}
