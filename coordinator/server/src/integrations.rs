//! The registry of integrations that this installation serves: one file each, listed here. A Task's `Resource` that
//! none of them serves compiles with a warning and fails clearly when an execution reaches it.
//!
//! A task is begun after the append that covers its `TaskScheduled`, and again after a restart until its answer is
//! recorded: what an integration begins must be the same thing when it begins twice.

pub(crate) mod api;
pub(crate) mod callback;
pub(crate) mod child;
pub(crate) mod sfn;

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;
use stepfleet_asl::Payload;
use stepfleet_asl::resource::{Integration, Pattern};
use stepfleet_engine::event::{Failure, TaskResource};
use stepfleet_engine::execution::Header;
use stepfleet_engine::{Served, TaskRef};

use crate::partition::Message;
use crate::partition::message::{Outcome, TaskReport};
use crate::shared::Shared;

/// One attempt at a task.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub shared: Arc<Shared>,
    /// Of the execution whose task it is.
    pub header: Arc<Header>,
    pub task: TaskRef,
    pub resource: TaskResource,
    pub parameters: Payload,
}

/// How a task went on.
#[derive(Debug)]
pub(crate) enum Begun {
    /// A request has its answer.
    Ended(Ended),
    /// What the task waits for has begun; this is the answer to that.
    Submitted(Payload),
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
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            served: vec![
                Arc::new(callback::Callback),
                Arc::new(child::StartExecution),
                Arc::new(sfn::Sfn),
            ],
        }
    }
}

impl Registry {
    /// How an integration is served here.
    pub(crate) fn served(&self, integration: &Integration) -> Served {
        let mut served = self.served.iter();
        served
            .find(|served| served.matches(integration))
            .map_or(Served::No, |served| served.served())
    }

    fn serving(&self, resource: &TaskResource) -> Option<Arc<dyn Serve>> {
        let integration = Integration {
            arn: Arc::from(""),
            service: resource.service.clone(),
            action: resource.action.clone(),
            pattern: pattern(resource),
        };
        let mut served = self.served.iter();
        served
            .find(|served| served.matches(&integration))
            .map(Arc::clone)
    }
}

impl Call {
    /// Carries out `Command::StartTask`, and reports to the execution's host.
    pub(crate) fn start(self) {
        let Some(serving) = self.shared.integrations.serving(&self.resource) else {
            return;
        };
        crate::task::spawn("task of an integration", async move {
            match serving.begin(self.clone()).await {
                Begun::Ended(ended) => self.report_end(ended).await,
                Begun::Submitted(answer) => {
                    self.report(Outcome::Submitted(answer)).await;
                    self.follow(serving).await;
                }
            }
        });
    }

    /// Goes on with a `.sync` task that had begun before a restart.
    pub(crate) fn resume(self) {
        if let Some(serving) = self.shared.integrations.serving(&self.resource) {
            crate::task::spawn("task of an integration", self.follow(serving));
        }
    }

    /// Ends what the attempt began.
    pub(crate) fn stop(self) {
        if let Some(serving) = self.shared.integrations.serving(&self.resource) {
            crate::task::spawn("end of a task", serving.stop(self));
        }
    }

    /// The answer to a request, for those who have no host.
    pub(crate) async fn answer(self) -> Ended {
        let serving = self.shared.integrations.serving(&self.resource)?;
        match serving.begin(self).await {
            Begun::Ended(ended) => ended,
            Begun::Submitted(answer) => Some(Ok(answer)),
        }
    }

    async fn follow(self, serving: Arc<dyn Serve>) {
        if pattern(&self.resource) == Pattern::RunJob {
            let ended = serving.finish(self.clone()).await;
            self.report_end(ended).await;
        }
    }

    async fn report_end(&self, ended: Ended) {
        match ended {
            Some(Ok(output)) => self.report(Outcome::Succeeded(output)).await,
            Some(Err(failure)) => self.report(Outcome::Failed(failure)).await,
            None => {}
        }
    }

    async fn report(&self, outcome: Outcome) {
        let report = TaskReport::of_integration(self.task, outcome);
        let host = self.shared.partitions().host(self.task.hash);
        host.send_admitted(Message::Task(report)).await;
    }
}

/// How a task of a resource waits.
pub(crate) fn pattern(resource: &TaskResource) -> Pattern {
    match resource.action.split_once('.') {
        None => Pattern::RequestResponse,
        Some((_, "waitForTaskToken")) => Pattern::Callback,
        Some(_) => Pattern::RunJob,
    }
}
