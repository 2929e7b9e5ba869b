//! Work that connectors have begun for `.sync` tasks and that goes on. The coordinator is asked by heartbeats whether it
//! is still waited for; what it says about a token decides, so that no stop gets lost however long the worker was away.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::super::connector::{Pattern, Report, Resumed, Serving, Work};
use super::super::frame::Finished;
use super::super::heartbeats::Beat;
use super::super::registry::Answered;
use super::super::task::{Shared, short_hash};
use super::tasks::Tasks;
use crate::api::connector_answer::Answer;
use crate::api::connector_query::Kind;
use crate::api::{ConnectorAnswer, ConnectorQuery};

/// In what time the worker asks at least whether work is still waited for.
const ASK_SECONDS: u32 = 300;
/// How often a stop is tried here; the coordinator asks for it, too.
const STOPS: u32 = 10;
const STOP_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Open work, by the token of its start.
pub(super) type Works = BTreeMap<String, Open>;

#[derive(Debug)]
pub(super) struct Open {
    pub(super) task: Arc<Shared>,
    pub(super) beat: Option<Beat>,
    connector: usize,
    work: Work,
}

impl Tasks {
    /// A start is done: its work is open from now on.
    pub(super) fn begun(&mut self, finished: &Finished, connector: usize) {
        let Ok(Answered::Begun(begun)) = &finished.ending else {
            return;
        };
        let Some((client_id, Pattern::Sync)) = finished.task.start() else {
            return;
        };
        let work = Work {
            client_id,
            handle: begun.handle.clone(),
            execution_arn: finished.task.execution_arn.clone(),
        };
        self.open_work(finished.task.to_work(ASK_SECONDS), connector, work);
    }

    fn open_work(&mut self, task: Arc<Shared>, connector: usize, work: Work) {
        let beat = self.heartbeats.add(&task, Instant::now());
        let open = Open {
            task: Arc::clone(&task),
            beat,
            connector,
            work,
        };
        if let Some(old) = self.works.insert(task.token.clone(), open) {
            self.forget(old);
        }
    }

    fn forget(&mut self, open: Open) {
        if let Some(beat) = open.beat {
            self.heartbeats.remove(beat);
        }
    }

    /// A start that nobody waits for any more has ended: what it has begun is stopped.
    pub(super) fn begun_for_nobody(
        &mut self,
        task: &Shared,
        answered: &Answered,
        connector: usize,
    ) {
        if let Answered::Begun(begun) = answered
            && let Some((client_id, _)) = task.start()
        {
            let work = Work {
                client_id,
                handle: begun.handle.clone(),
                execution_arn: task.execution_arn.clone(),
            };
            self.stop_work(connector, work);
        }
    }

    /// Nobody waits for the work of this token.
    pub(super) fn work_cancelled(&mut self, token: &str) {
        if let Some(open) = self.works.remove(token) {
            debug!(token = short_hash(token), "nobody waits for this work");
            let (connector, work) = (open.connector, open.work.clone());
            self.forget(open);
            self.stop_work(connector, work);
        }
    }

    /// Whether the coordinator has a begin already, or nobody waits for it, is told by the next heartbeat.
    pub(super) fn begin_refused(&mut self, token: &str) {
        if let Some(open) = self.works.get(token)
            && open.task.begin_beat()
        {
            self.news.heartbeats.push(Arc::clone(&open.task));
        }
    }

    fn stop_work(&mut self, connector: usize, work: Work) {
        let Some(serving) = self.connector(connector) else {
            return;
        };
        self.stops.spawn(async move {
            for _ in 0..STOPS {
                match serving.stop(work.clone()).await {
                    Answer::Unknown(why) => {
                        warn!(%why, "work that nobody waits for was not stopped")
                    }
                    Answer::Going(_)
                    | Answer::Output(_)
                    | Answer::Failure(_)
                    | Answer::Stopped(_) => return,
                }
                tokio::time::sleep(STOP_PAUSE).await;
            }
        });
    }

    /// Carries out what a connector reports.
    pub(crate) fn on_report(&mut self, report: Report) {
        match report {
            Report::Resumed { connector, resumed } => self.resumed(connector, resumed),
            Report::Ended {
                token,
                ending,
                settled,
            } => {
                let task = match self.works.remove(&token) {
                    Some(open) => {
                        let task = Arc::clone(&open.task);
                        self.forget(open);
                        task
                    }
                    None => self.known_by_token(token),
                };
                self.record(task, ending, Some(settled));
            }
        }
    }

    fn resumed(&mut self, connector: usize, resumed: Resumed) {
        let Resumed {
            token,
            work,
            pattern,
            output,
        } = resumed;
        let place = self.connector(connector).map(|serving| serving.place());
        let task = self.known_by_token(token);
        let begun = crate::api::Begun {
            handle: work.handle.clone(),
            output,
            place: place.unwrap_or_default(),
        };
        self.record(Arc::clone(&task), Ok(Answered::Begun(begun)), None);
        if pattern == Pattern::Sync {
            self.open_work(task.to_work(ASK_SECONDS), connector, work);
        }
    }

    /// Asks a connector; the answer is for the connection that asks.
    pub(crate) fn on_query(&mut self, query: ConnectorQuery) {
        let kind = query.kind();
        let index = usize::try_from(query.connector).unwrap_or(usize::MAX);
        let (connection, number) = (self.connection, query.number);
        let work = Work {
            client_id: query.client_id,
            handle: query.handle,
            execution_arn: query.execution_arn,
        };
        let serving: Option<Arc<dyn Serving>> = self.connector(index);
        self.queries.spawn(async move {
            let answer = match (serving, kind) {
                (Some(serving), Kind::Describe) => serving.describe(work).await,
                (Some(serving), Kind::Stop) => serving.stop(work).await,
                (Some(_), Kind::Unspecified) | (None, _) => {
                    Answer::Unknown("this worker does not know what is asked".to_owned())
                }
            };
            let answer = Some(answer);
            (connection, ConnectorAnswer { number, answer })
        });
    }

    /// Waits until what nobody waits for is stopped; the caller bounds the time.
    pub(crate) async fn stopped(&mut self) {
        while self.stops.join_next().await.is_some() {}
    }
}
