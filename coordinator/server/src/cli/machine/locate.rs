//! From a diagnostic's location (`/States/A/Branches[0]/StartAt`, or `line: 2, column: 7`) to the place in the text.

/// A place in a text; lines and columns from 1, columns and widths in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

/// Where the location points; the nearest enclosing member when the last part does not exist (a missing field).
/// `None` when the location names no place or the text is not JSON.
pub(super) fn locate(text: &str, location: &str) -> Option<Span> {
    let Some(path) = location.strip_prefix('/') else {
        return by_line(text, location);
    };
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    if path.is_empty() {
        let start = text.len() - text.trim_ascii_start().len();
        return Some(span(text, start, start + 1));
    }
    let (start, end) = Scanner { text, at: 0 }.find(path)?;
    Some(span(text, start, end))
}

/// The parser of Step Functions names the column behind the character at fault. A text that ends too early is shown
/// behind its last character.
fn by_line(text: &str, location: &str) -> Option<Span> {
    let number = |key: &str| -> Option<usize> {
        let rest = location.rsplit_once(key)?.1.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    };
    let (line, column) = (number("line:")?, number("column:")?);
    let length = text.lines().nth(line.max(1) - 1)?.chars().count();
    Some(Span {
        line: line.max(1),
        column: (column.max(2) - 1).min(length + 1),
        width: 1,
    })
}

fn span(text: &str, start: usize, end: usize) -> Span {
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Span {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        width: text.get(start..end).unwrap_or_default().chars().count(),
    }
}

/// Walks a text that is known to be JSON, so every step may assume what comes next.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// Byte range of a key or item.
type Place = (usize, usize);

impl Scanner<'_> {
    /// Byte range of the key (or array item) that the path names, or of its nearest ancestor.
    fn find(mut self, path: &str) -> Option<Place> {
        let mut rest = path;
        let mut best = None;
        loop {
            self.white();
            let found = match self.peek()? {
                b'{' => self.member(rest),
                b'[' => self.item(rest),
                _ => None,
            };
            let Some((place, after)) = found else {
                return best;
            };
            best = Some(place);
            if after.is_empty() {
                return best;
            }
            rest = after;
        }
    }

    /// The member whose name begins the path; names may hold slashes, so the longest fitting one wins. Leaves the
    /// scanner at its value.
    fn member<'p>(&mut self, path: &'p str) -> Option<(Place, &'p str)> {
        self.at += 1;
        let mut best: Option<(Place, &'p str, usize)> = None;
        loop {
            self.white();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let start = self.at;
                    let key = self.string()?;
                    let place = (start, self.at);
                    self.white();
                    self.at += 1;
                    self.white();
                    if let Some(after) = after_key(path, &key)
                        // Of equal keys the last one counts.
                        && best.is_none_or(|(_, shorter, _)| after.len() <= shorter.len())
                    {
                        best = Some((place, after, self.at));
                    }
                    self.skip_value();
                }
            }
        }
        let (place, after, value) = best?;
        self.at = value;
        Some((place, after))
    }

    /// The array item of a path that begins with `[n]` or `n`. Leaves the scanner at it.
    fn item<'p>(&mut self, path: &'p str) -> Option<(Place, &'p str)> {
        let bare = path.strip_prefix('[').unwrap_or(path);
        let end = bare
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(bare.len());
        let index: usize = bare.get(..end)?.parse().ok()?;
        let after = bare
            .get(end..)?
            .trim_start_matches(']')
            .trim_start_matches('/');
        self.at += 1;
        let mut n = 0;
        loop {
            self.white();
            match self.peek()? {
                b']' => return None,
                b',' => self.at += 1,
                _ if n == index => return Some(((self.at, self.at + 1), after)),
                _ => {
                    n += 1;
                    self.skip_value();
                }
            }
        }
    }

    /// Past one value, without recursion.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b',' | b'}' | b']' if depth == 0 => return,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 && matches!(byte, b'}' | b']') {
                return;
            }
        }
    }

    /// The string that begins here, unescaped.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn white(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// What follows the key in the path, without the separator.
