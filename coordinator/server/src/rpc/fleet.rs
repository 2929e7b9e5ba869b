//! The workers' stream: hello, welcome, then pushes out and results, heartbeats and acknowledgements in, all in batches.

mod hello;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use stepfleet_asl::Payload;
use stepfleet_engine::TaskRef;
use stepfleet_engine::event::Handle;
use stepfleet_proto::Subject;
use stepfleet_proto::v1::fleet_service_server::FleetService;
use stepfleet_proto::v1::task_result::Outcome as Reported;
use stepfleet_proto::v1::{
    Begun, CoordinatorMessage, Hello, RefusedResult, SlotsChange, TaskHeartbeat, TaskResult,
    Welcome, WorkerMessage,
};
use tonic::{Request, Response, Status, Streaming};

use self::hello::{Wanted, about, session_id};
use super::status;
use crate::arn::check_name;
use crate::auth::{Permit, actions};
use crate::fleet::Session;
use crate::fleet::away::Away;
use crate::fleet::credits::Offered;
use crate::fleet::session::{Connected, InHand, Served};
use crate::net::Heard;
use crate::partition::Message;
use crate::partition::desk::stop_failure;
use crate::partition::message::{Outcome, TaskReply, TaskReport};
use crate::service::Service;
use crate::service::activities::{activity_missing, check_activity_arn};
use crate::service::api::Caller;
use crate::service::error::{ApiError, ErrorCode};
use crate::service::queues::thousandths;
use crate::service::tasks::progress;
use crate::service::workers::TEXT_CHARS_MAX;

/// Slots that one worker process may offer, over all its activities.
const SLOTS_MAX: u32 = 65_536;
/// How long a worker is waited for whose credential has ended.
const ENDED: Duration = Duration::from_secs(1);
/// Bytes of what a connector keeps of work that it has begun.
const HANDLE_BYTES_MAX: usize = 8192;

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
        // Each activity of the hello is judged by itself; whoever may serve none is not listened to.
        let any = Subject::Token("");
        let judged = caller.permit.check(actions::POLL, any);
        judged.map_err(|error| status(&error))?;
        let heard = request.extensions().get::<Heard>().cloned();
        let mut incoming = request.into_inner();
        let first = incoming
            .message()
            .await?
            .ok_or_else(|| Status::invalid_argument("the stream ended before `hello`"))?;
        let hello = first
            .hello
            .clone()
            .ok_or_else(|| Status::invalid_argument("the first message must carry `hello`"))?;
        let (link, welcome, inventory) = self
            .welcome(caller, hello)
            .map_err(|error| status(&error))?;
        let link = Link { heard, ..link };
        let (session, connection) = (link.session.clone(), link.connection);
        // From here on a task serves the connection, whatever becomes of this call: a session is never left open with
        // nobody to end it.
        let serving = link.serve(first, inventory, incoming, self.session_ttl);
        crate::task::spawn("worker stream", serving);
        let welcome = CoordinatorMessage {
            welcome: Some(welcome),
            ..CoordinatorMessage::default()
        };
        let rest =
            futures::stream::unfold((session, connection), |(session, connection)| async move {
                let message = session.next_message(connection).await?;
                let message = message.map_err(|error| status(&error));
                Some((message, (session, connection)))
            });
        let stream = futures::StreamExt::chain(futures::stream::iter([Ok(welcome)]), rest);
        Ok(Response::new(Box::pin(stream)))
    }
}

/// What a worker says it holds, and what it was given.
struct Inventory {
    named: Vec<String>,
    thought: Vec<TaskRef>,
    resumed: bool,
}

/// One connection of a session.
struct Link {
    service: Service,
    session: Arc<Session>,
    connection: u64,
    /// Whose connection it is: a session may go on with another credential.
    caller: Caller,
    /// When anything came over it last; none where there is no socket.
    heard: Option<Heard>,
}

