//! One state, alone: what it makes of an input, without an execution, without a task being carried out and without
//! waiting. The data flow, Retry and Catch are those of executions; what happens at each stage is kept to be looked at.
//!
//! Files: `run` does the work of the state, `scene` is what its expressions see.

mod run;
mod scene;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use stepfleet_asl::program::StateId;
use stepfleet_asl::{Object, Payload, Program};

use crate::event::Failure;

/// What is tested.
pub struct Case<'a> {
    pub program: &'a Program,
    pub state: StateId,
    pub input: Payload,
    pub variables: Object,
    /// The context object, without `Map`.
    pub context: Object,
    /// What the work of a Task, Map or Parallel gives; these need one.
    pub mock: Option<Mock>,
    /// How often the retrier that matches has retried already.
    pub retrier_retry_count: u32,
    /// How many iterations of a distributed Map failed.
    pub map_iteration_failure_count: Option<u32>,
    /// What the `ItemReader` of a distributed Map reads: an array.
    pub map_item_reader_data: Option<Payload>,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    pub entropy: u64,
    /// Outputs and variables of more bytes fail with `States.DataLimitExceeded`.
    pub payload_bytes_max: usize,
    /// Whether the test has taken all the time that it may: asked between the items of a Map.
    pub expired: &'a dyn Fn() -> bool,
}

/// What stands for the work of a state.
#[derive(Clone, Debug, PartialEq)]
pub enum Mock {
    Result(Payload),
    Error(Failure),
}

/// How the state ended, and what its stages gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub outcome: Outcome,
    pub inspection: Inspection,
}

/// How the state ended. `next` is the name of the state that it leads to; none at the end.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Succeeded {
        output: Payload,
        next: Option<Arc<str>>,
    },
    /// A retrier has an attempt left.
    Retriable(Failure),
    Caught {
        failure: Failure,
        output: Payload,
        next: Arc<str>,
    },
    Failed(Failure),
}

/// What the stages gave, each as far as the state has it and got to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    pub after_input_path: Option<Payload>,
    pub after_parameters: Option<Payload>,
    pub after_arguments: Option<Payload>,
    pub after_items_path: Option<Payload>,
    /// An array: the input of each iteration.
    pub after_item_selector: Option<Payload>,
    pub result: Option<Payload>,
    pub after_result_selector: Option<Payload>,
    pub after_result_path: Option<Payload>,
    /// The variables that the next state sees.
    pub variables: Object,
    pub max_concurrency: Option<u32>,
    pub tolerated_failure_count: Option<u32>,
    pub retry_index: Option<u32>,
    /// Before jitter, in seconds.
    pub retry_backoff_seconds: Option<f64>,
    pub catch_index: Option<u32>,
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("state", &self.state)
            .field("input", &self.input)
            .field("mock", &self.mock)
            .finish_non_exhaustive()
    }
}

impl Inspection {
    /// The backoff in whole seconds, rounded.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a backoff is at most 99999999 seconds"
    )]
    pub fn retry_backoff_whole_seconds(&self) -> Option<i64> {
        self.retry_backoff_seconds
            .map(|seconds| seconds.round() as i64)
    }
}

/// A case that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "Map iteration failure count must be less than or equal to the number of Map iterations"
    )]
    MoreFailuresThanIterations,
    #[error("a Task, Map or Parallel state is tested with a mock of its result or error")]
    NoMock,
    #[error("the items of a Map with an ItemReader must be given, as an array")]
    NoItems,
    #[error("the test takes too long")]
    TooLong,
}

/// Does what the state does, once.
///
/// # Errors
/// [`Refusal`] when the case cannot be carried out.
pub fn run(case: &Case<'_>) -> Result<Report, Refusal> {
    run::run(case)
}
