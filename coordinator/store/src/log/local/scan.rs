//! Opening: reads every segment once, checks that nothing is missing or damaged, and finds where the log ends.
//!
//! All segments but the newest have a known end (the next one's ledger names it) and must be whole. The newest may end
//! in a torn group: frames behind a bad one that belong to the same group were never answered. Frames of a later group
//! prove that the bad one was once durable; that is damage, and refused.

use std::collections::BTreeMap;
use std::path::Path;

use super::frame::{self, ALIGN, Found, Frame, Kind, Place};
use super::index::{Entry, Index};
use super::ledger::{self, Ledger};
use super::pool::Spares;
use super::segment::{FIRST_OFFSET, HEADER_BYTES, Segment, SegmentFile, failed, sync, sync_folder};
use super::writer::Tail;
use super::{Options, Sync};
use crate::error::StoreError;
use crate::log::BatchId;
use crate::log::admission::PartitionState;

/// What was found.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) index: Index,
    pub(super) tail: Tail,
    pub(super) spares: Spares,
    pub(super) slot_next: u32,
}

/// Segments by number, files without a header, and the next free slot.
#[derive(Debug, Default)]
struct Files {
    numbered: BTreeMap<u64, Segment>,
    blank: Vec<SegmentFile>,
    slot_next: u32,
}

/// Opens all of a folder's segments. See the module.
pub(super) fn scan(folder: &Path, options: &Options) -> Result<Scanned, StoreError> {
    let mut files = list(folder)?;
    let (prepared, ledger) = take_prepared(&mut files)?;
    let newest = files
        .numbered
        .last_key_value()
        .map_or(0, |(number, _)| *number);
    check_blank(&files, newest)?;
    let mut scanner = Scanner::default();
    let live = take_consecutive(&mut files.numbered);
    let mut tail = Tail::default();
    if let Some(ledger) = ledger {
        tail = scanner.scan_all(&live, ledger)?;
    }
    check_gaps(&scanner.index, live.first())?;
    make_durable(&tail, scanner.group_start, options)?;
    tail.group = scanner.group + 1;
    let mut spares = Spares {
        prepared,
        ..Spares::default()
    };
    let lower = files.numbered.into_values().map(|segment| segment.file);
    let unneeded = scanner
        .index
        .take_unneeded(newest)
        .into_iter()
        .map(|segment| segment.file);
    for file in files.blank.into_iter().chain(lower).chain(unneeded) {
        keep_or_remove(file, &mut spares, options)?;
    }
    sync_folder(folder, options.sync).map_err(|error| failed("sync", folder, &error))?;
    Ok(Scanned {
        index: scanner.index,
        tail,
        spares,
        slot_next: files.slot_next,
    })
}

fn list(folder: &Path) -> Result<Files, StoreError> {
    let mut files = Files::default();
    let entries = std::fs::read_dir(folder).map_err(|error| failed("list", folder, &error))?;
    for entry in entries {
        let path = entry
            .map_err(|error| failed("list", folder, &error))?
            .path();
        let Some(slot) = SegmentFile::slot_of(&path) else {
            continue;
        };
        files.slot_next = files.slot_next.max(slot + 1);
        let file = SegmentFile::open(&path, slot)?;
        let Some((number, capacity)) = file.header()? else {
            files.blank.push(file);
            continue;
        };
        if let Some(other) = files.numbered.insert(
            number,
            Segment {
                number,
                capacity,
                file,
            },
        ) {
            return Err(StoreError::Corrupt(format!(
                "{} and {} are both segment {number}; one is a copy, move it away",
                path.display(),
                other.file.path.display()
            )));
        }
    }
    files.blank.sort_by_key(|file| file.slot);
    Ok(files)
}

