//! Text to path: the root, then names, brackets and functions. Filters are in `parse_filter`.

use std::sync::Arc;

use super::syntax::{self, Function, Query, Segment, Slice};
use super::{Parsed, PathError, Root};
use crate::limits::{PATH_NESTING_MAX, PATH_SEGMENTS_MAX};
use crate::variable::is_identifier;

/// A place in the text of a path.
pub(super) struct Cursor<'t> {
    text: &'t str,
    position: usize,
    /// Filters and arguments inside one another.
    nesting: usize,
    /// Parts so far, those inside filters included.
    parts: usize,
    pub(super) patterns: usize,
    /// An unquoted name held a character that reference paths refuse.
    is_loose: bool,
}

/// Parses a whole path.
pub(super) fn parse(source: &str) -> Result<Parsed, PathError> {
    let Some(rest) = source.strip_prefix('$') else {
        return Err(PathError::new("a path must start with '$'"));
    };
    let (root, rest) = if let Some(rest) = rest.strip_prefix('$') {
        (Root::Context, rest)
    } else {
        variable(rest)?
    };
    let mut cursor = Cursor {
        text: rest,
        position: 0,
        nesting: 0,
        parts: 0,
        patterns: 0,
        is_loose: false,
    };
    let segments = cursor.segments(false)?;
    if let Some(found) = cursor.peek() {
        return Err(cursor.unexpected(found));
    }
    let is_plain = |segment: &Segment| match segment {
        Segment::Name(_) => true,
        Segment::Index(index) => *index >= 0,
        Segment::Names(_)
        | Segment::Indices(_)
        | Segment::Slice(_)
        | Segment::Wildcard
        | Segment::Descend
        | Segment::Filter(_)
        | Segment::Function(..) => false,
    };
    Ok(Parsed {
        source: source.into(),
        root,
        definite: syntax::is_definite(&segments),
        reference: !cursor.is_loose && segments.iter().all(is_plain),
        segments,
    })
}

/// `$name`: the name of a variable, or none when the document follows.
fn variable(rest: &str) -> Result<(Root, &str), PathError> {
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return Ok((Root::Document, rest));
    }
    if is_identifier(name) {
        return Ok((Root::Variable(name.into()), rest));
    }
    Err(PathError::new(format!(
        "'${name}' is neither '$', '$$' nor a variable"
    )))
}

impl<'t> Cursor<'t> {
    /// Parts until the end of the path. Inside a filter the path also ends at a space or an operator.
    pub(super) fn segments(&mut self, in_filter: bool) -> Result<Vec<Segment>, PathError> {
        let mut segments = Vec::new();
        loop {
            let segment = match self.peek() {
                Some('[') => self.bracket()?,
                Some('.') if self.rest().starts_with("..") => {
                    self.position += 2;
                    segments.push(Segment::Descend);
                    self.after_dots(in_filter)?
                }
                Some('.') => {
                    self.position += 1;
                    self.after_dots(in_filter)?
                }
                Some(_) | None => return Ok(segments),
            };
            let follows_function = matches!(segments.last(), Some(Segment::Function(..)));
            if follows_function && !matches!(segment, Segment::Function(..)) {
                return Err(PathError::new("a function must be the last part of a path"));
            }
            // Each part of an indefinite path may cost a frame of the stack when it is evaluated.
            self.parts += 1;
            if self.parts > PATH_SEGMENTS_MAX {
                return Err(PathError::new(format!(
                    "a path has more than {PATH_SEGMENTS_MAX} parts"
                )));
            }
            segments.push(segment);
        }
    }

    fn after_dots(&mut self, in_filter: bool) -> Result<Segment, PathError> {
        match self.peek() {
            Some('[') => self.bracket(),
            Some('*') => {
                self.position += 1;
                Ok(Segment::Wildcard)
            }
            Some('.') => Err(self.unexpected('.')),
            Some(_) => self.name_or_function(in_filter),
            None => Err(PathError::new("a path must not end with a '.' or '..'")),
        }
    }

