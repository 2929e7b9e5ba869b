//! The segment pool: prepares the next segment before it is needed, reuses files that nothing needs any more, oldest
//! first, and removes what is too many. All of it on its own thread.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::segment::{Segment, SegmentFile, failed, sync_folder};
use super::{Options, closed};
use crate::error::StoreError;

/// Files kept for reuse; more are removed.
const SPARES_MAX: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Pool {
    folder: PathBuf,
    options: Options,
    state: Mutex<State>,
    /// Something to prepare or to remove, or the end.
    work: Condvar,
    /// `prepared` is there, or the end.
    done: Condvar,
}

/// Files at hand when the log opens.
#[derive(Debug, Default)]
pub(super) struct Spares {
    /// Ascending by the number of their last use; reused in this order, so that what remains is always consecutive.
    pub(super) files: VecDeque<SegmentFile>,
    /// A segment with a header that was never written to. Its number is the next one.
    pub(super) prepared: Option<Segment>,
}

#[derive(Debug)]
struct State {
    spares: VecDeque<SegmentFile>,
    slot_next: u32,
    wanted: Option<u64>,
    /// A segment is being prepared at this moment; a second one would get the same number.
    preparing: bool,
    prepared: Option<Result<Segment, StoreError>>,
    closed: bool,
}

impl Pool {
    pub(super) fn new(folder: &Path, options: &Options, spares: Spares, slot_next: u32) -> Self {
        let state = State {
            spares: spares.files,
            slot_next,
            wanted: None,
            preparing: false,
            prepared: spares.prepared.map(Ok),
            closed: false,
        };
        Self {
            folder: folder.to_owned(),
            options: options.clone(),
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Asks for a segment in advance.
    pub(super) fn want(&self, number: u64) {
        self.ask(&mut self.lock(), number);
    }

    fn ask(&self, state: &mut State, number: u64) {
        if state.prepared.is_none() && !state.preparing {
            state.wanted = Some(number);
            self.work.notify_one();
        }
    }

    /// Takes the next segment, waiting for it if need be. A failed preparation in advance is tried again.
    pub(super) fn next(&self, number: u64) -> Result<Segment, StoreError> {
        let mut state = self.lock();
        if let Some(Err(_)) = state.prepared {
            state.prepared = None;
        }
        self.ask(&mut state, number);
        loop {
            if let Some(prepared) = state.prepared.take() {
                return prepared;
            }
            if state.closed {
                return Err(closed());
            }
            state = self
                .done
                .wait(state)
                .expect("no code panics while it holds the pool");
        }
    }

    /// Gives back segments that nothing needs any more, in ascending order.
    pub(super) fn release(&self, segments: Vec<Segment>) {
        let mut state = self.lock();
        state
            .spares
            .extend(segments.into_iter().map(|segment| segment.file));
        self.work.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.done.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds the pool")
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.closed {
            if let Some(number) = state.wanted.take() {
                state.preparing = true;
                let spare = state.spares.pop_front();
                let slot = state.slot_next;
                state.slot_next += u32::from(spare.is_none());
                drop(state);
                let prepared = self.prepare(number, spare, slot);
                state = self.lock();
                state.preparing = false;
                state.prepared = Some(prepared);
                self.done.notify_all();
            } else if state.spares.len() > SPARES_MAX {
                let spare = state.spares.pop_front();
                drop(state);
                spare.inspect(|spare| self.remove(spare));
                state = self.lock();
            } else {
                state = self
                    .work
                    .wait(state)
                    .expect("no code panics while it holds the pool");
            }
        }
    }

    fn prepare(
        &self,
        number: u64,
        spare: Option<SegmentFile>,
        slot: u32,
    ) -> Result<Segment, StoreError> {
        let file = match spare {
            Some(spare) => spare,
            None => {
                self.check_space()?;
                SegmentFile::create(&self.folder, slot, &self.options)?
            }
        };
        let path = file.path.clone();
        file.begin(number, &self.options).inspect_err(|_| {
            // Whatever its header says now, the file must not be met again under this number.
            std::fs::remove_file(&path).ok();
        })
    }

    fn check_space(&self) -> Result<(), StoreError> {
        let needed = self
            .options
            .reserve_bytes
            .saturating_add(u64::from(self.options.segment_bytes));
        let free = self
            .options
            .disk
            .free_bytes(&self.folder)
            .map_err(|error| failed("ask for the free space of", &self.folder, &error))?;
        if free < needed {
            return Err(StoreError::Full(format!(
                "{free} bytes are free in {}, a new segment needs {needed} with the reserve",
                self.folder.display()
            )));
        }
        Ok(())
    }

    /// The removal is durable before the next file is reused: otherwise this one could come back after a power loss
    /// while younger ones are gone.
    fn remove(&self, file: &SegmentFile) {
        let removed = std::fs::remove_file(&file.path)
            .and_then(|()| sync_folder(&self.folder, self.options.sync));
        if let Err(error) = removed {
            tracing::warn!(path = %file.path.display(), %error, "cannot remove a spare segment");
        }
    }
}

pub(super) fn spawn(pool: Arc<Pool>) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name("log-segments".to_owned())
        .spawn(move || pool.run())
        .map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))
}
