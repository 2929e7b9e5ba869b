//! Time, entropy and pure look-ups that a decision may use. All of it comes from the shell.

use std::fmt;
use std::sync::Arc;

use stepfleet_asl::resource::{Integration, Resource};
use stepfleet_asl::{Patience, Payload};

use crate::execution::Header;
use crate::ids::{TaskRef, Timestamp};
use crate::limits::Limits;

/// The surroundings of one decision.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub now: Timestamp,
    /// Seed of everything random in this decision (jitter, UUIDs, MathRandom).
    pub entropy: u64,
    pub services: &'a dyn Services,
    pub limits: &'a Limits,
    /// How long an expression may take. Under `Patience::Brief` a decision may be [`Rejection::Interrupted`]; it is
    /// then made again, with the same input, elsewhere and under `Patience::Full`.
    ///
    /// [`Rejection::Interrupted`]: crate::Rejection::Interrupted
    pub patience: Patience,
}

/// Pure functions of the installation.
pub trait Services {
    /// Seals a task token; the same task gives the same token.
    fn token(&self, task: &TaskRef) -> String;
    /// Where plain HTTP completes a task that waits for its token; the same task at the same time gives the same URL.
    /// None where the installation does not know its own address.
    fn callback_url(&self, _task: &TaskRef, _header: &Header, _now: Timestamp) -> Option<String> {
        None
    }
    /// Whether an activity with this ARN exists now.
    fn activity_exists(&self, arn: &str) -> bool;
    /// How this installation serves an integration.
    fn served(&self, integration: &Integration) -> Served;
    /// The region of `TaskScheduled` events.
    fn region(&self) -> Arc<str>;
    /// Whether a resource can be reached at all; kept beside `served` for Lambda ARNs.
    fn serves(&self, resource: &Resource) -> bool;
    /// The activity whose workers begin tasks of this integration for this execution, where a fleet serves it.
    fn connector(&self, _header: &Header, _integration: &Integration) -> Option<Arc<str>> {
        None
    }
    /// The activity whose workers do what a task of this execution asks of a Lambda function, where one does. Of a task
    /// that waits for its token they do the start.
    fn delegated(
        &self,
        _header: &Header,
        _resource: &Resource,
        _arguments: &Payload,
    ) -> Option<Delegated> {
        None
    }
}

/// An activity in the place of a Lambda function.
#[derive(Clone, Debug, PartialEq)]
pub struct Delegated {
    pub activity: Arc<str>,
    /// What its workers are given.
    pub input: Payload,
}

/// How an integration begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Not in this installation: the execution fails with a clear cause when it gets here.
    No,
    /// Nothing to start: scheduled, started and submitted in one decision; it waits for its token.
    Waits,
    /// The shell starts it by `Command::StartTask`.
    Starts,
}

impl fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("now", &self.now)
            .field("limits", self.limits)
            .finish_non_exhaustive()
    }
}
