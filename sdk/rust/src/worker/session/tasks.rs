//! The tasks that a worker holds: received, and without confirmed result. No connection and no clock in here: what goes
//! out is left in `news`.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::super::connector::Serving;
use super::super::frame::Finished;
use super::super::heartbeats::{Beat, Heartbeats};
use super::super::outbox::{News, bounded};
use super::super::registry::{self, Activity, Ending, Handler, Work};
use super::super::task::{Origin, Shared, TaskContext, TaskError, short_hash};
use super::works::Works;
use crate::api::{ConnectorAnswer, Push, RefusedResult, SlotsChange, Welcome};

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
    pub(super) heartbeats: Heartbeats,
    handlers: JoinSet<Done>,
    /// Number of the last result.
    numbered: u64,
    draining: bool,
    /// What connectors have begun.
    pub(super) works: Works,
    /// Questions to connectors, with the connection that asks.
    pub(super) queries: JoinSet<(u64, ConnectorAnswer)>,
    pub(super) stops: JoinSet<()>,
    /// Told when a result is settled, by its number.
    settling: HashMap<u64, oneshot::Sender<()>>,
    /// Number of the current connection.
    pub(super) connection: u64,
    /// Of what is known by its token alone.
    nowhere: Arc<Origin>,
    pub(crate) news: News,
}

/// A handler that ran as a task of the runtime.
#[derive(Debug)]
pub(crate) struct Done {
    task: Arc<Shared>,
    activity: usize,
    ending: Ending,
}

/// What handlers and connectors made.
#[derive(Debug)]
pub(crate) enum Made {
    Done(Done),
    /// With the connection on which it was asked for.
    Answer(u64, ConnectorAnswer),
}

/// An activity at work.
#[derive(Debug)]
struct Served {
    handler: Handler,
    connector: Option<Arc<dyn Serving>>,
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
            connector: activity.connector,
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
            works: Works::new(),
            queries: JoinSet::new(),
            stops: JoinSet::new(),
            settling: HashMap::new(),
            connection: 0,
            nowhere: Arc::new(Origin {
                activity: String::new(),
                progress: progress.clone(),
            }),
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

    /// What a handler or a connector made next; `None` when none is at work. Nothing is lost when the future is dropped.
    pub(crate) async fn next_made(&mut self) -> Option<Made> {
        loop {
            let made = tokio::select! {
                Some(done) = self.handlers.join_next() => done.map(Made::Done),
                Some(answer) = self.queries.join_next() => {
                    answer.map(|(connection, answer)| Made::Answer(connection, answer))
                }
                else => return None,
            };
            match made {
                Ok(made) => return Some(made),
                // Only `abort` does this, when nobody waits for the result any more, and a panic of a connector.
                Err(error) => debug!(%error, "a handler was dropped"),
            }
        }
    }

    pub(crate) fn on_made(&mut self, made: Made) {
        match made {
            Made::Done(done) => self.on_done(done),
            // The answer is for the connection that asked.
            Made::Answer(connection, answer) if connection == self.connection => {
                self.news.answers.push(bounded(answer));
            }
            Made::Answer(..) => {}
        }
    }