fn after_key<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    let after = path.strip_prefix(key)?;
    if after.is_empty() || after.starts_with('[') {
        return Some(after);
    }
    after.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use stepfleet_asl::definition;

    use super::*;

    const TEXT: &str = r#"{ "States": {
  "A": { "Type": "Pass" },
  "A/B": { "Type": "Wait", "x": [1, {"y": "}\""}, 3] },
  "P": { "Branches": [ {"StartAt": "Q"}, { "StartAt" : "R", "States": {} } ] }
} }"#;

    #[track_caller]
    fn check(location: &str, expect: Option<(usize, usize, &str)>) {
        let found = locate(TEXT, location).map(|span| {
            let line = TEXT.lines().nth(span.line - 1).unwrap();
            let start = span.column - 1;
            (span.line, span.column, &line[start..start + span.width])
        });
        assert_eq!(found, expect, "{location}");
    }

    #[test]
    fn pointers_become_places() {
        check("/States/A/Type", Some((2, 10, "\"Type\"")));
        check("/States/A/B/Type", Some((3, 12, "\"Type\"")));
        check("/States/A/B/x[2]", Some((3, 51, "3")));
        check("/States/A/B/x/1/y", Some((3, 38, "\"y\"")));
        check(
            "/States/P/Branches[1]/StartAt",
            Some((4, 44, "\"StartAt\"")),
        );
        check("/States/P/Branches/1/States", Some((4, 61, "\"States\"")));
    }

    #[test]
    fn missing_parts_point_at_what_misses_them() {
        check("/States/A/Next", Some((2, 3, "\"A\"")));
        check("/States/A/B/x[9]", Some((3, 28, "\"x\"")));
        check("/Nothing", None);
        check("/", Some((1, 1, "{")));
        check("", None);
        assert_eq!(locate("{ not json", "/States"), None);
    }

    #[test]
    fn names_are_found_as_they_are_written() {
        let text = "\n{\"States\": {\"line: 1, column: 2\": {\"Type\": 1},\n  \"\\u0041\\\"ü\": {\"Type\": 1},\n  \"b[0]\": {\"x\": 1},\n \
                    \"b[0]\": {\"x\": [[1,2],[3,\"ü\",4]]}}}";
        for (location, line, column) in [
            ("/", 2, 1),
            ("/States/line: 1, column: 2/Type", 2, 36),
            ("/States/A\"ü/Type", 3, 17),
            ("/States/b[0]/x[1][2]", 5, 30),
            ("/States/b[0]/x/1/0", 5, 24),
        ] {
            let found = locate(text, location).map(|span| (span.line, span.column));
            assert_eq!(found, Some((line, column)), "{location}");
        }
    }

    #[test]
    fn the_caret_stands_at_the_character_that_a_parser_names() {
        let text = "{\n  \"a\": ü }\n";
        for (place, line, column) in [
            ("line: 2, column: 9", 2, 8),
            ("line: 1, column: 1", 1, 1),
            ("line: 2, column: 99", 2, 11),
        ] {
            let location = format!("[Source: (String)\"line: 7, column: 7\"; {place}]");
            let found = locate(text, &location).map(|span| (span.line, span.column));
            assert_eq!(found, Some((line, column)), "{place}");
        }
    }

    /// Every syntax error that the language reports is shown at the character at fault.
    #[test]
    fn syntax_errors_of_the_language_are_shown_where_they_are() {
        let options = definition::Options {
            machine_type: definition::MachineType::Standard,
            served: &|_| true,
            connects: &|_| false,
        };
        for (text, line, shown) in [
            // A bare word is named whole, and the place is behind it.
            ("{\n \"ü😀\": tru }", 2, " "),
            ("{\n \"ü😀\": ! }", 2, "!"),
            ("{\"a\" 1}", 1, "1"),
            ("{\"a\":1\n \"b\":2}", 2, "\""),
            ("[1 2]", 1, "2"),
            ("{\"a\":01}", 1, "1"),
            ("{\"a\":1}\n\n x", 3, "x"),
            ("{'a':1}", 1, "'"),
        ] {
            let findings = definition::validate(text, &options);
            let location = findings[0].location.as_deref().unwrap();
            let span = locate(text, location).unwrap();
            let source = text.lines().nth(span.line - 1).unwrap();
            let found: String = source.chars().skip(span.column - 1).take(1).collect();
            assert_eq!((span.line, &*found), (line, shown), "{text} {location}");
        }
    }
}
