//! The one task that owns a worker: it turns what comes from the coordinator, the handlers, the clock and the shutdown
//! token into changes of [`Tasks`], and hands the news to the outbox.

mod tasks;
mod works;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tracing::{debug, info, warn};

use self::tasks::Tasks;
use super::Options;
use super::connector::{self, Report, Reports};
use super::host::Host;
use super::link::{Link, LinkEvent};
use super::monitor::{Pulse, Watched};
use super::outbox::Outbox;
use super::registry::Activity;
use super::slots::Wanted;
use super::task::Shared;
use super::tuner::Targets;
use crate::api::{ActivitySlots, ConnectorSlots, CoordinatorMessage, Hello, Order};
use crate::client::Client;
use crate::error::Error;

/// A push is acknowledged by itself when nothing else went out for this long.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_secs(1);
/// How long the coordinator may take to end the stream after the worker has said its last.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Progress that waits to be looked at; more goes out with the next heartbeat of its task.
const PROGRESS_MAX: usize = 1024;
/// How often slots that follow the host are looked at.
const TUNE_EVERY: Duration = Duration::from_secs(1);
/// Pushes that are begun before their results are shown to the connection.
const PUSHES_AT_ONCE: usize = 64;

/// Everything that one worker process is.
#[derive(Debug)]
pub(crate) struct Session {
    link: Link,
    outbox: Arc<Outbox>,
    tasks: Tasks,
    progress: mpsc::Receiver<Arc<Shared>>,
    options: Options,
    watched: Watched,
    url: String,
    activities: Vec<ActivitySlots>,
    connectors: Vec<ConnectorSlots>,
    reports: mpsc::Receiver<Report>,
    reached: Reached,
    acknowledge_at: Option<Instant>,
    wanted: watch::Receiver<Wanted>,
    tuning: Option<Tuning>,
    phase: Phase,
    /// Handlers that did not end although they were cancelled.
    unfinished: usize,
}

/// Activities whose slots follow the host, and when it is looked at next.
#[derive(Debug)]
struct Tuning {
    host: Host,
    /// In the order of `Hello.activities`.
    targets: Vec<Option<Targets>>,
    at: Instant,
}

impl Tuning {
    fn new(targets: Vec<Option<Targets>>) -> Self {
        Self {
            host: Host::new(),
            targets,
            at: Instant::now(),
        }
    }
}

/// Whether the coordinator answered last time: a change is a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    NotYet,
    NotYetAndSaid,
    Yes,
    NoLonger,
}

/// Where the worker is between start and end; each phase but the first three has its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// The coordinator told it to drain: what runs may finish, however long that takes.
    Told,
    /// It is replaced: likewise, and for good.
    Retired,
    /// Running tasks may finish.
    Draining(Instant),
    /// They were cancelled and may clean up.
    Stopping(Instant),
    /// The last results are on their way.
    Confirming(Instant),
}

