//! The constraints of the AWS model, checked as AWS does: every violation in one fixed frame, all of them in one
//! message. Meaning (names, ARNs, existence) is not checked here.

use std::fmt::{Display, Write as _};

use crate::service::error::{ApiError, ErrorCode};

/// Characters of a refused value that are quoted; the rest of a longer one is left out.
const QUOTED_CHARS_MAX: usize = 4096;

/// Bounds of a text, in characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    min: usize,
    max: usize,
}

pub(crate) const ARN: Length = Length::of(1, 256);
pub(crate) const NAME: Length = Length::of(1, 80);
pub(crate) const PAGE_TOKEN: Length = Length::of(1, 1024);
pub(crate) const EXECUTIONS_PAGE_TOKEN: Length = Length::of(1, 3096);
pub(crate) const TASK_TOKEN: Length = Length::of(1, 2048);
pub(crate) const ERROR: Length = Length::of(0, 256);
pub(crate) const CAUSE: Length = Length::of(0, 32_768);
pub(crate) const TRACE_HEADER: Length = Length::of(0, 256);
/// Of a Map Run or a version.
pub(crate) const LONG_ARN: Length = Length::of(1, 2000);
pub(crate) const VERSION_DESCRIPTION: Length = Length::of(0, 256);
pub(crate) const TAG_KEY: Length = Length::of(1, 128);
pub(crate) const TAG_VALUE: Length = Length::of(0, 256);
pub(crate) const KMS_KEY: Length = Length::of(1, 2048);
pub(crate) const CLIENT_TOKEN: Length = Length::of(1, 64);

/// A model pattern and the function that decides it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pattern {
    text: &'static str,
    matches: fn(&str) -> bool,
}

pub(crate) const ASCII: Pattern = Pattern {
    text: r"\p{ASCII}*",
    matches: str::is_ascii,
};
pub(crate) const GRAPHIC: Pattern = Pattern {
    text: "[!-~]+",
    matches: |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
};
pub(crate) const ALIAS_NAME: Pattern = Pattern {
    text: r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$",
    matches: is_alias_name,
};
pub(crate) const TAG_TEXT: Pattern = Pattern {
    text: r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$",
    matches: |text| text.chars().all(is_tag_char),
};

/// Collects violations in the order of the model's members.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    violations: Vec<String>,
}

impl Length {
    pub(crate) const fn of(min: usize, max: usize) -> Self {
        Self { min, max }
    }

    pub(crate) fn max(self) -> usize {
        self.max
    }
}

impl Checker {
    /// A text that must be there.
    pub(crate) fn required(&mut self, field: &str, value: Option<&str>, length: Length) {
        match value {
            Some(_) => self.text(field, value, length),
            None => self.null(field),
        }
    }

    /// A text that may be absent.
    pub(crate) fn text(&mut self, field: &str, value: Option<&str>, length: Length) {
        let Some(text) = value else { return };
        // Every character has a byte at least: short texts need no counting.
        let chars = if text.len() <= length.max {
            text.len()
        } else {
            text.chars().count()
        };
        if chars > length.max {
            self.refuse(
                field,
                text,
                format_args!(
                    "Member must have length less than or equal to {}",
                    length.max
                ),
            );
        }
        if text.is_empty() && length.min > 0 {
            self.refuse(
                field,
                text,
                format_args!(
                    "Member must have length greater than or equal to {}",
                    length.min
                ),
            );
        }
    }

    /// A payload that must be there; its bound counts bytes of UTF-8.
    pub(crate) fn required_bytes(&mut self, field: &str, value: Option<&str>, bytes_max: usize) {
        match value {
            Some(_) => self.bytes(field, value, bytes_max),
            None => self.null(field),
        }
    }

    /// A payload that may be absent.
    pub(crate) fn bytes(&mut self, field: &str, value: Option<&str>, bytes_max: usize) {
        let Some(text) = value else { return };
        if text.len() > bytes_max {
            self.refuse(
                field,
                text,
                format_args!("Member must have length less than or equal to {bytes_max}"),
            );
        }
    }

    /// A number that may be absent.
    pub(crate) fn number<N: PartialOrd + Display>(
        &mut self,
        field: &str,
        value: Option<N>,
        min: N,
        max: N,
    ) {
        let Some(number) = value else { return };
        if number > max {
            let why = format_args!("Member must have value less than or equal to {max}");
            self.refuse(field, &number.to_string(), why);
        }
        if number < min {
            let why = format_args!("Member must have value greater than or equal to {min}");
            self.refuse(field, &number.to_string(), why);
        }
    }

    /// The number of a list's entries.
    pub(crate) fn entries(&mut self, field: &str, count: usize, min: usize, max: usize) {
        if count > max {
            let why = format_args!("Member must have length less than or equal to {max}");
            self.refuse(field, &format!("[{count} entries]"), why);
        }
        if count < min {
            let why = format_args!("Member must have length greater than or equal to {min}");
            self.refuse(field, "[]", why);
        }
    }

