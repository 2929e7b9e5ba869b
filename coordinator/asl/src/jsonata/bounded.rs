//! Puts checks into a tree where the language could make a text of any length at once: the evaluator itself bounds
//! depth, time and the length of sequences, but not texts.

use jsonata_core::ast::{AstNode, BinaryOp, Stage};
use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::functions::string::string;
use jsonata_core::value::{JValue, with_stack};

use super::functions::MEMORY_EXCEEDED;
use crate::limits::{JSONATA_ITEM_BYTES, JSONATA_MEMORY_BYTES_MAX};

/// Names that no expression can call: `&` in the place of the operator, and checks of one argument.
pub(super) const CONCATENATE: &str = "&";
pub(super) const CHECKED: &str = "&checked";
pub(super) const WIDTH: &str = "&width";

/// Functions whose text grows with more than the length of one argument.
const GROWING: &[&str] = &["join", "pad", "replace", "string"];

/// Replaces the operator `&`, and wraps the arguments of the functions that make texts grow.
pub(super) fn bound(node: &mut AstNode) {
    guard_pipe(node);
    with_stack(|| {
        for child in children(node) {
            bound(child);
        }
    });
    if let AstNode::Function {
        name,
        args,
        is_builtin: true,
    } = node
        && GROWING.contains(&name.as_str())
    {
        let check = if name == "pad" { WIDTH } else { CHECKED };
        args.iter_mut()
            .filter(|arg| is_computed(arg))
            .for_each(|arg| {
                let inner = std::mem::replace(arg, AstNode::Null);
                *arg = call(check, vec![inner]);
            });
    }
    if let AstNode::Binary {
        op: BinaryOp::Concatenate,
        lhs,
        rhs,
    } = node
    {
        let take = |side: &mut AstNode| std::mem::replace(side, AstNode::Null);
        *node = call(CONCATENATE, vec![take(lhs), take(rhs)]);
    }
}

/// A call on the right of `~>` would take the left side as its first argument; in a block it is a value, as `&` is.
fn guard_pipe(node: &mut AstNode) {
    if let AstNode::Binary {
        op: BinaryOp::ChainPipe,
        rhs,
        ..
    } = node
        && matches!(
            &**rhs,
            AstNode::Binary {
                op: BinaryOp::Concatenate,
                ..
            }
        )
    {
        let value = std::mem::replace(&mut **rhs, AstNode::Null);
        **rhs = AstNode::Block(vec![value]);
    }
}

/// The operator `&`, whose result may not pass the bound.
pub(super) fn concatenate(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let mut text = String::new();
    for side in args {
        checked(side)?;
        if let JValue::String(side) = string(side, None)? {
            text.push_str(&side);
        }
    }
    if text.len() > JSONATA_MEMORY_BYTES_MAX {
        return Err(exceeded());
    }
    Ok(JValue::from(text))
}

/// An argument, when its text does not pass the bound.
pub(super) fn check(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let value = args.first().cloned().unwrap_or(JValue::Undefined);
    checked(&value)?;
    Ok(value)
}

/// An argument of `$pad`: a number is a width.
pub(super) fn check_width(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let is_wide = |width: f64| width.abs() > JSONATA_MEMORY_BYTES_MAX as f64;
    if args.first().and_then(JValue::as_f64).is_some_and(is_wide) {
        return Err(exceeded());
    }
    check(args)
}

fn checked(value: &JValue) -> Result<(), EvaluatorError> {
    let mut left = JSONATA_MEMORY_BYTES_MAX;
    take(value, &mut left).ok_or_else(exceeded)
}

/// Takes the size of a value from what is left. Parts that are shared count each time, as they do in a text.
pub(super) fn take(value: &JValue, left: &mut usize) -> Option<()> {
    match value {
        JValue::String(text) => *left = left.checked_sub(text.len())?,
        JValue::Array(items) => with_stack(|| {
            items.iter().try_for_each(|item| {
                *left = left.checked_sub(JSONATA_ITEM_BYTES)?;
                take(item, left)
            })
        })?,
        JValue::Object(members) => with_stack(|| {
            members.iter().try_for_each(|(key, member)| {
                *left = left.checked_sub(JSONATA_ITEM_BYTES + key.len())?;
                take(member, left)
            })
        })?,
        JValue::Null
        | JValue::Bool(_)
        | JValue::Number(_)
        | JValue::Undefined
        | JValue::Lambda(_)
        | JValue::Builtin { .. }
        | JValue::Regex { .. } => {}
    }
    Some(())
}

fn exceeded() -> EvaluatorError {
    EvaluatorError::EvaluationError(MEMORY_EXCEEDED.to_owned())
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function {
        name: name.to_owned(),
        args,
        is_builtin: true,
    }
}

/// Whether an argument is made when the expression runs. A placeholder and a function must stay what they are.
fn is_computed(argument: &AstNode) -> bool {
    !matches!(
        argument,
        AstNode::Placeholder
            | AstNode::Lambda { .. }
            | AstNode::Regex { .. }
            | AstNode::String(_)
            | AstNode::Boolean(_)
            | AstNode::Null
    )
}

/// The nodes directly below a node.
fn children(node: &mut AstNode) -> Vec<&mut AstNode> {
    match node {
        AstNode::Path { steps } => steps
            .iter_mut()
            .flat_map(|step| {
                let filters = step.stages.iter_mut().filter_map(|stage| match stage {
                    Stage::Filter(filter) => Some(&mut **filter),
                    Stage::KeepArray | Stage::Index(_) => None,
                });
                std::iter::once(&mut step.node).chain(filters)
            })
            .collect(),
        AstNode::Binary { lhs, rhs, .. } => vec![lhs, rhs],
        AstNode::Unary { operand: inner, .. }
        | AstNode::FunctionApplication(inner)
        | AstNode::Lambda { body: inner, .. } => vec![inner],
        AstNode::Function { args, .. } => args.iter_mut().collect(),
        AstNode::Call { procedure, args } => {
            std::iter::once(&mut **procedure).chain(args).collect()
        }
        AstNode::Array(nodes) | AstNode::Block(nodes) | AstNode::ArrayGroup(nodes) => {
            nodes.iter_mut().collect()
        }
        AstNode::Object(pairs) => pairs.iter_mut().flat_map(|(k, v)| [k, v]).collect(),
        AstNode::ObjectTransform { input, pattern } => {
            let pairs = pattern.iter_mut().flat_map(|(k, v)| [k, v]);
            std::iter::once(&mut **input).chain(pairs).collect()
        }
        AstNode::Conditional {
            condition,
            then_branch,
            else_branch,
        } => {
            let branches = else_branch.iter_mut().map(|branch| &mut **branch);
            [&mut **condition, &mut **then_branch]
                .into_iter()
                .chain(branches)
                .collect()
        }
        AstNode::Sort { input, terms } => {
            let terms = terms.iter_mut().map(|(term, _)| term);
            std::iter::once(&mut **input).chain(terms).collect()
        }
        AstNode::Transform {
            location,
            update,
            delete,
        } => {
            let fields = delete.iter_mut().map(|fields| &mut **fields);
            [&mut **location, &mut **update]
                .into_iter()
                .chain(fields)
                .collect()
        }
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => Vec::new(),
    }
}
