//! The tasks that a worker holds: received, and without confirmed result. No connection and no clock in here: what goes
//! out is left in `news`.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::super::frame::Finished;
use super::super::heartbeats::{Beat, Heartbeats};
use super::super::outbox::News;
use super::super::registry::{self, Activity, Ending, Handler, Work};
use super::super::task::{Origin, Shared, TaskContext, TaskError, short_hash};
use crate::api::{Push, RefusedResult, SlotsChange, Welcome};

/// A handler that takes longer than this before it first waits would hold up the others.
const INLINE_MAX: Duration = Duration::from_micros(100);
/// Tasks of an activity that go to the runtime unpolled after a slow one; doubled each time up to the second number.
const UNPOLLED: u32 = 16;
const UNPOLLED_MAX: u32 = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tasks {
    /// In the order of `Hello.activities`.
    served: Vec<Served>,
    held: HashMap<Held, Holding>,
    /// In the order of their numbers.
    unconfirmed: VecDeque<Arc<Finished>>,
    heartbeats: Heartbeats,
    handlers: JoinSet<Done>,
    /// Number of the last result.
    numbered: u64,
    draining: bool,
    pub(crate) news: News,
}

/// A handler that ran as a task of the runtime.
#[derive(Debug)]
pub(crate) struct Done {
    task: Arc<Shared>,
    activity: usize,
    ending: Ending,
}

/// An activity at work.
#[derive(Debug)]
struct Served {
    handler: Handler,
    origin: Arc<Origin>,
    slots: usize,
    /// Handlers that run, those of cancelled tasks included.
    running: usize,
    /// Pushed while cancelled tasks still cleaned up in their slots.
    waiting: VecDeque<(Arc<Shared>, String)>,
    /// So many of the next tasks are not polled in place.
    unpolled: u32,
    penalty: u32,
}

/// A task as a key: by its token.
#[derive(Debug)]
struct Held(Arc<Shared>);

#[derive(Clone, Copy, Debug)]
enum Holding {
    Waiting(Option<Beat>),
    Running(Option<Beat>),
    Finished,
}

enum Begun {
    Ended(Ending),
    Going(Work),
}

impl Tasks {
    pub(crate) fn new(activities: Vec<Activity>, progress: &mpsc::Sender<Arc<Shared>>) -> Self {
        let serve = |activity: Activity| Served {
            handler: activity.handler,
            origin: Arc::new(Origin {
                activity: activity.name,
                progress: progress.clone(),
            }),
            slots: usize::try_from(activity.slots).unwrap_or(usize::MAX),
            running: 0,
            waiting: VecDeque::new(),
            unpolled: 0,
            penalty: 0,
        };
        Self {
            served: activities.into_iter().map(serve).collect(),
            held: HashMap::new(),
            unconfirmed: VecDeque::new(),
            heartbeats: Heartbeats::default(),
            handlers: JoinSet::new(),
            numbered: 0,
            draining: false,
            news: News::default(),
        }
    }

    /// Handlers that run as tasks of the runtime.
    pub(crate) fn running(&self) -> usize {
        self.handlers.len()
    }

    pub(crate) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    pub(crate) fn next_beat(&self) -> Option<Instant> {
        self.heartbeats.next_due()
    }

    /// Tokens of all that this worker holds.
    pub(crate) fn inventory(&self) -> Vec<String> {
        let open = self
            .held
            .iter()
            .filter(|(_, holding)| !matches!(holding, Holding::Finished));
        let open = open.map(|(held, _)| held.0.token.clone());
        open.chain(
            self.unconfirmed
                .iter()
                .map(|finished| finished.task.token.clone()),
        )
        .collect()
    }

    /// The next handler that is done; `None` when none runs. Nothing is lost when the future is dropped.
    pub(crate) async fn next_done(&mut self) -> Option<Done> {
        loop {
            match self.handlers.join_next().await? {
                Ok(done) => return Some(done),
                // Only `abort` does this, when nobody waits for the result any more.
                Err(error) => debug!(%error, "a handler was dropped"),
            }
        }
    }

    /// A connection begins: forgets what is confirmed, and says again what is not.
    pub(crate) fn on_welcome(&mut self, welcome: &Welcome) {
        if !welcome.resumed {
            self.news.received = 0;
        }
        self.on_confirmed(welcome.confirmed);
        self.news.results = self.unconfirmed.iter().map(Arc::clone).collect();
        let alive = self.heartbeats.tasks();
        let alive = alive.filter(|task| !task.left() && task.begin_beat());
        self.news.heartbeats.extend(alive.map(Arc::clone));
    }

