//! From what is stored to hosts at work: indexes of live executions, then the log after the checkpoint through the same
//! `apply`, then every command that they still need. Nothing is served before it is over.

mod passed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, ensure};
use futures::future::join_all;
use stepfleet_asl::Payload;
use stepfleet_engine::execution::{Execution, Status};
use stepfleet_engine::{
    Command, Data, Event, EventId, ExecutionId, PartitionId, apply, next_deadline, outstanding,
    restart_heartbeats,
};
use stepfleet_store::backup::{LogSource, RestoreOptions, write_backup};
use stepfleet_store::folder::Format;
use stepfleet_store::records::history;
use stepfleet_store::records::live::{self, Live};
use stepfleet_store::records::record::{ChunkRecord, RawRecord, RecordHeader, RecordReader};
use stepfleet_store::state::Order;
use stepfleet_store::{Row, Seq, StoreError, Table};

use self::passed::Passed;
use super::batch::Partition;
use super::desk::Desk;
use super::handle::blank;
use super::host::Host;
use super::message::{Message, TaskReport, Withdraw};
use super::orphans::Orphans;
use super::resident::{Resident, Slot};
use super::{HostHandle, Partitions, offers, redrive, rows, tasks};
use crate::control::SYSTEM_PARTITION;
use crate::express;
use crate::integrations::Call;
use crate::integrations::stops::begun_at;
use crate::matching::Offer;
use crate::namespaces::of_arn;
use crate::observe::Decided;
use crate::service::api::MachineType;
use crate::shared::Shared;

/// Bytes of log that are read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Rows that are read at once.
const READ_ROWS: usize = 1000;
/// Offers of executions that need not be in memory, with their activities.
type Offers = BTreeMap<ExecutionId, Vec<Queued>>;
/// An offer with its activity, or what fails its task.
type Queued = Result<(Arc<str>, Offer), Box<Withdraw>>;

/// Builds the hosts and brings their executions back.
pub(crate) async fn recover(
    shared: &Arc<Shared>,
    host_count: usize,
    covered: &[(PartitionId, Seq)],
) -> anyhow::Result<Vec<Host>> {
    let (handles, mailboxes): (Vec<_>, Vec<_>) = (0..host_count).map(|_| HostHandle::new()).unzip();
    let partitions = Partitions::new(handles.clone(), shared.partition_count);
    shared
        .partitions
        .set(partitions)
        .expect("recovery happens once");
    let mut owned = acquire(shared, covered).await?;
    let per_host = owned.len() / host_count;
    let mut hosts = Vec::with_capacity(host_count);
    for (handle, mailbox) in handles.into_iter().zip(mailboxes) {
        let rest = owned.split_off(per_host);
        let desk = Desk::new(shared.clone(), handle, std::mem::replace(&mut owned, rest));
        hosts.push(Host::new(desk, mailbox));
    }
    let mut offers = index(shared, &mut hosts)?;
    let mut queued = Vec::new();
    for host in &mut hosts {
        replay(shared, host, covered).await?;
        settle(host, &mut offers, &mut queued);
    }
    queued.extend(offers.into_values().flatten());
    // Older tasks come first, whatever host they are of.
    let (mut offers, mut refused) = (Vec::new(), Vec::new());
    for queued in queued {
        match queued {
            Ok(offer) => offers.push(offer),
            Err(withdraw) => refused.push(withdraw),
        }
    }
    offers.sort_by_key(|(_, offer)| (offer.scheduled_at, offer.execution));
    let now = shared.clock.now();
    for (activity, offer) in offers {
        let unused = shared
            .matching
            .queue(&activity)
            .reserve_or_enqueue(offer, now);
        debug_assert!(unused.is_none(), "nobody is connected during recovery");
    }
    for withdraw in refused {
        let hash = withdraw.hash;
        shared
            .partitions()
            .send_later(hash, Message::Withdraw(withdraw));
    }
    Ok(hosts)
}

async fn acquire(
    shared: &Arc<Shared>,
    covered: &[(PartitionId, Seq)],
) -> anyhow::Result<Vec<Partition>> {
    let acquired =
        join_all((0..shared.partition_count).map(|id| shared.log.acquire(PartitionId(id)))).await;
    let mut partitions = Vec::with_capacity(acquired.len());
    for (id, acquired) in (0..).map(PartitionId).zip(acquired) {
        let acquired = acquired.with_context(|| format!("cannot take partition {}", id.0))?;
        partitions.push(Partition::new(
            id,
            acquired.epoch,
            acquired.last.max(seq_of(covered, id)),
        ));
    }
    Ok(partitions)
}

