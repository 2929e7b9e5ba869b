//! The 18 `States.*` functions: a call is parsed once and evaluated over a document and its surroundings.

mod array;
pub(crate) mod encode;
mod json;
pub(crate) mod math;
mod parse;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use crate::environment::{Environment, EvalError};
use crate::limits::EVALUATION_BYTES_MAX;
use crate::path::{Path, PathError};
use crate::value::Value;
use text::Format;

/// A parsed intrinsic call. Clones share it.
#[derive(Clone)]
pub struct Intrinsic(Arc<Parsed>);

struct Parsed {
    source: Arc<str>,
    call: Call,
}

/// One call; the number of arguments was checked against the function.
struct Call {
    function: Function,
    arguments: Vec<Argument>,
}

enum Argument {
    Literal(Value),
    /// The template of `States.Format`, when it is written in place.
    Format(Format),
    Path(Path),
    Call(Call),
}

/// The functions, by their names after `States.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Format,
    StringToJson,
    JsonToString,
    Array,
    ArrayPartition,
    ArrayContains,
    ArrayRange,
    ArrayGetItem,
    ArrayLength,
    ArrayUnique,
    Base64Encode,
    Base64Decode,
    Hash,
    JsonMerge,
    MathRandom,
    MathAdd,
    StringSplit,
    Uuid,
}

impl Intrinsic {
    /// Parses `States.<Function>(…)` and checks the number of arguments.
    ///
    /// # Errors
    /// When the text is no call of a known function, nests too deep, or uses an escape sequence other than
    /// `\'`, `\{`, `\}` and `\\`.
    pub fn parse(source: &str) -> Result<Intrinsic, PathError> {
        let call = parse::parse(source)?;
        Ok(Intrinsic(Arc::new(Parsed {
            source: source.into(),
            call,
        })))
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Shows every path among the arguments.
    pub(crate) fn each_path(&self, visit: &mut dyn FnMut(&Path)) {
        self.0.call.each_path(visit);
    }

    /// Evaluates the call.
    ///
    /// # Errors
    /// `States.IntrinsicFailure` when a path finds nothing or a function refuses its arguments.
    pub fn eval(&self, document: &Value, env: &dyn Environment) -> Result<Value, EvalError> {
        self.0.call.eval(document, env).map_err(|why| {
            let source = self.source();
            EvalError::intrinsic(format!(
                "The function '{source}' had the following error: {why}"
            ))
        })
    }
}

impl fmt::Display for Intrinsic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for Intrinsic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Intrinsic").field(&self.source()).finish()
    }
}

impl Call {
    fn each_path(&self, visit: &mut dyn FnMut(&Path)) {
        for argument in &self.arguments {
            match argument {
                Argument::Literal(_) | Argument::Format(_) => {}
                Argument::Path(path) => visit(path),
                Argument::Call(call) => call.each_path(visit),
            }
        }
    }

    fn eval(&self, document: &Value, env: &dyn Environment) -> Result<Value, String> {
        let mut arguments = Vec::with_capacity(self.arguments.len());
        let mut template = None;
        for argument in &self.arguments {
            match argument {
                Argument::Literal(value) => arguments.push(value.clone()),
                Argument::Format(format) => template = Some(format),
                Argument::Call(call) => arguments.push(call.eval(document, env)?),
                Argument::Path(path) => {
                    arguments.push(
                        path.eval(document, env)
                            .map_err(|_| not_found(path, document))?,
                    );
                }
            }
        }
        match (self.function, template) {
            (Function::Format, Some(format)) => format.fill(&arguments),
            (function, _) => function.call(&arguments, env),
        }
    }
}

