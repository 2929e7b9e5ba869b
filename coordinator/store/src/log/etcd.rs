//! The log of a cluster: chunks are keys of etcd, and a partition's owner is one too. An append is one transaction with two
//! conditions, that the owner's key has not changed since it was acquired and that the chunk's key does not exist.
//! That nothing is lost, doubled or forked follows from these alone; `protocol.rs` says how, and a test explores it.

mod batches;
mod chunk;
pub(crate) mod keys;
mod lanes;
pub(crate) mod protocol;
pub(crate) mod requests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use stepfleet_engine::PartitionId;

use self::batches::Batches;
use self::keys::Keys;
use self::lanes::Lanes;
use self::requests::Requests;
use super::{Acquired, Append, Chunk, Epoch, PartitionLog, Seq};
use crate::error::StoreError;
use crate::etcd::Etcd;

/// Who acquires partitions through a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The coordinator's name; not empty.
    pub name: String,
    /// Where other coordinators reach it.
    pub address: String,
    /// Drawn by the process; acquisitions count on from it.
    pub incarnation: u128,
}

/// The log of the partitions that one process owns. Clones share what it knows of them.
#[derive(Clone, Debug)]
pub struct EtcdLog {
    lanes: Arc<Lanes>,
    batches: Arc<Batches>,
    requests: Requests,
}

impl EtcdLog {
    /// A log below a prefix of keys, which ends with no slash.
    pub fn new(etcd: Arc<Etcd>, prefix: &str, node: Node) -> Self {
        Self {
            lanes: Arc::new(Lanes::new(node.incarnation)),
            batches: Arc::default(),
            requests: Requests::new(etcd, Keys::new(prefix), node),
        }
    }
}

impl EtcdLog {
    /// Takes a partition whose owner's key still has a revision (0: there is none); `None` when it has another one by now.
    pub async fn take(
        &self,
        partition: PartitionId,
        seen: Epoch,
    ) -> Result<Option<Acquired>, StoreError> {
        let acquisition = self.lanes.acquisition();
        let taken = self.requests.take(partition, seen, acquisition).await?;
        Ok(taken.map(|taken| {
            self.lanes.acquired(partition, &taken);
            taken.acquired
        }))
    }

    /// Gives a partition up for somebody, or for anybody; `Fenced` when it was not acquired under the epoch here.
    pub async fn give_up(
        &self,
        partition: PartitionId,
        epoch: Epoch,
        heir: Option<&str>,
    ) -> Result<(), StoreError> {
        if epoch > self.lanes.known(partition).epoch {
            return Err(protocol::never_acquired(partition, epoch));
        }
        let (acquisition, heir) = (self.lanes.acquisition(), heir.unwrap_or_default());
        self.requests
            .give_up(partition, (epoch, heir), acquisition)
            .await?;
        self.lanes.gave_up(partition, epoch);
        Ok(())
    }
}

impl PartitionLog for EtcdLog {
    fn acquire(&self, partition: PartitionId) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        let log = self.clone();
        async move {
            loop {
                let seen = log.requests.owner(partition).await?;
                // Otherwise somebody else was quicker; whoever acquires last is the owner.
                if let Some(acquired) = log.take(partition, seen).await? {
                    return Ok(acquired);
                }
            }
        }
        .boxed()
    }

    fn append(&self, chunks: Vec<Append>) -> BoxFuture<'static, Vec<Result<(), StoreError>>> {
        let log = self.clone();
        // Calls take effect in the order in which they are made, not in which they are polled.
        let turn = self
            .lanes
            .turn(chunks.iter().map(|append| append.partition));
        async move {
            let _turn = turn.come().await;
            let mut results: Vec<_> = chunks.iter().map(|_| None).collect();
            for round in rounds(&chunks) {
                log.round(&chunks, &round, &mut results).await;
            }
            let unanswered = || {
                Err(StoreError::Unavailable(
                    "the append was not made".to_owned(),
                ))
            };
            let answers = results.into_iter();
            answers
                .map(|result| result.unwrap_or_else(unanswered))
                .collect()
        }
        .boxed()
    }

    fn read_from(
        &self,
        partition: PartitionId,
        seq: Seq,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Chunk>, StoreError>> {
        let log = self.clone();
        async move {
            let known = log.lanes.known(partition);
            log.requests.read(partition, seq, bytes_max, known).await
        }
        .boxed()
    }

    fn trim(&self, partition: PartitionId, seq: Seq) -> BoxFuture<'static, Result<(), StoreError>> {
        let log = self.clone();
        async move {
            let Some(from) = log.lanes.to_trim(partition, seq)? else {
                return Ok(());
            };
            log.requests.trim(partition, from).await?;
            log.lanes.trimmed(partition, seq);
            Ok(())
        }
        .boxed()
    }

    fn hand_over(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let log = self.clone();
        async move { log.give_up(partition, epoch, None).await }.boxed()
    }
}

impl EtcdLog {
    /// Appends one chunk of each of some partitions.
    async fn round(
        &self,
        chunks: &[Append],
        round: &[usize],
        results: &mut [Option<Result<(), StoreError>>],
    ) {
        let mut sent = Vec::with_capacity(round.len());
        for &at in round {
            match self.lanes.admit(&chunks[at]) {
                Ok(()) => sent.push(at),
                Err(refusal) => results[at] = Some(Err(refusal)),
            }
        }
        let wanted: Vec<&Append> = sent.iter().map(|at| &chunks[*at]).collect();
        let answers = self.batches.append(&self.requests, &wanted).await;
        for (at, answer) in sent.into_iter().zip(answers) {
            results[at] = Some(self.lanes.answered(&chunks[at], answer));
        }
    }
}

/// Indices of the first chunk of each partition, then of the second ones…: a transaction holds one of each at most.
fn rounds(chunks: &[Append]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (at, append) in chunks.iter().enumerate() {
        let of_it = |round: &&Vec<usize>| {
            round
                .iter()
                .any(|other| chunks[*other].partition == append.partition)
        };
        let round = rounds.iter().filter(of_it).count();
        if round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[round].push(at);
    }
    rounds
}
