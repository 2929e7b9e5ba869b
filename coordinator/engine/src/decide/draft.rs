//! A decision being made: the execution as far as the events emitted so far have brought it, the events, the
//! commands, and the budget. Knows nothing of states.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use stepfleet_asl::program::{State, StateId};
use stepfleet_asl::{EvalError, Payload, Program};

use crate::apply::apply;
use crate::command::{Command, frame_command};
use crate::decide::Decision;
use crate::decide::{progress, recorded};
use crate::env::Env;
use crate::event::{Data, Event, EventBody, Failure};
use crate::execution::{Execution, Frame, Stay};
use crate::ids::{Attempt, EventId, FrameId, PayloadId};
use crate::limits::{
    CAUSE_CHARS_MAX, DECISION_BYTES_MAX, DECISION_EVALUATIONS_MAX, DECISION_TRANSITIONS_MAX,
    ERROR_CHARS_MAX,
};

/// The execution closed; nothing may follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed;

/// An expression took longer than it may here: the draft is void.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interrupted;

/// A step that may have closed the execution.
pub(super) type Step<T = ()> = Result<T, Closed>;

/// A failure on its way to Retry and Catch.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) failure: Failure,
    /// A missed heartbeat: it reads `States.Timeout` and answers to `States.HeartbeatTimeout` as well.
    pub(super) heartbeat: bool,
    /// The field whose expression failed, until history has told it.
    pub(super) location: Option<Arc<str>>,
}

/// Why the work of a state stops short.
pub(super) enum Halt {
    Closed,
    Fault(Fault),
}

/// Work in a state: it may fault, which goes through Retry and Catch, or close the execution.
pub(super) type Work<T = ()> = Result<T, Halt>;

pub(super) struct Draft<'a> {
    pub(super) program: &'a Program,
    pub(super) env: &'a Env<'a>,
    pub(super) execution: Execution,
    /// Frames that can go on now, in turn.
    pub(super) queue: VecDeque<FrameId>,
    events: Vec<Event>,
    commands: Vec<Command>,
    last_payload: PayloadId,
    transitions: u32,
    bytes: usize,
    draws: Draws,
    /// The newest entry into a state, with the event that it names as its cause.
    entered: Option<(EventId, EventId)>,
    interrupted: Cell<bool>,
    evaluations: Cell<u32>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(program: &'a Program, env: &'a Env<'a>, execution: Execution) -> Self {
        Self {
            program,
            env,
            last_payload: execution.last_payload,
            execution,
            queue: VecDeque::new(),
            events: Vec::with_capacity(8),
            commands: Vec::new(),
            transitions: 0,
            bytes: 0,
            draws: Draws::of(env.entropy),
            entered: None,
            interrupted: Cell::new(false),
            evaluations: Cell::new(0),
        }
    }

    /// Takes the first event, which the execution already stands for.
    pub(super) fn begin(&mut self, started: Event) {
        self.events.push(started);
    }

    /// Does `work`, goes on with every frame that can, and closes the draft.
    pub(super) fn finish(
        mut self,
        work: impl FnOnce(&mut Self) -> Step,
    ) -> Result<Decision, Interrupted> {
        // A closed execution is an ordinary outcome: its last event says how.
        if let Err(Closed) = work(&mut self).and_then(|()| progress::drain(&mut self)) {
            self.queue.clear();
        }
        if self.interrupted.get() {
            return Err(Interrupted);
        }
        Ok(self.close_now())
    }

    /// The decision as far as it is.
    pub(super) fn close_now(self) -> Decision {
        Decision {
            events: self.events,
            commands: self.commands,
            execution: self.execution,
        }
    }

    /// Records an event and applies it. The event that would reach the history's limit becomes the failure of the
    /// execution instead.
    pub(super) fn emit(&mut self, previous: EventId, body: EventBody) -> Step {
        let max = self.env.limits.history_events_max;
        if max > 0 && body.is_public() && self.execution.last_event.0 + 1 >= max {
            let cause =
                format!("The execution reached the maximum number of history events ({max}).");
            let failure = Failure {
                error: Some("States.Runtime".into()),
                cause: Some(cause.into()),
            };
            return Err(self.close(previous, EventBody::ExecutionFailed(failure)));
        }
        self.record(previous, body);
        Ok(())
    }

    /// Ends the execution with `body`, one of the four closing events.
    pub(super) fn close(&mut self, previous: EventId, body: EventBody) -> Closed {
        recorded::closing(self);
        let attempts: Vec<Attempt> = self
            .execution
            .frames
            .iter()
            .filter_map(|f| f.stay()?.open_attempt())
            .collect();
        for attempt in attempts {
            self.cancel(attempt);
        }
        self.record(previous, body);
        self.commands.push(Command::Closed);
        Closed
    }

    /// `StopExecution`: the one end that names no cause in the chain.
    pub(super) fn abort(&mut self, failure: Failure) -> Closed {
        self.close(EventId(0), EventBody::ExecutionAborted(truncated(failure)))
    }

    /// Records an event whatever the limits say.
    pub(super) fn record(&mut self, previous: EventId, body: EventBody) {
        debug_assert!(
            self.execution.admits(&body),
            "{body:?} does not fit {:?}",
            self.execution.frames
        );
        let event = Event { previous, body };
        apply(&mut self.execution, self.env.now, &event);
        self.events.push(event);
    }

    /// Adds the command that the frame's work needs now.
    pub(super) fn command(&mut self, frame: FrameId) {
        let command = self.execution.frame(frame).and_then(frame_command);
        self.commands.extend(command);
    }

    pub(super) fn continue_later(&mut self) {
        self.commands.push(Command::Continue);
    }

    /// The attempt is over without its worker's doing. A command of this very decision never leaves.
    pub(super) fn cancel(&mut self, attempt: Attempt) {
        let before = self.commands.len();
        self.commands.retain(|command| match command {
            Command::Offer { attempt: other, .. } | Command::StartTask { attempt: other, .. } => {
                !other.is_of(attempt)
            }
            Command::Cancel { .. } | Command::Continue | Command::Closed => true,
        });
        if self.commands.len() == before {
            self.commands.push(Command::Cancel { attempt });
        }
    }

    /// A live frame. Callers hold ids of frames that they have just met.
    pub(super) fn frame(&self, id: FrameId) -> &Frame {
        self.execution
            .frame(id)
            .expect("the frame is live: no event since has ended it")
    }

    /// The stay of a frame that is inside a state.
    pub(super) fn stay(&self, id: FrameId) -> &Stay {
        self.frame(id)
            .stay()
            .expect("the frame is inside a state: no event since has ended the stay")
    }

    pub(super) fn state(&self, id: StateId) -> &'a State {
        &self.program.states[id.0 as usize]
    }

    /// The state that a frame is inside.
    pub(super) fn state_of(&self, frame: FrameId) -> &'a State {
        self.state(self.stay(frame).state)
    }

    /// The last public event on a frame's line.
    pub(super) fn chain(&self, frame: FrameId) -> EventId {
        self.frame(frame).last_event
    }

    /// Numbers a payload, unless it is one of `known`.
    pub(super) fn data(&mut self, payload: Payload, known: &[&Data]) -> Data {
        if let Some(same) = known.iter().find(|data| data.payload.ptr_eq(&payload)) {
            return (*same).clone();
        }
        self.last_payload.0 += 1;
        self.bytes += payload.len();
        Data {
            id: self.last_payload,
            payload,
        }
    }

    /// Counts bytes of new values that are no payload of their own.
    pub(super) fn weigh(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Notes that the event of the frame's entry, just emitted, names `cause`.
    pub(super) fn entered(&mut self, frame: FrameId, cause: EventId) {
        self.entered = Some((self.chain(frame), cause));
    }

    /// What a failed evaluation names as its cause: the last event on the frame's line, or, when that is the entry
    /// into the state, what the entry itself names.
    pub(super) fn evaluated_after(&self, frame: FrameId) -> EventId {
        let last = self.chain(frame);
        self.entered
            .filter(|(entry, _)| *entry == last)
            .map_or(last, |(_, cause)| cause)
    }

    /// Counts one transition.
    pub(super) fn count(&mut self) {
        self.transitions += 1;
    }

    pub(super) fn is_spent(&self) -> bool {
        self.transitions >= DECISION_TRANSITIONS_MAX
            || self.bytes >= DECISION_BYTES_MAX
            || self.evaluations.get() >= DECISION_EVALUATIONS_MAX
            || self.interrupted.get()
    }

    /// Counts one JSONata expression.
    pub(super) fn evaluating(&self) {
        self.evaluations.set(self.evaluations.get() + 1);
    }

    /// An expression was cut short: nothing that is drafted from here on counts.
    pub(super) fn interrupt(&self) {
        self.interrupted.set(true);
    }

    /// The next 64 bits drawn from the entropy of the input.
    pub(super) fn random_u64(&self) -> u64 {
        self.draws.next_u64()
    }
}

