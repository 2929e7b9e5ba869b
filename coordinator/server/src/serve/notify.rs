//! What a service manager is told, if one has started the coordinator: systemd's `sd_notify`.

use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::partition::Message;
use crate::partition::message::ReadRequest;
use crate::shared::Shared;

/// Everything is recovered, and requests are answered.
pub(super) fn ready(listen: &str) {
    tell(&[
        NotifyState::Ready,
        NotifyState::Status(&format!("serving on {listen}")),
    ]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// Says that the coordinator is alive as often as the manager wants to hear it, as long as every partition answers.
pub(super) async fn watchdog(shared: Arc<Shared>) {
    let Some(allowed) = sd_notify::watchdog_enabled() else {
        return;
    };
    let every = allowed / 2;
    loop {
        if timeout(every, partitions_answer(&shared)).await == Ok(true) {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::warn!(
                "a partition does not answer; the service manager is not told that the coordinator lives"
            );
        }
        tokio::time::sleep(every).await;
    }
}

async fn partitions_answer(shared: &Shared) -> bool {
    for host in shared.partitions().hosts() {
        let (answer, receiver) = oneshot::channel();
        let request = ReadRequest::Count {
            machine_arn: None,
            answer,
        };
        if host.send(Message::Read(request)).await.is_err() || receiver.await.is_err() {
            return false;
        }
    }
    true
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