/// What a checkpoint covers of a partition.
pub(crate) fn seq_of(covered: &[(PartitionId, Seq)], id: PartitionId) -> Seq {
    covered
        .iter()
        .find(|(partition, _)| *partition == id)
        .map_or(Seq(0), |(_, seq)| *seq)
}

/// Every live execution of the state store enters the indexes of its host; few need more than that. Its offers wait: the
/// log may know more.
fn index(shared: &Arc<Shared>, hosts: &mut [Host]) -> anyhow::Result<Offers> {
    let mut offers = BTreeMap::new();
    let mut from = Vec::new();
    loop {
        let page =
            shared
                .store
                .scan(Table::Live, &from, &[0xff; 17], Order::Ascending, READ_ROWS)?;
        let Some((last, _)) = page.last() else {
            return Ok(offers);
        };
        from.clone_from(last);
        from.push(0);
        for (key, value) in page {
            let (id, live) = (live::execution_of(&key)?, live::decode(&value)?);
            let host = &mut hosts[shared.partitions().host_index(live.hash)];
            if live.held_by_session {
                resident(shared, host, id)?;
            } else {
                enter(&mut host.desk, id, &live);
            }
            if !live.offers.is_empty() {
                offers.insert(id, offers_of(id, &live));
            }
        }
    }
}

/// One by one: lists that are sorted first would leave their room with the allocator, several times what stays.
fn enter(desk: &mut Desk, id: ExecutionId, live: &Live) {
    let machine = desk.machines.number(&live.machine_arn);
    desk.running.insert((machine, live.runs_since, id));
    desk.arm(id, None, live.deadline);
    desk.callbacks
        .extend(live.callback_since.map(|since| (since, id)));
}

fn offers_of(id: ExecutionId, row: &Live) -> Vec<Queued> {
    let offer = |offer: &live::Offer| {
        let (attempt, scheduled_at) = (offer.attempt, offer.scheduled_at);
        let (id, placement) = ((row.hash, id), offer.placement.as_deref());
        offers::offer_of(id, &row.machine_arn, attempt, scheduled_at, placement)
            .map(|found| (offer.activity.clone(), found))
    };
    row.offers.iter().map(offer).collect()
}

/// Brings an execution into memory and takes it out of the indexes, until it is settled; `None` when it is not in the state
/// store.
fn resident<'a>(
    shared: &Arc<Shared>,
    host: &'a mut Host,
    id: ExecutionId,
) -> anyhow::Result<Option<&'a mut Resident>> {
    if !matches!(host.slots.get(&id), Some(Slot::Resident(_))) {
        let Some(execution) = rows::read(shared, id)? else {
            return Ok(None);
        };
        let resident = bring_in(shared, host, execution, true)?;
        let (desk, execution) = (&mut host.desk, &resident.execution);
        desk.running
            .remove(&(resident.machine, execution.runs_since(), id));
        desk.arm(id, next_deadline(execution), None);
        if let Some(since) = tasks::callback_since(execution) {
            desk.callbacks.remove(&(since, id));
        }
        host.slots.insert(id, Slot::Resident(Box::new(resident)));
    }
    match host.slots.get_mut(&id) {
        Some(Slot::Resident(resident)) => Ok(Some(resident)),
        Some(Slot::Loading(_)) | None => Ok(None),
    }
}

fn bring_in(
    shared: &Arc<Shared>,
    host: &mut Host,
    execution: Execution,
    has_rows: bool,
) -> anyhow::Result<Resident> {
    let header = execution.header.clone();
    let revision = shared.revision_of(&header)?;
    let machine = host.desk.machines.number(&header.machine_arn);
    let mut resident = Resident::new(execution, revision, machine);
    resident.has_rows = has_rows;
    resident.written = if has_rows { resident.changes() } else { 0 };
    resident.touched_at = host.desk.now();
    Ok(resident)
}