/// What is drawn from the entropy of one input, in turn (splitmix64).
pub(crate) struct Draws {
    entropy: u64,
    drawn: Cell<u64>,
}

impl Draws {
    pub(crate) fn of(entropy: u64) -> Self {
        Self {
            entropy,
            drawn: Cell::new(0),
        }
    }

    pub(crate) fn next_u64(&self) -> u64 {
        let drawn = self.drawn.get() + 1;
        self.drawn.set(drawn);
        let mut z = self
            .entropy
            .wrapping_add(drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The failure of an evaluation in a state, with the frame that AWS puts around its cause.
pub(crate) fn framed(error: &EvalError, state: &str, entry: EventId) -> Failure {
    let cause = format!(
        "An error occurred while executing the state '{state}' (entered at the event id #{}). {}",
        entry.0, error.cause
    );
    truncated(Failure {
        error: Some(error.error.into()),
        cause: Some(cause.into()),
    })
}

impl Fault {
    pub(super) fn new(error: impl Into<Arc<str>>, cause: impl Into<Arc<str>>) -> Self {
        Self::from(Failure {
            error: Some(error.into()),
            cause: Some(cause.into()),
        })
    }

    /// An evaluation error, with the frame that AWS puts around its cause.
    pub(super) fn framed(error: EvalError, stay: &Stay) -> Self {
        Self {
            failure: framed(&error, &stay.name, stay.entry),
            heartbeat: false,
            location: error.location.map(Arc::from),
        }
    }

    /// `States.Runtime`, framed.
    pub(super) fn runtime(text: String, stay: &Stay) -> Self {
        Self::framed(EvalError::runtime(text), stay)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            heartbeat: false,
            location: None,
        }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Closed> for Halt {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

/// Cuts error and cause to what history holds; a cut text ends in an ellipsis.
pub(crate) fn truncated(failure: Failure) -> Failure {
    Failure {
        error: failure.error.map(|text| cut(text, ERROR_CHARS_MAX)),
        cause: failure.cause.map(|text| cut(text, CAUSE_CHARS_MAX)),
    }
}

fn cut(text: Arc<str>, chars_max: usize) -> Arc<str> {
    // Bytes bound characters from above, so the common case counts nothing.
    if text.len() <= chars_max || text.chars().count() <= chars_max {
        return text;
    }
    text.chars()
        .take(chars_max - 3)
        .chain("...".chars())
        .collect::<String>()
        .into()
}
