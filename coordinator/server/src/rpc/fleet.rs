//! The workers' stream: hello, welcome, then pushes out and results, heartbeats and acknowledgements in, all in batches.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use stepfleet_asl::Payload;
use stepfleet_engine::{SessionId, TaskRef};
use stepfleet_proto::v1::fleet_service_server::FleetService;
use stepfleet_proto::v1::task_result::Outcome as Reported;
use stepfleet_proto::v1::{
    CoordinatorMessage, Hello, RefusedResult, TaskResult, Welcome, WorkerMessage,
};
use tonic::{Request, Response, Status, Streaming};

use super::status;
use crate::arn::check_name;
use crate::fleet::session::Served;
use crate::fleet::{Fleet, Session};
use crate::matching::Slot;
use crate::partition::Message;
use crate::partition::desk::stop_failure;
use crate::partition::message::{Outcome, TaskReply, TaskReport};
use crate::service::Service;
use crate::service::activities::{activity_missing, check_activity_arn};
use crate::service::api::Caller;
use crate::service::error::{ApiError, ErrorCode};

/// Slots that one worker process may offer for one activity.
const SLOTS_MAX: u32 = 65_536;
/// Activities that one worker process may serve.
const ACTIVITIES_MAX: usize = 1000;

/// The service over all sessions.
#[derive(Clone, Debug)]
pub(crate) struct FleetFace {
    pub service: Service,
    pub session_ttl: Duration,
}

type Outgoing = Pin<Box<dyn Stream<Item = Result<CoordinatorMessage, Status>> + Send>>;

#[tonic::async_trait]
impl FleetService for FleetFace {
    type WorkStream = Outgoing;

    async fn work(
        &self,
        request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        let caller = crate::auth::caller(request.extensions()).map_err(|error| status(&error))?;
        let mut incoming = request.into_inner();
        let first = incoming
            .message()
            .await?
            .ok_or_else(|| Status::invalid_argument("the stream ended before `hello`"))?;
        let hello = first
            .hello
            .clone()
            .ok_or_else(|| Status::invalid_argument("the first message must carry `hello`"))?;
        let (link, welcome) = self
            .welcome(caller, hello)
            .await
            .map_err(|error| status(&error))?;
        link.receive(first).await;
        let (session, connection) = (link.session.clone(), link.connection);
        crate::task::spawn("worker stream", link.serve(incoming, self.session_ttl));
        let welcome = CoordinatorMessage {
            welcome: Some(welcome),
            ..CoordinatorMessage::default()
        };
        let rest =
            futures::stream::unfold((session, connection), |(session, connection)| async move {
                let message = session.next_message(connection).await?;
                Some((Ok(message), (session, connection)))
            });
        let stream = futures::StreamExt::chain(futures::stream::iter([Ok(welcome)]), rest);
        Ok(Response::new(Box::pin(stream)))
    }
}

/// One connection of a session.
struct Link {
    service: Service,
    session: Arc<Session>,
    connection: u64,
}

impl FleetFace {
    async fn welcome(&self, caller: Caller, hello: Hello) -> Result<(Link, Welcome), ApiError> {
        let id = session_id(&hello.session_id)?;
        check_name(&hello.worker_name)?;
        let served = self.served(&caller, &hello)?;
        let fresh = Session::new(id, Arc::from(hello.worker_name.as_str()), caller, served);
        let fleet = &self.service.shared.fleet;
        let known = fleet.resume(id, &fresh);
        let resumed = known.is_some();
        let session = known.unwrap_or_else(|| Arc::new(fresh));
        let thought_held = session.held();
        let (connection, confirmed) = session.connect();
        fleet.add(session.clone());
        let link = Link {
            service: self.service.clone(),
            session,
            connection,
        };
        link.take_inventory(&hello.held, &thought_held, resumed)
            .await?;
        link.offer_slots();
        let activity_arns = link
            .session
            .activities
            .iter()
            .map(|served| served.arn.to_string())
            .collect();
        tracing::info!(worker.name = %link.session.name, resumed, "worker connected");
        Ok((
            link,
            Welcome {
                resumed,
                activity_arns,
                confirmed,
            },
        ))
    }