/// Takes the youngest segment out when it was never written to, and reads the newest ledger.
fn take_prepared(files: &mut Files) -> Result<(Option<Segment>, Option<Ledger>), StoreError> {
    let Some(youngest) = files.numbered.last_entry() else {
        return Ok((None, None));
    };
    let segment = youngest.get();
    if let Some(ledger) = ledger_of(segment)? {
        return Ok((None, Some(ledger)));
    }
    if let Some(offset) = later_group(&segment.file.read()?, segment.number, FIRST_OFFSET, 0).damage
    {
        return Err(damaged(segment, FIRST_OFFSET, offset));
    }
    let prepared = youngest.remove();
    let Some((_, newest)) = files.numbered.last_key_value() else {
        return Ok((Some(prepared), None));
    };
    let ledger = ledger_of(newest)?;
    if ledger.is_none() {
        return Err(damaged(newest, FIRST_OFFSET, FIRST_OFFSET));
    }
    Ok((Some(prepared), ledger))
}

/// A file without a header is a spare whose reuse was cut short, unless its frames say that it was in use.
fn check_blank(files: &Files, newest: u64) -> Result<(), StoreError> {
    for file in &files.blank {
        let bytes = file.read()?;
        let claimed = bytes
            .get(offset_of(FIRST_OFFSET)..)
            .map_or(0, claimed_number);
        let claimed = ledger_at(&bytes, claimed).map_or(0, |_| claimed);
        let next = later_group(&bytes, newest + 1, FIRST_OFFSET - 1, 0).damage;
        if claimed > newest || next.is_some() {
            return Err(StoreError::Corrupt(format!(
                "the header of {} is damaged and the file holds chunks of the end of the log; restore a backup",
                file.path.display()
            )));
        }
    }
    Ok(())
}

/// The consecutive segments up to the newest. Older ones, left over from an interrupted reuse, stay behind.
fn take_consecutive(numbered: &mut BTreeMap<u64, Segment>) -> Vec<Segment> {
    let mut live: Vec<Segment> = Vec::new();
    while let Some(entry) = numbered.last_entry() {
        if live
            .last()
            .is_some_and(|younger| younger.number != *entry.key() + 1)
        {
            break;
        }
        live.push(entry.remove());
    }
    live.reverse();
    live
}

fn check_gaps(index: &Index, first: Option<&Segment>) -> Result<(), StoreError> {
    let Some((partition, seqs)) = index.first_gap() else {
        return Ok(());
    };
    let before = first.map_or(0, |segment| segment.number);
    Err(StoreError::Corrupt(format!(
        "chunks {} to {} of partition {partition} are missing: the segments before {before} are not there; \
         put them back or restore a backup",
        seqs.start(),
        seqs.end()
    )))
}

/// Writes the last group once more and syncs. After a crash of the process its bytes may be in the page cache only; and
/// after a failed sync the cache may claim to be clean while the disk never got them.
fn make_durable(tail: &Tail, group_start: u32, options: &Options) -> Result<(), StoreError> {
    let Some(segment) = tail
        .segment
        .as_ref()
        .filter(|_| options.sync == Sync::Fdatasync)
    else {
        return Ok(());
    };
    let bytes = segment.file.read()?;
    let group = &bytes[offset_of(group_start)..offset_of(tail.offset)];
    options
        .disk
        .write_at(&segment.file.file, group, u64::from(group_start))
        .and_then(|()| sync(&*options.disk, &segment.file.file, options.sync))
        .map_err(|error| failed("sync", &segment.file.path, &error))
}

fn keep_or_remove(
    file: SegmentFile,
    spares: &mut Spares,
    options: &Options,
) -> Result<(), StoreError> {
    let bytes = file
        .file
        .metadata()
        .map_err(|error| failed("read", &file.path, &error))?
        .len();
    if bytes == u64::from(options.segment_bytes) {
        spares.files.push_back(file);
        return Ok(());
    }
    std::fs::remove_file(&file.path).map_err(|error| failed("remove", &file.path, &error))
}

#[derive(Debug, Default)]
struct Scanner {
    index: Index,
    /// The last group seen, whole or torn.
    group: u64,
    group_start: u32,
}

