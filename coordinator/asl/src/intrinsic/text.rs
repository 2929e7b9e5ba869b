//! `States.Format` and `States.StringSplit`.

use std::collections::BTreeSet;

use super::{expect_string, too_large};
use crate::limits::EVALUATION_BYTES_MAX;
use crate::value::Value;

/// A template of `States.Format`: texts with a hole between each two of them.
pub(super) struct Format(Vec<String>);

impl Format {
    /// Parses a template: `{}` is a hole; a backslash takes the brace, quote or backslash after it as it is.
    pub(super) fn parse(template: &str) -> Result<Format, String> {
        let mut texts = vec![];
        let mut text = String::new();
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next_if(|next| matches!(next, '\'' | '{' | '}' | '\\')) {
                    Some(escaped) => text.push(escaped),
                    None => text.push('\\'),
                },
                '{' if chars.next_if_eq(&'}').is_some() => texts.push(std::mem::take(&mut text)),
                '{' | '}' => {
                    return Err(format!("The character '{c}' must be escaped in a template"));
                }
                _ => text.push(c),
            }
        }
        texts.push(text);
        Ok(Format(texts))
    }

    /// Puts one value into each hole.
    pub(super) fn fill(&self, values: &[Value]) -> Result<Value, String> {
        let holes = self.0.len() - 1;
        if holes != values.len() {
            let count = values.len();
            return Err(format!(
                "The template has {holes} placeholders but {count} arguments"
            ));
        }
        let mut left = EVALUATION_BYTES_MAX;
        if !values.iter().all(|value| value.charge(&mut left)) {
            return Err(too_large());
        }
        let mut filled = String::new();
        for (index, text) in self.0.iter().enumerate() {
            filled.push_str(text);
            match values.get(index) {
                Some(Value::String(value)) => filled.push_str(value),
                Some(value) => value.write(&mut filled),
                None => {}
            }
        }
        Ok(Value::from(filled))
    }
}

/// `States.Format` with a template that is known only now.
pub(super) fn format(template: &Value, values: &[Value]) -> Result<Value, String> {
    Format::parse(expect_string(template)?)?.fill(values)
}

/// Every character of `separators` separates; empty parts are dropped.
pub(super) fn split(text: &Value, separators: &Value) -> Result<Value, String> {
    let text = expect_string(text)?;
    let separators: BTreeSet<char> = expect_string(separators)?.chars().collect();
    let parts = text
        .split(|c| separators.contains(&c))
        .filter(|part| !part.is_empty());
    Ok(Value::from(parts.map(Value::from).collect::<Vec<_>>()))
}