    fn served(&self, caller: &Caller, hello: &Hello) -> Result<Vec<Served>, ApiError> {
        if hello.activities.is_empty() || hello.activities.len() > ACTIVITIES_MAX {
            let message = format!(
                "a worker serves 1 to {ACTIVITIES_MAX} activities, not {}",
                hello.activities.len()
            );
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        }
        let shared = &self.service.shared;
        let mut served = Vec::with_capacity(hello.activities.len());
        for wanted in &hello.activities {
            let arn = if wanted.activity.starts_with("arn:") {
                check_activity_arn(caller, &wanted.activity)?;
                wanted.activity.clone()
            } else {
                shared.arns.activity(&caller.namespace, &wanted.activity)
            };
            let activity = shared
                .catalog
                .activity(&arn)
                .ok_or_else(|| activity_missing(&arn))?;
            if wanted.slots == 0 || wanted.slots > SLOTS_MAX {
                let message = format!(
                    "slots of activity '{}' must be 1 to {SLOTS_MAX}",
                    wanted.activity
                );
                return Err(ApiError::new(ErrorCode::ValidationException, message));
            }
            let arn = activity.record.arn.clone();
            served.push(Served {
                queue: shared.matching.queue(&arn),
                arn,
                slots: wanted.slots,
            });
        }
        Ok(served)
    }
}

fn session_id(text: &str) -> Result<SessionId, ApiError> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32)
        .map(SessionId)
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::ValidationException,
                "`session_id` must be a UUID drawn once per worker process",
            )
        })
}

impl Link {
    /// What the worker says it holds against what it was given: what never arrived is offered again, what is over is
    /// cancelled.
    async fn take_inventory(
        &self,
        held: &[String],
        thought_held: &[TaskRef],
        resumed: bool,
    ) -> Result<(), ApiError> {
        let open = |token: &String| self.service.shared.tokens.open(token);
        let held: Vec<TaskRef> = held.iter().filter_map(open).collect();
        for task in thought_held.iter().filter(|task| !held.contains(task)) {
            self.session.release(task);
            self.service
                .shared
                .partitions()
                .send_later(task.hash, Message::Task(TaskReport::undelivered(*task)));
        }
        let unknown: Vec<TaskRef> = held
            .into_iter()
            .filter(|task| !thought_held.contains(task))
            .collect();
        if resumed && unknown.is_empty() {
            return Ok(());
        }
        self.claim(unknown).await
    }

    /// After a restart of the coordinator, the hosts know what this session was given before.
    async fn claim(&self, held: Vec<TaskRef>) -> Result<(), ApiError> {
        let partitions = self.service.shared.partitions();
        for (index, host) in partitions.hosts().iter().enumerate() {
            let of_host = held
                .iter()
                .copied()
                .filter(|task| partitions.host_index(task.hash) == index)
                .collect();
            let (answer, receiver) = tokio::sync::oneshot::channel();
            host.send(Message::Claim {
                session: self.session.id,
                held: of_host,
                answer,
            })
            .await?;
            for claimed in receiver
                .await
                .map_err(|_gone| crate::partition::going_down())?
            {
                let index = claimed.activity.as_ref().and_then(|arn| self.index_of(arn));
                match index {
                    Some(index) => self.session.adopt(claimed.task, index),
                    None => drop(self.session.cancel(
                        &claimed.task,
                        self.service.shared.tokens.seal(&claimed.task),
                    )),
                }
            }
        }
        Ok(())
    }

    fn index_of(&self, arn: &Arc<str>) -> Option<u32> {
        let index = self
            .session
            .activities
            .iter()
            .position(|served| served.arn == *arn)?;
        u32::try_from(index).ok()
    }

    /// The room that is left at the worker takes tasks from now on.
    fn offer_slots(&self) {
        let held = self.session.held_by_activity();
        let fleet: &Fleet = &self.service.shared.fleet;
        for (index, served) in (0_u32..).zip(&self.session.activities) {
            let free = served
                .slots
                .saturating_sub(held.get(&index).copied().unwrap_or(0));
            for _ in 0..free {
                let session = self.session.clone();
                fleet.slot_again(Slot::Session {
                    session,
                    activity: index,
                    connection: self.connection,
                });
            }
        }
    }

    async fn serve(self, mut incoming: Streaming<WorkerMessage>, ttl: Duration) {
        loop {
            let message = tokio::select! {
                message = incoming.message() => message,
                () = self.service.shared.stop.cancelled() => break,
            };
            match message {
                Ok(Some(message)) if self.session.is_current(self.connection) => {
                    self.receive(message).await
                }
                Ok(Some(_)) | Ok(None) | Err(_) => break,
            }
        }
        self.away(ttl).await;
    }

