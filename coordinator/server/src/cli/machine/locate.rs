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
    if let Some(span) = by_line(location) {
        return Some(span);
    }
    let path = location.strip_prefix('/')?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let (start, end) = Scanner { text, at: 0 }.find(path)?;
    Some(span(text, start, end))
}

fn by_line(location: &str) -> Option<Span> {
    let number = |key: &str| -> Option<usize> {
        let rest = location.rsplit_once(key)?.1.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    };
    let (line, column) = (number("line:")?, number("column:")?);
    Some(Span {
        line: line.max(1),
        column: column.max(1),
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
                        && best.is_none_or(|(_, shorter, _)| after.len() < shorter.len())
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
        check("", None);
        assert_eq!(locate("{ not json", "/States"), None);
    }

    #[test]
    fn parser_positions_are_taken_as_they_are() {
        let found = locate("", "[Source: (String)\"{\"; line: 3, column: 14]");
        assert_eq!(
            found,
            Some(Span {
                line: 3,
                column: 14,
                width: 1
            })
        );
    }
}
