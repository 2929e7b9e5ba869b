//! Deletes executions that closed longer ago than the retention, with their histories.

use std::sync::Arc;
use std::time::Duration;

use stepfleet_engine::Timestamp;

use crate::partition::rows;
use crate::shared::Shared;
use crate::writer::Write;

const DAY_MS: i64 = 86_400_000;
/// Executions deleted in one go.
const SLICE: usize = 500;
const EVERY: Duration = Duration::from_secs(60);
/// What is redriven in the last moment of its retention has left the lists by then. Milliseconds.
const GRACE_MS: i64 = 60_000;

/// Sweeps until the process ends; 0 days keeps everything.
pub(super) async fn every(shared: Arc<Shared>, days: u32) {
    if days == 0 {
        return;
    }
    loop {
        let cutoff = Timestamp(shared.clock.now().0 - i64::from(days) * DAY_MS - GRACE_MS);
        // A backup reads one table after the other; nothing may vanish between.
        let rests_during_backups = shared.checkpoints.lock().await;
        for (namespace, name) in shared.catalog.names_with_revisions() {
            sweep(&shared, namespace, name, cutoff).await;
        }
        drop(rests_during_backups);
        tokio::time::sleep(EVERY).await;
    }
}

async fn sweep(shared: &Arc<Shared>, namespace: Arc<str>, name: Arc<str>, cutoff: Timestamp) {
    loop {
        let (reader, namespace, name) = (shared.clone(), namespace.clone(), name.clone());
        let expired = move || rows::expired(&reader, (&namespace, &name), cutoff, SLICE);
        let rows = match crate::task::blocking("find expired", expired).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                return tracing::warn!(%error, "retention cannot read the state store");
            }
            Err(_panic) => return,
        };
        if rows.is_empty() {
            return;
        }
        shared
            .writer
            .submit(Write::Rows {
                rows,
                host: None,
                written: Vec::new(),
            })
            .await;
        // The next look must not find the same ones: rows are written in order, so a checkpointless flush is enough.
        let (answer, receiver) = tokio::sync::oneshot::channel();
        shared.writer.submit(Write::Barrier { answer }).await;
        let _gone = receiver.await;
    }
}
