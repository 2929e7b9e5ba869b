//! A wrapper that fails calls of any log, before they reach it or after they took effect.

use std::fmt;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use stepfleet_engine::PartitionId;

use super::{Acquired, Append, Chunk, Epoch, PartitionLog, Seq};
use crate::error::StoreError;

/// The calls of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`PartitionLog::acquire`].
    Acquire,
    /// [`PartitionLog::append`].
    Append,
    /// [`PartitionLog::read_from`].
    ReadFrom,
    /// [`PartitionLog::trim`].
    Trim,
    /// [`PartitionLog::hand_over`].
    HandOver,
}

/// When a call fails as `Unavailable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The log never hears of it.
    Before,
    /// The log did it; the answer is lost.
    After,
}

/// Decides for each call whether it fails. Deterministic plans make deterministic tests.
pub type Plan = Box<dyn FnMut(Call) -> Option<When> + Send>;

/// A log whose calls fail by plan.
pub struct FaultLog {
    inner: Arc<dyn PartitionLog>,
    plan: Mutex<Plan>,
}

impl FaultLog {
    /// Wraps a log.
    pub fn new(inner: Arc<dyn PartitionLog>, plan: Plan) -> Self {
        Self {
            inner,
            plan: Mutex::new(plan),
        }
    }

    fn wrap<T: Send + 'static>(
        &self,
        call: Call,
        ask: impl FnOnce(&dyn PartitionLog) -> BoxFuture<'static, T>,
        failure: impl FnOnce(StoreError) -> T + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let when = (self.plan.lock().expect("plans do not panic"))(call);
        let error = move |when| StoreError::Unavailable(format!("injected {when} {call:?}"));
        match when {
            None => ask(&*self.inner),
            Some(When::Before) => Box::pin(async move { failure(error("before")) }),
            Some(When::After) => ask(&*self.inner)
                .map(move |_| failure(error("after")))
                .boxed(),
        }
    }
}

impl PartitionLog for FaultLog {
    fn acquire(&self, partition: PartitionId) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        self.wrap(Call::Acquire, |log| log.acquire(partition), Err)
    }

    fn append(&self, chunks: Vec<Append>) -> BoxFuture<'static, Vec<Result<(), StoreError>>> {
        let count = chunks.len();
        self.wrap(
            Call::Append,
            |log| log.append(chunks),
            move |error| vec![Err(error); count],
        )
    }

    fn read_from(
        &self,
        partition: PartitionId,
        seq: Seq,
        bytes_max: usize,
    ) -> BoxFuture<'static, Result<Vec<Chunk>, StoreError>> {
        self.wrap(
            Call::ReadFrom,
            |log| log.read_from(partition, seq, bytes_max),
            Err,
        )
    }

    fn trim(&self, partition: PartitionId, seq: Seq) -> BoxFuture<'static, Result<(), StoreError>> {
        self.wrap(Call::Trim, |log| log.trim(partition, seq), Err)
    }

    fn hand_over(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        self.wrap(Call::HandOver, |log| log.hand_over(partition, epoch), Err)
    }
}

impl fmt::Debug for FaultLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultLog")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
