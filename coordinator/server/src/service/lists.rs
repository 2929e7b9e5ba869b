//! Lists over all partitions: one cursor (sort time, id) serves them all. Live executions come from the hosts, closed
//! ones from the state store's index.

use std::collections::BTreeSet;
use std::sync::Arc;

use stepfleet_engine::execution::{Execution, Status, Stay, TaskWork};
use stepfleet_engine::{Attempt, ExecutionId, Timestamp};
use stepfleet_store::records::listing;

use super::api::{
    Callback, Caller, ExecutionItem, Executions, ListCallbacks, ListExecutions, MachineType, Page,
};
use super::error::ApiError;
use super::open_tasks::said;
use super::start::check_type;
use super::versions::{MachineRef, Named, qualified};
use super::{
    Service, execution_missing, execution_names, machine_missing, machine_name, page, place,
};
use crate::partition::desk::task_ref;
use crate::partition::message::{LiveItem, ReadRequest};
use crate::partition::{going_down, rows, tasks};

/// Where a list stands: newest first, the next item is before this one.
type Cursor = (Timestamp, ExecutionId);

/// Which executions of a state machine a list is of.
struct Filter {
    status: Option<Status>,
    /// ARN of the version or alias that they were started by.
    started_as: Option<String>,
}

impl Filter {
    fn takes(&self, execution: &Execution) -> bool {
        let header = &execution.header;
        let started_as = |arn: &String| {
            let arns = [&header.version_arn, &header.alias_arn];
            arns.into_iter().flatten().any(|own| **own == **arn)
        };
        self.status.is_none_or(|wanted| wanted == execution.status)
            && self.started_as.as_ref().is_none_or(started_as)
    }
}

impl Service {
    pub(crate) async fn list_executions(
        &self,
        caller: &Caller,
        request: ListExecutions,
    ) -> Result<Page<ExecutionItem>, ApiError> {
        let arn = match &request.of {
            Executions::OfMachine(arn) => arn,
            Executions::OfMapRun(arn) => return Err(self.map_run(arn)),
        };
        let missing = || machine_missing(arn);
        let named = MachineRef::parse(caller, arn)?;
        let machine = self.known_machine(caller, named.name, arn)?;
        check_type(&machine.record, MachineType::Standard)?;
        let filter = Filter {
            status: request.status,
            started_as: match named.find(&machine.record).ok_or_else(missing)? {
                Named::Current => None,
                Named::Version(version) => Some(qualified(&machine.record, version.number)),
                Named::Alias(alias) => Some(qualified(&machine.record, &alias.name)),
            },
        };
        let list = match &filter.started_as {
            None => named.name.to_owned(),
            Some(arn) => listing::qualified_name(named.name, arn),
        };
        let arguments = format!("{arn}\0{:?}", request.status);
        let (limit, token) = page::open(&request.page, "executions", &arguments)?;
        let cursor = token.map(|token| read_cursor(&token)).transpose()?;
        // Live ones first: what closes and is written in between is found among the closed ones then.
        let arn = machine.record.arn.clone();
        let (mut items, reopening) = self.live_items(arn, cursor, limit + 1, &filter).await?;
        if request.status != Some(Status::Running) {
            let limit = limit + 1 + reopening.len();
            let closed = self.closed_items(caller, list, request.status, cursor, limit);
            let mut closed = closed.await?;
            closed.retain(|((_, id), _)| !reopening.contains(id));
            items.extend(closed);
        }
        let mut seen = BTreeSet::new();
        items.retain(|((_, id), _)| seen.insert(*id));
        items.sort_by(|(left, _), (right, _)| right.cmp(left));
        let page = page::close(items, limit, "executions", &arguments, |(cursor, _)| {
            write_cursor(cursor)
        });
        let items = page.items.into_iter().map(|(_, item)| item).collect();
        Ok(Page {
            items,
            next_token: page.next_token,
        })
    }

