//! The execution state machine of Amazon States Language, pure: no clock, no randomness, no I/O, no tokio.
//!
//! Data flow: `decide(program, execution, env, input)` reads an execution and returns events and commands;
//! `apply(execution, at, event)` is the only writer and is total, so replaying events equals having processed inputs;
//! `outstanding` returns every command that a live execution still needs; `next_deadline` says when to call again.
//!
//! Glossary. **Input**: what happened outside. **Event**: what we recorded, versioned, never redrawn on replay.
//! **HistoryEvent**: the public AWS view of an event; its id, previous id and timestamp are fixed in `decide`.
//! **Command**: what the shell must do; it has a deterministic identity and may be carried out twice.
//! **Frame**: one line of control inside an execution: the document's own, a Parallel branch's, a Map iteration's.
//! **Decision**: the bounded outcome of one input.

pub mod apply;
pub mod command;
pub mod decide;
pub mod env;
pub mod event;
pub mod execution;
pub mod heartbeat;
pub mod history;
pub mod ids;
pub mod input;
pub mod limits;
pub mod redrive;
pub mod test_state;
pub mod variables;

pub use apply::apply;
pub use command::{Command, next_deadline, outstanding};
pub use decide::{Decision, Rejection, decide, start, start_unkept};
pub use env::{Delegated, Env, Served, Services};
pub use event::{Data, Event, EventBody};
pub use execution::Execution;
pub use heartbeat::{heartbeat, restart_heartbeats};
pub use history::{HistoryEvent, Severity, project};
pub use ids::*;
pub use input::Input;
pub use redrive::{NotRedrivable, redrivable};
pub use variables::Variables;