    /// Begins a task, or hands it back.
    pub(crate) fn on_push(&mut self, push: Push, now: Instant) {
        self.news.received = push.number;
        let activity = usize::try_from(push.activity).unwrap_or(usize::MAX);
        let Some(served) = self.served.get_mut(activity).filter(|_| !self.draining) else {
            self.news.returned.push(push.task_token);
            return;
        };
        let (task, input) = Shared::new(push, Arc::clone(&served.origin));
        let Entry::Vacant(entry) = self.held.entry(Held(Arc::clone(&task))) else {
            debug!(token = short_hash(&task.token), "pushed twice");
            return;
        };
        if served.running >= served.slots {
            entry.insert(Holding::Waiting(self.heartbeats.add(&task, now)));
            served.waiting.push_back((task, input));
            return;
        }
        match served.begin(input, &task) {
            Begun::Ended(ending) => {
                entry.insert(Holding::Finished);
                self.record(task, ending);
            }
            Begun::Going(work) => {
                entry.insert(Holding::Running(self.heartbeats.add(&task, now)));
                self.spawn(task, activity, work);
            }
        }
    }

    /// A handler is done: records its result, gives its slot to a task that waits, and looks for others that are done.
    pub(crate) fn on_done(&mut self, done: Done) {
        let mut next = Some(done);
        while let Some(Done {
            task,
            activity,
            ending,
        }) = next
        {
            self.served[activity].running -= 1;
            self.finish(task, ending);
            self.begin_waiting(activity);
            next = self.handlers.try_join_next().and_then(Result::ok);
        }
    }

    /// The attempt is over: its handler is told, and its result will be dropped.
    pub(crate) fn on_cancelled(&mut self, token: &str) {
        let Some((held, holding)) = self.held.remove_entry(token) else {
            return;
        };
        debug!(token = short_hash(token), "cancelled");
        let beat = match holding {
            // Its result is on its way; the coordinator will confirm or refuse it.
            Holding::Finished => {
                self.held.insert(held, holding);
                return;
            }
            Holding::Waiting(beat) => {
                for served in &mut self.served {
                    served.waiting.retain(|(task, _)| task.token != token);
                }
                beat
            }
            Holding::Running(beat) => {
                held.0.cancel();
                beat
            }
        };
        if let Some(beat) = beat {
            self.heartbeats.remove(beat);
        }
    }

    /// Results up to this number may be forgotten.
    pub(crate) fn on_confirmed(&mut self, number: u64) {
        while let Some(finished) = self
            .unconfirmed
            .pop_front_if(|first| first.number <= number)
        {
            self.held.remove(finished.task.token.as_str());
        }
    }

    /// Results that did not count. An output that the coordinator cannot take fails its task instead.
    pub(crate) fn on_refused(&mut self, refused: &[RefusedResult]) {
        for RefusedResult { task_token, reason } in refused {
            warn!(token = short_hash(task_token), %reason, "the coordinator refused a result");
            let finished = |first: &&Arc<Finished>| first.task.token == *task_token;
            if reason == "InvalidOutput"
                && let Some(finished) = self.unconfirmed.iter().find(finished)
                && finished.ending.is_ok()
            {
                let task = Arc::clone(&finished.task);
                let cause = "the coordinator refused the output: it is no JSON or too large";
                self.record(task, Err(TaskError::new("InvalidOutput", cause)));
            }
        }
    }

    /// Details that the coordinator does not keep.
    pub(crate) fn on_refused_progress(refused: &[RefusedResult]) {
        for RefusedResult { task_token, reason } in refused {
            warn!(token = short_hash(task_token), %reason, "the coordinator refused the details of a heartbeat");
        }
    }

    /// Says that a task is alive, with its newest progress.
    pub(crate) fn beat(&mut self, task: Arc<Shared>) {
        if self.held.contains_key(task.token.as_str()) && task.begin_beat() {
            self.news.heartbeats.push(task);
        }
    }

    /// Says so of all that are due, if there is a connection to say it on.
    pub(crate) fn beat_due(&mut self, now: Instant, connected: bool) {
        while let Some(task) = self.heartbeats.pop_due(now) {
            let next = self.heartbeats.add(&task, now);
            match self.held.get_mut(task.token.as_str()) {
                Some(Holding::Waiting(beat) | Holding::Running(beat)) => *beat = next,
                Some(Holding::Finished) | None => continue,
            }
            if connected && !task.left() {
                self.beat(task);
            }
        }
    }

    /// From now on so many tasks of an activity run at once; those that waited for room begin.
    pub(crate) fn set_slots(&mut self, activity: u32, slots: u32) {
        let index = usize::try_from(activity).unwrap_or(usize::MAX);
        if let Some(served) = self.served.get_mut(index) {
            served.slots = usize::try_from(slots).unwrap_or(usize::MAX);
            self.news.slots.push(SlotsChange { activity, slots });
            self.begin_waiting(index);
        }
    }

