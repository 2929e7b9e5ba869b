//! One visit of a state, as its expressions see it: `$states` and the variables, converted when first read, and the
//! bounds under which everything runs.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{CancelToken, Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;

use super::convert::{from_jvalue, to_jvalue};
use super::failure::Problem;
use super::functions::{self, Entropy};
use super::reads::{Reads, StatesMember};
use crate::environment::{Environment, Patience};
use crate::limits::{
    JSONATA_BRIEF_MS, JSONATA_DEPTH_MAX, JSONATA_ITEM_BYTES, JSONATA_MEMORY_BYTES_MAX,
    JSONATA_TIMEOUT_MS_MAX,
};
use crate::value::Value;

/// What the expressions of a state may read.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Context object, variables, and entropy: 64 bits are drawn once, when an expression first needs them.
    pub env: &'a dyn Environment,
    /// `$states.input`.
    pub input: &'a Value,
    /// `$states.result`, where there is one.
    pub result: Option<&'a Value>,
    /// `$states.errorOutput`, where there is one.
    pub error_output: Option<&'a Value>,
    /// Milliseconds since 1970 for `$now` and `$millis`.
    pub now_ms: i64,
}

/// How long expressions may take; the other bounds are constants in `limits`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Milliseconds of one evaluation.
    pub timeout_ms: u64,
    /// Stops evaluations from another thread.
    pub cancel: Option<CancelToken>,
}

/// The surroundings of the expressions of one state. Not shared between threads.
pub struct Evaluation<'a> {
    inputs: Inputs<'a>,
    limits: Limits,
    item: JValue,
    members: [OnceCell<JValue>; StatesMember::ALL.len()],
    variables: RefCell<BTreeMap<String, Option<JValue>>>,
    entropy: OnceCell<Entropy>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            timeout_ms: JSONATA_TIMEOUT_MS_MAX,
            cancel: None,
        }
    }
}

impl Limits {
    /// What the caller's patience allows.
    pub fn of(patience: Patience) -> Limits {
        let timeout_ms = match patience {
            Patience::Brief => JSONATA_BRIEF_MS,
            Patience::Full => JSONATA_TIMEOUT_MS_MAX,
        };
        Limits {
            timeout_ms,
            cancel: None,
        }
    }
}

impl<'a> Evaluation<'a> {
    /// Converts nothing yet.
    pub fn new(inputs: Inputs<'a>, limits: Limits) -> Evaluation<'a> {
        Evaluation {
            inputs,
            limits,
            item: JValue::Undefined,
            members: Default::default(),
            variables: RefCell::default(),
            entropy: OnceCell::new(),
        }
    }

    /// The same with a context item `$`, which AWS leaves undefined: for conformance suites of the language.
    #[doc(hidden)]
    pub fn over(self, item: &Value) -> Evaluation<'a> {
        let item = to_jvalue(item);
        Evaluation { item, ..self }
    }

    /// Evaluates a tree that reads no more than `reads`.
    pub(super) fn run(&self, tree: &AstNode, reads: &Reads) -> Result<Value, Problem> {
        self.inputs.env.evaluating();
        let mut context = Context::new();
        context.bind("states".to_owned(), self.states(reads));
        // An assigned variable hides the function of its name.
        for name in reads.variables.union(&reads.functions) {
            if let Some(value) = self.variable(name) {
                context.bind(name.clone(), value);
            }
        }
        let options = EvaluatorOptions {
            timeout_ms: Some(self.limits.timeout_ms),
            cancel: self.limits.cancel.clone(),
            max_stack_depth: Some(JSONATA_DEPTH_MAX),
            max_sequence_length: Some(JSONATA_MEMORY_BYTES_MAX / JSONATA_ITEM_BYTES),
        };
        let mut evaluator = Evaluator::with_options(context, options);
        let entropy = || self.entropy.get_or_init(|| self.draw()).clone();
        functions::register(
            &mut evaluator,
            &reads.functions,
            self.inputs.now_ms,
            &entropy,
        )
        .and_then(|()| evaluator.evaluate(tree, &self.item))
        .map_err(|error| {
            if error.code() == Some(TIMED_OUT) {
                self.inputs.env.timed_out();
            }
            Problem::Threw(message(&error))
        })
        .and_then(|result| from_jvalue(&result))
    }

    fn draw(&self) -> Entropy {
        Entropy::new(self.inputs.env.random_u64())
    }

    /// `$states`, with the members that may be read.
    fn states(&self, reads: &Reads) -> JValue {
        let members = StatesMember::ALL.into_iter().zip(&self.members);
        let read = members
            .filter(|(member, _)| reads.reads(*member))
            .filter_map(|(member, cell)| {
                let value = self.member(member)?;
                let value = cell.get_or_init(|| to_jvalue(value));
                Some((member.name().to_owned(), value.clone()))
            });
        JValue::object(read.collect::<IndexMap<_, _>>())
    }

    fn member(&self, member: StatesMember) -> Option<&Value> {
        match member {
            StatesMember::Input => Some(self.inputs.input),
            StatesMember::Result => self.inputs.result,
            StatesMember::ErrorOutput => self.inputs.error_output,
            StatesMember::Context => Some(self.inputs.env.context()),
        }
    }

    fn variable(&self, name: &str) -> Option<JValue> {
        if let Some(known) = self.variables.borrow().get(name) {
            return known.clone();
        }
        let value = self
            .inputs
            .env
            .variable(name)
            .map(|value| to_jvalue(&value));
        self.variables
            .borrow_mut()
            .insert(name.to_owned(), value.clone());
        value
    }
}

impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("input", self.input)
            .field("result", &self.result)
            .field("error_output", &self.error_output)
            .field("now_ms", &self.now_ms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Evaluation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluation")
            .field("inputs", &self.inputs)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The evaluator's code of an expression that took longer than it may.
const TIMED_OUT: &str = "D1012";

/// The evaluator's error in AWS's words, where they are known.
fn message(error: &EvaluatorError) -> String {
    match error.code() {
        Some("D2015") => functions::MEMORY_EXCEEDED.to_owned(),
        Some("T1006") => "T1006: Attempted to invoke a non-function".to_owned(),
        Some(_) | None => error.message().to_owned(),
    }
}