    /// A word of a fixed set, as what it stands for.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        field: &str,
        value: Option<&str>,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let text = value?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let set: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(
                field,
                text,
                format_args!("Member must satisfy enum value set: [{}]", set.join(", ")),
            );
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// A text of a fixed form.
    pub(crate) fn pattern(&mut self, field: &str, value: Option<&str>, pattern: Pattern) {
        if let Some(text) = value
            && !(pattern.matches)(text)
        {
            let why = format_args!(
                "Member must satisfy regular expression pattern: {}",
                pattern.text
            );
            self.refuse(field, text, why);
        }
    }

    /// A member that is missing.
    pub(crate) fn null(&mut self, field: &str) {
        self.violations.push(format!(
            "Value null at '{field}' failed to satisfy constraint: Member must not be null"
        ));
    }

    /// No violations, or all of them.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let mut message = format!(
            "{count} validation error{} detected: ",
            if count == 1 { "" } else { "s" }
        );
        message.push_str(&self.violations.join("; "));
        Err(ApiError::new(ErrorCode::ValidationException, message))
    }

    fn refuse(&mut self, field: &str, value: &str, why: std::fmt::Arguments<'_>) {
        let mut text = String::from("Value '");
        match value.char_indices().nth(QUOTED_CHARS_MAX) {
            None => text.push_str(value),
            Some((at, _)) => {
                text.push_str(&value[..at]);
                text.push('…');
            }
        }
        write!(text, "' at '{field}' failed to satisfy constraint: {why}")
            .expect("writing to a String cannot fail");
        self.violations.push(text);
    }
}

/// Letters, digits, `_`, `-` and `.`, not digits alone.
fn is_alias_name(text: &str) -> bool {
    let other = |c: char| matches!(c, '_' | '-' | '.');
    text.chars().all(|c| c.is_ascii_alphanumeric() || other(c))
        && text.chars().any(|c| c.is_ascii_alphabetic() || other(c))
}

fn is_tag_char(char: char) -> bool {
    char.is_alphabetic()
        || char.is_numeric()
        || char == ' '
        || "_.:/=+-@".contains(char)
        || is_separator(char)
}

/// The separators beyond ASCII (`\p{Z}`).
fn is_separator(char: char) -> bool {
    char.is_whitespace() && !char.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fill: impl Fn(&mut Checker), expect: &str) {
        let mut checker = Checker::default();
        fill(&mut checker);
        let message = checker
            .finish()
            .err()
            .map(|error| error.message)
            .unwrap_or_default();
        assert_eq!(message, expect);
    }

    #[test]
    fn violations_have_the_recorded_texts() {
        check(
            |checker| checker.number("maxResults", Some(1001), 0, 1000),
            "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have \
             value less than or equal to 1000",
        );
        let token = "t".repeat(1025);
        check(
            |checker| checker.text("nextToken", Some(&token), PAGE_TOKEN),
            &format!(
                "1 validation error detected: Value '{token}' at 'nextToken' failed to satisfy constraint: Member \
                 must have length less than or equal to 1024"
            ),
        );
        check(
            |checker| {
                checker.one_of(
                    "statusFilter",
                    Some("succeeded"),
                    &[("SUCCEEDED", 1), ("TIMED_OUT", 2)],
                );
            },
            "1 validation error detected: Value 'succeeded' at 'statusFilter' failed to satisfy constraint: Member \
             must satisfy enum value set: [SUCCEEDED, TIMED_OUT]",
        );
    }

    #[test]
    fn several_violations_are_joined_and_counted() {
        check(
            |checker| {
                checker.required("name", Some(""), NAME);
                checker.required("roleArn", None, ARN);
                checker.number("maxResults", Some(-1), 0, 1000);
                checker.pattern("traceHeader", Some("é"), ASCII);
            },
            "4 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must have length \
             greater than or equal to 1; Value null at 'roleArn' failed to satisfy constraint: Member must not be \
             null; Value '-1' at 'maxResults' failed to satisfy constraint: Member must have value greater than or \
             equal to 0; Value 'é' at 'traceHeader' failed to satisfy constraint: Member must satisfy regular \
             expression pattern: \\p{ASCII}*",
        );
    }

    #[test]
    fn texts_count_characters_and_payloads_count_bytes() {
        let text = "é".repeat(80);
        check(|checker| checker.text("name", Some(&text), NAME), "");
        check(|checker| checker.bytes("input", Some(&text), 160), "");
        let mut checker = Checker::default();
        checker.bytes("input", Some(&text), 159);
        assert!(checker.finish().is_err());
    }

    #[test]
    fn a_huge_value_is_not_sent_back_whole() {
        let mut checker = Checker::default();
        checker.bytes("input", Some(&"x".repeat(300_000)), 262_144);
        let message = checker.finish().unwrap_err().message;
        assert!(
            message.len() < 5000 && message.contains("x…' at 'input'"),
            "{}",
            message.len()
        );
    }
}