async fn replay(
    shared: &Arc<Shared>,
    host: &mut Host,
    covered: &[(PartitionId, Seq)],
) -> anyhow::Result<()> {
    let ids: Vec<PartitionId> = host
        .desk
        .partitions
        .iter()
        .map(|partition| partition.id)
        .collect();
    let mut passed = Passed::default();
    for id in ids {
        let mut next = Seq(seq_of(covered, id).0 + 1);
        loop {
            let chunks = shared
                .log
                .read_from(id, next, READ_BYTES)
                .await
                .context("cannot read the log")?;
            let Some(last) = chunks.last() else {
                break;
            };
            next = Seq(last.seq.0 + 1);
            for chunk in &chunks {
                for record in RecordReader::new(chunk.bytes.clone()) {
                    let ChunkRecord::Execution(record) = record? else {
                        continue;
                    };
                    replay_record(shared, host, &record, &mut passed)
                        .with_context(|| format!("chunk {} of partition {}", chunk.seq.0, id.0))?;
                }
            }
        }
    }
    let shared = shared.clone();
    crate::task::blocking("stops of histories", move || passed.find_stops(&shared))
        .await
        .context("the histories were not gone through")
}

fn replay_record(
    shared: &Arc<Shared>,
    host: &mut Host,
    record: &RawRecord,
    passed: &mut Passed,
) -> anyhow::Result<()> {
    let header = record.header;
    let last_seq = header.first_seq.0 + u64::from(header.count) - 1;
    if resident(shared, host, header.execution)?.is_none() {
        if header.first_seq.0 != 1 {
            // Deleted by retention since: its rows are gone, and nothing of it is live.
            return Ok(());
        }
        let events = record.events(&mut |_| None)?;
        let first = events.first().context("a record without events")?;
        let execution = Execution::from_started(header.at, first)
            .context("a first record without ExecutionStarted")?;
        let resident = bring_in(shared, host, blank(&execution), false)?;
        host.slots
            .insert(header.execution, Slot::Resident(Box::new(resident)));
    }
    let resident =
        resident(shared, host, header.execution)?.context("the execution was just brought in")?;
    if resident.execution.last_seq.0 >= last_seq {
        passed.note(shared, record)?;
        if shared.observer.wants_replay() {
            let unread = Payload::trusted("null");
            let events = record.events(&mut |id| {
                let known = resident.execution.payload(id);
                let payload = unread.clone();
                Some(known.unwrap_or(Data { id, payload }))
            })?;
            tell_again(shared, resident, header, &events);
        }
        if resident.execution.redrives.is_some() {
            // Its snapshot may have come to disk without the rows that went with it.
            let unread = Payload::trusted("");
            let events = record.events(&mut |id| {
                let payload = unread.clone();
                Some(Data { id, payload })
            })?;
            leave_lists(shared, &resident.execution, &events)?;
        }
        return Ok(());
    }
    let expected = resident.execution.last_seq.0 + 1;
    ensure!(
        header.first_seq.0 == expected,
        "execution {} goes on at event {} where {expected} must follow: records between are missing",
        header.execution,
        header.first_seq.0
    );
    if resident.has_rows && resident.tail.header.count == 0 {
        forget_later_blocks(shared, &resident.execution)?;
    }
    let before = (
        resident.execution.last_event,
        resident.execution.last_payload,
    );
    let events = record.events(&mut |id| resident.execution.payload(id))?;
    let begun = begun_at(&resident.execution);
    leave_lists(shared, &resident.execution, &events)?;
    for event in &events {
        if header.first_seq.0 == 1 && resident.execution.last_seq.0 == 0 {
            resident.execution =
                Execution::from_started(header.at, event).context("not a start")?;
        } else {
            apply(&mut resident.execution, header.at, event);
        }
    }
    shared.stops_of_replay(begun, &events, &resident.execution, header.at);
    resident
        .tail
        .append(&record.raw, before, &resident.execution);
    tell_again(shared, resident, header, &events);
    Ok(())
}

/// Changes of status are told at least once, and whether the last process has told those of this record is not known.
fn tell_again(shared: &Shared, resident: &Resident, header: RecordHeader, events: &[Event]) {
    if !shared.observer.wants_replay() {
        return;
    }
    let execution = &resident.execution;
    shared.observer.replayed(&Decided {
        revision: &resident.revision,
        machine_type: MachineType::Standard,
        first_seq: header.first_seq,
        last_event: execution.last_event,
        before: None,
        events,
        at: header.at,
        execution,
    });
}

/// A redriven execution goes out of the lists of closed ones before anything reads them: the retention deletes by them.
fn leave_lists(shared: &Shared, execution: &Execution, events: &[Event]) -> anyhow::Result<()> {
    let left = redrive::left(execution, events);
    if !left.is_empty() {
        shared.store.write(left)?;
    }
    Ok(())
}

