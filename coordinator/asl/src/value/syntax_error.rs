//! Words for JSON syntax errors, in the phrases that the AWS service's parser uses where they are recorded.

use jiter::{JsonErrorType, LinePosition};

use super::JsonError;
use crate::limits::JSON_DEPTH_MAX;

const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// A parser's error before it has words. No `kind`: the document nests too deep.
pub(super) struct Fault {
    pub(super) kind: Option<JsonErrorType>,
    pub(super) index: usize,
}

/// Puts a fault into words and finds its line and column.
pub(super) fn describe(fault: &Fault, text: &str) -> JsonError {
    let index = fault.index.min(text.len());
    let message = match &fault.kind {
        None => format!("The document nests deeper than {JSON_DEPTH_MAX} levels"),
        Some(kind) => message(kind, text, index),
    };
    let place = LinePosition::find(text.as_bytes(), index);
    JsonError {
        message,
        line: place.line,
        column: in_characters(text, index, place.column).max(1),
    }
}

/// The column that the parser counted in bytes, in characters.
fn in_characters(text: &str, index: usize, column: usize) -> usize {
    let bytes = text.as_bytes();
    let before = &bytes[..index];
    let line = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let is_start = |byte: &&u8| (**byte & 0xc0) != 0x80;
    let counted = &bytes[line..bytes.len().min(line + column)];
    column - (counted.len() - counted.iter().filter(is_start).count())
}

fn message(kind: &JsonErrorType, text: &str, index: usize) -> String {
    use JsonErrorType as Kind;
    match kind {
        Kind::EofWhileParsingList
        | Kind::EofWhileParsingObject
        | Kind::EofWhileParsingString
        | Kind::EofWhileParsingValue => "Unexpected end-of-input".into(),
        Kind::ExpectedSomeIdent | Kind::ExpectedSomeValue => bad_value(text, index),
        Kind::KeyMustBeAString => unexpected(
            text,
            index,
            "was expecting double-quote to start field name",
        ),
        Kind::ExpectedColon => unexpected(
            text,
            index,
            "was expecting a colon to separate field name and value",
        ),
        Kind::ExpectedListCommaOrEnd => {
            unexpected(text, index, "was expecting comma to separate Array entries")
        }
        Kind::ExpectedObjectCommaOrEnd => unexpected(
            text,
            index,
            "was expecting comma to separate Object entries",
        ),
        Kind::TrailingComma => unexpected(text, index, "a comma must be followed by an entry"),
        Kind::TrailingCharacters => unexpected(text, index, "expected the end of the document"),
        Kind::ControlCharacterWhileParsingString => {
            unexpected(text, index, "control characters must be escaped in strings")
        }
        Kind::InvalidEscape => unexpected(text, index, "not a valid escape sequence"),
        Kind::InvalidNumber => unexpected(text, index, "not a valid number"),
        Kind::NumberOutOfRange => "The number has too many digits".into(),
        Kind::LoneLeadingSurrogateInHexEscape
        | Kind::UnexpectedEndOfHexEscape
        | Kind::InvalidUnicodeCodePoint => "The escape sequence is half of a surrogate pair".into(),
        Kind::FloatExpectingInt
        | Kind::DuplicateKey(_)
        | Kind::InternalError(_)
        | Kind::RecursionLimitExceeded => kind.to_string(),
    }
}

fn unexpected(text: &str, index: usize, expectation: &str) -> String {
    match text.get(index..).and_then(|rest| rest.chars().next()) {
        Some(found) => {
            format!(
                "Unexpected character ('{found}' (code {})): {expectation}",
                u32::from(found)
            )
        }
        None => "Unexpected end-of-input".into(),
    }
}

/// A word that is no JSON token is named whole; anything else by its first character.
fn bad_value(text: &str, index: usize) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text.get(..index).unwrap_or_default();
    let start = before.trim_end_matches(word).len();
    let token: String = text[start..].chars().take_while(|c| word(*c)).collect();
    if token.is_empty() || token.starts_with(|c: char| c.is_ascii_digit()) {
        unexpected(text, index, &format!("expected a valid value {VALUES}"))
    } else {
        format!("Unrecognized token '{token}': was expecting {VALUES}")
    }
}
