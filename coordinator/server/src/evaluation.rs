//! Decisions whose expressions take long. They are made again with full patience on the pool for blocking work, only so
//! many at once, so that an endless expression holds up nobody else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stepfleet_asl::{Patience, Program};
use stepfleet_engine::execution::Execution;
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{Decision, Env, Input, Rejection, Timestamp, decide};

use crate::shared::Shared;

/// A decision that was interrupted where it was tried.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub program: Arc<Program>,
    pub execution: Execution,
    pub limits: Limits,
    pub input: Input,
    /// When it was tried: its events carry that time.
    pub at: Timestamp,
}

/// Why there is no decision.
#[derive(Debug)]
pub(crate) enum Undecided {
    Rejected(Rejection),
    /// An invariant broke.
    Panicked,
    /// The process ends first.
    GoingDown,
}

impl Evaluation {
    /// Waits for a turn, then for the decision.
    pub(crate) async fn decide(self, shared: &Arc<Shared>) -> Result<Decision, Undecided> {
        let turn = shared.evaluations.clone().acquire_owned().await;
        let shared = shared.clone();
        let decision = crate::task::blocking("evaluate expressions", move || {
            let _turn = turn;
            let env = Env {
                now: self.at,
                entropy: shared.entropy.next_u64(),
                services: shared.as_ref(),
                limits: &self.limits,
                patience: Patience::Full,
            };
            let attempt = || decide(&self.program, &self.execution, &env, self.input);
            catch_unwind(AssertUnwindSafe(attempt))
        });
        let decided = decision.await.map_err(|_cancelled| Undecided::GoingDown)?;
        let decided = decided.map_err(|_panic| Undecided::Panicked)?;
        decided.map_err(Undecided::Rejected)
    }
}
