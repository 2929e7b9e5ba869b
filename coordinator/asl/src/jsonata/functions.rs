//! The functions that AWS adds to JSONata, and those of the language that need a clock or entropy: both come from the
//! caller. `$eval` is here to be refused.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::OnceLock;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::parser;
use jsonata_core::value::JValue;

use super::bounded;
use super::convert::{from_jvalue, to_jvalue};
use crate::intrinsic::encode::{hash, uuid};
use crate::intrinsic::math::split_mix;
use crate::limits::{JSONATA_ITEM_BYTES, JSONATA_MEMORY_BYTES_MAX};
use crate::value::Value;

/// What AWS says when an evaluation holds too much.
pub(super) const MEMORY_EXCEEDED: &str =
    "Expression evaluation memory limit exceeded: Check for excessive memory usage";

type Answer = Result<JValue, EvaluatorError>;

/// A stream of numbers from one seed, shared by the functions of an evaluation.
#[derive(Clone, Debug)]
pub(super) struct Entropy(Rc<Cell<u64>>);

impl Entropy {
    pub(super) fn new(seed: u64) -> Entropy {
        Entropy(Rc::new(Cell::new(seed)))
    }

    fn next(&self) -> u64 {
        let seed = self.0.get();
        // The step of SplitMix64; `split_mix` adds it once more before it mixes, which changes nothing.
        self.0.set(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        split_mix(seed)
    }
}

/// Registers those of our functions that an expression names.
pub(super) fn register(
    evaluator: &mut Evaluator,
    names: &BTreeSet<String>,
    now_ms: i64,
    entropy: &dyn Fn() -> Entropy,
) -> Result<(), EvaluatorError> {
    // The compiler refuses it; an expression that reached it some other way must still not run it.
    evaluator.register_fn_override("eval", |_: &[JValue]| -> Answer {
        Err(refused("The function $eval is not supported"))
    })?;
    evaluator.register_fn(bounded::CONCATENATE, bounded::concatenate)?;
    evaluator.register_fn(bounded::CHECKED, bounded::check)?;
    evaluator.register_fn(bounded::WIDTH, bounded::check_width)?;
    for name in names {
        match name.as_str() {
            "partition" => evaluator.register_fn("partition", partition)?,
            "range" => evaluator.register_fn("range", range)?,
            "hash" => evaluator.register_fn("hash", hash_text)?,
            "parse" => evaluator.register_fn("parse", parse)?,
            "uuid" => {
                let entropy = entropy();
                evaluator.register_fn("uuid", move |_: &[JValue]| -> Answer {
                    Ok(to_jvalue(&uuid(entropy.next(), entropy.next())))
                })?;
            }
            "random" => {
                let entropy = entropy();
                evaluator.register_fn_override("random", move |args: &[JValue]| {
                    random(args, &entropy)
                })?;
            }
            "shuffle" => {
                let entropy = entropy();
                evaluator.register_fn_override("shuffle", move |args: &[JValue]| -> Answer {
                    Ok(shuffle(args, &entropy))
                })?;
            }
            "millis" => evaluator
                .register_fn_override("millis", move |_: &[JValue]| -> Answer {
                    Ok(JValue::from(now_ms))
                })?,
            "now" => {
                evaluator.register_fn_override("now", move |args: &[JValue]| now(args, now_ms))?
            }
            _ => {}
        }
    }
    Ok(())
}

/// `$partition(array, size)`: chunks of `size`; the last one may be shorter.
fn partition(args: &[JValue]) -> Answer {
    let Some(items) = args.first().filter(|items| !items.is_undefined()) else {
        return Ok(JValue::Undefined);
    };
    let items = items.as_array().ok_or_else(|| mismatch(1, "partition"))?;
    let size = integer(args, 1, "partition")?;
    let size = usize::try_from(size).map_err(|_| mismatch(2, "partition"))?;
    if size == 0 {
        return Err(mismatch(2, "partition"));
    }
    let chunks = items.chunks(size);
    Ok(JValue::array(
        chunks.map(|chunk| JValue::array(chunk.to_vec())).collect(),
    ))
}

/// `$range(first, last, step)`: both ends included.
fn range(args: &[JValue]) -> Answer {
    let (first, last) = (integer(args, 0, "range")?, integer(args, 1, "range")?);
    let step = integer(args, 2, "range")?;
    if step == 0 {
        return Err(mismatch(3, "range"));
    }
    let span = i128::from(last) - i128::from(first);
    let count = match span.signum() == -i128::from(step.signum()) {
        true => 0,
        false => span / i128::from(step) + 1,
    };
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= JSONATA_MEMORY_BYTES_MAX / JSONATA_ITEM_BYTES)
        .ok_or_else(|| refused(MEMORY_EXCEEDED))?;
    let items = std::iter::successors(Some(first), |item| item.checked_add(step));
    Ok(JValue::array(items.take(count).map(JValue::from).collect()))
}

