//! Express executions: the engine in memory, without stored history. One execution is one loop of decisions; what takes
//! long (a wait, an endless expression) holds up nobody else. One whose caller waits touches no disk; one that nobody
//! waits for has its start in a journal until it has ended, so that it runs at least once.

mod budget;
mod journal;
mod recovery;
mod run;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use stepfleet_asl::Payload;
use stepfleet_engine::execution::{Execution, Header};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::Revision;
use crate::partition::desk::RECORD_PAYLOAD_BYTES_MAX;
use crate::partition::going_down;
use crate::partition::message::Answer;
use crate::service::api::StartedExecution;
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;
use budget::{Budget, Place};
use journal::{JournalHandle, Start};
use run::Run;

pub(crate) use journal::PARTITION;
pub(crate) use recovery::{Interrupted, recover, resume};

/// How long an Express execution lasts at most, as on AWS.
pub(crate) const SECONDS_MAX: u32 = 300;

/// What all Express executions share.
#[derive(Debug)]
pub(crate) struct Express {
    budget: Budget,
    /// Set before anything is served.
    journal: OnceLock<JournalHandle>,
    /// Cancelled when nothing may go on: the process ends.
    pub(crate) halt: CancellationToken,
    /// Told whenever a state machine is being deleted.
    deletions: watch::Sender<()>,
}

impl Express {
    /// At most so many executions, and about so many bytes of them, at once.
    pub(crate) fn new(open_max: u64, bytes_max: u64) -> Self {
        Self {
            budget: Budget::new(open_max, bytes_max),
            journal: OnceLock::new(),
            halt: CancellationToken::new(),
            deletions: watch::Sender::new(()),
        }
    }

    /// Executions that run now.
    pub(crate) fn open(&self) -> u64 {
        self.budget.open()
    }

    /// A state machine is being deleted: what runs of it is stopped.
    pub(crate) fn machine_deleted(&self) {
        self.deletions.send_replace(());
    }

    fn journal(&self) -> &JournalHandle {
        self.journal
            .get()
            .expect("the journal is opened before anything is served")
    }
}

/// What a checkpoint may cover of the journal.
///
/// # Errors
/// The process ends.
pub(crate) async fn checkpoint(shared: &Shared) -> Result<stepfleet_store::Seq, ApiError> {
    shared.express.journal().checkpoint().await
}

/// Runs an execution to its end. One that begins is not stopped when the caller goes away.
///
/// # Errors
/// Too many run already, or the coordinator ends meanwhile: then nothing tells how far it came.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    revision: &Arc<Revision>,
    header: Header,
    input: Payload,
) -> Result<Execution, ApiError> {
    let place = Place::take(shared, &input)?;
    let mut run = Run::new(shared, revision, place);
    let begun = run.begin(Arc::new(header), input, shared.clock.now())?;
    // Most end here: a decision goes as far as it can.
    if !begun.execution.is_running() {
        return Ok(begun.execution);
    }
    let rest = crate::task::spawn("express execution", run.finish(begun));
    Ok(rest.await.map_err(|_panic| going_down())??)
}

/// Begins an execution that nobody waits for: it is answered once its start is durable, and runs then.
///
/// # Errors
/// Too many run already, or the input does not fit a record.
pub(crate) fn start(
    shared: &Arc<Shared>,
    revision: Arc<Revision>,
    header: Header,
    input: Payload,
    answer: Answer<StartedExecution>,
) -> Result<(), ApiError> {
    if input.len() > RECORD_PAYLOAD_BYTES_MAX {
        let message = format!("the start would record more than {RECORD_PAYLOAD_BYTES_MAX} bytes");
        return Err(ApiError::new(ErrorCode::ValidationException, message));
    }
    let place = Place::take(shared, &input)?;
    shared.express.journal().start(Start {
        run: Run::new(shared, &revision, place),
        header: Arc::new(header),
        input,
        at: shared.clock.now(),
        answer,
    })
}
