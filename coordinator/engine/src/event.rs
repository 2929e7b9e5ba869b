//! What was recorded. Events carry outcomes (outputs, branches taken, drawn jitter, ids), never instructions to
//! recompute, so that replay evaluates nothing. Each event becomes at most one public history event.

mod facts;

use std::sync::Arc;

use stepfleet_asl::Payload;
use stepfleet_asl::program::{ScopeId, StateId};
use stepfleet_asl::resource::Pattern;

use crate::execution::{Header, StateKind, Status};
use crate::ids::{EventId, FrameId, PayloadId, Timestamp, Worker};
use crate::variables::Variables;

/// A payload with its number in the execution. Stored once, referred to by number afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    pub id: PayloadId,
    pub payload: Payload,
}

/// One event. `previous` is the `previousEventId` of its public form (0 where there is none); its own public id is the
/// execution's last public id plus one.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub previous: EventId,
    pub body: EventBody,
}

/// `error` and `cause` as a worker, a state or an evaluation gave them; absent stays absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    pub error: Option<Arc<str>>,
    pub cause: Option<Arc<str>>,
}

/// A service integration as history names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskResource {
    /// `resourceType`: `sqs`, `aws-sdk:s3`, `stepfleet`.
    pub service: Arc<str>,
    /// `resource`: the action with its suffix, `callback.waitForTaskToken`. Of a Task whose `Resource` is a Lambda
    /// function, that function's ARN, with `lambda` as the service.
    pub action: Arc<str>,
}

impl TaskResource {
    /// A Lambda function that a Task names by its ARN.
    pub fn function(arn: &Arc<str>) -> Self {
        Self {
            service: "lambda".into(),
            action: arn.clone(),
        }
    }

    /// How the task waits.
    pub fn pattern(&self) -> Pattern {
        if self.is_function() {
            return Pattern::RequestResponse;
        }
        match self.action.split_once('.') {
            None => Pattern::RequestResponse,
            Some((_, "waitForTaskToken")) => Pattern::Callback,
            Some(_) => Pattern::RunJob,
        }
    }

    /// Whether a Task names a Lambda function by its ARN, which history tells of in events of its own.
    pub fn is_function(&self) -> bool {
        self.action.starts_with("arn:")
    }
}

/// What a connector calls the work that it has begun, and who can tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handle {
    /// JSON text of the connector's own.
    pub text: Arc<str>,
    /// The place where the work is; only workers of that place are asked. Empty when any can tell.
    pub place: Arc<str>,
}

/// Every kind of event. Public unless its comment says *internal*. Frames are named by id;
/// `ExecutionStarted` creates the document's, `BranchStarted` and `MapIterationStarted` create the others.
#[derive(Clone, Debug, PartialEq)]
pub enum EventBody {
    /// `deadline` is the end of the machine-level `TimeoutSeconds`. `keeps_frames`: see `Execution::keeps_frames`.
    ExecutionStarted {
        header: Arc<Header>,
        input: Data,
        deadline: Option<Timestamp>,
        keeps_frames: bool,
    },
    ExecutionSucceeded {
        output: Data,
    },
    ExecutionFailed(Failure),
    ExecutionAborted(Failure),
    ExecutionTimedOut(Failure),
    /// A closed execution runs again: what its failure left goes on. `deadline` as in `ExecutionStarted`, from now on.
    /// `status` and `closed_at` are what it undoes, so that the lists in which it stood can be told from the event.
    ExecutionRedriven {
        count: u32,
        deadline: Option<Timestamp>,
        client_token: Option<Arc<str>>,
        status: Status,
        closed_at: Timestamp,
    },

    /// `<Kind>StateEntered`.
    StateEntered {
        frame: FrameId,
        state: StateId,
        kind: StateKind,
        name: Arc<str>,
        input: Data,
    },
    /// `<Kind>StateExited`. `assigned` are variables of the frame's block from here on. `next` is the state that the
    /// frame enters next; none ends the frame.
    StateExited {
        frame: FrameId,
        kind: StateKind,
        name: Arc<str>,
        output: Data,
        assigned: Variables,
        next: Option<StateId>,
    },
    /// `TaskStateAborted`, `WaitStateAborted`, `ParallelStateAborted`, `MapStateAborted`: the frame is over.
    StateAborted {
        frame: FrameId,
        kind: StateKind,
    },

