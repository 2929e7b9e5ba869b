//! The diagnostic of a text that is not JSON, worded and located as Step Functions does.

use crate::diagnostic::{Diagnostic, INVALID_JSON_DESCRIPTION, MISSING_DESCRIPTION, Severity};
use crate::value::JsonError;

/// Characters of the source that a location quotes.
const SOURCE_CHARS_MAX: usize = 500;

/// Says why `text` is not JSON. A text that starts with a bare word, which is what people send by mistake, gets the
/// words of Step Functions; anything else those of our parser.
pub(super) fn diagnostic(text: &str, error: &JsonError) -> Diagnostic {
    let start = text.trim_ascii_start();
    if start.is_empty() {
        return Diagnostic {
            severity: Severity::Error,
            code: MISSING_DESCRIPTION,
            message: "The definition is empty".to_owned(),
            location: None,
        };
    }
    let word = start
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(start.len());
    let (message, line, column) = if starts_like_a_word(start) && !is_literal(&start[..word]) {
        let (line, column) = place(text, text.len() - start.len() + word);
        (unrecognized(&start[..word]), line, column)
    } else {
        // Step Functions names the column behind the character at fault.
        (error.message.clone(), error.line, error.column + 1)
    };
    Diagnostic {
        severity: Severity::Error,
        code: INVALID_JSON_DESCRIPTION,
        message,
        location: Some(format!(
            "[Source: (String){}; line: {line}, column: {column}]",
            quoted(text)
        )),
    }
}

fn unrecognized(word: &str) -> String {
    format!(
        "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
         'false')"
    )
}

fn starts_like_a_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn is_literal(word: &str) -> bool {
    matches!(word, "null" | "true" | "false")
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(SOURCE_CHARS_MAX) {
        None => format!("\"{text}\""),
        Some((cut, _)) => {
            let rest = text[cut..].chars().count();
            format!("\"{}\"[truncated {rest} chars]", &text[..cut])
        }
    }
}