impl Session {
    pub(crate) fn new(
        client: Client,
        mut activities: Vec<Activity>,
        options: Options,
        watched: Watched,
    ) -> Self {
        let (sender, progress) = mpsc::channel(PROGRESS_MAX);
        let (reporter, reports) = Reports::channel();
        // Pushes count connectors behind activities.
        activities.sort_by_key(|activity| activity.connector.is_some());
        let mut missing = Vec::new();
        let (mut listed, mut connectors, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (index, activity) in activities.iter().enumerate() {
            let (name, slots) = (activity.name.clone(), activity.slots);
            match &activity.connector {
                None => {
                    missing.push(name.clone());
                    targets.push(activity.targets);
                    listed.push(ActivitySlots {
                        activity: name,
                        slots,
                        max_rate: activity.max_rate,
                    });
                }
                Some(serving) => {
                    missing.push(connector::activity(&name));
                    serving.attach(Reports::new(index, &reporter));
                    connectors.push(ConnectorSlots {
                        connector: name,
                        slots,
                        place: serving.place(),
                    });
                }
            }
        }
        if !options.create_activities {
            missing.clear();
        }
        let is_tuned = targets.iter().any(Option::is_some);
        Self {
            url: client.endpoint().url().to_owned(),
            link: Link::new(client, missing),
            outbox: Arc::default(),
            tasks: Tasks::new(activities, &sender),
            progress,
            // What was set before it runs counts as well.
            wanted: marked(options.slots.subscribe()),
            tuning: is_tuned.then(|| Tuning::new(targets)),
            options,
            watched,
            activities: listed,
            connectors,
            reports,
            reached: Reached::NotYet,
            acknowledge_at: None,
            phase: Phase::Serving,
            unfinished: 0,
        }
    }

    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Error> {
        let mut shutdown = pin!(shutdown.cancelled_owned());
        let mut retired = pin!(self.options.retired.clone().cancelled_owned());
        let mut can_be_asked = true;
        let mut timer = pin!(sleep_until(Instant::now()));
        let result = loop {
            if let Some(result) = self.advance(Instant::now()) {
                break result;
            }
            self.outbox.add(&mut self.tasks.news);
            let alarm = self.next_alarm();
            if let Some(at) = alarm
                && timer.deadline() != at
            {
                timer.as_mut().reset(at);
            }
            tokio::select! {
                event = self.link.next() => self.on_link(event)?,
                Some(made) = self.tasks.next_made() => self.tasks.on_made(made),
                Some(report) = self.reports.recv() => self.tasks.on_report(report),
                Some(task) = self.progress.recv() => self.tasks.beat(task),
                Ok(()) = self.wanted.changed() => self.on_wanted(),
                () = timer.as_mut(), if alarm.is_some() => self.on_alarm(Instant::now()),
                () = self.outbox.said(), if matches!(self.phase, Phase::Confirming(_)) => {}
                () = shutdown.as_mut(), if self.may_hurry() => self.drain(Instant::now()),
                () = retired.as_mut(), if matches!(self.phase, Phase::Serving | Phase::Told) => self.retire(),
                asked = self.watched.asked(), if can_be_asked => match asked {
                    Some(answer) => drop(answer.send(self.pulse())),
                    None => can_be_asked = false,
                },
            }
        };
        self.outbox.add(&mut self.tasks.news);
        self.leave().await;
        result
    }

    /// Whether a shutdown is news.
    fn may_hurry(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Told | Phase::Retired)
    }

    fn pulse(&self) -> Pulse {
        Pulse {
            connected: self.watched.is_connected(),
            running: self.tasks.running(),
            unconfirmed: self.tasks.unconfirmed(),
        }
    }

    fn on_link(&mut self, event: LinkEvent) -> Result<(), Error> {
        match event {
            LinkEvent::Due => {
                let outgoing = self.outbox.begin(self.hello());
                self.link.connect(outgoing);
            }
            LinkEvent::Welcome(message) => {
                self.on_welcome(&message);
                self.on_message(message);
            }
            LinkEvent::Message(message) => self.on_message(message),
            LinkEvent::Ended => {
                let error = "the coordinator ended the stream".to_owned();
                self.on_down(Error::Transport(error))?;
            }
            LinkEvent::Down(error) => self.on_down(error)?,
        }
        Ok(())
    }

    fn on_welcome(&mut self, message: &CoordinatorMessage) {
        let Some(welcome) = &message.welcome else {
            return;
        };
        info!(endpoint = %self.url, resumed = welcome.resumed, "connected to the coordinator");
        debug!(activities = ?welcome.activity_arns, "serving");
        self.reached = Reached::Yes;
        self.watched.say_connected(true);
        self.tasks.on_welcome(welcome);
        self.outbox.welcomed(self.tasks.news.received);
    }