    async fn closed_items(
        &self,
        caller: &Caller,
        list: String,
        status: Option<Status>,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<rows::ListedItem>, ApiError> {
        let (shared, namespace) = (self.shared.clone(), caller.namespace.clone());
        let read = move || rows::closed_items(&shared, (&namespace, &list), status, before, limit);
        crate::task::blocking("list executions", read)
            .await
            .map_err(|_panic| going_down())?
    }

    /// Running ones, and those that closed a moment ago. Also those that run again and may be listed as closed yet.
    async fn live_items(
        &self,
        machine_arn: Arc<str>,
        mut before: Option<Cursor>,
        limit: usize,
        filter: &Filter,
    ) -> Result<(Vec<rows::ListedItem>, BTreeSet<ExecutionId>), ApiError> {
        let (mut items, mut reopening) = (Vec::new(), BTreeSet::new());
        loop {
            let (found, more) = self.live_candidates(&machine_arn, before, limit).await?;
            reopening.extend(more);
            let last = found.len() < limit;
            for (item, host) in found {
                let cursor = (item.sort, item.execution);
                before = Some(cursor);
                let execution = self.execution_at(host, item.execution).await?;
                items.extend(
                    execution
                        .filter(|execution| filter.takes(execution))
                        .map(|execution| (cursor, rows::item(&execution))),
                );
                if items.len() >= limit {
                    return Ok((items, reopening));
                }
            }
            if last {
                return Ok((items, reopening));
            }
        }
    }

    /// The next ones of all hosts, with their host, whatever a filter says: at most `limit`, and fewer only at the end.
    async fn live_candidates(
        &self,
        machine_arn: &Arc<str>,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<(LiveItem, usize)>, Vec<ExecutionId>), ApiError> {
        let mut found: Vec<(LiveItem, usize)> = Vec::new();
        let mut reopening = Vec::new();
        for (index, host) in self.shared.partitions().hosts().iter().enumerate() {
            let machine_arn = machine_arn.clone();
            let request = |answer| ReadRequest::Running {
                machine_arn,
                before,
                limit,
                answer,
            };
            let live = self.ask(host, request).await?;
            found.extend(live.items.into_iter().map(|item| (item, index)));
            reopening.extend(live.reopening);
        }
        found.sort_by_key(|(item, _)| std::cmp::Reverse((item.sort, item.execution)));
        found.truncate(limit);
        Ok((found, reopening))
    }

    async fn execution_at(
        &self,
        host: usize,
        id: ExecutionId,
    ) -> Result<Option<Execution>, ApiError> {
        let host = &self.shared.partitions().hosts()[host];
        let snapshot = self.snapshot_at(host, id).await?;
        Ok(snapshot.map(|snapshot| snapshot.execution))
    }

    /// Tasks that wait for their token, oldest first. Executions stand where their oldest one does.
    pub(crate) async fn list_callbacks(
        &self,
        caller: &Caller,
        request: ListCallbacks,
    ) -> Result<Page<Callback>, ApiError> {
        if let Some(arn) = &request.machine_arn {
            self.known_machine(caller, machine_name(caller, arn)?, arn)?;
        }
        if let Some(arn) = &request.execution_arn {
            return self.callbacks_of_one(caller, arn, &request).await;
        }
        let arguments = format!(
            "{}\0{:?}\0{:?}",
            caller.namespace, request.machine_arn, request.scheduled_before
        );
        let (limit, token) = page::open(&request.page, "callbacks", &arguments)?;
        let after = token.map(|token| read_cursor(&token)).transpose()?;
        let mut found = self.callback_cursors(after, limit + 1).await?;
        if let Some(before) = request.scheduled_before {
            found.retain(|((since, _), _)| *since < before);
        }
        found.sort_unstable();
        let page = page::close(found, limit, "callbacks", &arguments, |(cursor, _)| {
            write_cursor(cursor)
        });
        let mut items = Vec::new();
        for ((_, id), host) in page.items {
            let execution = self.execution_at(host, id).await?;
            let own = execution.filter(|execution| execution.header.namespace == caller.namespace);
            items.extend(
                own.iter()
                    .flat_map(|execution| self.callbacks_of(execution, &request)),
            );
        }
        Ok(Page {
            items,
            next_token: page.next_token,
        })
    }

    async fn callback_cursors(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, usize)>, ApiError> {
        let mut found = Vec::new();
        for (index, host) in self.shared.partitions().hosts().iter().enumerate() {
            let request = |answer| ReadRequest::Callbacks {
                after,
                limit,
                answer,
            };
            let cursors = self.ask(host, request).await?;
            found.extend(cursors.into_iter().map(|cursor| (cursor, index)));
        }
        Ok(found)
    }

    async fn callbacks_of_one(
        &self,
        caller: &Caller,
        arn: &str,
        request: &ListCallbacks,
    ) -> Result<Page<Callback>, ApiError> {
        if request.page.token.is_some() {
            return Err(page::invalid());
        }
        let (machine, name) = execution_names(caller, arn)?;
        let place = place(&caller.namespace, machine, name);
        let snapshot = self.snapshot(place).await?;
        let snapshot = snapshot.ok_or_else(|| execution_missing(arn))?;
        Ok(Page {
            items: self.callbacks_of(&snapshot.execution, request),
            next_token: None,
        })
    }

    fn callbacks_of(&self, execution: &Execution, wanted: &ListCallbacks) -> Vec<Callback> {
        let callback = |(attempt, stay, work): (Attempt, &Stay, &TaskWork)| Callback {
            token: self.shared.tokens.seal(&task_ref(execution, attempt)),
            execution_arn: execution.header.execution_arn.to_string(),
            state_name: stay.name.to_string(),
            resource: format!("{}:{}", work.resource.service, work.resource.action),
            parameters: work.parameters.payload.text().to_owned(),
            scheduled_at: stay.entered_at,
            deadline: work.deadline,
            progress: said(stay),
        };
        let machine = &execution.header.machine_arn;
        tasks::callbacks(execution)
            .map(callback)
            .filter(|callback| wanted.takes(callback, machine))
            .collect()
    }
}

fn write_cursor(cursor: &Cursor) -> String {
    format!("{}.{}", cursor.0.0, cursor.1.0)
}

fn read_cursor(text: &str) -> Result<Cursor, ApiError> {
    let (sort, id) = text.split_once('.').ok_or_else(page::invalid)?;
    let sort = sort.parse().map_err(|_error| page::invalid())?;
    let id = id.parse().map_err(|_error| page::invalid())?;
    Ok((Timestamp(sort), ExecutionId(id)))
}
