//! The public history, page by page: blocks of the state store, then what the host still holds.

use stepfleet_engine::execution::Status;
use stepfleet_engine::{EventId, HistoryEvent};

use super::api::{Caller, GetHistory, HistoryBatch, Page};
use super::error::ApiError;
use super::{Place, Service, execution_missing, execution_names, page, place};
use crate::partition::going_down;
use crate::partition::history::{Direction, read};

impl Service {
    pub(crate) async fn get_execution_history(
        &self,
        caller: &Caller,
        request: GetHistory,
    ) -> Result<Page<HistoryEvent>, ApiError> {
        let (machine, name) = execution_names(caller, &request.execution_arn)?;
        let place = place(&caller.namespace, machine, name);
        let arguments = format!("{}\0{}", request.execution_arn, request.reverse);
        let (limit, token) = page::open(&request.page, "history", &arguments)?;
        let from = token
            .map(|token| token.parse().map_err(|_error| page::invalid()))
            .transpose()?;
        let direction = match (request.reverse, from.map(EventId)) {
            (false, after) => Direction::After(after.unwrap_or(EventId(0))),
            (true, before) => Direction::Before(before.unwrap_or(EventId(u64::MAX))),
        };
        let found = self.events(place, direction, limit + 1).await?;
        let (events, _status) = found.ok_or_else(|| execution_missing(&request.execution_arn))?;
        Ok(page::close(events, limit, "history", &arguments, |event| {
            event.id.0.to_string()
        }))
    }

    /// Events after an id, and the status that they lead to.
    pub(crate) async fn events_after(
        &self,
        place: Place,
        after: EventId,
        limit: usize,
    ) -> Result<HistoryBatch, ApiError> {
        let found = self.events(place, Direction::After(after), limit).await?;
        let (events, status) = found.ok_or_else(|| execution_missing(""))?;
        Ok(HistoryBatch { events, status })
    }

    async fn events(
        &self,
        place: Place,
        direction: Direction,
        limit: usize,
    ) -> Result<Option<(Vec<HistoryEvent>, Status)>, ApiError> {
        let Some(snapshot) = self.snapshot(place).await? else {
            return Ok(None);
        };
        let shared = self.shared.clone();
        let task = crate::task::blocking("read history", move || {
            let status = snapshot.execution.status;
            read(&shared, &snapshot, direction, limit).map(|events| (events, status))
        });
        let (events, status) = task.await.map_err(|_panic| going_down())??;
        // A full page may end before the closing event: the execution is not over for its reader yet.
        Ok(Some((events, status)))
    }
}
