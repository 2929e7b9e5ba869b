//! Newtypes for every id and count that crosses a function.

use std::fmt;
use std::sync::Arc;

/// Identity of one execution: the first 128 bits of SHA-256 over (namespace, state machine, execution name), made by the
/// shell, so that a name leads to its execution without an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionId(pub u128);

/// The 16-bit hash of (namespace, state machine, execution name). Records and tokens carry it, never a partition
/// number, so that partitions can be split and data can move between installations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u16);

impl KeyHash {
    /// The partition of this hash among `partitions`, a power of two: the top bits, so that a split is one more bit.
    pub fn partition(self, partitions: u16) -> PartitionId {
        let bits = partitions.trailing_zeros();
        PartitionId(if bits == 0 { 0 } else { self.0 >> (16 - bits) })
    }
}

/// Index of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u16);

/// Public history event id, from 1, without gaps. 0 is "none" in `previousEventId`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

/// Number of an internal event within its execution, from 1. Rows carry the last one that they contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventSeq(pub u64);

/// Number of a frame within its execution, from 0 (the document's own), never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

/// Number of a payload within its execution, from 1, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadId(pub u32);

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time plus a duration in milliseconds, saturating.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// One attempt at one stay in one state. `entry` is the history event id of the state's entry; `attempt` counts from 0
/// within it; `generation` grows when the same attempt is handed out again because it never reached its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    pub entry: EventId,
    pub attempt: u32,
    pub generation: u32,
}

impl Attempt {
    /// Generations from here on are of the *start* of an integration's task, which a worker does: its token is not the
    /// task's own, which a callback may bring from anywhere.
    pub const START: u32 = 1 << 31;

    /// Whether it is about the start of a task that a worker begins.
    pub fn is_start(self) -> bool {
        self.generation >= Self::START
    }

    /// Whether both are of one attempt, whatever their generations.
    pub fn is_of(self, other: Self) -> bool {
        (self.entry, self.attempt) == (other.entry, other.attempt)
    }
}

/// What a task token stands for. Sealed by the shell before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskRef {
    pub hash: KeyHash,
    pub execution: ExecutionId,
    /// Start of the execution in whole seconds since the epoch (`Header::incarnation`): a name may be used again after
    /// retention, and the tokens of its past must not open its present.
    pub incarnation: u32,
    pub attempt: Attempt,
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Identity of a worker's session, drawn by the worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

/// Who holds an attempt: the public name, and the session when it was pushed over a stream (a unary poll has none).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    pub name: Option<Arc<str>>,
    pub session: Option<SessionId>,
}
