//! What an earlier process has left of Express executions: the journal is read, and what has a start and no end runs
//! again, from its beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use stepfleet_engine::{EventBody, ExecutionId};
use stepfleet_store::Seq;
use stepfleet_store::records::record::{ChunkRecord, RawRecord, RecordReader};

use super::budget::Place;
use super::journal::{Journal, PARTITION, Started, carry_out};
use super::run::Run;
use crate::partition::batch::Partition;
use crate::shared::Shared;

/// Bytes of log that are read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Executions that an earlier process did not end, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Interrupted(Vec<Started>);

/// Opens the journal. What it has open runs by [`resume`].
pub(crate) async fn recover(
    shared: &Arc<Shared>,
    covered: Seq,
) -> anyhow::Result<(Journal, Interrupted)> {
    let acquired = shared
        .log
        .acquire(PARTITION)
        .await
        .context("cannot take the journal of Express executions")?;
    let open = read(shared, covered).await?;
    let last = acquired.last.max(covered);
    let partition = Partition::new(PARTITION, acquired.epoch, last);
    let (journal, handle) = Journal::new(shared, partition, open.values().cloned());
    shared
        .express
        .journal
        .set(handle)
        .expect("recovery happens once");
    let mut interrupted: Vec<Started> = open.into_values().collect();
    interrupted.sort_by_key(|started| (started.at, started.header.id));
    Ok((journal, Interrupted(interrupted)))
}

/// What has a start behind what is covered, and no end. Only of these the starts are read whole.
pub(super) async fn read(
    shared: &Shared,
    covered: Seq,
) -> anyhow::Result<BTreeMap<ExecutionId, Started>> {
    let mut open: BTreeMap<ExecutionId, RawRecord> = BTreeMap::new();
    let mut next = Seq(covered.0 + 1);
    loop {
        let chunks = shared.log.read_from(PARTITION, next, READ_BYTES).await?;
        let Some(last) = chunks.last() else {
            break;
        };
        next = Seq(last.seq.0 + 1);
        for record in chunks
            .into_iter()
            .flat_map(|chunk| RecordReader::new(chunk.bytes))
        {
            match record? {
                ChunkRecord::Execution(record) => {
                    open.insert(record.header.execution, record);
                }
                ChunkRecord::ExpressEnd(execution) => {
                    open.remove(&execution);
                }
                ChunkRecord::Control(_) => {
                    bail!("the journal of Express executions holds a control change")
                }
            }
        }
    }
    open.into_iter()
        .map(|(execution, record)| Ok((execution, started(&record)?)))
        .collect()
}

fn started(record: &RawRecord) -> anyhow::Result<Started> {
    let mut events = record.events(&mut |_| None)?.into_iter();
    let (Some(event), None) = (events.next(), events.next()) else {
        bail!("a start of an Express execution is one event");
    };
    let EventBody::ExecutionStarted { header, input, .. } = event.body else {
        bail!("a start of an Express execution is an ExecutionStarted");
    };
    ensure!(
        header.id == record.header.execution,
        "a start of an Express execution names another one"
    );
    Ok(Started {
        header,
        input: input.payload,
        at: record.header.at,
    })
}

/// Runs again what was not ended, unless its state machine is gone. Tasks can call the API by now.
pub(crate) fn resume(shared: &Arc<Shared>, interrupted: Interrupted) {
    let count = interrupted.0.len();
    if count > 0 {
        tracing::info!(count, "Express executions run again");
    }
    for started in interrupted.0 {
        let place = Place::keep(shared, &started.input);
        let again = run_again(shared.clone(), started, place);
        crate::task::spawn("express execution", again);
    }
}

async fn run_again(shared: Arc<Shared>, started: Started, place: Place) {
    let Started { header, input, .. } = started;
    let revision = match shared.revision_of(&header) {
        Ok(revision) if shared.catalog.machine_of(&header).is_some() => revision,
        Ok(_) => return shared.express.journal().ended(header.id).await,
        Err(error) => {
            let arn = &header.execution_arn;
            tracing::error!(execution.arn = %arn, %error, "an Express execution cannot run again");
            return shared.express.journal().ended(header.id).await;
        }
    };
    let run = Run::new(&shared, &revision, place);
    let at = shared.clock.now();
    carry_out(shared, run, header, input, at).await;
}