impl FleetFace {
    fn welcome(
        &self,
        caller: Caller,
        hello: Hello,
    ) -> Result<(Link, Welcome, Inventory), ApiError> {
        let id = session_id(&hello.session_id)?;
        check_name(&hello.worker_name)?;
        let about = about(&hello)?;
        let served = self.served(&caller, &hello)?;
        let tasks_max = (hello.max_tasks > 0).then_some(hello.max_tasks);
        let fresh = Session::new(id, about, caller.clone(), served, tasks_max);
        let shared = &self.service.shared;
        let now = shared.clock.now();
        let told = shared.told(id)?;
        let connected = shared.fleet.connect(fresh, now, hello.told_to_drain, told);
        let Some((session, connected)) = connected else {
            let message = "`session_id` is in use by another caller; draw one per worker process";
            return Err(ApiError::new(ErrorCode::ValidationException, message));
        };
        let Connected {
            connection,
            confirmed,
            held,
        } = connected;
        // Before its slots are offered: it may have changed them while it was away.
        let slots = hello.activities.iter().map(|activity| activity.slots);
        let slots = slots.chain(hello.connectors.iter().map(|connector| connector.slots));
        for (activity, slots) in (0_u32..).zip(slots) {
            session.resize(activity, slots);
        }
        let resumed = connection > 1;
        let arns = |connectors: bool| {
            let all = session.activities.iter();
            all.filter(|served| served.connector.is_some() == connectors)
                .map(|served| served.arn.to_string())
                .collect()
        };
        let (activity_arns, connector_arns) = (arns(false), arns(true));
        tracing::info!(worker.name = %session.about.name, resumed, "worker connected");
        let link = Link {
            service: self.service.clone(),
            session,
            connection,
            caller,
            heard: None,
        };
        let inventory = Inventory {
            named: hello.held,
            thought: held,
            resumed,
        };
        Ok((
            link,
            Welcome {
                resumed,
                activity_arns,
                confirmed,
                connector_arns,
            },
            inventory,
        ))
    }

    fn served(&self, caller: &Caller, hello: &Hello) -> Result<Vec<Served>, ApiError> {
        let all = Wanted::of(hello)?;
        let shared = &self.service.shared;
        let mut served = Vec::with_capacity(all.len());
        let mut slots = 0_u32;
        for wanted in all {
            let arn = if wanted.activity.starts_with("arn:") {
                wanted.activity.clone()
            } else {
                shared.arns.activity(&caller.namespace, &wanted.activity)
            };
            caller.permit.check(actions::POLL, Subject::Arn(&arn))?;
            check_activity_arn(caller, &arn)?;
            let activity = shared
                .catalog
                .activity(&arn)
                .ok_or_else(|| activity_missing(&arn))?;
            slots = slots.saturating_add(wanted.slots);
            if wanted.slots == 0 || slots > SLOTS_MAX {
                let message = format!(
                    "the slots of a worker must be 1 to {SLOTS_MAX} in all, and at least 1 for each activity"
                );
                return Err(ApiError::new(ErrorCode::ValidationException, message));
            }
            let arn = activity.record.arn.clone();
            if served.iter().any(|other: &Served| other.arn == arn) {
                let message = format!("activity '{}' is named twice", wanted.activity);
                return Err(ApiError::new(ErrorCode::ValidationException, message));
            }
            served.push(Served {
                queue: shared.matching.queue(&arn),
                arn,
                offered: Offered {
                    slots: wanted.slots,
                    rate_per_1000_s: thousandths(wanted.max_rate)?,
                },
                connector: wanted.place,
            });
        }
        Ok(served)
    }
}

