//! Checkpoints: every live execution that changed gets rows, the state store becomes durable, the log is trimmed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use stepfleet_engine::PartitionId;
use stepfleet_store::Seq;
use tokio::sync::oneshot;

use crate::config::Checkpoint;
use crate::express;
use crate::partition::Message;
use crate::shared::Shared;
use crate::writer::Write;

/// How often the log's growth is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Takes checkpoints by time or by log bytes, whichever comes first.
pub(super) async fn every(shared: Arc<Shared>, settings: Checkpoint) {
    let mut waited_s = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        waited_s += 1;
        let written = shared.counters.log_bytes.load(Ordering::Relaxed);
        let due = written > 0 && waited_s >= settings.interval_s;
        if !due && written < settings.log_bytes {
            continue;
        }
        waited_s = 0;
        if let Err(error) = run(&shared).await {
            tracing::warn!(%error, "no checkpoint; the log keeps growing until one succeeds");
        }
    }
}

/// Takes one.
pub(super) async fn run(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let _one_at_a_time = shared.checkpoints.lock().await;
    shared.counters.log_bytes.store(0, Ordering::Relaxed);
    let mut covered: Vec<(PartitionId, Seq)> = Vec::new();
    for host in shared.partitions().hosts() {
        let (answer, receiver) = oneshot::channel();
        host.send(Message::Checkpoint { answer }).await?;
        covered.extend(receiver.await.context("a host went away")?);
    }
    covered.push(shared.control.covered().await);
    covered.push((express::PARTITION, express::checkpoint(shared).await?));
    shared.observer.clone().spool().await;
    let stops = shared.clone();
    let written = crate::task::blocking("write what is to be stopped", move || stops.stops.write());
    written.await?.context("what is to be stopped")?;
    let (answer, receiver) = oneshot::channel();
    shared
        .writer
        .submit(Write::Checkpoint {
            covered: covered.clone(),
            answer,
        })
        .await;
    receiver.await.context("the state writer went away")??;
    for (partition, seq) in covered {
        shared.log.trim(partition, seq).await?;
    }
    Ok(())
}
