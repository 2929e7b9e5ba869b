//! The compiled form of a definition: states in one flat table, transitions as indices, every path, template and rule
//! parsed. Immutable and shared by all executions of a revision. Built only by `definition`; read by `engine`.

mod references;

use std::sync::Arc;

use crate::choice::Rule;
use crate::diagnostic::Diagnostic;
use crate::jsonata;
use crate::path::{Path, ReferencePath};
use crate::payload::Payload;
use crate::resource::Resource;
use crate::template::{Expression, Template};

pub use references::VariableReferences;

/// Index of a state in [`Program::states`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(pub u32);

/// Index of a `States` block (the document, a branch, an item processor) in [`Program::scopes`]. The document is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub u32);

/// A compiled definition.
#[derive(Debug)]
pub struct Program {
    pub states: Vec<State>,
    pub scopes: Vec<Scope>,
    /// Machine-level `TimeoutSeconds`.
    pub timeout_seconds: Option<u32>,
    /// Warnings found while compiling (a resource that this installation may not serve, an unreachable state…).
    pub warnings: Vec<Diagnostic>,
}

/// One `States` block.
#[derive(Debug)]
pub struct Scope {
    pub start_at: StateId,
    /// The Map or Parallel state that owns this block; none for the document.
    pub owner: Option<StateId>,
}

/// One state: its place, its data flow and its work. Absent fields carry their defaults.
#[derive(Debug)]
pub struct State {
    pub name: Arc<str>,
    pub scope: ScopeId,
    /// `/States/<name>` chain, as diagnostics print it.
    pub pointer: Arc<str>,
    pub input_path: Selection,
    /// `Parameters` (Pass, Task, Parallel, and Map's legacy form only as `ItemSelector`).
    pub parameters: Option<Template>,
    pub result_selector: Option<Template>,
    pub result_path: ResultPath,
    pub output_path: Selection,
    /// `Assign`; of a Choice, that of its default.
    pub assign: Option<Assign>,
    pub language: Language,
    /// `Arguments` of a Task or Parallel in JSONata.
    pub arguments: Option<jsonata::Template>,
    /// `Output` of a state in JSONata; of a Choice, that of its default.
    pub output: Option<jsonata::Template>,
    pub retriers: Vec<Retrier>,
    pub catchers: Vec<Catcher>,
    pub transition: Transition,
    pub kind: Kind,
}

/// `QueryLanguage`. A state in JSONata has none of the fields that hold paths, and they keep their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    JsonPath,
    Jsonata,
}

/// `InputPath` or `OutputPath`.
#[derive(Debug)]
pub enum Selection {
    /// Absent or `$`: the whole document, no parsing.
    All,
    /// `null`: `{}`.
    Nothing,
    /// A path over the document or, when it starts with `$$`, over the context object.
    Path(Path),
}

/// `ResultPath`.
#[derive(Debug)]
pub enum ResultPath {
    /// Absent or `$`: the result replaces the input.
    Replace,
    /// `null`: the result is dropped, the raw input goes on.
    Discard,
    /// The result is put into the raw input here.
    Insert(ReferencePath),
}

/// `Assign`: the variables that are set when a state is left. Values are evaluated before any of them is set.
#[derive(Debug)]
pub enum Assign {
    /// An object template: a member is a variable.
    JsonPath(Template),
    /// An object template in JSONata.
    Jsonata(jsonata::Template),
}

/// Where a state leads. Choice, Succeed and Fail are `Terminal`: Choice's targets are in its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    Next(StateId),
    End,
    Terminal,
}

/// What a state does.
#[derive(Debug)]
pub enum Kind {
    Pass(Pass),
    Task(Task),
    Choice(Choice),
    Wait(Wait),
    Succeed,
    Fail(Fail),
    Parallel(Parallel),
    Map(Box<Map>),
}

/// `Pass`: `result` is the literal `Result`, printed once at compile time.
#[derive(Debug)]
pub struct Pass {
    pub result: Option<Payload>,
}

