//! Gauges that are read from time to time rather than kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::partition::Message;
use crate::partition::message::ReadRequest;
use crate::shared::Shared;

const EVERY: Duration = Duration::from_secs(5);

/// Samples until the process ends.
pub(super) async fn every(shared: Arc<Shared>, metrics: Metrics) {
    loop {
        let (mut live, mut resident) = (0, 0);
        for host in shared.partitions().hosts() {
            let (answer, receiver) = oneshot::channel();
            if host
                .send(Message::Read(ReadRequest::Count {
                    machine_arn: None,
                    answer,
                }))
                .await
                .is_ok()
                && let Ok((l, r)) = receiver.await
            {
                live += l;
                resident += r;
            }
        }
        metrics.executions_live(live);
        metrics.express_open(shared.express.open());
        metrics.executions_resident(resident);
        for (machine, versions, aliases) in shared.catalog.published() {
            metrics.published(&machine, versions, aliases);
        }
        metrics.sessions(shared.fleet.count() as u64);
        for (activity, depth) in shared.matching.depths() {
            metrics.activity_queue_depth(&activity, depth);
        }
        alarm(&shared, &metrics);
        tokio::time::sleep(EVERY).await;
    }
}

/// Tells when activities that are needed have had no worker for longer than a worker may be away, and when that ends.
fn alarm(shared: &Shared, metrics: &Metrics) {
    let now = shared.clock.now();
    let unserved = shared.unserved();
    let changes = shared
        .fleet
        .alarms
        .look(now, unserved, shared.session_ttl_ms);
    for activity in changes.begun {
        let (name, exists, queued) = (&activity.arn, activity.exists, activity.queued);
        tracing::warn!(activity.name = %name, exists, queued, "no worker serves an activity that is needed");
        metrics.activity_unserved(name, true);
    }
    for (name, lasted_ms) in changes.ended {
        tracing::info!(activity.name = %name, lasted_ms, "an activity without workers is served again, or needed no more");
        metrics.activity_unserved(&name, false);
    }
    metrics.activities_unserved(changes.count);
}
