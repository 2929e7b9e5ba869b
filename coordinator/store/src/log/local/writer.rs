//! The writer thread: takes everything that waits, decides it in order, writes it at once, syncs once, then answers.
//!
//! A refused write (disk full) leaves no trace and the log goes on; a failed write or sync poisons it: the same file
//! descriptor is never synced again, and only a restart, which reads back what the disk holds, ends that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use stepfleet_engine::PartitionId;

use super::frame::{self, Kind};
use super::group::{Answer, Draft, Group, Ticket};
use super::ledger::Ledger;
use super::pool::Pool;
use super::queue::{Command, Queue};
use super::segment::{FIRST_OFFSET, Segment, failed, sync};
use super::{Options, PARTITIONS_MAX, Shared};
use crate::error::StoreError;
use crate::log::admission::{Admission, PartitionState, admit, trimmed};
use crate::log::{Acquired, Append, Epoch, Seq};

/// Bytes at the end of a segment that only control frames may use, so that trimming works on a full disk.
pub(super) const CONTROL_RESERVE_BYTES: usize = 64 * 1024;
/// Bytes after which a group is written.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of buffer kept between groups.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// Where the log ends.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// None in an empty log.
    pub(super) segment: Option<Segment>,
    /// End of the frames; [`FIRST_OFFSET`] in a segment whose ledger is not written yet.
    pub(super) offset: u32,
    /// End of the frames of the segment before, for that ledger.
    pub(super) previous_end: u32,
    /// Number of the next group.
    pub(super) group: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    options: Options,
    folder: PathBuf,
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    tail: Tail,
    buffer: Vec<u8>,
    poisoned: Option<StoreError>,
}

/// One pass over the commands that were waiting: one group, or more when they do not fit.
#[derive(Debug)]
struct Round {
    group: Group,
    answers: Vec<Answer>,
    /// The disk is below its reserve.
    full: Option<StoreError>,
    /// Partitions of which a chunk was refused in this round: what follows it is refused likewise.
    refused: BTreeMap<u16, StoreError>,
}

pub(super) fn spawn(mut writer: Writer, queue: Arc<Queue>) -> Result<JoinHandle<()>, StoreError> {
    let work = move || loop {
        let commands = queue.take();
        if commands.is_empty() {
            break;
        }
        writer.commit(commands);
    };
    std::thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))
}

impl Writer {
    pub(super) fn new(options: Options, folder: &Path, shared: Arc<Shared>, pool: Arc<Pool>, tail: Tail) -> Self {
        let writer = Self {
            options,
            folder: folder.to_owned(),
            shared,
            pool,
            tail,
            buffer: Vec::new(),
            poisoned: None,
        };
        writer.pool.want(writer.number() + 1);
        writer
    }

    fn commit(&mut self, commands: Vec<Command>) {
        let mut round = Round {
            group: self.group(),
            answers: Vec::with_capacity(commands.len()),
            full: self.below_reserve(),
            refused: BTreeMap::new(),
        };
        for command in commands {
            self.handle(command, &mut round);
        }
        self.flush(&mut round);
        self.buffer = std::mem::take(&mut round.group.bytes);
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        round.answers.into_iter().for_each(Answer::send);
    }

    fn handle(&mut self, command: Command, round: &mut Round) {
        let ticket = Ticket { answer: round.answers.len(), chunk: 0 };
        let answer = match command {
            Command::Append { chunks, reply } => {
                // The answer must exist before its chunks: a full group is written, and may fail, in between.
                round.answers.push(Answer::Append { results: vec![Ok(()); chunks.len()], reply });
                for (chunk, append) in chunks.iter().enumerate() {
                    if let Err(error) = self.append(append, Ticket { chunk, ..ticket }, round) {
                        round.answers[ticket.answer].fail(chunk, error);
                    }
                }
                return;
            }
            Command::Acquire { partition, reply } => {
                Answer::Acquire { result: self.acquire(partition, ticket, round), reply }
            }
            Command::HandOver { partition, epoch, reply } => {
                Answer::Done { result: self.hand_over(partition, epoch, ticket, round), reply }
            }
            Command::Trim { partition, seq, reply } => {
                Answer::Done { result: self.trim(partition, seq, ticket, round), reply }
            }
            Command::Restore { partition, epoch, base, reply } => {
                let state = PartitionState { epoch: epoch.0, last: base.0, trimmed: base.0 };
                Answer::Done { result: self.restore(partition, state, ticket, round), reply }
            }
        };
        round.answers.push(answer);
    }