impl Link {
    /// What the worker says it holds against what it was given: what never arrived is offered again, what is over is
    /// cancelled.
    async fn take_inventory(&self, inventory: Inventory) -> Result<(), ApiError> {
        let Inventory {
            named,
            thought,
            resumed,
        } = inventory;
        let open = |token: &String| self.service.shared.tokens.open(token);
        let held: Vec<TaskRef> = named.iter().filter_map(open).collect();
        for task in thought.iter().filter(|task| !held.contains(task)) {
            self.session.release(task);
            self.service
                .shared
                .partitions()
                .send_later(task.hash, Message::Task(TaskReport::undelivered(*task)));
        }
        let unknown: Vec<TaskRef> = held
            .into_iter()
            .filter(|task| !thought.contains(task))
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
                let in_hand = claimed.live.and_then(|(arn, header)| {
                    let activity = self.index_of(&arn)?;
                    let since = self.service.shared.clock.now();
                    Some(InHand {
                        activity,
                        header,
                        since,
                        progress: None,
                    })
                });
                match in_hand {
                    Some(in_hand) => self.session.adopt(claimed.task, in_hand),
                    None if claimed.over => drop(self.session.cancel(
                        &claimed.task,
                        self.service.shared.tokens.seal(&claimed.task),
                    )),
                    None => {}
                }
            }
            // What is over is told now, whether or not anything else is to be said.
            self.session.wake();
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

    async fn serve(
        self,
        first: WorkerMessage,
        inventory: Inventory,
        mut incoming: Streaming<WorkerMessage>,
        ttl: Duration,
    ) {
        // Results that ride on the first message are taken in before the inventory is claimed.
        self.receive(first).await;
        if let Err(error) = self.take_inventory(inventory).await {
            tracing::warn!(worker.name = %self.session.about.name, %error, "the worker's inventory was not taken");
        }
        self.service.shared.fleet.offer_slots(&self.session).await;
        let mut over = Box::pin(self.over());
        let mut silent_for = Duration::ZERO;
        loop {
            let message = tokio::select! {
                message = incoming.message() => message,
                () = self.service.shared.stop.cancelled() => break,
                () = &mut over => break,
            };
            match message {
                Ok(Some(message)) if self.session.is_current(self.connection) => {
                    let changes = message.slots.clone();
                    self.receive(message).await;
                    if let Err(error) = self.resize(changes).await {
                        self.session.refuse(error);
                        break;
                    }
                }
                // Another connection has taken over.
                Ok(Some(_)) => break,
                Ok(None) | Err(_) => {
                    silent_for = self.heard.as_ref().map_or(silent_for, Heard::silent_for);
                    break;
                }
            }
        }
        drop(over);
        // Nobody comes back with a credential that has ended.
        let session_ttl = if self.caller.permit.has_ended() {
            ENDED.min(ttl)
        } else {
            ttl
        };
        let away = Away {
            shared: self.service.shared.clone(),
            session: self.session,
            connection: self.connection,
            session_ttl,
            silent_for,
        };
        away.wait().await;
    }

    /// Ends when the worker may no longer serve one of its activities, which is when its credential ends.
    async fn over(&self) {
        let allowed = |served: &Served, permit: &Permit| {
            permit.allows(actions::POLL, Subject::Arn(&served.arn))
        };
        let activities = &self.session.activities;
        let all = |permit: &Permit| activities.iter().all(|served| allowed(served, permit));
        self.caller.permit.over(all).await;
        tracing::info!(worker.name = %self.session.about.name, "a worker may no longer serve what it served");
    }

