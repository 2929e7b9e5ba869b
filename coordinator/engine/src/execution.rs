//! The runtime aggregate: what a live execution is between two inputs. Small (live frames only), cheap to clone
//! (payloads and the header are shared), loaded and stored whole. Written by `apply` alone.

mod effective;
mod lookup;
mod redrives;
mod results;
mod transition;

use std::sync::Arc;

use smallvec::SmallVec;
use stepfleet_asl::program::{ScopeId, StateId};

use crate::event::{Data, Failure, Handle, TaskResource};
use crate::ids::{EventId, EventSeq, ExecutionId, FrameId, KeyHash, PayloadId, Timestamp, Worker};
use crate::variables::Variables;

pub use effective::EffectiveInput;
pub use redrives::{Redrive, Redrives};
pub use results::Results;

/// What never changes after the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub id: ExecutionId,
    pub hash: KeyHash,
    /// Account id of the ARNs.
    pub namespace: Arc<str>,
    pub machine_name: Arc<str>,
    pub machine_arn: Arc<str>,
    pub execution_arn: Arc<str>,
    pub name: Arc<str>,
    /// Start in whole seconds since the epoch; part of every task token.
    pub incarnation: u32,
    /// The revision of the definition that this execution runs for its whole life.
    pub revision: u64,
    pub role_arn: Arc<str>,
    pub trace_header: Option<Arc<str>>,
    /// Version and alias ARNs when the execution was started by one.
    pub version_arn: Option<Arc<str>>,
    pub alias_arn: Option<Arc<str>>,
    /// What started it, when that was not a client: the parent's attempt, so that the same origin gets the same answer.
    pub origin: Option<Arc<str>>,
}

/// `DescribeExecution.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

/// The eight state types, as history names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKind {
    Pass,
    Task,
    Choice,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

/// An execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    pub header: Arc<Header>,
    pub status: Status,
    pub started_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub input: Data,
    /// When it succeeded.
    pub output: Option<Data>,
    /// When it failed or was aborted.
    pub failure: Option<Failure>,
    /// Machine-level timeout.
    pub deadline: Option<Timestamp>,
    pub last_event: EventId,
    pub last_seq: EventSeq,
    pub last_payload: PayloadId,
    pub next_frame: FrameId,
    /// Live frames, ascending by id. Frame 0 is the document's.
    pub frames: SmallVec<[Frame; 1]>,
    /// Whether a failure leaves what a redrive goes on from. It does unless the execution was started by a release that
    /// had no redrive: what events mean to such a one never changes.
    pub keeps_frames: bool,
    /// Frames that a failure ended, ascending by id: dropped ones while it may still be caught, all of them when the
    /// execution closed. Empty while nothing fails, and when the execution succeeded.
    pub kept: Vec<Frame>,
    /// None until the first redrive.
    pub redrives: Option<Box<Redrives>>,
}

/// One line of control.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub id: FrameId,
    /// The Map or Parallel frame that waits for this one, and the index in it.
    pub parent: Option<(FrameId, u32)>,
    pub scope: ScopeId,
    /// The last public event on this line: the next one's `previousEventId`.
    pub last_event: EventId,
    /// Raw input of the current state, or of the state to be entered.
    pub input: Data,
    /// What the states of this frame's block have assigned; frames below see them, and they go with the frame.
    pub variables: Variables,
    pub phase: Phase,
}

/// Where a frame stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// The `StartAt` of the frame's scope is to be entered.
    Starting,
    /// The state is to be entered (a start, a finished predecessor, a decision cut by its bound).
    Ready { state: StateId },
    /// Inside a state.
    Inside(Box<Stay>),
    /// The frame's last state exited; only between two events of one decision.
    Finished { output: Data },
}

/// One stay in one state.
#[derive(Clone, Debug, PartialEq)]
pub struct Stay {
    pub state: StateId,
    pub kind: StateKind,
    pub name: Arc<str>,
    pub entry: EventId,
    pub entered_at: Timestamp,
    /// Attempts begun so far minus one, those before a redrive included: a token names its attempt for ever.
    pub attempt: u32,
    /// The attempt with which the newest redrive began: `State.RetryCount` counts from it.
    pub first_attempt: u32,
    /// Per retrier: retries used during this stay, since the newest redrive.
    pub retries: SmallVec<[u32; 2]>,
    pub work: Work,
    /// What a Parallel or a Map had got to when its work ended, until the stay does: a redrive goes on from it.
    pub unfinished: Option<Box<Unfinished>>,
    /// What workers said of the task last, in whatever attempt: the next one goes on from it.
    pub progress: Option<Box<Progress>>,
}

/// Progress that a heartbeat carried. Soft until it is recorded: what was said since the last record is lost with the
/// process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// JSON text.
    pub details: Arc<str>,
    pub at: Timestamp,
    /// Of the newest record, be it of these details or of earlier ones.
    pub recorded_at: Option<Timestamp>,
    /// Whether the record is of these details.
    pub is_recorded: bool,
}

/// Branches or iterations that ended together.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfinished {
    Parallel(ParallelWork),
    Map(MapWork),
}

/// What a stay is waiting for.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Entered; nothing scheduled yet.
    Entered,
    Activity(ActivityWork),
    Task(TaskWork),
    Waiting {
        until: Timestamp,
    },
    /// Between two attempts.
    Backoff {
        until: Timestamp,
    },
    Parallel(ParallelWork),
    Map(MapWork),
    /// Work is over (succeeded or failed) and the exit, retry or failure event follows in the same decision.
    Over,
}

/// An activity task in flight.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityWork {
    pub activity: Arc<str>,
    pub input: Data,
    pub generation: u32,
    pub scheduled_at: Timestamp,
    /// None: scheduled and offered. Some: started by a worker at this time.
    pub started_at: Option<Timestamp>,
    /// Who holds it once it is started.
    pub worker: Worker,
    /// End of `TimeoutSeconds`, counted from the schedule.
    pub deadline: Option<Timestamp>,
    pub heartbeat_seconds: Option<u32>,
    /// Soft: end of the running heartbeat window. Set by the start, moved by heartbeats, never logged by them.
    pub heartbeat_deadline: Option<Timestamp>,
}

/// An integration's task in flight.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskWork {
    pub resource: TaskResource,
    pub parameters: Data,
    pub stage: TaskStage,
    /// None of one that was scheduled under a release that did not keep it.
    pub scheduled_at: Option<Timestamp>,
    pub deadline: Option<Timestamp>,
    pub heartbeat_seconds: Option<u32>,
    /// Soft, as for activities.
    pub heartbeat_deadline: Option<Timestamp>,
    /// When a worker begins it: how far that is. Its times are the task's own.
    pub start: Option<Box<ActivityWork>>,
    /// What a worker has begun.
    pub handle: Option<Box<Handle>>,
}

/// Scheduled → Started → Submitted (callbacks and jobs only).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStage {
    Scheduled,
    Started,
    Submitted,
}

/// A Parallel state's branches.
#[derive(Clone, Debug, PartialEq)]
pub struct ParallelWork {
    pub results: Results,
    pub started: u32,
}

/// A Map state's iterations.
#[derive(Clone, Debug, PartialEq)]
pub struct MapWork {
    /// The array that is mapped over.
    pub items: Data,
    pub max_concurrency: u32,
    /// Iterations begun; the next one's index.
    pub started: u32,
    pub finished: u32,
    pub results: Results,
    /// What `ItemSelector` reads; not recorded.
    pub input: EffectiveInput,
}