    fn append(&mut self, append: &Append, ticket: Ticket, round: &mut Round) -> Result<(), StoreError> {
        self.check_poison()?;
        let partition = append.partition.0;
        let state = self.state(partition, round);
        let durable = self.shared.index().state(partition).last;
        let stored = |seq| match round.group.batch(partition, seq) {
            Some(batch) => Some(batch),
            None => self.shared.index().entry(partition, seq).map(|entry| entry.batch),
        };
        match admit(append, state, stored) {
            Admission::Append => {}
            Admission::Stored => {
                if append.seq.0 > durable {
                    round.group.tickets.push(ticket);
                }
                return Ok(());
            }
            Admission::Refuse(error) => {
                let follows = append.seq.0 > state.last + 1;
                return Err(round.refused.get(&partition).filter(|_| follows).cloned().unwrap_or(error));
            }
        }
        let room = match round.full.clone() {
            Some(full) => Err(full),
            None => self.make_room(frame::framed_bytes(append.chunk.len()), CONTROL_RESERVE_BYTES, round),
        };
        if let Err(error) = room {
            round.refused.insert(partition, error.clone());
            self.shared.refused_full.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        // Making room may have written the group before, and failed: then this chunk is no longer the next one.
        let state = self.state(partition, round);
        if append.seq.0 != state.last + 1 {
            return Err(round.refused.get(&partition).cloned().unwrap_or_else(super::closed));
        }
        round.group.push_chunk(append);
        round.group.states.insert(partition, PartitionState { last: append.seq.0, ..state });
        round.group.tickets.push(ticket);
        Ok(())
    }

    fn acquire(&mut self, partition: PartitionId, ticket: Ticket, round: &mut Round) -> Result<Acquired, StoreError> {
        self.check_room_for(partition.0, round)?;
        let state = self.control(ticket, round, |state| (Kind::Owner, PartitionState { epoch: state.epoch + 1, ..state }), partition)?;
        Ok(Acquired { epoch: Epoch(state.epoch), last: Seq(state.last) })
    }

    fn hand_over(
        &mut self,
        partition: PartitionId,
        epoch: Epoch,
        ticket: Ticket,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        let current = self.state(partition.0, round).epoch;
        if epoch.0 > current {
            return Err(StoreError::Fenced(format!(
                "partition {} is at epoch {current}, the hand-over came under {}",
                partition.0, epoch.0
            )));
        }
        if epoch.0 == current && current > 0 {
            // Nobody owns the next epoch: whoever acquires gets the one after it.
            self.control(ticket, round, |state| (Kind::Owner, PartitionState { epoch: state.epoch + 1, ..state }), partition)?;
        }
        Ok(())
    }

    fn trim(&mut self, partition: PartitionId, seq: Seq, ticket: Ticket, round: &mut Round) -> Result<(), StoreError> {
        if let Some(trimmed) = trimmed(partition, seq.0, self.state(partition.0, round))? {
            self.control(ticket, round, |state| (Kind::Trim, PartitionState { trimmed, ..state }), partition)?;
        }
        Ok(())
    }

    fn restore(
        &mut self,
        partition: PartitionId,
        restored: PartitionState,
        ticket: Ticket,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        self.check_room_for(partition.0, round)?;
        if self.state(partition.0, round) != PartitionState::default() {
            return Err(StoreError::Fenced(format!("partition {} is in use", partition.0)));
        }
        self.control(ticket, round, |_| (Kind::Base, restored), partition).map(drop)
    }

    /// Writes a control frame that changes a partition's state, and returns the new state.
    fn control(
        &mut self,
        ticket: Ticket,
        round: &mut Round,
        change: impl FnOnce(PartitionState) -> (Kind, PartitionState),
        partition: PartitionId,
    ) -> Result<PartitionState, StoreError> {
        self.check_poison()?;
        self.make_room(frame::framed_bytes(0), 0, round)?;
        let (kind, state) = change(self.state(partition.0, round));
        let seq = match kind {
            Kind::Trim => state.trimmed,
            Kind::Owner | Kind::Base | Kind::Chunk | Kind::Ledger => state.last,
        };
        round.group.push(Draft::control(kind, partition.0, state.epoch, seq), &[]);
        round.group.states.insert(partition.0, state);
        round.group.tickets.push(ticket);
        Ok(state)
    }

    /// A partition's state after everything decided so far.
    fn state(&self, partition: u16, round: &Round) -> PartitionState {
        round.group.states.get(&partition).copied().unwrap_or_else(|| self.shared.index().state(partition))
    }

    fn check_room_for(&self, partition: u16, round: &Round) -> Result<(), StoreError> {
        let index = self.shared.index();
        let known = index.state(partition) != PartitionState::default();
        if !known && index.partition_count() + round.group.states.len() >= PARTITIONS_MAX {
            return Err(StoreError::LimitExceeded(format!("a log holds {PARTITIONS_MAX} partitions at most")));
        }
        Ok(())
    }

    /// Makes sure that `bytes` more fit into the group and its segment, writing the group and going on in a new
    /// segment if need be.
    fn make_room(&mut self, bytes: usize, reserve: usize, round: &mut Round) -> Result<(), StoreError> {
        if round.group.bytes.len() + bytes > GROUP_BYTES_MAX {
            self.flush(round);
            self.check_poison()?;
        }
        if !self.fits(bytes + reserve, round) {
            self.flush(round);
            self.check_poison()?;
            if !self.fits(bytes + reserve, round) {
                self.switch()?;
                let bytes = std::mem::take(&mut round.group.bytes);
                round.group = Group { bytes, ..self.group() };
            }
        }
        if round.group.bytes.is_empty() && self.tail.offset == FIRST_OFFSET {
            let ledger = Ledger { previous_end: self.tail.previous_end, states: self.shared.index().states().collect() };
            let draft = Draft::control(Kind::Ledger, 0, 0, round.group.segment);
            round.group.push(draft, &ledger.encode());
        }
        Ok(())
    }

    fn fits(&self, bytes: usize, round: &Round) -> bool {
        let Some(segment) = &self.tail.segment else { return false };
        // A segment without its ledger is empty, and a segment holds a ledger and a frame of any size.
        if self.tail.offset == FIRST_OFFSET && round.group.bytes.is_empty() {
            return true;
        }
        let used = u64::from(self.tail.offset) + round.group.bytes.len() as u64;
        used + bytes as u64 <= u64::from(segment.capacity)
    }

    /// Goes on in the next segment. The group is empty.
    fn switch(&mut self) -> Result<(), StoreError> {
        let segment = self.pool.next(self.number() + 1)?;
        self.tail.previous_end = if self.tail.segment.is_some() { self.tail.offset } else { 0 };
        self.tail.offset = FIRST_OFFSET;
        self.tail.segment = Some(segment);
        self.pool.want(self.number() + 1);
        Ok(())
    }

    /// Number of the segment in use; 0 in an empty log.
    fn number(&self) -> u64 {
        self.tail.segment.as_ref().map_or(0, |segment| segment.number)
    }

    fn group(&mut self) -> Group {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        Group { number: self.tail.group, segment: self.number(), start: self.tail.offset, bytes, ..Group::default() }
    }

    /// Writes the group, if there is one, and starts the next.
    fn flush(&mut self, round: &mut Round) {
        if round.group.bytes.is_empty() {
            return;
        }
        let written = self.write(&round.group);
        self.tail.group += 1;
        match written {
            Ok(()) => self.publish(&round.group),
            Err(error) => {
                for ticket in &round.group.tickets {
                    if let Some(answer) = round.answers.get_mut(ticket.answer) {
                        answer.fail(ticket.chunk, error.clone());
                    }
                }
                for (partition, _) in &round.group.chunks {
                    round.refused.insert(*partition, error.clone());
                }
            }
        }
        self.buffer = std::mem::take(&mut round.group.bytes);
        round.group = self.group();
    }

    /// Makes the group durable, or leaves no trace of it (`Full`), or poisons the log.
    fn write(&mut self, group: &Group) -> Result<(), StoreError> {
        let segment = self.tail.segment.as_ref().expect("a group is started in a segment");
        let path = &segment.file.path;
        let (disk, file) = (&*self.options.disk, &segment.file.file);
        let offset = u64::from(group.start);
        let poison = match disk.write_at(file, &group.bytes, offset) {
            Ok(()) => match sync(disk, file, self.options.sync) {
                Ok(()) => return Ok(()),
                Err(error) => failed("sync", path, &error),
            },
            Err(error) => {
                let error = failed("write to", path, &error);
                // Without its first frame no frame of the group is found again.
                let erase = || disk.write_at(file, &[0; frame::HEADER_BYTES], offset).is_ok();
                if matches!(error, StoreError::Full(_)) && erase() {
                    return Err(error);
                }
                error
            }
        };
        let poison = StoreError::Unavailable(format!("the log refuses work until the process is restarted: {poison}"));
        tracing::error!(error = %poison, "the log failed");
        self.poisoned = Some(poison.clone());
        Err(poison)
    }

    fn publish(&mut self, group: &Group) {
        let segment = self.tail.segment.as_ref().expect("a group is written to a segment");
        let written = u32::try_from(group.bytes.len()).expect("a group is smaller than its segment");
        self.tail.offset += written;
        let mut index = self.shared.index();
        index.add_segment(segment);
        for (partition, entry) in &group.chunks {
            index.add_chunk(*partition, *entry);
        }
        for (partition, state) in &group.states {
            index.set_state(*partition, *state);
        }
        let unneeded = index.take_unneeded(segment.number);
        drop(index);
        self.shared.groups.fetch_add(1, Ordering::Relaxed);
        self.shared.chunks.fetch_add(group.chunks.len() as u64, Ordering::Relaxed);
        self.shared.bytes.fetch_add(u64::from(written), Ordering::Relaxed);
        if !unneeded.is_empty() {
            self.pool.release(unneeded);
        }
    }

    fn check_poison(&self) -> Result<(), StoreError> {
        self.poisoned.clone().map_or(Ok(()), Err)
    }

    fn below_reserve(&self) -> Option<StoreError> {
        let free = match self.options.disk.free_bytes(&self.folder) {
            Ok(free) => free,
            Err(error) => return Some(failed("ask for the free space of", &self.folder, &error)),
        };
        let reserve = self.options.reserve_bytes;
        (free < reserve).then(|| {
            let folder = self.folder.display();
            StoreError::Full(format!("{free} bytes are free in {folder}, {reserve} are kept in reserve"))
        })
    }
}