    /// One message of the worker.
    async fn receive(&self, message: WorkerMessage) {
        self.session.seen(self.service.shared.clock.now());
        if message.draining {
            self.session.leave();
        }
        self.session.received(message.received);
        let partitions = self.service.shared.partitions();
        let mut reports: Vec<Vec<TaskReport>> =
            partitions.hosts().iter().map(|_| Vec::new()).collect();
        let mut add =
            |report: TaskReport| reports[partitions.host_index(report.task.hash)].push(report);
        // Before results: what a task said last is kept when it fails in the same message.
        for heartbeat in message.heartbeats {
            if let Some(report) = self.heartbeat(heartbeat) {
                add(report);
            }
        }
        for result in message.results {
            if let Some(report) = self.result(result) {
                add(report);
            }
        }
        for answer in message.answers {
            self.session.answered(answer);
        }
        for token in message.returned {
            if let Some(task) = self.service.shared.tokens.open(&token) {
                if let Some(freed) = self.session.release(&task) {
                    self.service.shared.fleet.slot_is_free(&self.session, freed);
                }
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

    /// The worker says how many tasks it takes at once from now on.
    async fn resize(&self, changes: Vec<SlotsChange>) -> Result<(), ApiError> {
        if changes.is_empty() {
            return Ok(());
        }
        let refuse = |message: &str| Err(ApiError::new(ErrorCode::ValidationException, message));
        let count = self.session.activities.len();
        let mut slots: Vec<u32> = (0_u32..)
            .take(count)
            .map(|activity| self.session.slots(activity))
            .collect();
        for change in &changes {
            let index = usize::try_from(change.activity).unwrap_or(usize::MAX);
            match slots.get_mut(index) {
                Some(slot) if change.slots > 0 => *slot = change.slots,
                Some(_) => {
                    return refuse("an activity has at least 1 slot; a worker drains to take none");
                }
                None => return refuse("`slots` names an activity that the worker does not serve"),
            }
        }
        if slots.iter().map(|slots| u64::from(*slots)).sum::<u64>() > u64::from(SLOTS_MAX) {
            return refuse(&format!(
                "the slots of a worker must be 1 to {SLOTS_MAX} in all"
            ));
        }
        for change in changes {
            let fleet = &self.service.shared.fleet;
            fleet
                .resize(&self.session, change.activity, change.slots)
                .await;
        }
        Ok(())
    }

    fn report(&self, task: TaskRef, outcome: Outcome, reply: TaskReply) -> TaskReport {
        TaskReport {
            task,
            namespace: self.caller.namespace.clone(),
            permit: self.caller.permit.clone(),
            outcome,
            reply,
        }
    }

    fn heartbeat(&self, heartbeat: TaskHeartbeat) -> Option<TaskReport> {
        let task = self.service.shared.tokens.open(&heartbeat.task_token)?;
        let details = progress(&heartbeat.details).unwrap_or_else(|refusal| {
            self.session.refuse_progress(RefusedResult {
                task_token: heartbeat.task_token,
                reason: refusal.reason().to_owned(),
            });
            None
        });
        let session = self.session.clone();
        let reply = TaskReply::Heartbeat { session };
        Some(self.report(task, Outcome::Heartbeat(details), reply))
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
            Some(Reported::Begun(begun)) if task.attempt.is_start() => match self.begun(begun) {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Failed(error),
            },
            Some(Reported::Failure(failure)) => {
                Outcome::Failed(stop_failure(failure.error, failure.cause))
            }
            // A task that is no start begins nothing.
            Some(Reported::Begun(_)) | None => {
                refuse(ErrorCode::InvalidOutput.as_str());
                return None;
            }
        };
        if let Some(freed) = self.session.release(&task) {
            self.service.shared.fleet.slot_is_free(&self.session, freed);
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

    fn begun(&self, begun: Begun) -> Result<Outcome, stepfleet_engine::event::Failure> {
        let Begun {
            handle,
            output,
            place,
        } = begun;
        let fits = handle.len() <= HANDLE_BYTES_MAX && Payload::parse(handle.as_str()).is_ok();
        if !fits || place.chars().count() > TEXT_CHARS_MAX {
            let cause = format!(
                "the handle of the connector is not JSON of at most {HANDLE_BYTES_MAX} bytes, or its place too long"
            );
            return Err(stop_failure(Some("States.Runtime".to_owned()), Some(cause)));
        }
        let handle = Handle {
            text: handle.into(),
            place: place.into(),
        };
        Ok(Outcome::Begun(self.output(output)?, handle))
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
