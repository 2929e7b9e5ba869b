//! How many Express executions run at once, and how much memory they may take. Nothing waits for a place: who finds none
//! is told to try again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stepfleet_asl::Payload;
use stepfleet_engine::execution::Execution;

use crate::partition::resident::bytes_of;
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// When a refused caller may try again.
const RETRY_AFTER_MS: u64 = 100;
/// What an execution takes besides its input, before anything is known of it. Bytes.
const BEGUN_BYTES: u64 = 2048;

/// What runs, and the bounds.
#[derive(Debug)]
pub(super) struct Budget {
    open: AtomicU64,
    bytes: AtomicU64,
    open_max: u64,
    bytes_max: u64,
}

/// The place of one execution.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(open_max: u64, bytes_max: u64) -> Self {
        Self {
            open: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            open_max,
            bytes_max,
        }
    }

    pub(super) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }
}

impl Place {
    /// The place of an execution that would begin now.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn take(shared: &Arc<Shared>, input: &Payload) -> Result<Self, ApiError> {
        let place = Self::keep(shared, input);
        let budget = &shared.express.budget;
        let open = budget.open.load(Ordering::Relaxed);
        let bytes = budget.bytes.load(Ordering::Relaxed);
        let why = if open > budget.open_max {
            let max = budget.open_max;
            format!("{max} Express executions run already (limits.express_open_max)")
        } else if bytes > budget.bytes_max {
            let max = budget.bytes_max;
            format!(
                "Express executions hold {max} bytes already (a quarter of memory_budget_bytes)"
            )
        } else {
            return Ok(place);
        };
        shared.metrics.refused("express");
        let error = ApiError::new(ErrorCode::ThrottlingException, format!("{why}; try again"));
        Err(error.with_retry_after_ms(RETRY_AFTER_MS))
    }

    /// The place of an execution that was accepted before a restart.
    pub(super) fn keep(shared: &Arc<Shared>, input: &Payload) -> Self {
        let bytes = BEGUN_BYTES + input.len() as u64;
        let budget = &shared.express.budget;
        budget.open.fetch_add(1, Ordering::Relaxed);
        budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self {
            shared: shared.clone(),
            bytes,
        }
    }

    /// What it takes now. A running execution is never refused more: only those that would begin are.
    pub(super) fn holds(&mut self, execution: &Execution) {
        let bytes = bytes_of(execution) as u64;
        let counted = &self.shared.express.budget.bytes;
        counted.fetch_add(bytes, Ordering::Relaxed);
        counted.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let budget = &self.shared.express.budget;
        budget.open.fetch_sub(1, Ordering::Relaxed);
        budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