impl Scanner {
    /// Scans consecutive segments; `newest` is the ledger of the last one.
    fn scan_all(&mut self, live: &[Segment], newest: Ledger) -> Result<Tail, StoreError> {
        let mut end = None;
        let mut ends = Vec::with_capacity(live.len());
        let mut ledgers = Vec::with_capacity(live.len());
        for segment in live.iter().rev() {
            let ledger = if end.is_none() {
                Some(newest.clone())
            } else {
                ledger_of(segment)?
            };
            let ledger = ledger.ok_or_else(|| damaged(segment, FIRST_OFFSET, FIRST_OFFSET))?;
            ends.push(end);
            end = Some(ledger.previous_end);
            ledgers.push(ledger);
        }
        let mut offset = FIRST_OFFSET;
        let parts = ledgers.into_iter().zip(ends).rev();
        for (at, (segment, (ledger, end))) in live.iter().zip(parts).enumerate() {
            self.enter(segment, &ledger, at == 0)?;
            let bytes = segment.file.read()?;
            offset = self.scan_segment(segment, &bytes, end)?;
        }
        Ok(Tail {
            segment: live.last().cloned(),
            offset,
            previous_end: 0,
            group: 0,
        })
    }

    /// Takes over or checks the state at the beginning of a segment.
    fn enter(&mut self, segment: &Segment, ledger: &Ledger, first: bool) -> Result<(), StoreError> {
        self.index.add_segment(segment);
        if first {
            for (partition, state) in &ledger.states {
                self.index.set_state(*partition, *state);
            }
        } else if !self.index.states().eq(ledger
            .states
            .iter()
            .map(|(partition, state)| (*partition, *state)))
        {
            return Err(StoreError::Corrupt(format!(
                "{} (segment {}) does not continue the segment before it; restore a backup",
                segment.file.path.display(),
                segment.number
            )));
        }
        Ok(())
    }

    /// Reads the frames of one segment and returns their end.
    fn scan_segment(
        &mut self,
        segment: &Segment,
        bytes: &[u8],
        end: Option<u32>,
    ) -> Result<u32, StoreError> {
        let mut offset = FIRST_OFFSET;
        while end.is_none_or(|end| offset < end) {
            let place = Place {
                segment: segment.number,
                offset,
            };
            let rest = bytes.get(offset_of(offset)..).unwrap_or_default();
            match frame::find(rest, place) {
                Found::Valid(frame, payload) if self.follows(&frame, offset) => {
                    self.apply(segment, &frame, payload, offset)?;
                    offset += u32::try_from(frame::framed_bytes(payload.len()))
                        .expect("a frame is in its segment");
                }
                Found::Unknown { kind, version } => {
                    return Err(unknown(segment, offset, kind, version));
                }
                Found::Valid(..) | Found::Torn(_) | Found::Nothing if end.is_some() => {
                    return Err(damaged(segment, offset, offset));
                }
                Found::Valid(..) | Found::Torn(_) | Found::Nothing => {
                    self.cut(segment, bytes, offset)?;
                    break;
                }
            }
        }
        match end {
            Some(end) if end != offset => Err(damaged(segment, end, offset)),
            Some(_) | None => Ok(offset),
        }
    }

    /// Whether a frame may stand here: in the running group, or as the first of a later one.
    fn follows(&self, frame: &Frame, offset: u32) -> bool {
        if frame.group == self.group {
            frame.group_start == self.group_start
        } else {
            frame.group > self.group && frame.group_start == offset
        }
    }

    fn apply(
        &mut self,
        segment: &Segment,
        frame: &Frame,
        payload: &[u8],
        offset: u32,
    ) -> Result<(), StoreError> {
        self.group = frame.group;
        self.group_start = frame.group_start;
        let state = self.index.state(frame.partition);
        let expected = match frame.kind {
            Kind::Ledger => offset == FIRST_OFFSET,
            Kind::Chunk => frame.seq == state.last + 1 && frame.epoch == state.epoch,
            Kind::Owner => frame.seq == state.last && frame.epoch > state.epoch,
            Kind::Trim => frame.seq <= state.last && frame.seq > state.trimmed,
            Kind::Base => state == PartitionState::default(),
        };
        if !expected {
            return Err(StoreError::Corrupt(format!(
                "{} at offset {offset}: {:?} {} of partition {} does not follow {state:?}; restore a backup",
                segment.file.path.display(),
                frame.kind,
                frame.seq,
                frame.partition
            )));
        }
        let state = match frame.kind {
            Kind::Ledger => return Ok(()),
            Kind::Chunk => {
                let length = u32::try_from(payload.len()).expect("a frame is in its segment");
                let batch = BatchId(frame.batch);
                let entry = Entry {
                    segment: segment.number,
                    offset,
                    length,
                    seq: frame.seq,
                    batch,
                };
                self.index.add_chunk(frame.partition, entry);
                PartitionState {
                    last: frame.seq,
                    ..state
                }
            }
            Kind::Owner => PartitionState {
                epoch: frame.epoch,
                ..state
            },
            Kind::Trim => PartitionState {
                trimmed: frame.seq,
                ..state
            },
            Kind::Base => PartitionState {
                epoch: frame.epoch,
                last: frame.seq,
                trimmed: frame.seq,
            },
        };
        self.index.set_state(frame.partition, state);
        Ok(())
    }

