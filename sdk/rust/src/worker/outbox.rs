//! What is ready to go out. The connection takes everything there is whenever it can write, so batches grow by
//! themselves when it is busy. Nothing but `hello` goes out before the coordinator's `welcome`.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use prost::Message as _;
use tokio::sync::Notify;
use tokio_stream::Stream;

use super::frame::{Alive, Finished, Frame};
use super::task::Shared;
use crate::api::connector_answer::Answer;
use crate::api::{ConnectorAnswer, Hello, SlotsChange, TaskFailure, WorkerMessage};

/// Answers and results of a message stop here, bytes: well below the 4 MiB that gRPC servers accept by default.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Tokens of a kind per message, for the same reason.
const FRAME_TOKENS_MAX: usize = 2048;
/// Bytes of one output in an answer: it still fits a message by itself.
const ANSWER_BYTES_MAX: usize = 3 * 1024 * 1024;

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
        let answers = fitting(&self.news.answers, 0, ConnectorAnswer::encoded_len);
        let answers = take_some(&mut self.news.answers, answers);
        let answered = answers.iter().map(ConnectorAnswer::encoded_len).sum();
        let head = WorkerMessage {
            received: self.news.received,
            draining: self.draining.is_some(),
            returned: take_some(&mut self.news.returned, FRAME_TOKENS_MAX),
            slots: mem::take(&mut self.news.slots),
            answers,
            ..WorkerMessage::default()
        };
        let heartbeats = take_some(&mut self.news.heartbeats, FRAME_TOKENS_MAX);
        let heartbeats = heartbeats.into_iter().map(Alive::new).collect();
        let results = fitting(&self.news.results, answered, |result| result.size());
        let results = take_some(&mut self.news.results, results);
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

/// How many fit a message beside these bytes. In an empty one, any fits by itself.
fn fitting<T>(items: &[T], beside: usize, size: impl Fn(&T) -> usize) -> usize {
    let mut bytes = beside;
    let fits = |item: &&T| {
        let is_first = bytes == 0;
        bytes += size(item);
        is_first || bytes <= FRAME_BYTES_MAX
    };
    items.iter().take_while(fits).count()
}

/// An answer as it may go out: an output that fits no message would end connection after connection, and fails its task.
pub(crate) fn bounded(mut answer: ConnectorAnswer) -> ConnectorAnswer {
    if let Some(Answer::Output(output)) = &answer.answer
        && output.len() > ANSWER_BYTES_MAX
    {
        let size = output.len();
        let cause = format!(
            "the connector's output has {size} bytes, of at most {ANSWER_BYTES_MAX} in an answer"
        );
        answer.answer = Some(Answer::Failure(TaskFailure {
            error: Some("States.DataLimitExceeded".to_owned()),
            cause: Some(cause),
        }));
    }
    answer
}

fn take_some<T>(items: &mut Vec<T>, count_max: usize) -> Vec<T> {
    if items.len() <= count_max {
        return mem::take(items);
    }
    items.drain(..count_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(bytes: usize) -> ConnectorAnswer {
        ConnectorAnswer {
            number: 1,
            answer: Some(Answer::Output("7".repeat(bytes))),
        }
    }

    #[test]
    fn answers_share_messages_as_far_as_they_fit() {
        let outbox = Arc::new(Outbox::default());
        let _connection = outbox.begin(Hello::default());
        let mut state = outbox.lock();
        assert!(state.next_frame().is_some_and(|it| it.head.hello.is_some()));
        state.welcomed = true;
        state.news.answers = vec![output(600_000), output(400_000), output(300_000)];
        state.news.answers.push(bounded(output(ANSWER_BYTES_MAX)));
        let counts: Vec<usize> = std::iter::from_fn(|| state.next_frame())
            .map(|frame| frame.head.answers.len())
            .collect();
        assert_eq!(counts, [2, 1, 1]);
    }

    #[test]
    fn an_output_that_fits_no_message_fails_its_task() {
        let answer = bounded(output(ANSWER_BYTES_MAX + 1)).answer;
        let Some(Answer::Failure(failure)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(failure.error(), "States.DataLimitExceeded");
    }
}
