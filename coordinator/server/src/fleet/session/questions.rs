//! Questions to a worker about work of its connectors. They go with their connection.

use std::collections::BTreeMap;

use stepfleet_proto::v1::connector_answer::Answer;
use stepfleet_proto::v1::{ConnectorAnswer, ConnectorQuery};
use tokio::sync::oneshot;

use super::Session;

/// Those of a connection that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: BTreeMap<u64, oneshot::Sender<Answer>>,
    /// Of the last one.
    number: u64,
}

impl Session {
    /// Asks the worker about work of a connector. The answer never comes when the connection ends first.
    pub(crate) fn ask(&self, mut query: ConnectorQuery) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        // Under the lock, so that a connection that ends at this moment forgets the question.
        if self.is_open() {
            let questions = &mut inner.questions;
            questions.number += 1;
            query.number = questions.number;
            questions.asked.retain(|_, asker| !asker.is_closed());
            questions.asked.insert(query.number, sender);
            inner.outgoing.queries.push(query);
            self.wake.notify_one();
        }
        receiver
    }

    /// The worker has answered a question; one that nobody asks any more is none.
    pub(crate) fn answered(&self, answer: ConnectorAnswer) {
        let asker = self.lock().questions.asked.remove(&answer.number);
        if let (Some(asker), Some(answer)) = (asker, answer.answer) {
            let _gone = asker.send(answer);
        }
    }
}
