//! The parts of a parsed path, and how a compiled path is printed in messages.

use std::fmt::{self, Write};
use std::sync::Arc;

use regex::Regex;

use crate::value::Value;

/// One part of a path.
pub(super) enum Segment {
    /// `.name`, `['name']`
    Name(Arc<str>),
    /// `['x','y']`: an object with those members at the end of a path, each of them in the middle.
    Names(Vec<Arc<str>>),
    /// `[0]`, `[-1]`, and the script index `[(@.length-1)]`, which is `[-1]`.
    Index(i64),
    /// `[0,1]`
    Indices(Vec<i64>),
    /// `[a:b:c]`
    Slice(Slice),
    /// `.*`, `[*]`
    Wildcard,
    /// `..`: what follows applies to the value and to everything below it.
    Descend,
    /// `[?(…)]`
    Filter(Filter),
    /// `.length()`; only functions follow a function.
    Function(Function, Vec<Operand>),
}

/// `[start:end:stride]`; negative bounds count from the end. The stride is not zero.
pub(super) struct Slice {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) stride: i64,
}

/// A condition of a filter.
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Query),
    Compare {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
}

/// One side of a comparison, or an argument of a function.
pub(super) enum Operand {
    Literal(Value),
    Pattern(Regex),
    Query(Query),
}

/// A path inside a filter or among function arguments.
pub(super) struct Query {
    /// `@…`: from the element under test; else `$…`: from the root.
    pub(super) from_current: bool,
    pub(super) segments: Vec<Segment>,
}

/// A comparison of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    /// `===`: equal and of one type.
    Same,
    /// `!==`
    NotSame,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Matches,
    In,
    NotIn,
    SubsetOf,
    AnyOf,
    NoneOf,
    Contains,
    All,
    Size,
    Empty,
}

/// A function at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Min,
    Max,
    Avg,
    Sum,
    StdDev,
    Concat,
    Keys,
    First,
    Last,
    Index,
    Append,
}

impl Function {
    /// Function names as they are written, `size` being another word for `length`.
    pub(super) fn named(name: &str) -> Option<Function> {
        Some(match name {
            "length" | "size" => Function::Length,
            "min" => Function::Min,
            "max" => Function::Max,
            "avg" => Function::Avg,
            "sum" => Function::Sum,
            "stddev" => Function::StdDev,
            "concat" => Function::Concat,
            "keys" => Function::Keys,
            "first" => Function::First,
            "last" => Function::Last,
            "index" => Function::Index,
            "append" => Function::Append,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Length => "length",
            Function::Min => "min",
            Function::Max => "max",
            Function::Avg => "avg",
            Function::Sum => "sum",
            Function::StdDev => "stddev",
            Function::Concat => "concat",
            Function::Keys => "keys",
            Function::First => "first",
            Function::Last => "last",
            Function::Index => "index",
            Function::Append => "append",
        }
    }
}

impl Segment {
    /// Whether this part selects at most one value. `is_last`: nothing but functions follows.
    pub(super) fn is_definite(&self, is_last: bool) -> bool {
        match self {
            Segment::Name(_) | Segment::Index(_) | Segment::Function(..) => true,
            Segment::Names(_) => is_last,
            Segment::Indices(_)
            | Segment::Slice(_)
            | Segment::Wildcard
            | Segment::Descend
            | Segment::Filter(_) => false,
        }
    }
}

/// Whether a chain of parts selects at most one value.
pub(super) fn is_definite(segments: &[Segment]) -> bool {
    segments.iter().enumerate().all(|(index, segment)| {
        let is_last = matches!(segments.get(index + 1), None | Some(Segment::Function(..)));
        segment.is_definite(is_last)
    })
}

/// The compiled form of a path, as messages print it: `$['a'][0]`.
pub(super) fn print(segments: &[Segment]) -> String {
    let mut text = String::from("$");
    for segment in segments {
        write!(text, "{segment}").expect("writing to a string cannot fail");
    }
    text
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Name(name) => write!(f, "['{name}']"),
            Segment::Names(names) => {
                let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
                write!(f, "[{}]", quoted.join(","))
            }
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Indices(indices) => {
                let texts: Vec<String> = indices.iter().map(i64::to_string).collect();
                write!(f, "[{}]", texts.join(","))
            }
            Segment::Slice(slice) => {
                let bound = |bound: Option<i64>| bound.map(|n| n.to_string()).unwrap_or_default();
                write!(f, "[{}:{}", bound(slice.start), bound(slice.end))?;
                if slice.stride != 1 {
                    write!(f, ":{}", slice.stride)?;
                }
                f.write_str("]")
            }
            Segment::Wildcard => f.write_str("[*]"),
            Segment::Descend => f.write_str(".."),
            Segment::Filter(_) => f.write_str("[?]"),
            Segment::Function(function, _) => write!(f, ".{}()", function.name()),
        }
    }
}
