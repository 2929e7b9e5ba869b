//! The registry of integrations that this installation serves: one file each, listed here. A Task's `Resource` that
//! none of them serves compiles with a warning and fails clearly when an execution reaches it.

pub(crate) mod callback;

use std::fmt::Debug;

use stepfleet_asl::resource::Integration;
use stepfleet_engine::{Command, ExecutionId, Served};

/// One served integration.
pub(crate) trait Serve: Debug + Send + Sync {
    /// Whether it serves this resource.
    fn matches(&self, integration: &Integration) -> bool;
    /// How its tasks begin.
    fn served(&self) -> Served;
    /// Begins a task (`Served::Starts` only); its answer goes to the execution's host as a report.
    fn start(&self, execution: ExecutionId, command: &Command);
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Registry {
    served: Vec<Box<dyn Serve>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            served: vec![Box::new(callback::Callback)],
        }
    }
}

impl Registry {
    /// How an integration is served here.
    pub(crate) fn served(&self, integration: &Integration) -> Served {
        self.find(integration).map_or(Served::No, Serve::served)
    }

    /// Carries out `Command::StartTask`.
    pub(crate) fn start(&self, execution: ExecutionId, command: &Command) {
        let Command::StartTask { resource, .. } = command else {
            return;
        };
        for served in self
            .served
            .iter()
            .filter(|served| served.served() == Served::Starts)
        {
            tracing::trace!(resource.service = %resource.service, "starting a task");
            served.start(execution, command);
        }
    }

    fn find(&self, integration: &Integration) -> Option<&dyn Serve> {
        self.served
            .iter()
            .map(AsRef::as_ref)
            .find(|served| served.matches(integration))
    }
}
