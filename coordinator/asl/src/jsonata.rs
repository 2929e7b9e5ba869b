//! JSONata: the bridge between our values and the evaluator of `jsonata-core`, with the rules that AWS adds to the
//! language. Only this module knows that crate's types; the clock and the entropy come from the caller.
//!
//! Flow: [`Marks::of`] tells an expression from a text; [`Expression`] and [`Template`] are compiled once and shared
//! between threads; an [`Evaluation`] holds what one visit of a state gives them, converted at most once.

mod bounded;
mod convert;
mod evaluation;
mod expression;
mod failure;
mod functions;
mod reads;
mod template;
#[cfg(test)]
mod tests;

pub use evaluation::{Evaluation, Inputs, Limits};
pub use expression::{Expression, Marks};
pub use failure::{Failure, Problem};
pub use jsonata_core::evaluator::CancelToken;
pub use reads::{Reads, StatesMember};
pub use template::Template;