/// Blocks of history that are newer than the snapshot would overlap with those that the replayed records become.
fn forget_later_blocks(shared: &Shared, execution: &Execution) -> anyhow::Result<()> {
    let id = execution.header.id;
    let from = history::key(id, EventId(execution.last_event.0 + 1));
    let (_, to) = history::range(id);
    let later = shared
        .store
        .scan(Table::History, &from, &to, Order::Ascending, usize::MAX)?;
    if !later.is_empty() {
        let delete = |(key, _)| Row {
            table: Table::History,
            key,
            value: None,
        };
        shared
            .store
            .write(later.into_iter().map(delete).collect())?;
    }
    Ok(())
}

/// Timers, indexes, offers and rows of what recovery brought into memory.
fn settle(host: &mut Host, offers: &mut Offers, queued: &mut Vec<Queued>) {
    let mut ids: Vec<ExecutionId> = host.slots.keys().copied().collect();
    ids.sort_unstable();
    for id in ids {
        offers.remove(&id);
        if let Some(Slot::Resident(resident)) = host.slots.get_mut(&id) {
            settle_resident(&mut host.desk, &mut host.orphans, resident, queued);
            host.aging.push_back(id);
        }
    }
    let live = u64::try_from(host.desk.running.len()).unwrap_or(u64::MAX);
    let counters = &host.desk.shared.counters;
    counters.live.fetch_add(live, Ordering::Relaxed);
    for (machine, _, _) in &host.desk.running {
        if let Some(arn) = host.desk.machines.arn(*machine) {
            host.desk.shared.namespaces.opened(of_arn(arn));
        }
    }
}

fn settle_resident(
    desk: &mut Desk,
    orphans: &mut Orphans,
    resident: &mut Resident,
    queued: &mut Vec<Queued>,
) {
    let id = resident.id();
    if resident.execution.status != Status::Running {
        desk.write_closed(resident);
        return;
    }
    let now = desk.now();
    restart_heartbeats(&mut resident.execution, now);
    desk.running
        .insert((resident.machine, resident.execution.runs_since(), id));
    desk.reindex(resident, Status::Running);
    desk.account(resident);
    desk.found_in_hand(&resident.execution);
    for command in outstanding(&resident.execution) {
        match command {
            Command::Offer {
                activity,
                attempt,
                input,
                scheduled_at,
                ..
            } => {
                let execution = &resident.execution;
                let offer = offers::offer(execution, attempt, scheduled_at, &input.payload);
                queued.push(offer.map(|offer| (activity, offer)));
            }
            Command::Continue => {
                desk.host
                    .send_later(Message::Task(TaskReport::continuation(&resident.execution)));
            }
            Command::StartTask {
                resource,
                attempt,
                parameters,
            } => Call::of(
                &desk.shared,
                &resident.execution,
                attempt,
                resource,
                parameters,
            )
            .start(),
            Command::Cancel { .. } | Command::Closed => {}
        }
    }
    for (attempt, work) in tasks::submitted(&resident.execution) {
        let (resource, parameters) = (work.resource.clone(), work.parameters.clone());
        Call::of(
            &desk.shared,
            &resident.execution,
            attempt,
            resource,
            parameters,
        )
        .resume();
    }
    desk.find_orphans(orphans, &resident.execution);
}

/// Writes a backup. The caller holds checkpoints back, so that nothing is trimmed meanwhile. Blocks.
pub(crate) fn backup(shared: &Shared, out: &mut dyn std::io::Write) -> Result<(), StoreError> {
    let format = Format {
        partitions: shared.partition_count,
        cluster: u128::from_be_bytes(shared.cluster_id),
    };
    let partitions = (0..shared.partition_count)
        .map(PartitionId)
        .chain([SYSTEM_PARTITION, express::PARTITION])
        .collect();
    let mut log = LogSource::new(shared.log.clone(), partitions)?;
    let totals = write_backup(out, format, shared.store.as_ref(), &mut log)?;
    tracing::info!(rows = totals.rows, chunks = totals.chunks, "backup written");
    Ok(())
}

/// Makes a data folder from a backup. Blocks.
pub(crate) fn restore(file: &std::path::Path, data: &std::path::Path) -> anyhow::Result<()> {
    stepfleet_store::backup::restore(file, data, &RestoreOptions::default())?;
    Ok(())
}