    /// Ends the newest segment at a bad frame, if that is a torn tail.
    fn cut(&mut self, segment: &Segment, bytes: &[u8], offset: u32) -> Result<(), StoreError> {
        let later = later_group(bytes, segment.number, offset, self.group);
        if let Some(damage) = later.damage {
            return Err(damaged(segment, offset, damage));
        }
        if later.group_max > self.group {
            tracing::warn!(path = %segment.file.path.display(), offset, "cut a torn tail of the log");
            self.group = later.group_max;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Later {
    /// Where a frame of a group stands that began behind the bad place.
    damage: Option<u32>,
    group_max: u64,
}

/// Looks behind a bad place for frames of this use of the file. Groups up to `group` are leftovers of refused writes.
fn later_group(bytes: &[u8], segment: u64, bad: u32, group: u64) -> Later {
    let mut later = Later::default();
    let first = offset_of(bad).next_multiple_of(ALIGN);
    for at in (first..bytes.len()).step_by(ALIGN) {
        if !frame::looks_like_one(&bytes[at..]) {
            continue;
        }
        let Ok(offset) = u32::try_from(at) else { break };
        match frame::find(&bytes[at..], Place { segment, offset }) {
            Found::Valid(frame, _) | Found::Torn(frame) => {
                later.group_max = later.group_max.max(frame.group);
                if frame.group > group && frame.group_start > bad {
                    later.damage = later.damage.or(Some(offset));
                }
            }
            Found::Unknown { .. } | Found::Nothing => {}
        }
    }
    later
}

fn ledger_of(segment: &Segment) -> Result<Option<Ledger>, StoreError> {
    let bytes = segment.file.read_start(HEADER_BYTES + ledger::BYTES_MAX)?;
    let place = Place {
        segment: segment.number,
        offset: FIRST_OFFSET,
    };
    let frames = bytes.get(offset_of(FIRST_OFFSET)..).unwrap_or_default();
    if let Found::Unknown { kind, version } = frame::find(frames, place) {
        return Err(unknown(segment, FIRST_OFFSET, kind, version));
    }
    Ok(ledger_at(&bytes, segment.number))
}

fn ledger_at(bytes: &[u8], number: u64) -> Option<Ledger> {
    let place = Place {
        segment: number,
        offset: FIRST_OFFSET,
    };
    match frame::find(bytes.get(offset_of(FIRST_OFFSET)..)?, place) {
        Found::Valid(frame, payload) if frame.kind == Kind::Ledger => Ledger::decode(payload),
        Found::Valid(..) | Found::Torn(_) | Found::Unknown { .. } | Found::Nothing => None,
    }
}

/// The segment number that a ledger's frame carries in clear.
fn claimed_number(frame: &[u8]) -> u64 {
    frame.get(40..48).map_or(0, |seq| frame::u64_at(seq, 0))
}

fn offset_of(offset: u32) -> usize {
    usize::try_from(offset).expect("a usize holds 32 bits")
}

fn damaged(segment: &Segment, bad: u32, proof: u32) -> StoreError {
    StoreError::Corrupt(format!(
        "{} (segment {}) is damaged at offset {bad}, and what follows at {proof} was written later; restore a backup",
        segment.file.path.display(),
        segment.number
    ))
}

fn unknown(segment: &Segment, offset: u32, kind: u8, version: u8) -> StoreError {
    StoreError::Corrupt(format!(
        "{} at offset {offset} holds a frame of kind {kind}, version {version}, which this release does not know",
        segment.file.path.display()
    ))
}
