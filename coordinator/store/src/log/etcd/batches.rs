//! Chunks on their way to etcd. A few requests are under way at once; what comes meanwhile goes with the next one, whoever
//! asked for it. So an append that is alone waits for nobody, and under load requests grow instead of becoming more.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use tokio::sync::{Semaphore, oneshot};

use super::chunk::{self, Packed};
use super::requests::{Answer, Requests};
use crate::error::StoreError;
use crate::log::Append;

/// Requests under way at once. One alone would wait for a whole round trip; with more of them they are smaller.
const REQUESTS: usize = 4;
/// Bytes of a request at most that holds more than one chunk; etcd takes 1.5 MiB unless it is told otherwise.
const REQUEST_BYTES: usize = 768 * 1024;
/// Chunks of a request at most: two conditions each, and etcd takes 128 unless it is told otherwise.
const REQUEST_CHUNKS: usize = 48;

#[derive(Debug)]
pub(super) struct Batches {
    waiting: Mutex<VecDeque<Waiting>>,
    turns: Semaphore,
}

/// A chunk that nobody has sent yet. There is one of each partition at most: its next one waits for this one's answer.
#[derive(Debug)]
struct Waiting {
    append: Append,
    packed: Packed,
    answer: oneshot::Sender<Answer>,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turns: Semaphore::new(REQUESTS),
        }
    }
}

impl Batches {
    /// Appends chunks of different partitions. Whoever waits for an answer sends what waits, its own and others'; should it
    /// be dropped on the way, the others are told that the outcome is not known.
    pub(super) async fn append(&self, requests: &Requests, appends: &[&Append]) -> Vec<Answer> {
        let mut answers = Box::pin(join_all(appends.iter().map(|append| self.enqueue(append))));
        loop {
            tokio::select! {
                biased;
                answers = &mut answers => return answers.into_iter().map(told).collect(),
                turn = self.turns.acquire() => {
                    let batch = self.take();
                    if batch.is_empty() {
                        // Others have sent all of it.
                        drop(turn);
                        return answers.await.into_iter().map(told).collect();
                    }
                    send(requests, batch).await;
                }
            }
        }
    }

    fn enqueue(&self, append: &Append) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(Waiting {
            packed: chunk::pack(append),
            append: append.clone(),
            answer,
        });
        receiver
    }

    /// As many as one request holds, oldest first.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut bytes, mut count) = (0, 0);
        for next in waiting.iter().take(REQUEST_CHUNKS) {
            bytes += next.packed.value.len();
            if bytes > REQUEST_BYTES && count > 0 {
                break;
            }
            count += 1;
        }
        waiting.drain(..count).collect()
    }
}

async fn send(requests: &Requests, batch: Vec<Waiting>) {
    let chunks = batch
        .iter()
        .map(|waiting| (&waiting.append, &waiting.packed));
    let answers = requests.append_together(chunks.collect()).await;
    for (waiting, answer) in batch.into_iter().zip(answers) {
        let _gone = waiting.answer.send(answer);
    }
}

fn told(answer: Result<Answer, oneshot::error::RecvError>) -> Answer {
    answer.unwrap_or_else(|_dropped| {
        let text = "whoever sent the chunk has gone away";
        Err(StoreError::Unavailable(text.to_owned()))
    })
}