    /// A connection begins: forgets what is confirmed, and says again what is not.
    pub(crate) fn on_welcome(&mut self, welcome: &Welcome) {
        if !welcome.resumed {
            self.news.received = 0;
        }
        self.on_confirmed(welcome.confirmed);
        self.connection += 1;
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
                self.done(task, activity, ending);
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
            self.finish(task, activity, ending);
            self.begin_waiting(activity);
            next = self.handlers.try_join_next().and_then(Result::ok);
        }
    }

    /// The attempt is over: its handler is told, and its result will be dropped.
    pub(crate) fn on_cancelled(&mut self, token: &str) {
        let Some((held, holding)) = self.held.remove_entry(token) else {
            self.work_cancelled(token);
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
            self.settled(finished.number);
        }
    }

    fn settled(&mut self, number: u64) {
        if let Some(settled) = self.settling.remove(&number) {
            let _gone = settled.send(());
        }
    }

    pub(super) fn connector(&self, index: usize) -> Option<Arc<dyn Serving>> {
        self.served.get(index)?.connector.clone()
    }

    /// Something of an earlier process.
    pub(super) fn known_by_token(&self, token: String) -> Arc<Shared> {
        let push = Push {
            task_token: token,
            ..Push::default()
        };
        Shared::new(push, Arc::clone(&self.nowhere)).0
    }

    /// Results that did not count. An output that the coordinator cannot take fails its task instead.
    pub(crate) fn on_refused(&mut self, refused: &[RefusedResult]) {
        for RefusedResult { task_token, reason } in refused {
            warn!(token = short_hash(task_token), %reason, "the coordinator refused a result");
            self.begin_refused(task_token);
            let finished = |first: &&Arc<Finished>| first.task.token == *task_token;
            if reason == "InvalidOutput"
                && let Some(finished) = self.unconfirmed.iter().find(finished)
                && finished.ending.is_ok()
            {
                let task = Arc::clone(&finished.task);
                let cause = "the coordinator refused the output: it is no JSON or too large";
                self.record(task, Err(TaskError::new("InvalidOutput", cause)), None);
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
        let token = task.token.as_str();
        let is_open = self.held.contains_key(token) || self.works.contains_key(token);
        if is_open && task.begin_beat() {
            self.news.heartbeats.push(task);
        }
    }

    /// Says so of all that are due, if there is a connection to say it on.
    pub(crate) fn beat_due(&mut self, now: Instant, connected: bool) {
        while let Some(task) = self.heartbeats.pop_due(now) {
            let next = self.heartbeats.add(&task, now);
            let open = self.works.get_mut(task.token.as_str());
            match (self.held.get_mut(task.token.as_str()), open) {
                (Some(Holding::Waiting(beat) | Holding::Running(beat)), _) => *beat = next,
                (Some(Holding::Finished) | None, Some(open)) => open.beat = next,
                (Some(Holding::Finished) | None, None) => continue,
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
            let activity = usize::MAX;
            self.finish(task, activity, Err(TaskError::new("WorkerStopped", cause)));
        }
    }

    /// Drops the handlers that still run.
    pub(crate) fn abort(&mut self) {
        self.handlers.abort_all();
    }

    fn begin_waiting(&mut self, activity: usize) {
        while let Some((task, input)) = self.served[activity].next_waiting() {
            match self.served[activity].begin(input, &task) {
                Begun::Ended(ending) => self.finish(task, activity, ending),
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
    fn finish(&mut self, task: Arc<Shared>, activity: usize, ending: Ending) {
        let Some(holding) = self.held.get_mut(task.token.as_str()) else {
            if let Ok(answered) = &ending {
                self.begun_for_nobody(&task, answered, activity);
            }
            return;
        };
        match mem::replace(holding, Holding::Finished) {
            Holding::Waiting(beat) | Holding::Running(beat) => {
                if let Some(beat) = beat {
                    self.heartbeats.remove(beat);
                }
                self.done(task, activity, ending);
            }
            // Its task was failed when the worker could wait no longer.
            Holding::Finished => {
                if let Ok(answered) = &ending {
                    self.begun_for_nobody(&task, answered, activity);
                }
            }
        }
    }

    /// A handler's result goes out; what a connector has begun is open.
    fn done(&mut self, task: Arc<Shared>, activity: usize, ending: Ending) {
        let finished = self.record(task, ending, None);
        self.begun(&finished, activity);
    }

    pub(super) fn record(
        &mut self,
        task: Arc<Shared>,
        ending: Ending,
        settled: Option<oneshot::Sender<()>>,
    ) -> Arc<Finished> {
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
        if let Some(settled) = settled {
            self.settling.insert(finished.number, settled);
        }
        self.unconfirmed.push_back(Arc::clone(&finished));
        self.news.results.push(Arc::clone(&finished));
        finished
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
