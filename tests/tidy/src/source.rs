//! A Rust source with its code, comments and texts told apart by a small scanner: enough for rules that look at words,
//! and independent of whether the source compiles.

/// One source. Every view has the lines and columns of the original; what does not belong to it is blank.
#[derive(Debug)]
pub struct Source {
    /// Code without comments and without the contents of texts.
    pub code: String,
    /// Comments alone, documentation included.
    pub comments: String,
}

/// A function in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of `fn`, from 1.
    pub line: usize,
    /// Lines of code between its braces; blank lines and comments do not count.
    pub lines: usize,
    /// Attributes in front of it, joined.
    pub attributes: String,
}

impl Source {
    /// Scans a source.
    pub fn new(text: &str) -> Self {
        let mut scanner = Scanner {
            rest: text,
            code: String::new(),
            comments: String::new(),
        };
        scanner.scan();
        Self {
            code: scanner.code,
            comments: scanner.comments,
        }
    }

    /// Every function with a body, in order.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        let mut from = 0;
        while let Some(at) = find_word(&self.code, "fn", from) {
            from = at + 2;
            functions.extend(self.function_at(at));
        }
        functions
    }

    /// Number of the first line of `mod tests`, behind `#[cfg(test)]`; None when tests are elsewhere.
    pub fn tests_line(&self) -> Option<usize> {
        let lines: Vec<&str> = self.code.lines().map(str::trim).collect();
        let starts = |line: &str| line.starts_with("mod ") && line.ends_with('{');
        (1..lines.len()).find(|&n| starts(lines[n]) && lines[n - 1].starts_with("#[cfg(test)]"))
    }

    fn function_at(&self, at: usize) -> Option<Function> {
        let name: String = self.code[at + 2..]
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if name.is_empty() {
            return None;
        }
        let open = body_start(&self.code, at)?;
        let close = matching_brace(&self.code, open)?;
        let inner = &self.code[open + 1..close];
        let lines = inner.lines().filter(|line| !line.trim().is_empty()).count();
        let line = self.code[..at].matches('\n').count() + 1;
        Some(Function {
            name,
            line,
            lines,
            attributes: attributes_before(&self.code, at),
        })
    }
}

/// Where the body of the function at `at` opens; None for a declaration.
fn body_start(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code[at..].bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(at + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn matching_brace(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code[open..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(open + offset);
                }
            }
            _ => {}
        }
    }
    None
}

fn attributes_before(code: &str, at: usize) -> String {
    let before: Vec<&str> = code[..at].lines().map(str::trim).collect();
    let is_part = |line: &&&str| !line.is_empty() && !line.ends_with('}') && !line.ends_with(';');
    let mut lines: Vec<&str> = before.iter().rev().take_while(is_part).copied().collect();
    lines.reverse();
    lines.join(" ")
}

fn find_word(text: &str, word: &str, from: usize) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut start = from;
    while let Some(found) = text[start..].find(word) {
        let at = start + found;
        let end = at + word.len();
        let free_before = !text[..at].chars().next_back().is_some_and(is_part);
        let free_after = !text[end..].chars().next().is_some_and(is_part);
        if free_before && free_after {
            return Some(at);
        }
        start = end;
    }
    None
}

struct Scanner<'a> {
    rest: &'a str,
    code: String,
    comments: String,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.comment(end);
            } else if self.rest.starts_with("/*") {
                let end = self.rest.find("*/").map_or(self.rest.len(), |at| at + 2);
                self.comment(end);
            } else if let Some(length) = raw_text_length(self.rest) {
                self.text(length);
            } else if first == '"' {
                self.text(text_length(self.rest));
            } else if first == '\'' && is_character(self.rest) {
                self.text(character_length(self.rest));
            } else if first.is_alphanumeric() || first == '_' {
                let is_part = |c: char| c.is_alphanumeric() || c == '_';
                let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
                self.code(end);
            } else {
                self.code(first.len_utf8());
            }
        }
    }

    fn code(&mut self, length: usize) {
        let (part, rest) = self.rest.split_at(length);
        self.code.push_str(part);
        self.comments.push_str(&blank(part));
        self.rest = rest;
    }

    fn comment(&mut self, length: usize) {
        let (part, rest) = self.rest.split_at(length);
        self.code.push_str(&blank(part));
        self.comments.push_str(part);
        self.rest = rest;
    }

    fn text(&mut self, length: usize) {
        let (part, rest) = self.rest.split_at(length);
        let mut hidden = blank(part);
        if hidden.len() >= 2 && !hidden.contains('\n') {
            hidden.replace_range(0..1, "\"");
            hidden.replace_range(hidden.len() - 1.., "\"");
        }
        self.code.push_str(&hidden);
        self.comments.push_str(&blank(part));
        self.rest = rest;
    }
}

/// The same lines, one space for each other byte.
fn blank(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect()
}

fn raw_text_length(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    if after.as_bytes().get(hashes) != Some(&b'"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - after.len() + hashes + 1;
    let end = rest[start..]
        .find(&close)
        .map_or(rest.len(), |at| start + at + close.len());
    Some(end)
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

fn character_length(rest: &str) -> usize {
    let escaped = rest[1..].starts_with('\\');
    let from = if escaped { 3 } else { 1 };
    rest[from..]
        .find('\'')
        .map_or(rest.len(), |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_comments_are_no_code() {
        let source =
            Source::new("let a = \"// no\"; // yes\nlet b = r#\"x\" fn\"#; let c = '\"';\n");
        assert!(
            !source.code.contains("no") && !source.code.contains("yes"),
            "{}",
            source.code
        );
        assert!(source.comments.contains("yes") && !source.comments.contains("no"));
        assert!(!source.code.contains("fn"), "{}", source.code);
        assert_eq!(source.code.lines().count(), 2);
    }

    #[test]
    fn lifetimes_are_code() {
        let source = Source::new("fn f<'a>(x: &'a str) -> char { '{' }\n");
        assert!(source.code.contains("<'a>"));
        assert_eq!(source.functions().len(), 1);
    }

    #[test]
    fn functions_are_found_with_their_length_and_attributes() {
        let text = "#[test]\nfn one() {\n    // why\n\n    a();\n    b();\n}\nfn none();\n";
        let functions = Source::new(text).functions();
        let attributes = "#[test]".to_owned();
        assert_eq!(
            functions,
            [Function {
                name: "one".into(),
                line: 2,
                lines: 2,
                attributes
            }]
        );
    }

    #[test]
    fn the_test_module_is_found() {
        let source = Source::new("fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(source.tests_line(), Some(3));
        assert_eq!(Source::new("#[cfg(test)]\nmod tests;\n").tests_line(), None);
    }
}