    /// The connection is gone. A worker that does not come back within `ttl` loses its attempts.
    async fn away(self, ttl: Duration) {
        if !self.session.disconnect(self.connection) {
            return;
        }
        self.session.wake();
        let shared = self.service.shared.clone();
        let wait = if self.session.held().is_empty() {
            Duration::from_secs(1)
        } else {
            ttl
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => return,
        }
        if !shared.fleet.remove(&self.session, self.connection) {
            return;
        }
        tracing::info!(worker.name = %self.session.name, "worker did not come back; its attempts end");
        for task in self.session.held() {
            self.session.release(&task);
            shared
                .partitions()
                .send_later(task.hash, Message::Task(TaskReport::lost(task)));
        }
    }

    /// One message of the worker.
    async fn receive(&self, message: WorkerMessage) {
        if message.draining {
            self.session.drain();
        }
        let partitions = self.service.shared.partitions();
        let mut reports: Vec<Vec<TaskReport>> =
            partitions.hosts().iter().map(|_| Vec::new()).collect();
        let mut add =
            |report: TaskReport| reports[partitions.host_index(report.task.hash)].push(report);
        for result in message.results {
            if let Some(report) = self.result(result) {
                add(report);
            }
        }
        for heartbeat in message.heartbeats {
            if let Some(task) = self.service.shared.tokens.open(&heartbeat.task_token) {
                add(self.report(
                    task,
                    Outcome::Heartbeat,
                    TaskReply::Heartbeat {
                        session: self.session.clone(),
                    },
                ));
            }
        }
        for token in message.returned {
            if let Some(task) = self.service.shared.tokens.open(&token) {
                self.session.release(&task);
                add(self.report(task, Outcome::Undelivered, TaskReply::None));
            }
        }
        for (host, reports) in partitions.hosts().iter().zip(reports) {
            if !reports.is_empty() {
                // Waits for room: results were taken in, so they are never refused, and a full host slows the stream.
                host.send_admitted(Message::Tasks(reports)).await;
            }
        }
    }

    fn report(&self, task: TaskRef, outcome: Outcome, reply: TaskReply) -> TaskReport {
        TaskReport {
            task,
            namespace: self.session.caller.namespace.clone(),
            outcome,
            reply,
        }
    }

    fn result(&self, result: TaskResult) -> Option<TaskReport> {
        if !self.session.accept(result.number) {
            return None;
        }
        let refuse = |reason: &str| {
            let refused = RefusedResult {
                task_token: result.task_token.clone(),
                reason: reason.to_owned(),
            };
            self.session.settle(result.number, Some(refused));
            self.session.wake();
        };
        let Some(task) = self.service.shared.tokens.open(&result.task_token) else {
            refuse(ErrorCode::InvalidToken.as_str());
            return None;
        };
        let outcome = match result.outcome {
            Some(Reported::Output(output)) => match self.output(output) {
                Ok(output) => Outcome::Succeeded(output),
                Err(error) => Outcome::Failed(error),
            },
            Some(Reported::Failure(failure)) => {
                Outcome::Failed(stop_failure(failure.error, failure.cause))
            }
            None => {
                refuse(ErrorCode::InvalidOutput.as_str());
                return None;
            }
        };
        if let Some(activity) = self.session.release(&task) {
            let (session, connection) = (self.session.clone(), self.connection);
            self.service.shared.fleet.slot_again(Slot::Session {
                session,
                activity,
                connection,
            });
        }
        Some(self.report(
            task,
            outcome,
            TaskReply::Result {
                session: self.session.clone(),
                number: result.number,
            },
        ))
    }

    /// A result that cannot be one fails its task: nobody will send another for it.
    fn output(&self, output: String) -> Result<Payload, stepfleet_engine::event::Failure> {
        let max = self.service.shared.limits.payload_bytes_max;
        let fail = |error: &str, cause: String| stop_failure(Some(error.to_owned()), Some(cause));
        if output.len() > max {
            let cause = "The state/task returned a result with a size exceeding the maximum number of bytes service limit.";
            return Err(fail("States.DataLimitExceeded", cause.to_owned()));
        }
        Payload::parse(output).map_err(|error| {
            fail(
                "States.Runtime",
                format!("the worker's output is not JSON: {error}"),
            )
        })
    }
}
