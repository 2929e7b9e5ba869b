//! Amazon States Language: text in, `Program` out, and the evaluation of everything a state says about its data.
//!
//! Data flow: `definition::compile(text)` parses and validates a definition into diagnostics or a [`Program`];
//! `flow` evaluates the data flow of one state (InputPath … OutputPath) over [`Payload`]s.
//! Pure: no clock, no randomness, no I/O. Entropy and the context object arrive through [`Environment`].
//!
//! Glossary: a *path* is a JSONPath of the Jayway dialect; a *reference path* names exactly one place; a *template* is
//! a payload template (keys ending in `.$` are evaluated); an *intrinsic* is one of the 18 `States.*` functions.

pub mod choice;
pub mod definition;
pub mod diagnostic;
pub mod environment;
pub mod flow;
pub mod intrinsic;
pub mod jsonata;
pub mod limits;
pub mod path;
pub mod payload;
pub mod program;
pub mod resource;
pub mod template;
pub mod time;
pub mod value;
mod variable;

pub use diagnostic::{Diagnostic, Severity};
pub use environment::{Environment, EvalError, Patience};
pub use payload::Payload;
pub use program::Program;
pub use value::{JsonError, Number, Object, Value};