/// `$hash(data, algorithm)`.
fn hash_text(args: &[JValue]) -> Answer {
    let Some(data) = args.first().filter(|data| !data.is_undefined()) else {
        return Ok(JValue::Undefined);
    };
    let data = from_jvalue(data).map_err(|_| mismatch(1, "hash"))?;
    let algorithm = args.get(1).and_then(JValue::as_str);
    let algorithm = Value::from(algorithm.ok_or_else(|| mismatch(2, "hash"))?);
    hash(&data, &algorithm)
        .map(|digest| to_jvalue(&digest))
        .map_err(refused)
}

/// `$parse(text)`: JSON text to a value.
fn parse(args: &[JValue]) -> Answer {
    let Some(text) = args.first().filter(|text| !text.is_undefined()) else {
        return Ok(JValue::Undefined);
    };
    let text = text.as_str().ok_or_else(|| mismatch(1, "parse"))?;
    Value::parse(text)
        .map(|value| to_jvalue(&value))
        .map_err(|error| refused(format!("Invalid JSON text: {error}")))
}

/// `$random([seed])`: from 0 (included) to 1 (excluded); the same seed gives the same number, though not AWS's.
fn random(args: &[JValue], entropy: &Entropy) -> Answer {
    let bits = match args.first().filter(|seed| !seed.is_undefined()) {
        None => entropy.next(),
        Some(seed) => {
            let seed = seed.as_f64().ok_or_else(|| mismatch(1, "random"))?;
            split_mix(seed.to_bits())
        }
    };
    // The 53 bits that a double holds.
    Ok(JValue::Number((bits >> 11) as f64 / (1_u64 << 53) as f64))
}

/// Fisher and Yates.
fn shuffle(args: &[JValue], entropy: &Entropy) -> JValue {
    let Some(items) = args.first().filter(|items| !items.is_undefined()) else {
        return JValue::Undefined;
    };
    let mut items = match items.as_array() {
        Some(items) => items.clone(),
        None => vec![items.clone()],
    };
    for end in (1..items.len()).rev() {
        let scaled = (u128::from(entropy.next()) * (end as u128 + 1)) >> 64;
        items.swap(end, usize::try_from(scaled).unwrap_or(end));
    }
    JValue::array(items)
}

/// `$now([picture [, timezone]])` is `$fromMillis` of the caller's time.
fn now(args: &[JValue], now_ms: i64) -> Answer {
    static TREE: OnceLock<AstNode> = OnceLock::new();
    let tree = TREE.get_or_init(|| {
        parser::parse("$fromMillis($ms, $picture, $timezone)").expect("a fixed text that parses")
    });
    let mut context = Context::new();
    context.bind("ms".to_owned(), JValue::from(now_ms));
    for (index, name) in ["picture", "timezone"].into_iter().enumerate() {
        let argument = args.get(index).cloned().unwrap_or(JValue::Undefined);
        context.bind(name.to_owned(), argument);
    }
    Evaluator::with_context(context).evaluate(tree, &JValue::Undefined)
}

/// An argument that must be a number, rounded down.
fn integer(args: &[JValue], index: usize, function: &str) -> Result<i64, EvaluatorError> {
    args.get(index)
        .and_then(JValue::as_f64)
        .and_then(|number| crate::value::integral(number.floor()))
        .ok_or_else(|| mismatch(index + 1, function))
}

fn mismatch(argument: usize, function: &str) -> EvaluatorError {
    refused(format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    ))
}

fn refused(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}
