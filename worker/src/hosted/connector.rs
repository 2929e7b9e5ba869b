//! Serves work on this host to the coordinator: begins it, tells how it is, and when it has ended.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use stepfleet_sdk::{Connector, Reports, Resumed, Standing, Start, Started, TaskError, Work};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

use super::command::{Asked, CommandSettings, Common};
use super::container::ContainerRunSettings;
use super::ended::{Ended, Of};
use super::place::{Folder, Found, Place};
use super::request::Request;

/// How often running work is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// In what time the coordinator need not ask: the end is told by itself.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// A connector of this host.
#[derive(Clone, Debug)]
pub(crate) struct Hosted(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    place: Place,
    kill_after: Duration,
    host: String,
    /// Room for running work.
    room: Arc<Semaphore>,
    reports: OnceCell<Reports>,
    /// What looks after work; those that are done go when another begins.
    watching: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
enum Kind {
    Command(CommandSettings),
    Container(ContainerRunSettings),
}

impl Hosted {
    pub(crate) fn commands(settings: CommandSettings, kill_after: Duration) -> io::Result<Self> {
        Self::new(Kind::Command(settings), kill_after)
    }

    pub(crate) fn containers(
        settings: ContainerRunSettings,
        kill_after: Duration,
    ) -> io::Result<Self> {
        Self::new(Kind::Container(settings), kill_after)
    }

    fn new(kind: Kind, kill_after: Duration) -> io::Result<Self> {
        let common = kind.common();
        let place = Place::open(&common.state)?;
        let room = usize::try_from(common.slots).unwrap_or(usize::MAX);
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            kind,
            place,
            kill_after,
            host: host.trim().to_owned(),
            room: Arc::new(Semaphore::new(room)),
            reports: OnceCell::new(),
            watching: Mutex::default(),
        })))
    }

    /// Looks after work until it has ended, tells its end, and keeps its room until then.
    async fn watch(self, folder: Folder, room: Option<OwnedSemaphorePermit>) {
        let ended = loop {
            match folder.found() {
                Ok(Found::Going | Found::Waiting) => sleep(LOOK).await,
                Ok(Found::Ended(_) | Found::Lost) => break self.standing(&folder),
                Err(error) => {
                    let folder = folder.path().display();
                    warn!(%error, %folder, "cannot look after what was begun");
                    sleep(ASK_AGAIN).await;
                }
            }
        };
        drop(room);
        if let Err(error) = self.tell(&folder, ended).await {
            let folder = folder.path().display();
            warn!(%error, %folder, "the end was not told; the next worker does");
        }
    }

    async fn tell(&self, folder: &Folder, ended: io::Result<Standing>) -> anyhow::Result<()> {
        let ending = match ended? {
            Standing::Going(_) => return Ok(()),
            Standing::Succeeded(output) => Ok(output),
            Standing::Failed(error) => Err(error),
        };
        let waits = folder.request()?.pattern.pattern() == stepfleet_sdk::Pattern::Sync;
        if let Some(reports) = self.0.reports.get().filter(|_| waits) {
            reports.ended(folder.token()?, ending).await?;
        }
        folder.settle()?;
        Ok(())
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut watching = self
            .0
            .watching
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while watching.try_join_next().is_some() {}
        watching.spawn(work);
    }

    fn standing(&self, folder: &Folder) -> io::Result<Standing> {
        let of = Of {
            client_id: folder.client_id(),
            host: &self.0.host,
            started_at: folder.started_at(),
            stopped_at: folder.ended_at(),
        };
        Ok(match folder.found()? {
            Found::Going | Found::Waiting => Standing::Going(Some(ASK_AGAIN)),
            Found::Ended(ended) => ended.standing(of),
            Found::Lost => {
                let cause = "what looked after it was killed, or the host went down: how it ended is not known";
                let error = TaskError::new("CommandLost", cause);
                Ended::failed(error, false).standing(of)
            }
        })
    }

    fn folder(&self, work: &Work) -> Result<Folder, TaskError> {
        let folder = self.0.place.folder(&work.client_id);
        folder.filter(Folder::exists).ok_or_else(|| {
            let cause = format!("there is nothing of '{}' on this host", work.client_id);
            TaskError::new("CommandUnknown", cause)
        })
    }

    fn begin(&self, start: &Start) -> Result<Folder, TaskError> {
        let asked = match &self.0.kind {
            Kind::Command(settings) => settings.asked(&start.input),
            Kind::Container(settings) => settings.asked(&start.input),
        };
        let Asked {
            run,
            environment,
            timeout_seconds,
            input,
        } = asked?;
        let request = Request {
            execution_arn: start.task.execution_arn().to_owned(),
            pattern: start.pattern.into(),
            run,
            input,
            environment,
            timeout_seconds,
            kill_seconds: self.0.kill_after.as_secs(),
            output_bytes_max: self.0.kind.common().output_bytes_max,
        };
        let folder = self
            .0
            .place
            .begin(&start.client_id, start.task.token(), &request)?;
        if matches!(folder.found()?, Found::Waiting) {
            folder.spawn_supervisor()?;
        }
        Ok(folder)
    }

    /// Goes on with what earlier processes began, and forgets what is old.
    async fn resume(self, reports: Reports) -> anyhow::Result<()> {
        let keep = Duration::from_secs(self.0.kind.common().keep_seconds);
        for folder in self.0.place.all()? {
            if folder.is_settled() {
                let now = self.0.place.now()?;
                folder.forget_after(keep, now)?;
                continue;
            }
            let request = folder.request()?;
            info!(
                command.id = folder.client_id(),
                "going on with what was begun"
            );
            let pattern = request.pattern.pattern();
            if pattern != stepfleet_sdk::Pattern::RequestResponse {
                let resumed = Resumed {
                    token: folder.token()?,
                    work: Work {
                        client_id: folder.client_id().to_owned(),
                        handle: self.handle(&folder),
                        execution_arn: request.execution_arn,
                    },
                    pattern,
                    output: self.submitted(&folder),
                };
                reports.resume(resumed).await?;
            }
            if matches!(folder.found()?, Found::Waiting) {
                folder.spawn_supervisor()?;
            }
            let room = self.0.room.clone().try_acquire_owned().ok();
            self.spawn(self.clone().watch(folder, room));
        }
        Ok(())
    }

    fn handle(&self, folder: &Folder) -> String {
        json!({"CommandId": folder.client_id()}).to_string()
    }

    fn submitted(&self, folder: &Folder) -> String {
        json!({"CommandId": folder.client_id(), "Host": self.0.host}).to_string()
    }
}

