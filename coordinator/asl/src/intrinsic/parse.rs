//! Text to call: functions, literals, paths and nested calls.

use super::text::Format;
use super::{Argument, Call, Function};
use crate::limits::INTRINSIC_DEPTH_MAX;
use crate::path::{Path, PathError};
use crate::value::Value;

struct Cursor<'t> {
    text: &'t str,
    position: usize,
}

/// Parses a whole field.
pub(super) fn parse(source: &str) -> Result<Call, PathError> {
    let mut cursor = Cursor {
        text: source,
        position: 0,
    };
    let call = cursor.call(1)?;
    cursor.skip_blanks();
    if cursor.rest().is_empty() {
        return Ok(call);
    }
    Err(PathError::new(format!(
        "unexpected '{}' after the call",
        cursor.rest()
    )))
}

impl<'t> Cursor<'t> {
    fn call(&mut self, depth: usize) -> Result<Call, PathError> {
        if depth > INTRINSIC_DEPTH_MAX {
            let message = format!("intrinsic calls nest deeper than {INTRINSIC_DEPTH_MAX}");
            return Err(PathError::new(message));
        }
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let known = name.strip_prefix("States.").and_then(|short| {
            Function::ALL
                .iter()
                .find(|(candidate, ..)| *candidate == short)
        });
        let Some((_, function, least, most)) = known else {
            return Err(PathError::new(format!(
                "'{name}' is not an intrinsic function"
            )));
        };
        self.position += name.len();
        self.expect('(')?;
        let arguments = self.arguments(*function, depth)?;
        if arguments.len() < *least || arguments.len() > *most {
            let count = arguments.len();
            return Err(PathError::new(format!(
                "{name} does not take {count} arguments"
            )));
        }
        Ok(Call {
            function: *function,
            arguments,
        })
    }

    fn arguments(&mut self, function: Function, depth: usize) -> Result<Vec<Argument>, PathError> {
        let mut arguments = Vec::new();
        if self.eat(')') {
            return Ok(arguments);
        }
        loop {
            self.skip_blanks();
            let is_template = function == Function::Format && arguments.is_empty();
            arguments.push(match self.rest().chars().next() {
                Some('\'') => {
                    let raw = self.string()?;
                    let unescaped = unescape(raw)?;
                    if is_template {
                        Argument::Format(Format::parse(raw).map_err(PathError::new)?)
                    } else {
                        Argument::Literal(Value::from(unescaped))
                    }
                }
                Some('$') => Argument::Path(Path::parse(self.path())?),
                Some('S') => Argument::Call(self.call(depth + 1)?),
                Some(_) => Argument::Literal(self.literal()?),
                None => return Err(PathError::new("the call ends too early")),
            });
            if !self.eat(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(arguments)
    }

    /// The text between two single quotes, escapes untouched.
    fn string(&mut self) -> Result<&'t str, PathError> {
        let body = &self.rest()[1..];
        let mut is_escaped = false;
        for (index, c) in body.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '\'' => {
                    self.position += index + 2;
                    return Ok(&body[..index]);
                }
                _ => {}
            }
        }
        Err(PathError::new("a string is not closed"))
    }

    /// A path goes on to the `,` or `)` that is outside of its own brackets, parentheses and quotes.
    fn path(&mut self) -> &'t str {
        let rest = self.rest();
        let mut open = 0_usize;
        let mut quote = None;
        let mut is_escaped = false;
        let mut end = rest.len();
        for (index, c) in rest.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                _ if quote == Some(c) => quote = None,
                _ if quote.is_some() => {}
                '\'' | '"' if open > 0 => quote = Some(c),
                '[' | '(' => open += 1,
                ')' | ',' if open == 0 => {
                    end = index;
                    break;
                }
                ']' | ')' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        self.position += end;
        rest[..end].trim_end()
    }

    /// A number, `null`, `true` or `false`.
    fn literal(&mut self) -> Result<Value, PathError> {
        let rest = self.rest();
        let word = rest[..rest.find([',', ')']).unwrap_or(rest.len())].trim_end();
        let value = Value::parse(word).ok().filter(|value| match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
            Value::String(_) | Value::Array(_) | Value::Object(_) => false,
        });
        self.position += word.len();
        value.ok_or_else(|| PathError::new(format!("'{word}' is not an argument")))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, expected: char) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(expected);
        self.position += if found { expected.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, expected: char) -> Result<(), PathError> {
        if self.eat(expected) {
            return Ok(());
        }
        Err(match self.rest().chars().next() {
            Some(found) => PathError::new(format!("expected '{expected}' but found '{found}'")),
            None => PathError::new("the call ends too early"),
        })
    }
}

/// Resolves `\'`, `\{`, `\}` and `\\`; everything else after a backslash is refused.
fn unescape(raw: &str) -> Result<String, PathError> {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some(escaped @ ('\'' | '{' | '}' | '\\')) => text.push(escaped),
            Some(other) => {
                return Err(PathError::new(format!(
                    "'\\{other}' is not an escape sequence"
                )));
            }
            None => return Err(PathError::new("a string ends within an escape sequence")),
        }
    }
    Ok(text)
}
