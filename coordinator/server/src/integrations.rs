//! The registry of integrations that this installation serves: one file each, listed here. A Task's `Resource` that
//! none of them serves compiles with a warning and fails clearly when an execution reaches it.
//!
//! A task is begun after the append that covers its `TaskScheduled`, and again after a restart until its answer is
//! recorded: what an integration begins must be the same thing when it begins twice.

pub(crate) mod api;
pub(crate) mod callback;
pub(crate) mod calls;
pub(crate) mod child;
pub(crate) mod connector;
pub(crate) mod http;
pub(crate) mod lambda;
pub(crate) mod sfn;
pub(crate) mod stops;

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;
use stepfleet_asl::Payload;
use stepfleet_asl::resource::{Integration, Pattern};
use stepfleet_engine::event::{Data, Failure, TaskResource};
use stepfleet_engine::execution::{Execution, Header};
use stepfleet_engine::{Attempt, Served, TaskRef, Timestamp};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::face::Pending;
use crate::functions::{Functions, Named};
use crate::partition::Message;
use crate::partition::desk::task_ref;
use crate::partition::message::{Outcome, TaskReply, TaskReport};
use crate::shared::Shared;
use calls::Open;
use connector::Connected;

/// One attempt at a task.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub shared: Arc<Shared>,
    /// Of the execution whose task it is.
    pub header: Arc<Header>,
    pub task: TaskRef,
    pub resource: TaskResource,
    pub parameters: Payload,
    /// When the task's own timeout ends the attempt.
    pub deadline: Option<Timestamp>,
    /// In which trace it is.
    pub trace_header: Option<Arc<str>>,
    /// What a worker has begun for it.
    pub connected: Option<Connected>,
    /// Cancelled when the attempt ends otherwise than by what the integration reports.
    pub over: CancellationToken,
}

/// How a task went on.
#[derive(Debug)]
pub(crate) enum Begun {
    /// A request has its answer.
    Ended(Ended),
    /// What the task waits for has begun; this is the answer to that.
    Submitted(Payload),
    /// A request has its answer, an activity task; that goes back unless the answer is recorded.
    Polled(Payload, Pending),
}

/// How a task ended. `None` when the coordinator ends: after the restart it is begun again.
pub(crate) type Ended = Option<Result<Payload, Failure>>;

/// One served integration.
pub(crate) trait Serve: Debug + Send + Sync {
    /// Whether it serves this resource.
    fn matches(&self, integration: &Integration) -> bool;
    /// How its tasks begin.
    fn served(&self) -> Served;
    /// Begins a task.
    fn begin(&self, call: Call) -> BoxFuture<'static, Begun>;
    /// Waits for the end of what a `.sync` task has begun.
    fn finish(&self, call: Call) -> BoxFuture<'static, Ended>;
    /// Ends what a `.sync` task has begun and waits for no more.
    fn stop(&self, call: Call) -> BoxFuture<'static, ()>;
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Registry {
    served: Vec<Arc<dyn Serve>>,
    functions: Arc<Functions>,
}

impl Default for Registry {
    /// Without functions.
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Registry {
    pub(crate) fn new(functions: Arc<Functions>) -> Self {
        Self {
            served: vec![
                Arc::new(callback::Callback),
                Arc::new(child::StartExecution),
                Arc::new(http::Invoke),
                Arc::new(lambda::Lambda(functions.clone())),
                Arc::new(sfn::Sfn),
            ],
            functions,
        }
    }

    /// Whether a Task that names a Lambda function by its ARN has something to call.
    pub(crate) fn serves_function(&self, arn: &str) -> bool {
        self.functions.knows(Named::read(arn, None))
    }

    /// How an integration is served here.
    pub(crate) fn served(&self, integration: &Integration) -> Served {
        self.find(integration)
            .map_or(Served::No, |served| served.served())
    }

    fn serving(&self, resource: &TaskResource) -> Option<Arc<dyn Serve>> {
        let integration = Integration {
            arn: Arc::from(""),
            service: resource.service.clone(),
            action: resource.action.clone(),
            pattern: pattern(resource),
        };
        self.find(&integration).map(Arc::clone)
    }

    fn find(&self, integration: &Integration) -> Option<&Arc<dyn Serve>> {
        let mut served = self.served.iter();
        served.find(|served| served.matches(integration))
    }
}

impl Call {
    /// An attempt of an execution.
    pub(crate) fn of(
        shared: &Arc<Shared>,
        execution: &Execution,
        attempt: Attempt,
        resource: TaskResource,
        parameters: Data,
    ) -> Self {
        Self {
            shared: shared.clone(),
            header: execution.header.clone(),
            task: task_ref(execution, attempt),
            resource,
            parameters: parameters.payload,
            deadline: deadline(execution, attempt),
            trace_header: trace_header(shared, execution, attempt),
            connected: execution
                .holder(attempt)
                .and_then(|frame| Connected::of(&frame.stay()?.work)),
            over: CancellationToken::new(),
        }
    }

    /// Carries out `Command::StartTask`, and reports to the execution's host.
    pub(crate) fn start(self) {
        let Some(serving) = self.serving() else {
            return;
        };
        let (call, open) = self.open();
        crate::task::spawn("task of an integration", async move {
            call.carry_out(serving).await;
            drop(open);
        });
    }