impl Kind {
    fn common(&self) -> &Common {
        match self {
            Self::Command(settings) => &settings.common,
            Self::Container(settings) => &settings.common,
        }
    }
}

impl Connector for Hosted {
    async fn start(&self, start: Start) -> Result<Started, TaskError> {
        let known = self.0.place.folder(&start.client_id);
        let room = match known.filter(Folder::exists) {
            // It has begun, and has its room.
            Some(_) => None,
            None => {
                let room = self.0.room.clone().acquire_owned();
                tokio::select! {
                    room = room => room.ok(),
                    () = start.task.cancelled() => {
                        return Err(TaskError::new("Cancelled", "the task was over"));
                    }
                }
            }
        };
        let begins = room.is_some();
        let folder = self.begin(&start)?;
        let answer = self.submitted(&folder);
        if begins {
            self.spawn(self.clone().watch(folder.clone(), room));
        }
        Ok(Started::Begun {
            handle: self.handle(&folder),
            output: answer,
        })
    }

    async fn describe(&self, work: Work) -> Result<Standing, TaskError> {
        let folder = match self.folder(&work) {
            Ok(folder) => folder,
            // Only this place can know of it.
            Err(error) => return Ok(Standing::Failed(error)),
        };
        Ok(self.standing(&folder)?)
    }

    async fn stop(&self, work: Work) -> Result<(), TaskError> {
        let Ok(folder) = self.folder(&work) else {
            return Ok(());
        };
        folder.ask_to_stop()?;
        if matches!(folder.found()?, Found::Waiting) {
            folder.spawn_supervisor()?;
        }
        folder.settle()?;
        Ok(())
    }

    fn place(&self) -> String {
        self.0.place.name().to_owned()
    }

    fn attach(&self, reports: Reports) {
        let _again = self.0.reports.set(reports.clone());
        let own = self.clone();
        self.spawn(async move {
            if let Err(error) = own.resume(reports).await {
                warn!(%error, "cannot go on with what was begun");
            }
        });
    }
}
