//! The writer thread: takes everything that waits, decides it in order, writes it at once, syncs once, then answers.
//!
//! A refused write (disk full) leaves no trace and the log goes on; a failed write or sync poisons it: the same file
//! descriptor is never synced again, and only a restart, which reads back what the disk holds, ends that.

mod decide;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use super::frame::{self, Kind};
use super::group::{Answer, Draft, Group};
use super::ledger::Ledger;
use super::pool::Pool;
use super::queue::{Command, Queue};
use super::segment::{FIRST_OFFSET, Segment, failed, sync};
use super::{Options, Shared};
use crate::error::StoreError;

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
    pub(super) fn new(
        options: Options,
        folder: &Path,
        shared: Arc<Shared>,
        pool: Arc<Pool>,
        tail: Tail,
    ) -> Self {
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

    /// Makes sure that `bytes` more fit into the group and its segment, writing the group and going on in a new
    /// segment if need be.
    fn make_room(
        &mut self,
        bytes: usize,
        reserve: usize,
        round: &mut Round,
    ) -> Result<(), StoreError> {
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
                round.group = Group {
                    bytes,
                    ..self.group()
                };
            }
        }
        if round.group.bytes.is_empty() && self.tail.offset == FIRST_OFFSET {
            let ledger = Ledger {
                previous_end: self.tail.previous_end,
                states: self.shared.index().states().collect(),
            };
            let draft = Draft::control(Kind::Ledger, 0, 0, round.group.segment);
            round.group.push(draft, &ledger.encode());
        }
        Ok(())
    }

    fn fits(&self, bytes: usize, round: &Round) -> bool {
        let Some(segment) = &self.tail.segment else {
            return false;
        };
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
        self.tail.previous_end = if self.tail.segment.is_some() {
            self.tail.offset
        } else {
            0
        };
        self.tail.offset = FIRST_OFFSET;
        self.tail.segment = Some(segment);
        self.pool.want(self.number() + 1);
        Ok(())
    }

    /// Number of the segment in use; 0 in an empty log.
    fn number(&self) -> u64 {
        self.tail
            .segment
            .as_ref()
            .map_or(0, |segment| segment.number)
    }

    fn group(&mut self) -> Group {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        Group {
            number: self.tail.group,
            segment: self.number(),
            start: self.tail.offset,
            bytes,
            ..Group::default()
        }
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
        let segment = self
            .tail
            .segment
            .as_ref()
            .expect("a group is started in a segment");
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
                let erase = || {
                    disk.write_at(file, &[0; frame::HEADER_BYTES], offset)
                        .is_ok()
                };
                if matches!(error, StoreError::Full(_)) && erase() {
                    return Err(error);
                }
                error
            }
        };
        let poison = StoreError::Broken(format!(
            "the log refuses work until the process is restarted: {poison}"
        ));
        tracing::error!(error = %poison, "the log failed");
        self.poisoned = Some(poison.clone());
        Err(poison)
    }

    fn publish(&mut self, group: &Group) {
        let segment = self
            .tail
            .segment
            .as_ref()
            .expect("a group is written to a segment");
        let written =
            u32::try_from(group.bytes.len()).expect("a group is smaller than its segment");
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
        self.shared
            .chunks
            .fetch_add(group.chunks.len() as u64, Ordering::Relaxed);
        self.shared
            .bytes
            .fetch_add(u64::from(written), Ordering::Relaxed);
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
            StoreError::Full(format!(
                "{free} bytes are free in {folder}, {reserve} are kept in reserve"
            ))
        })
    }
}