impl Function {
    /// The name after `States.`, and how many arguments it takes at least and at most.
    const ALL: [(&'static str, Function, usize, usize); 18] = [
        ("Format", Function::Format, 1, usize::MAX),
        ("StringToJson", Function::StringToJson, 1, 1),
        ("JsonToString", Function::JsonToString, 1, 1),
        ("Array", Function::Array, 0, usize::MAX),
        ("ArrayPartition", Function::ArrayPartition, 2, 2),
        ("ArrayContains", Function::ArrayContains, 2, 2),
        ("ArrayRange", Function::ArrayRange, 3, 3),
        ("ArrayGetItem", Function::ArrayGetItem, 2, 2),
        ("ArrayLength", Function::ArrayLength, 1, 1),
        ("ArrayUnique", Function::ArrayUnique, 1, 1),
        ("Base64Encode", Function::Base64Encode, 1, 1),
        ("Base64Decode", Function::Base64Decode, 1, 1),
        ("Hash", Function::Hash, 2, 2),
        ("JsonMerge", Function::JsonMerge, 3, 3),
        ("MathRandom", Function::MathRandom, 2, 3),
        ("MathAdd", Function::MathAdd, 2, 2),
        ("StringSplit", Function::StringSplit, 2, 2),
        ("UUID", Function::Uuid, 0, 0),
    ];

    fn call(self, arguments: &[Value], env: &dyn Environment) -> Result<Value, String> {
        match (self, arguments) {
            (Function::Format, [template, values @ ..]) => text::format(template, values),
            (Function::StringToJson, [text]) => json::string_to_json(text),
            (Function::JsonToString, [value]) => json::json_to_string(value),
            (Function::Array, items) => array::array(items),
            (Function::ArrayPartition, [items, size]) => array::partition(items, size),
            (Function::ArrayContains, [items, value]) => array::contains(items, value),
            (Function::ArrayRange, [first, last, stride]) => array::range(first, last, stride),
            (Function::ArrayGetItem, [items, index]) => array::get_item(items, index),
            (Function::ArrayLength, [items]) => array::length(items),
            (Function::ArrayUnique, [items]) => array::unique(items),
            (Function::Base64Encode, [text]) => encode::base64_encode(text),
            (Function::Base64Decode, [text]) => encode::base64_decode(text),
            (Function::Hash, [data, algorithm]) => encode::hash(data, algorithm),
            (Function::JsonMerge, [left, right, deep]) => json::merge(left, right, deep),
            (Function::MathRandom, [start, end]) => math::random(start, end, env.random_u64()),
            (Function::MathRandom, [start, end, seed]) => math::seeded_random(start, end, seed),
            (Function::MathAdd, [left, right]) => math::add(left, right),
            (Function::StringSplit, [text, separators]) => text::split(text, separators),
            (Function::Uuid, []) => Ok(encode::uuid(env.random_u64(), env.random_u64())),
            (function, _) => unreachable!("{function:?} was parsed with its number of arguments"),
        }
    }
}

/// The cause when a path among the arguments finds nothing.
fn not_found(path: &Path, document: &Value) -> String {
    format!(
        "The JsonPath argument for the field '{path}' could not be found in the input '{}'",
        document.to_text()
    )
}

/// Refuses to make a value whose text would be out of all proportion.
fn too_large() -> String {
    format!("The result is larger than {EVALUATION_BYTES_MAX} bytes")
}

fn expect_array(value: &Value) -> Result<&[Value], String> {
    match value.as_array() {
        Some(items) => Ok(items),
        None => Err(format!(
            "Expected an array but found {}: {}",
            value.type_name(),
            value.to_text()
        )),
    }
}

fn expect_string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| {
        format!(
            "Expected a string but found {}: {}",
            value.type_name(),
            value.to_text()
        )
    })
}

/// A number rounded to the nearest whole one, halves up, as Java's `Math.round` does.
fn expect_integer(value: &Value) -> Result<i64, String> {
    let refuse = || {
        let found = value.type_name();
        format!("Expected an integer but found {found}: {}", value.to_text())
    };
    if let Some(integer) = value.as_i64() {
        return Ok(integer);
    }
    let number = value.as_f64().ok_or_else(refuse)?;
    crate::value::integral((number + 0.5).floor()).ok_or_else(refuse)
}
