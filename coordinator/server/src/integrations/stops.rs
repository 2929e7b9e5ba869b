//! Work of connectors that is to be stopped because nobody waits for it any more. That is repeated until a worker answers,
//! for a day, and goes on in the next process: checkpoints write what is left to a file before they cover the ends that it
//! comes from, and recovery finds the later ends in the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepfleet_engine::event::{Event, EventBody};
use stepfleet_engine::execution::Execution;
use stepfleet_engine::{Attempt, FrameId, Timestamp};
use stepfleet_proto::v1::connector_answer::Answer;
use stepfleet_proto::v1::connector_query::Kind;
use tokio::time::{sleep, timeout};

use super::connector::{self, BegunWork, Connected, NOBODY, PAUSE_FIRST, PAUSE_MAX};
use crate::config::Config;
use crate::partition::desk::task_ref;
use crate::partition::tasks;
use crate::shared::Shared;

const FILE: &str = "connector-stops";
/// How long a stop is tried that no worker answers. Workers that come later ask themselves whether what they do is
/// still waited for.
const TRIED_MS: i64 = 24 * 3600 * 1000;

/// All that are to be carried out.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    /// None where nothing outlives the process.
    file: Option<PathBuf>,
    /// By the client id of the work.
    wishes: Mutex<BTreeMap<String, Arc<Wish>>>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
struct Wish {
    work: BegunWork,
    /// Milliseconds since the epoch.
    since: i64,
}

impl Stops {
    /// With what an earlier process has written.
    pub(crate) fn open(config: &Config) -> io::Result<Self> {
        let file = (!config.ephemeral).then(|| config.data.join(FILE));
        let mut wishes = BTreeMap::new();
        if let Some(file) = &file {
            read(file, &mut wishes)?;
        }
        Ok(Self {
            file,
            wishes: Mutex::new(wishes),
        })
    }

    /// Notes what is to be stopped; none when that is known.
    fn note(&self, work: BegunWork, now: Timestamp) -> Option<Arc<Wish>> {
        let (id, since) = (work.client_id.clone(), now.0);
        let mut wishes = self.lock();
        if wishes.contains_key(&id) {
            return None;
        }
        let wish = Arc::new(Wish { work, since });
        wishes.insert(id, wish.clone());
        Some(wish)
    }

    /// Writes what is left to the file. Durable when it returns. Blocks.
    pub(crate) fn write(&self) -> io::Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let wishes: Vec<Arc<Wish>> = self.lock().values().cloned().collect();
        if wishes.is_empty() {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let new = path.with_extension("new");
        let mut out = BufWriter::new(File::create(&new)?);
        for wish in wishes {
            serde_json::to_writer(&mut out, &*wish)?;
            writeln!(out)?;
        }
        let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.sync_all()?;
        std::fs::rename(&new, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Wish>>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &PathBuf, wishes: &mut BTreeMap<String, Arc<Wish>>) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    for line in BufReader::new(file).lines() {
        let wish: Wish = serde_json::from_str(&line?)?;
        wishes.insert(wish.work.client_id.clone(), Arc::new(wish));
    }
    Ok(())
}

impl Shared {
    /// Stops what was begun, now or as soon as a worker can.
    pub(super) fn stop_work(self: &Arc<Self>, work: BegunWork) {
        if let Some(wish) = self.stops.note(work, self.clock.now()) {
            self.carry_out(wish);
        }
    }

    /// Goes on with what an earlier process did not bring to its end.
    pub(crate) fn resume_stops(self: &Arc<Self>) {
        let wishes: Vec<Arc<Wish>> = self.stops.lock().values().cloned().collect();
        wishes.into_iter().for_each(|wish| self.carry_out(wish));
    }

    /// What ended in a record that is replayed is to be stopped, unless it ended by itself.
    pub(crate) fn stops_of_replay(
        &self,
        begun: Vec<BegunAt>,
        events: &[Event],
        after: &Execution,
        at: Timestamp,
    ) {
        let goes_on = begun_at(after);
        for BegunAt { key, work } in begun {
            if !goes_on.iter().any(|other| other.key == key) && !ended_by_itself(events, key.1) {
                let _known = self.stops.note(work, at);
            }
        }
    }

    fn carry_out(self: &Arc<Self>, wish: Arc<Wish>) {
        let shared = self.clone();
        crate::task::spawn("end of a task", async move {
            let until = wish.since.saturating_add(TRIED_MS);
            let rest = until.saturating_sub(shared.clock.now().0);
            let rest = Duration::from_millis(u64::try_from(rest).unwrap_or(0));
            let stopped = tokio::select! {
                stopped = timeout(rest, stop(&shared, &wish.work)) => stopped,
                () = shared.stop.cancelled() => return,
            };
            if stopped.is_err() {
                tracing::warn!(execution.arn = %wish.work.execution_arn, "no worker stopped what was begun for a task that is over");
            }
            shared.stops.lock().remove(&wish.work.client_id);
        });
    }
}

/// Asks to end it until that is answered.
async fn stop(shared: &Shared, work: &BegunWork) {
    let mut pause = PAUSE_FIRST;
    loop {
        match connector::ask(shared, work, Kind::Stop).await {
            // What has ended needs no stop.
            Some(Answer::Stopped(_) | Answer::Output(_) | Answer::Failure(_)) => return,
            Some(Answer::Going(_) | Answer::Unknown(_)) => {}
            None => pause = pause.min(NOBODY),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Work that a worker has begun for a task of an execution.
#[derive(Debug)]
pub(crate) struct BegunAt {
    key: (Attempt, FrameId),
    work: BegunWork,
}

/// What workers have begun for the open tasks of an execution.
pub(crate) fn begun_at(execution: &Execution) -> Vec<BegunAt> {
    let begun = execution.frames.iter().filter_map(|frame| {
        let stay = frame.stay()?;
        let (attempt, _) = tasks::begun_by_worker(stay)?;
        let connected = Connected::of(&stay.work)?;
        let work = BegunWork::new(&task_ref(execution, attempt), &execution.header, connected);
        let key = (attempt, frame.id);
        Some(BegunAt { key, work })
    });
    begun.collect()
}

fn ended_by_itself(events: &[Event], ended: FrameId) -> bool {
    events.iter().any(|event| {
        matches!(&event.body, EventBody::TaskSucceeded { frame, .. } | EventBody::TaskFailed { frame, .. } if *frame == ended)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(client_id: &str) -> BegunWork {
        BegunWork {
            client_id: client_id.to_owned(),
            execution_arn: "arn".into(),
            connector: "activity".into(),
            handle: r#"{"id":7}"#.into(),
            place: "host-1".into(),
        }
    }

    #[test]
    fn what_is_to_be_stopped_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        let stops = Stops::open(&config).unwrap();
        for (id, at) in [("one", 1), ("two", 2), ("one", 3)] {
            let _known = stops.note(work(id), Timestamp(at));
        }
        stops.write().unwrap();
        let read = Stops::open(&config).unwrap();
        let wishes: Vec<(BegunWork, i64)> = read
            .lock()
            .values()
            .map(|wish| (wish.work.clone(), wish.since))
            .collect();
        assert_eq!(wishes, [(work("one"), 1), (work("two"), 2)]);
        read.lock().clear();
        read.write().unwrap();
        assert!(Stops::open(&config).unwrap().lock().is_empty());
    }
}
