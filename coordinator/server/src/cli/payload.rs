//! JSON texts: read from an argument, a file or standard input; embedded in documents and indented without changing a
//! single digit (they are never parsed into numbers).

use std::io::Read as _;
use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fault::Fault;

/// The text of `-` (standard input) or of a file.
pub(crate) fn read_file(argument: &str) -> Result<String, Fault> {
    if argument == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(Fault::file("standard input"))?;
        return Ok(text);
    }
    std::fs::read_to_string(argument).map_err(Fault::file(Path::new(argument)))
}

/// The JSON text that an argument gives: itself, `@file`, or `-` for standard input. `what` names it in errors.
pub(crate) fn read_json(what: &str, argument: &str) -> Result<String, Fault> {
    let (place, text) = match argument.strip_prefix('@') {
        Some(path) => (path, read_file(path)?),
        None if argument == "-" => ("standard input", read_file("-")?),
        None => ("the argument", argument.to_owned()),
    };
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => {
            let hint = if place == "the argument" && Path::new(argument).exists() {
                format!("; `@{argument}` reads the file")
            } else {
                String::new()
            };
            Err(Fault::Usage(format!(
                "{what} in {place} is not JSON: {error}{hint}"
            )))
        }
    }
}

/// A payload as a member of a JSON document: verbatim when it is JSON, else as a string.
pub(crate) fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_| {
        let quoted = serde_json::Value::from(text).to_string();
        RawValue::from_string(quoted).expect("a quoted string is JSON")
    })
}

/// The same for a payload that may be absent; an empty text counts as absent.
pub(crate) fn raw_some(text: Option<&str>) -> Option<Box<RawValue>> {
    text.filter(|text| !text.is_empty()).map(raw)
}

/// The same for a text that is empty when there is none.
pub(crate) fn raw_told(text: &str) -> Option<Box<RawValue>> {
    raw_some(Some(text))
}

/// A cell for a text that is empty when there is none.
pub(crate) fn told(text: &str, width: usize) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    short(text, width)
}

/// The JSON text with two spaces of indentation; every token stays as it was. Other text comes back unchanged.
pub(crate) fn pretty(json: &str) -> String {
    if serde_json::from_str::<IgnoredAny>(json).is_err() {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + json.len() / 4);
    let mut depth = 0;
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => copy_string(&mut chars, &mut out),
            '{' | '[' => {
                out.push(c);
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            white if white.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// One line of at most `width` characters for a table cell.
pub(crate) fn short(text: &str, width: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= width {
        return line;
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Copies a string whose opening quote was just read.
fn copy_string(chars: &mut impl Iterator<Item = char>, out: &mut String) {
    out.push('"');
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '"' => return,
            '\\' => out.extend(chars.next()),
            _ => {}
        }
    }
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_keeps_every_token() {
        let text = r#" {"a": 1.0e400,"b":[ ],"c":{}, "d":["x \"}\\", 12345678901234567890.10]} "#;
        let expect = "{\n  \"a\": 1.0e400,\n  \"b\": [],\n  \"c\": {},\n  \"d\": [\n    \"x \\\"}\\\\\",\n    \
                      12345678901234567890.10\n  ]\n}";
        assert_eq!(pretty(text), expect);
        assert_eq!(pretty("not json"), "not json");
    }

    #[test]
    fn arguments_give_themselves_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input.json");
        std::fs::write(&path, "{\"n\": 1}\n").unwrap();
        assert_eq!(read_json("the input", "[1]").unwrap(), "[1]");
        assert_eq!(
            read_json("the input", &format!("@{}", path.display())).unwrap(),
            "{\"n\": 1}"
        );
        let error = read_json("the input", "{n: 1}").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            "the input in the argument is not JSON: key must be a string at line 1 column 2"
        );
        let error = read_json("the input", path.to_str().unwrap()).unwrap_err();
        assert!(error.to_string().ends_with("reads the file"), "{error}");
    }

    #[test]
    fn cells_are_cut_by_characters() {
        assert_eq!(short("a  b\n c", 10), "a b c");
        assert_eq!(short("äöüäöü", 4), "äöü…");
    }
}