    /// Goes on with a `.sync` task that had begun before a restart.
    pub(crate) fn resume(self) {
        if let Some(serving) = self.serving() {
            let (call, open) = self.open();
            crate::task::spawn("task of an integration", async move {
                call.follow(serving).await;
                drop(open);
            });
        }
    }

    /// The attempt is over: what is made for it is given up, and what it began is ended.
    pub(crate) fn end(self) {
        self.shared.calls.end(&self.task);
        if pattern(&self.resource) == Pattern::RunJob || self.connected.is_some() {
            self.stop();
        }
    }

    fn stop(self) {
        if let Some(serving) = self.serving() {
            crate::task::spawn("end of a task", serving.stop(self));
        }
    }

    /// The answer to a request, for those who have no host.
    pub(crate) async fn answer(self) -> Ended {
        let serving = self.serving()?;
        match serving.begin(self).await {
            Begun::Ended(ended) => ended,
            Begun::Submitted(answer) => Some(Ok(answer)),
            Begun::Polled(answer, delivery) => {
                delivery.confirm();
                Some(Ok(answer))
            }
        }
    }

    /// Whoever goes on with it: the fleet with what a worker has begun.
    fn serving(&self) -> Option<Arc<dyn Serve>> {
        match self.connected {
            Some(_) => Some(Arc::new(connector::Connector)),
            None => self.shared.integrations.serving(&self.resource),
        }
    }

    /// The call, known as open while the second value lives.
    fn open(mut self) -> (Self, Open) {
        let open = self.shared.calls.open(self.task);
        self.over = open.over().clone();
        (self, open)
    }

    async fn carry_out(self, serving: Arc<dyn Serve>) {
        let begins = serving.begin(self.clone());
        let begun = if pattern(&self.resource) == Pattern::RunJob {
            // What a `.sync` task had begun by halves could not be stopped.
            begins.await
        } else {
            tokio::select! {
                begun = begins => begun,
                () = self.over.cancelled() => return,
            }
        };
        match begun {
            Begun::Ended(ended) => self.report_end(ended).await,
            Begun::Submitted(answer) => self.submitted(serving, answer).await,
            Begun::Polled(answer, delivery) => self.polled(answer, delivery).await,
        }
    }

    /// An activity task that was polled is its worker's once the answer is recorded.
    async fn polled(self, answer: Payload, delivery: Pending) {
        let outcome = match pattern(&self.resource) {
            Pattern::RequestResponse => Outcome::Succeeded(answer),
            Pattern::Callback | Pattern::RunJob => Outcome::Submitted(answer),
        };
        let (sender, receiver) = oneshot::channel();
        self.report(outcome, TaskReply::Unary(sender)).await;
        if let Ok(Ok(())) = receiver.await {
            delivery.confirm();
        }
    }

    /// What has begun is waited for; if the attempt is over by now, it is ended instead.
    async fn submitted(self, serving: Arc<dyn Serve>, answer: Payload) {
        let (sender, receiver) = oneshot::channel();
        let outcome = Outcome::Submitted(answer);
        self.report(outcome, TaskReply::Unary(sender)).await;
        match receiver.await {
            Ok(Ok(())) => self.follow(serving).await,
            Ok(Err(_)) if pattern(&self.resource) == Pattern::RunJob => serving.stop(self).await,
            Ok(Err(_)) | Err(_) => {}
        }
    }

    async fn follow(self, serving: Arc<dyn Serve>) {
        if pattern(&self.resource) == Pattern::RunJob {
            let ended = tokio::select! {
                ended = serving.finish(self.clone()) => ended,
                () = self.over.cancelled() => return,
            };
            self.report_end(ended).await;
        }
    }

    async fn report_end(&self, ended: Ended) {
        match ended {
            Some(Ok(output)) => {
                self.report(Outcome::Succeeded(output), TaskReply::None)
                    .await
            }
            Some(Err(failure)) => self.report(Outcome::Failed(failure), TaskReply::None).await,
            None => {}
        }
    }

    async fn report(&self, outcome: Outcome, reply: TaskReply) {
        let report = TaskReport::of_integration(self.task, outcome, reply);
        let host = self.shared.partitions().host(self.task.hash);
        host.send_admitted(Message::Task(report)).await;
    }
}

fn deadline(execution: &Execution, attempt: Attempt) -> Option<Timestamp> {
    execution.holder(attempt)?.stay()?.work.task()?.deadline
}

/// For what a task calls, where executions have traces.
fn trace_header(shared: &Shared, execution: &Execution, attempt: Attempt) -> Option<Arc<str>> {
    let (observer, header) = (&shared.observer, &execution.header);
    if !observer.traces() {
        return None;
    }
    let (namespace, name) = (&header.namespace, &header.machine_name);
    let catalog = &shared.catalog;
    let revision = catalog.compiled(namespace, name, header.revision, &shared.integrations);
    observer.header_for(&*revision.ok()?, execution, attempt.entry)
}

/// How a task of a resource waits.
pub(crate) fn pattern(resource: &TaskResource) -> Pattern {
    resource.pattern()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