/// `Task`.
#[derive(Debug)]
pub struct Task {
    pub resource: Resource,
    pub timeout: Option<Bound>,
    pub heartbeat: Option<Bound>,
    /// `Credentials`, stored and projected; names a credential set in later releases.
    pub credentials: Option<Template>,
}

/// A whole number of a field, of its `…Path` twin, or of a JSONata expression.
#[derive(Debug)]
pub enum Bound {
    Literal(u32),
    Path(Path),
    Expression(jsonata::Template),
}

/// `Choice`: the first rule that is true wins.
#[derive(Debug)]
pub struct Choice {
    pub branches: Vec<ChoiceBranch>,
    pub default: Option<StateId>,
}

/// One entry of `Choices`.
#[derive(Debug)]
pub struct ChoiceBranch {
    pub condition: Condition,
    pub next: StateId,
    pub assign: Option<Assign>,
    /// `Output` of a rule in JSONata.
    pub output: Option<jsonata::Template>,
}

/// When a Choice takes a branch.
#[derive(Debug)]
pub enum Condition {
    Rule(Rule),
    /// `Condition`, which must give a boolean; `location` is its place in the state, `Choices[0]/Condition`.
    Jsonata {
        location: Arc<str>,
        condition: jsonata::Template,
    },
}

/// `Wait`.
#[derive(Debug)]
pub enum Wait {
    Seconds(u64),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    SecondsPath(Path),
    TimestampPath(Path),
    SecondsExpression(jsonata::Template),
    TimestampExpression(jsonata::Template),
}

/// `Fail`.
#[derive(Debug)]
pub struct Fail {
    pub error: Option<Text>,
    pub cause: Option<Text>,
}

/// A literal, or a path or intrinsic that must give a string. `source` is the text as written, for messages.
#[derive(Debug)]
pub enum Text {
    Literal(Arc<str>),
    Expression {
        source: Arc<str>,
        expression: Expression,
    },
    Jsonata(jsonata::Template),
}

/// `Parallel`: one scope a branch, in order.
#[derive(Debug)]
pub struct Parallel {
    pub branches: Vec<ScopeId>,
}

/// `Map`.
#[derive(Debug)]
pub struct Map {
    pub processor: ScopeId,
    pub items_path: Option<Path>,
    /// `Items` of a Map in JSONata.
    pub items: Option<jsonata::Template>,
    /// `ItemSelector`, or the legacy `Parameters`.
    pub item_selector: Option<Selector>,
    /// 0 is "as many as the service allows" (`limits::MAP_CONCURRENCY_MAX`).
    pub max_concurrency: Bound,
    /// Of a distributed Map; only a program that is compiled for tests of single states has one.
    pub distributed: Option<Distributed>,
}

/// What a distributed Map has beside the fields of an inline one.
#[derive(Debug)]
pub struct Distributed {
    pub tolerated_failure_count: Option<Bound>,
    /// Whether the items come from an `ItemReader`.
    pub has_reader: bool,
}

/// `ItemSelector`.
#[derive(Debug)]
pub enum Selector {
    JsonPath(Template),
    Jsonata(jsonata::Template),
}

/// One entry of `Retry`.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrier {
    pub error_equals: Vec<Arc<str>>,
    pub interval_seconds: u32,
    pub max_attempts: u32,
    pub backoff_rate: f64,
    pub max_delay_seconds: Option<u32>,
    pub jitter: Jitter,
}

/// `JitterStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    None,
    /// Uniform between zero and the delay, after the cap.
    Full,
}

/// One entry of `Catch`.
#[derive(Debug)]
pub struct Catcher {
    pub error_equals: Vec<Arc<str>>,
    pub next: StateId,
    pub result_path: ResultPath,
    pub assign: Option<Assign>,
    /// `Output` of a catcher in JSONata.
    pub output: Option<jsonata::Template>,
}