    fn on_message(&mut self, message: CoordinatorMessage) {
        // What is pushed with the word to go on is taken.
        self.on_order(message.order());
        self.tasks.on_refused(&message.refused);
        Tasks::on_refused_progress(&message.refused_progress);
        self.tasks.on_confirmed(message.confirmed);
        for token in &message.cancelled {
            self.tasks.on_cancelled(token);
        }
        for query in message.queries {
            self.tasks.on_query(query);
        }
        if !message.pushes.is_empty() {
            let now = Instant::now();
            self.acknowledge_at.get_or_insert(now + ACKNOWLEDGE_AFTER);
            for push in message.pushes {
                self.tasks.on_push(push, now);
                if self.tasks.news.results.len() >= PUSHES_AT_ONCE {
                    self.outbox.add(&mut self.tasks.news);
                }
            }
        }
        if message.reconnect_after_ms > 0 {
            let after = Duration::from_millis(u64::from(message.reconnect_after_ms));
            info!(?after, "the coordinator asks to reconnect");
            self.reached = Reached::NoLonger;
            self.watched.say_connected(false);
            self.link.leave(after);
        }
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Unspecified => {}
            Order::Drain if self.phase == Phase::Serving => {
                info!(running = self.tasks.running(), "told to drain");
                self.phase = Phase::Told;
                self.tasks.drain();
            }
            Order::Resume if self.phase == Phase::Told => {
                info!("told to go on");
                self.phase = Phase::Serving;
                self.tasks.resume();
            }
            // It was told before, or it is leaving.
            Order::Drain | Order::Resume => {}
        }
    }

    /// Goes on without connection, unless this worker was never welcome and never will be.
    fn on_down(&mut self, error: Error) -> Result<(), Error> {
        self.watched.say_connected(false);
        let said = match self.reached {
            Reached::NotYet | Reached::NotYetAndSaid if is_final(&error) => return Err(error),
            Reached::NotYet | Reached::Yes => false,
            Reached::NotYetAndSaid | Reached::NoLonger => true,
        };
        self.reached = match self.reached {
            Reached::NotYet | Reached::NotYetAndSaid => Reached::NotYetAndSaid,
            Reached::Yes | Reached::NoLonger => Reached::NoLonger,
        };
        if said {
            debug!(%error, "still without coordinator");
        } else {
            warn!(endpoint = %self.url, %error, "without coordinator; trying again until it is back");
        }
        Ok(())
    }

    /// The program asks for other slots.
    fn on_wanted(&mut self) {
        let wanted = self.wanted.borrow_and_update().clone();
        for (index, (name, slots)) in self.slots().into_iter().enumerate() {
            if let Some(wanted) = wanted.get(&name).filter(|wanted| **wanted != slots) {
                self.set_slots(index, *wanted);
            }
        }
    }

    fn slots(&self) -> Vec<(String, u32)> {
        let listed = self.activities.iter();
        listed
            .map(|listed| (listed.activity.clone(), listed.slots))
            .collect()
    }

    fn set_slots(&mut self, index: usize, slots: u32) {
        let Ok(activity) = u32::try_from(index) else {
            return;
        };
        let listed = &mut self.activities[index];
        debug!(
            activity = listed.activity,
            before = listed.slots,
            slots,
            "slots change"
        );
        listed.slots = slots;
        self.tasks.set_slots(activity, slots);
    }

    /// Looks at the host, and sets the slots of the activities that follow it.
    fn tune(&mut self, now: Instant) {
        let Some(tuning) = &mut self.tuning else {
            return;
        };
        tuning.at = now + TUNE_EVERY;
        let Some(usage) = tuning.host.usage(now) else {
            return;
        };
        let targets = tuning.targets.clone();
        for (index, targets) in targets.into_iter().enumerate() {
            let slots = self.activities[index].slots;
            let next = targets.map(|targets| targets.next(usage, slots, self.tasks.used(index)));
            if let Some(next) = next.filter(|next| *next != slots) {
                self.set_slots(index, next);
            }
        }
    }

    fn on_alarm(&mut self, now: Instant) {
        if self.tuning.as_ref().is_some_and(|tuning| tuning.at <= now) {
            self.tune(now);
        }
        self.tasks.beat_due(now, self.link.is_open());
        if self.acknowledge_at.is_some_and(|at| at <= now) {
            self.acknowledge_at = None;
            self.outbox.acknowledge();
        }
    }

    fn drain(&mut self, now: Instant) {
        info!(running = self.tasks.running(), "draining");
        self.phase = Phase::Draining(now + self.options.grace);
        self.tasks.drain();
        self.outbox.drain();
    }

    fn retire(&mut self) {
        info!(running = self.tasks.running(), "replaced; draining");
        self.phase = Phase::Retired;
        self.tasks.drain();
        self.outbox.drain();
    }

    /// Moves through the phases of stopping; the result when the last is over.
    fn advance(&mut self, now: Instant) -> Option<Result<(), Error>> {
        // Nothing is left to hand over before it says that it leaves: until then it can be told to go on.
        if matches!(self.phase, Phase::Told | Phase::Retired)
            && self.tasks.running() == 0
            && self.tasks.unconfirmed() == 0
        {
            self.outbox.drain();
            self.phase = Phase::Confirming(now + self.options.confirm_timeout);
        }
        if let Phase::Draining(deadline) = self.phase
            && deadline <= now
            && self.tasks.running() > 0
        {
            warn!(
                running = self.tasks.running(),
                "the grace period is over; cancelling"
            );
            self.tasks.stop();
            self.phase = Phase::Stopping(now + self.options.stop_timeout);
        }
        if let Phase::Draining(deadline) | Phase::Stopping(deadline) = self.phase
            && (self.tasks.running() == 0 || deadline <= now)
        {
            self.unfinished = self.tasks.running();
            self.tasks.abort();
            self.phase = Phase::Confirming(now + self.options.confirm_timeout);
        }
        let Phase::Confirming(deadline) = self.phase else {
            return None;
        };
        let unconfirmed = self.tasks.unconfirmed();
        // Until the coordinator hears that this worker leaves it keeps for it what was handed back, or never arrived.
        let said = self.link.is_open() && self.outbox.has_said_all();
        let owes = match self.reached {
            Reached::NotYet | Reached::NotYetAndSaid => false,
            Reached::Yes | Reached::NoLonger => !said,
        };
        if (unconfirmed > 0 || owes) && now < deadline {
            return None;
        }
        Some(match (self.unfinished, unconfirmed) {
            (0, 0) => Ok(()),
            (unfinished, unconfirmed) => Err(Error::Abandoned {
                unfinished,
                unconfirmed,
            }),
        })
    }

    fn next_alarm(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Serving | Phase::Told | Phase::Retired => None,
            Phase::Draining(at) | Phase::Stopping(at) | Phase::Confirming(at) => Some(at),
        };
        let tune = self.tuning.as_ref().map(|tuning| tuning.at);
        [phase, tune, self.acknowledge_at, self.tasks.next_beat()]
            .into_iter()
            .flatten()
            .min()
    }

    fn hello(&self) -> Hello {
        Hello {
            worker_name: self.options.name.clone(),
            session_id: self.options.session_id.clone(),
            activities: self.activities.clone(),
            labels: self.options.labels.clone(),
            build_id: self.options.build_id.clone(),
            held: self.tasks.inventory(),
            host: self.options.host.clone(),
            told_to_drain: self.phase == Phase::Told,
            max_tasks: self.options.max_tasks,
            connectors: self.connectors.clone(),
        }
    }

    /// Lets what is still to be said go out; over another connection when this one breaks.
    async fn leave(&mut self) {
        self.outbox.close();
        if timeout(LEAVE_TIMEOUT, self.tasks.stopped()).await.is_err() {
            warn!("work that nobody waits for was not stopped in time");
        }
        if !self.link.is_open() {
            return;
        }
        let last_words = async {
            loop {
                match self.link.next().await {
                    LinkEvent::Ended => return,
                    LinkEvent::Due => {
                        let outgoing = self.outbox.begin(self.hello());
                        self.link.connect(outgoing);
                    }
                    LinkEvent::Welcome(message) => self.on_welcome(&message),
                    LinkEvent::Message(_) | LinkEvent::Down(_) => {}
                }
            }
        };
        if timeout(LEAVE_TIMEOUT, last_words).await.is_err() {
            debug!("the coordinator did not end the stream in time");
        }
        info!("left");
    }
}

impl Drop for Session {
    /// A worker whose future is dropped is no longer there: its connection must not look as if it were.
    fn drop(&mut self) {
        self.outbox.close();
    }
}

fn marked(mut receiver: watch::Receiver<Wanted>) -> watch::Receiver<Wanted> {
    receiver.mark_changed();
    receiver
}

/// Refusals that time does not heal.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Api { code, .. } => matches!(
            code,
            Code::Unauthenticated
                | Code::PermissionDenied
                | Code::NotFound
                | Code::AlreadyExists
                | Code::InvalidArgument
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented
        ),
        Error::Configuration(_) | Error::Encode(_) | Error::TooLarge { .. } | Error::Decode(_) => {
            true
        }
        Error::Transport(_) | Error::Execution { .. } | Error::Abandoned { .. } => false,
    }
}