    ActivityScheduled {
        frame: FrameId,
        activity: Arc<str>,
        input: Data,
        timeout_seconds: Option<u32>,
        heartbeat_seconds: Option<u32>,
    },
    ActivityScheduleFailed {
        frame: FrameId,
        failure: Failure,
    },
    ActivityStarted {
        frame: FrameId,
        worker: Worker,
    },
    ActivitySucceeded {
        frame: FrameId,
        output: Data,
    },
    ActivityFailed {
        frame: FrameId,
        failure: Failure,
    },
    ActivityTimedOut {
        frame: FrameId,
        failure: Failure,
    },

    TaskScheduled {
        frame: FrameId,
        resource: TaskResource,
        region: Arc<str>,
        parameters: Data,
        timeout_seconds: Option<u32>,
        heartbeat_seconds: Option<u32>,
    },
    TaskStarted {
        frame: FrameId,
        resource: TaskResource,
    },
    TaskStartFailed {
        frame: FrameId,
        resource: TaskResource,
        failure: Failure,
    },
    TaskSubmitted {
        frame: FrameId,
        resource: TaskResource,
        output: Data,
    },
    TaskSubmitFailed {
        frame: FrameId,
        resource: TaskResource,
        failure: Failure,
    },
    TaskSucceeded {
        frame: FrameId,
        resource: TaskResource,
        output: Data,
    },
    TaskFailed {
        frame: FrameId,
        resource: TaskResource,
        failure: Failure,
    },
    TaskTimedOut {
        frame: FrameId,
        resource: TaskResource,
        failure: Failure,
    },

    /// An expression of the state that `name` names failed; `location` is its field (`Output/result`). Retry and
    /// Catch, or the failure of what contains the state, follow.
    EvaluationFailed {
        frame: FrameId,
        name: Arc<str>,
        location: Arc<str>,
        failure: Failure,
    },

    /// Parallel or Map: branches or iterations follow as `BranchStarted` / `MapIterationStarted`.
    ParallelStateStarted {
        frame: FrameId,
        branches: u32,
    },
    ParallelStateSucceeded {
        frame: FrameId,
    },
    ParallelStateFailed {
        frame: FrameId,
    },
    MapStateStarted {
        frame: FrameId,
        items: Data,
        length: u32,
        max_concurrency: u32,
    },
    MapStateSucceeded {
        frame: FrameId,
    },
    MapStateFailed {
        frame: FrameId,
    },
    MapIterationStarted {
        frame: FrameId,
        child: FrameId,
        scope: ScopeId,
        name: Arc<str>,
        index: u32,
        input: Data,
    },
    MapIterationSucceeded {
        frame: FrameId,
        name: Arc<str>,
        index: u32,
    },
    MapIterationFailed {
        frame: FrameId,
        name: Arc<str>,
        index: u32,
    },
    MapIterationAborted {
        frame: FrameId,
        name: Arc<str>,
        index: u32,
    },

    /// *Internal*: a Parallel branch begins; its first state is entered next.
    BranchStarted {
        frame: FrameId,
        child: FrameId,
        scope: ScopeId,
        index: u32,
        input: Data,
    },
    /// *Internal*: a child frame ended with this output, kept by its parent at its index.
    BranchSucceeded {
        frame: FrameId,
        child: FrameId,
        index: u32,
        output: Data,
    },
    /// *Internal*: a Wait knows its end.
    WaitScheduled {
        frame: FrameId,
        until: Timestamp,
    },
    /// *Internal*: the attempt failed, retrier number `retrier` matched and the next attempt begins at `until`
    /// (interval, backoff, cap and drawn jitter already in it).
    RetryScheduled {
        frame: FrameId,
        retrier: u32,
        until: Timestamp,
    },
    /// *Internal*: the hand-out of a started attempt never reached its worker; it is offered again.
    ActivityReoffered {
        frame: FrameId,
    },
    /// *Internal*: an attempt that was offered again is in a worker's hands; the public `ActivityStarted` stays.
    ActivityRestarted {
        frame: FrameId,
        worker: Worker,
    },
    /// *Internal*: workers of an activity are to begin the task of an integration. `heartbeat_seconds` are those that
    /// whoever begins it has to keep.
    StartOffered {
        frame: FrameId,
        activity: Arc<str>,
        input: Data,
        heartbeat_seconds: Option<u32>,
    },
    /// *Internal*: a worker has begun the task; `TaskSubmitted` follows in the same decision.
    HandleGiven {
        frame: FrameId,
        handle: Handle,
    },
    /// *Internal*: what the worker said of its progress at `at`. The newest replaces those before it.
    ProgressRecorded {
        frame: FrameId,
        details: Arc<str>,
        at: Timestamp,
    },
    /// *Internal*: `child` failed, so every frame below `frame` is over and the chain of events goes on from the
    /// failing child's last one.
    BranchFailed {
        frame: FrameId,
        child: FrameId,
    },
}
