//! What is ready to go out. The connection takes everything there is whenever it can write, so batches grow by
//! themselves when it is busy. Nothing but `hello` goes out before the coordinator's `welcome`.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio_stream::Stream;

use super::frame::{Alive, Finished, Frame};
use super::task::Shared;
use crate::api::{ConnectorAnswer, Hello, SlotsChange, WorkerMessage};

/// Results of a message stop here, bytes: well below the 4 MiB that gRPC servers accept by default.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Tokens of a kind per message, for the same reason.
const FRAME_TOKENS_MAX: usize = 2048;

/// Answers of connectors per message: an output may have 256 KiB.
const FRAME_ANSWERS_MAX: usize = 8;

/// Filled by the session, emptied by the stream of the current connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Something went out that says that this worker leaves.
    said: Notify,
}

/// The outgoing half of one connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    outbox: Arc<Outbox>,
    connection: u64,
}

/// What the session wants to say next.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) results: Vec<Arc<Finished>>,
    pub(crate) heartbeats: Vec<Arc<Shared>>,
    pub(crate) returned: Vec<String>,
    pub(crate) slots: Vec<SlotsChange>,
    pub(crate) answers: Vec<ConnectorAnswer>,
    /// Number of the last push received.
    pub(crate) received: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Streams of earlier connections end.
    connection: u64,
    hello: Option<Hello>,
    /// The coordinator has answered `hello`.
    welcomed: bool,
    /// Nothing more will come: the stream ends when all has gone out.
    closed: bool,
    news: News,
    draining: Option<Draining>,
    received_sent: u64,
    /// Send a message even if it only acknowledges.
    acknowledge: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draining {
    Untold,
    Told,
}

impl Outbox {
    /// Begins a connection: forgets what an earlier one did not send (the session knows what to send again).
    pub(crate) fn begin(self: &Arc<Self>, hello: Hello) -> Outgoing {
        let mut state = self.lock();
        state.connection += 1;
        state.hello = Some(hello);
        state.welcomed = false;
        state.received_sent = 0;
        state.acknowledge = false;
        state.news.results.clear();
        state.news.returned.clear();
        // `hello` tells them.
        state.news.slots.clear();
        // Questions go with their connection.
        state.news.answers.clear();
        state.draining = state.draining.map(|_| Draining::Untold);
        let connection = state.connection;
        wake(state);
        Outgoing {
            outbox: Arc::clone(self),
            connection,
        }
    }

    /// The coordinator has welcomed this connection; `received` starts over when it does not know the session.
    pub(crate) fn welcomed(&self, received: u64) {
        let mut state = self.lock();
        state.welcomed = true;
        // The session now says all that is not confirmed; these are among it.
        state.news.results.clear();
        state.news.received = received;
        wake(state);
    }

    /// Adds to what goes out next; leaves `news` empty but for `received`.
    pub(crate) fn add(&self, news: &mut News) {
        let mut state = self.lock();
        state.news.received = news.received;
        let nothing = news.results.is_empty()
            && news.heartbeats.is_empty()
            && news.returned.is_empty()
            && news.slots.is_empty()
            && news.answers.is_empty();
        if nothing {
            return;
        }
        state.news.answers.append(&mut news.answers);
        state.news.results.append(&mut news.results);
        state.news.heartbeats.append(&mut news.heartbeats);
        state.news.returned.append(&mut news.returned);
        state.news.slots.append(&mut news.slots);
        wake(state);
    }

    /// Says that this worker takes no new tasks, now and on every later connection.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.draining = Some(Draining::Untold);
        wake(state);
    }

    /// Acknowledges the newest push, unless another message has done so.
    pub(crate) fn acknowledge(&self) {
        let mut state = self.lock();
        if state.news.received != state.received_sent {
            state.acknowledge = true;
            wake(state);
        }
    }

    /// Whether everything went out, with the word that this worker leaves.
    pub(crate) fn has_said_all(&self) -> bool {
        let state = self.lock();
        state.welcomed && state.draining == Some(Draining::Told) && !state.has_news()
    }

    /// Waits until more of that went out.
    pub(crate) async fn said(&self) {
        self.said.notified().await;
    }

    /// Ends the stream once all has gone out.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        wake(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_frame(&mut self) -> Option<Frame> {
        if let Some(hello) = self.hello.take() {
            let head = WorkerMessage {
                hello: Some(hello),
                ..WorkerMessage::default()
            };
            return Some(Frame {
                head,
                ..Frame::default()
            });
        }
        if !self.welcomed || !self.has_news() {
            return None;
        }
        self.acknowledge = false;
        self.received_sent = self.news.received;
        self.draining = self.draining.map(|_| Draining::Told);
        let head = WorkerMessage {
            received: self.news.received,
            draining: self.draining.is_some(),
            returned: take_some(&mut self.news.returned, FRAME_TOKENS_MAX),
            slots: mem::take(&mut self.news.slots),
            answers: take_some(&mut self.news.answers, FRAME_ANSWERS_MAX),
            ..WorkerMessage::default()
        };
        let heartbeats = take_some(&mut self.news.heartbeats, FRAME_TOKENS_MAX);
        let heartbeats = heartbeats.into_iter().map(Alive::new).collect();
        let fitting = fitting(&self.news.results);
        let results = take_some(&mut self.news.results, fitting);
        Some(Frame {
            head,
            results,
            heartbeats,
        })
    }

    fn has_news(&self) -> bool {
        !self.news.results.is_empty()
            || !self.news.heartbeats.is_empty()
            || !self.news.returned.is_empty()
            || !self.news.slots.is_empty()
            || !self.news.answers.is_empty()
            || self.acknowledge
            || self.draining == Some(Draining::Untold)
    }
}

impl Stream for Outgoing {
    type Item = Frame;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut state = self.outbox.lock();
        if state.connection != self.connection {
            return Poll::Ready(None);
        }
        if let Some(frame) = state.next_frame() {
            if state.draining == Some(Draining::Told) {
                self.outbox.said.notify_one();
            }
            return Poll::Ready(Some(frame));
        }
        // Before the welcome nothing has been said.
        if state.closed && state.welcomed {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Wakes the stream after the lock is gone, so that it does not run into it.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// How many results fit one message; at least one if there is any.
fn fitting(results: &[Arc<Finished>]) -> usize {
    let mut bytes = 0;
    let fits = |result: &&Arc<Finished>| {
        bytes += result.size();
        bytes <= FRAME_BYTES_MAX
    };
    results
        .iter()
        .take_while(fits)
        .count()
        .max(results.len().min(1))
}

fn take_some<T>(items: &mut Vec<T>, count_max: usize) -> Vec<T> {
    if items.len() <= count_max {
        return mem::take(items);
    }
    items.drain(..count_max).collect()
}
