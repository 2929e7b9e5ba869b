//! Who waits for the end of an execution: each is told once, after the append that covers the end.

use std::collections::BTreeMap;

use stepfleet_engine::ExecutionId;
use tokio::sync::oneshot;

/// Below so many entries nobody looks for those that were given up.
const SWEEP_FROM: usize = 1024;

/// Those who wait, by execution.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    waiting: BTreeMap<ExecutionId, Vec<oneshot::Sender<()>>>,
    /// Entries after the last sweep.
    swept: usize,
}

impl Ends {
    /// One more waits. Who gave up since is forgotten whenever the entries have doubled.
    pub(super) fn add(&mut self, execution: ExecutionId, answer: oneshot::Sender<()>) {
        if self.waiting.len() >= SWEEP_FROM.max(2 * self.swept) {
            self.waiting.retain(|_, answers| {
                answers.retain(|answer| !answer.is_closed());
                !answers.is_empty()
            });
            self.swept = self.waiting.len();
        }
        self.waiting.entry(execution).or_default().push(answer);
    }

    /// The execution has ended: those who are to be told.
    pub(super) fn take(&mut self, execution: ExecutionId) -> Vec<oneshot::Sender<()>> {
        self.waiting.remove(&execution).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_waits_for_an_execution_is_told_once() {
        let mut ends = Ends::default();
        let receivers = [1, 1, 2].map(|id| {
            let (answer, receiver) = oneshot::channel();
            ends.add(ExecutionId(id), answer);
            receiver
        });
        for answer in ends.take(ExecutionId(1)) {
            answer.send(()).unwrap();
        }
        let [one, two, mut other] = receivers;
        assert_eq!((one.blocking_recv(), two.blocking_recv()), (Ok(()), Ok(())));
        assert!(other.try_recv().is_err());
        assert!(ends.take(ExecutionId(1)).is_empty());
    }

    #[test]
    fn those_who_gave_up_take_no_room_for_long() {
        let mut ends = Ends::default();
        let (kept, _receiver) = oneshot::channel();
        ends.add(ExecutionId(0), kept);
        for id in 1..=10 * SWEEP_FROM as u128 {
            ends.add(ExecutionId(id), oneshot::channel().0);
        }
        assert!(ends.waiting.len() <= 2 * SWEEP_FROM);
        assert_eq!(ends.take(ExecutionId(0)).len(), 1);
    }
}
