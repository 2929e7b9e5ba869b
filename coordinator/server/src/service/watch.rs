//! Following an execution as it happens: pages of history, and a wait for the next change between them.

use std::sync::Arc;

use stepfleet_engine::EventId;
use stepfleet_engine::execution::Status;
use tokio::sync::{Notify, mpsc, oneshot};

use super::api::{Caller, HistoryBatch};
use super::error::ApiError;
use super::{Place, Service, execution_missing, execution_names, place};
use crate::partition::message::ReadRequest;
use crate::partition::{Message, going_down};

/// Batches that wait for a slow watcher; the history waits for it in turn.
const BATCHES_MAX: usize = 4;
const EVENTS_PER_BATCH: usize = 1000;

impl Service {
    /// Streams the events after `after`, and ends after the closing one.
    pub(crate) async fn watch_execution(
        &self,
        caller: &Caller,
        execution_arn: &str,
        after: EventId,
    ) -> Result<mpsc::Receiver<Result<HistoryBatch, ApiError>>, ApiError> {
        let (machine, name) = execution_names(caller, execution_arn)?;
        let place = place(&caller.namespace, machine, name);
        self.execution(place)
            .await?
            .ok_or_else(|| execution_missing(execution_arn))?;
        let (sender, receiver) = mpsc::channel(BATCHES_MAX);
        let (service, stop) = (self.clone(), self.shared.stop.clone());
        crate::task::spawn("watch execution", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = follow(service, place, after, sender) => {}
            }
        });
        Ok(receiver)
    }

    /// Waits until an execution has ended.
    pub(crate) async fn until_closed(&self, caller: &Caller, arn: &str) -> Result<(), ApiError> {
        let (machine, name) = execution_names(caller, arn)?;
        let place = place(&caller.namespace, machine, name);
        let execution = place.id;
        // Asked for before reading, so that the end does not fall between.
        let (answer, ended) = oneshot::channel();
        let request = ReadRequest::End { execution, answer };
        self.host(place).send(Message::Read(request)).await?;
        let execution = self.execution(place).await?;
        let execution = execution.ok_or_else(|| execution_missing(arn))?;
        if execution.status != Status::Running {
            return Ok(());
        }
        ended.await.map_err(|_gone| going_down())
    }

    async fn changes_of(&self, place: Place) -> Result<Arc<Notify>, ApiError> {
        let execution = place.id;
        let request = |answer| ReadRequest::Watch { execution, answer };
        self.ask(self.host(place), request).await
    }
}

async fn follow(
    service: Service,
    place: Place,
    after: EventId,
    sender: mpsc::Sender<Result<HistoryBatch, ApiError>>,
) {
    let mut last = after;
    loop {
        // Subscribed before reading, so that no change falls between.
        let notify = match service.changes_of(place).await {
            Ok(notify) => notify,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        let mut changed = std::pin::pin!(notify.notified());
        changed.as_mut().enable();
        match service.events_after(place, last, EVENTS_PER_BATCH).await {
            Err(error) => return drop(sender.send(Err(error)).await),
            Ok(batch) => {
                let more = batch.events.len() == EVENTS_PER_BATCH;
                let closed = batch.status != Status::Running;
                last = batch.events.last().map_or(last, |event| event.id);
                let tells = !batch.events.is_empty() || closed;
                if tells && sender.send(Ok(batch)).await.is_err() {
                    return;
                }
                if closed && !more {
                    return;
                }
                if more {
                    continue;
                }
            }
        }
        tokio::select! {
            () = changed => {}
            () = sender.closed() => return,
        }
    }
}