    fn name_or_function(&mut self, in_filter: bool) -> Result<Segment, PathError> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '.' | '[' => break,
                '(' => return self.function(&name),
                '\\' => {
                    self.position += 1;
                    let escaped = self.next_char().ok_or_else(|| {
                        PathError::new("a path must not end within an escape sequence")
                    })?;
                    name.push(escaped);
                }
                _ if in_filter && ends_name_in_filter(c) => break,
                ' ' | '\t' | '\n' | '\r' => {
                    let advice = "a name with blanks must be written in brackets: ['my name']";
                    return Err(PathError::new(advice));
                }
                ']' | ')' => return Err(self.unexpected(c)),
                _ => {
                    self.is_loose |= matches!(c, '@' | ',' | ':' | '?' | '*');
                    self.position += c.len_utf8();
                    name.push(c);
                }
            }
        }
        if name.is_empty() {
            return Err(match self.peek() {
                Some(found) => self.unexpected(found),
                None => PathError::new("a path must not end with a '.' or '..'"),
            });
        }
        Ok(Segment::Name(name.into()))
    }

    fn function(&mut self, name: &str) -> Result<Segment, PathError> {
        let function = Function::named(name)
            .ok_or_else(|| PathError::new(format!("Function with name: {name} does not exist.")))?;
        self.expect('(')?;
        let mut arguments = Vec::new();
        if self.eat(')') {
            return Ok(Segment::Function(function, arguments));
        }
        loop {
            arguments.push(self.nested(Cursor::operand)?);
            if !self.eat(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(Segment::Function(function, arguments))
    }

    fn bracket(&mut self) -> Result<Segment, PathError> {
        self.expect('[')?;
        self.skip_blanks();
        let segment = match self.peek() {
            Some('\'' | '"') => self.names()?,
            Some('*') => {
                self.position += 1;
                Segment::Wildcard
            }
            Some('?') => {
                self.position += 1;
                self.expect('(')?;
                let filter = self.nested(Cursor::filter)?;
                self.expect(')')?;
                Segment::Filter(filter)
            }
            Some('(') => self.script_index()?,
            Some(_) => self.numbers()?,
            None => return Err(self.ended()),
        };
        self.expect(']')?;
        Ok(segment)
    }

    fn names(&mut self) -> Result<Segment, PathError> {
        let first: Arc<str> = self.quoted()?.into();
        if !self.eat(',') {
            return Ok(Segment::Name(first));
        }
        let mut names = vec![first];
        loop {
            self.skip_blanks();
            names.push(self.quoted()?.into());
            if !self.eat(',') {
                return Ok(Segment::Names(names));
            }
        }
    }

    /// `0`, `0,1`, `a:b`, `a:b:c`.
    fn numbers(&mut self) -> Result<Segment, PathError> {
        let first = self.optional_integer()?;
        if self.eat(':') {
            let end = self.optional_integer()?;
            let stride = if self.eat(':') {
                self.optional_integer()?.unwrap_or(1)
            } else {
                1
            };
            if stride == 0 {
                return Err(PathError::new("the stride of a slice must not be zero"));
            }
            return Ok(Segment::Slice(Slice {
                start: first,
                end,
                stride,
            }));
        }
        let first = first.ok_or_else(|| self.no_integer())?;
        if !self.eat(',') {
            return Ok(Segment::Index(first));
        }
        let mut indices = vec![first];
        loop {
            indices.push(self.optional_integer()?.ok_or_else(|| self.no_integer())?);
            if !self.eat(',') {
                return Ok(Segment::Indices(indices));
            }
        }
    }

    /// `(@.length-n)` or `(@.length()-n)`, the only script of the dialect.
    fn script_index(&mut self) -> Result<Segment, PathError> {
        let end = self.rest().find(']').ok_or_else(|| self.ended())?;
        let script: String = self.rest()[..end].split_whitespace().collect();
        let offset = script
            .strip_prefix("(@.length")
            .map(|rest| rest.strip_prefix("()").unwrap_or(rest))
            .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(')'))
            .and_then(|digits| digits.parse::<u32>().ok());
        let offset = offset.ok_or_else(|| {
            PathError::new(format!(
                "the script '{script}' is not supported; write (@.length-n)"
            ))
        })?;
        self.position += end;
        Ok(Segment::Index(-i64::from(offset)))
    }

    fn optional_integer(&mut self) -> Result<Option<i64>, PathError> {
        self.skip_blanks();
        let rest = self.rest();
        let digits = rest
            .trim_start_matches('-')
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let length = digits + usize::from(rest.starts_with('-'));
        if length == 0 {
            return Ok(None);
        }
        let text = &rest[..length];
        let number = text
            .parse()
            .map_err(|_| PathError::new(format!("'{text}' is no index")))?;
        self.position += length;
        Ok(Some(number))
    }

    /// A quoted text; a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self) -> Result<String, PathError> {
        let quote = match self.next_char() {
            Some(quote @ ('\'' | '"')) => quote,
            Some(found) => {
                self.position -= found.len_utf8();
                return Err(self.unexpected(found));
            }
            None => return Err(self.ended()),
        };
        let mut text = String::new();
        loop {
            match self.next_char() {
                Some('\\') => text.push(self.next_char().ok_or_else(|| self.ended())?),
                Some(c) if c == quote => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(self.ended()),
            }
        }
    }

    /// A path that starts at `@` or `$`.
    pub(super) fn query(&mut self) -> Result<Query, PathError> {
        let from_current = self.next_char() == Some('@');
        Ok(Query {
            from_current,
            segments: self.segments(true)?,
        })
    }

    /// Runs a parser one level deeper, within the bound on nesting.
    pub(super) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Cursor<'t>) -> Result<T, PathError>,
    ) -> Result<T, PathError> {
        if self.nesting == PATH_NESTING_MAX {
            return Err(PathError::new(format!(
                "a path nests deeper than {PATH_NESTING_MAX}"
            )));
        }
        self.nesting += 1;
        let parsed = inner(self);
        self.nesting -= 1;
        parsed
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next_char(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    pub(super) fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
    }

    /// Takes a character, after blanks, if it is next.
    pub(super) fn eat(&mut self, expected: char) -> bool {
        self.eat_text(expected.encode_utf8(&mut [0; 4]))
    }

    pub(super) fn eat_text(&mut self, expected: &str) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(expected);
        if found {
            self.position += expected.len();
        }
        found
    }

    pub(super) fn expect(&mut self, expected: char) -> Result<(), PathError> {
        if self.eat(expected) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(found) => PathError::new(format!(
                "expected '{expected}' but found '{found}' at character {} of the path",
                self.place()
            )),
            None => self.ended(),
        })
    }

    pub(super) fn unexpected(&self, found: char) -> PathError {
        PathError::new(format!(
            "unexpected '{found}' at character {} of the path",
            self.place()
        ))
    }

    pub(super) fn ended(&self) -> PathError {
        PathError::new("the path ends too early")
    }

    fn no_integer(&self) -> PathError {
        self.peek()
            .map_or_else(|| self.ended(), |found| self.unexpected(found))
    }

    fn place(&self) -> usize {
        self.text[..self.position].chars().count() + 2
    }
}

fn ends_name_in_filter(c: char) -> bool {
    c.is_whitespace() || matches!(c, ')' | ']' | '<' | '>' | '=' | '~' | '!' | '&' | '|' | ',')
}