    /// Tasks of an activity that run or wait for room.
    pub(crate) fn used(&self, activity: usize) -> u32 {
        let used = self
            .served
            .get(activity)
            .map_or(0, |served| served.running + served.waiting.len());
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    /// Takes no more, and hands back what waits.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for (task, _) in self
            .served
            .iter_mut()
            .flat_map(|served| mem::take(&mut served.waiting))
        {
            if let Some(Holding::Waiting(Some(beat))) = self.held.remove(task.token.as_str()) {
                self.heartbeats.remove(beat);
            }
            self.news.returned.push(task.token.clone());
        }
    }

    /// Takes tasks again.
    pub(crate) fn resume(&mut self) {
        self.draining = false;
    }

    /// Cancels what runs; it fails.
    pub(crate) fn stop(&mut self) {
        let running = self
            .held
            .iter()
            .filter(|(_, holding)| matches!(holding, Holding::Running(_)));
        let running: Vec<_> = running.map(|(held, _)| Arc::clone(&held.0)).collect();
        for task in running {
            task.cancel();
            let cause = "the worker stopped before the task was done";
            self.finish(task, Err(TaskError::new("WorkerStopped", cause)));
        }
    }

    /// Drops the handlers that still run.
    pub(crate) fn abort(&mut self) {
        self.handlers.abort_all();
    }

    fn begin_waiting(&mut self, activity: usize) {
        while let Some((task, input)) = self.served[activity].next_waiting() {
            match self.served[activity].begin(input, &task) {
                Begun::Ended(ending) => self.finish(task, ending),
                Begun::Going(work) => {
                    if let Some(holding) = self.held.get_mut(task.token.as_str())
                        && let Holding::Waiting(beat) = *holding
                    {
                        *holding = Holding::Running(beat);
                    }
                    self.spawn(task, activity, work);
                }
            }
        }
    }

    fn spawn(&mut self, task: Arc<Shared>, activity: usize, work: Work) {
        self.served[activity].running += 1;
        self.handlers.spawn(async move {
            let ending = registry::complete(work).await;
            Done {
                task,
                activity,
                ending,
            }
        });
    }

    /// Records the result of a task, unless its attempt is over.
    fn finish(&mut self, task: Arc<Shared>, ending: Ending) {
        let Some(holding) = self.held.get_mut(task.token.as_str()) else {
            return;
        };
        match mem::replace(holding, Holding::Finished) {
            Holding::Waiting(beat) | Holding::Running(beat) => {
                if let Some(beat) = beat {
                    self.heartbeats.remove(beat);
                }
                self.record(task, ending);
            }
            Holding::Finished => {}
        }
    }

    fn record(&mut self, task: Arc<Shared>, ending: Ending) {
        if let Err(failure) = &ending {
            debug!(
                token = short_hash(&task.token),
                error = failure.error,
                "task failed"
            );
        }
        // The next attempt goes on from what this one said last.
        if ending.is_err() && task.has_news() && task.begin_beat() {
            self.news.heartbeats.push(Arc::clone(&task));
        }
        self.numbered += 1;
        let finished = Arc::new(Finished {
            task,
            number: self.numbered,
            ending,
        });
        self.unconfirmed.push_back(Arc::clone(&finished));
        self.news.results.push(finished);
    }
}

impl Served {
    /// A task that waits, if there is a slot for it.
    fn next_waiting(&mut self) -> Option<(Arc<Shared>, String)> {
        if self.running < self.slots {
            self.waiting.pop_front()
        } else {
            None
        }
    }

    /// Polls the handler in place, unless such handlers were slow lately.
    fn begin(&mut self, input: String, task: &Arc<Shared>) -> Begun {
        let mut work = self.handler.work(input, TaskContext(Arc::clone(task)));
        if self.unpolled > 0 {
            self.unpolled -= 1;
            return Begun::Going(work);
        }
        let begun = Instant::now();
        let ending = registry::poll_once(&mut work);
        if begun.elapsed() > INLINE_MAX {
            self.penalty = (self.penalty * 2).clamp(UNPOLLED, UNPOLLED_MAX);
            self.unpolled = self.penalty;
        } else {
            self.penalty = 0;
        }
        ending.map_or(Begun::Going(work), Begun::Ended)
    }
}

impl Borrow<str> for Held {
    fn borrow(&self) -> &str {
        &self.0.token
    }
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.token.hash(state);
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.token == other.0.token
    }
}

impl Eq for Held {}
