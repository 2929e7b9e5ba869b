//! Text to filter: conditions, comparisons and literals.

use regex::{Regex, RegexBuilder};

use super::PathError;
use super::parse::Cursor;
use super::syntax::{Filter, Operand, Operator};
use crate::limits::{PATH_PATTERN_BYTES_MAX, PATH_PATTERNS_MAX};
use crate::value::{Object, Value};

/// Operators made of signs; a longer one stands before its prefix.
const SIGNS: [(&str, Operator); 9] = [
    ("===", Operator::Same),
    ("!==", Operator::NotSame),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("=~", Operator::Matches),
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// Operators made of letters, in any case.
const WORDS: [(&str, Operator); 9] = [
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("contains", Operator::Contains),
    ("all", Operator::All),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
];

impl Cursor<'_> {
    /// `a || b`; `&&` binds tighter.
    pub(super) fn filter(&mut self) -> Result<Filter, PathError> {
        let mut alternatives = vec![self.conjunction()?];
        while self.eat_text("||") {
            alternatives.push(self.conjunction()?);
        }
        Ok(single_or(alternatives, Filter::Or))
    }

    fn conjunction(&mut self) -> Result<Filter, PathError> {
        let mut conditions = vec![self.condition()?];
        while self.eat_text("&&") {
            conditions.push(self.condition()?);
        }
        Ok(single_or(conditions, Filter::And))
    }

    fn condition(&mut self) -> Result<Filter, PathError> {
        if self.eat('!') {
            return Ok(Filter::Not(Box::new(self.nested(Cursor::condition)?)));
        }
        if self.eat('(') {
            let inner = self.nested(Cursor::filter)?;
            self.expect(')')?;
            return Ok(inner);
        }
        let left = self.operand()?;
        match (self.operator(), left) {
            (Some(operator), left) => {
                let right = self.operand()?;
                Ok(Filter::Compare {
                    left,
                    operator,
                    right,
                })
            }
            (None, Operand::Query(query)) => Ok(Filter::Exists(query)),
            (None, Operand::Literal(_) | Operand::Pattern(_)) => Err(PathError::new(
                "a filter must test a path: [?(@.name)] or [?(@.name == 1)]",
            )),
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        self.skip_blanks();
        if let Some((_, operator)) = SIGNS.iter().find(|(sign, _)| self.eat_text(sign)) {
            return Some(*operator);
        }
        let rest = self.rest();
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = &rest[..length];
        let (_, operator) = WORDS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))?;
        self.eat_text(word);
        Some(*operator)
    }

    /// A path, a literal or a pattern.
    pub(super) fn operand(&mut self) -> Result<Operand, PathError> {
        self.skip_blanks();
        match self.peek() {
            Some('@' | '$') => Ok(Operand::Query(self.query()?)),
            Some('/') => Ok(Operand::Pattern(self.pattern()?)),
            Some(_) => Ok(Operand::Literal(self.literal()?)),
            None => Err(self.ended()),
        }
    }

    /// A JSON value; strings may also stand in single quotes.
    fn literal(&mut self) -> Result<Value, PathError> {
        self.skip_blanks();
        match self.peek() {
            Some('\'' | '"') => Ok(Value::from(self.quoted()?)),
            Some('[') => self.nested(Cursor::array),
            Some('{') => self.nested(Cursor::object),
            Some(_) => {
                let rest = self.rest();
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let word = &rest[..length];
                let value = Value::parse(word).map_err(|_| {
                    let found: String = rest.chars().take(length.max(1)).collect();
                    PathError::new(format!("'{found}' is neither a path nor a value"))
                })?;
                self.eat_text(word);
                Ok(value)
            }
            None => Err(self.ended()),
        }
    }

    fn array(&mut self) -> Result<Value, PathError> {
        self.expect('[')?;
        let mut items = Vec::new();
        if self.eat(']') {
            return Ok(Value::from(items));
        }
        loop {
            items.push(self.literal()?);
            if !self.eat(',') {
                break;
            }
        }
        self.expect(']')?;
        Ok(Value::from(items))
    }

    fn object(&mut self) -> Result<Value, PathError> {
        self.expect('{')?;
        let mut members = Object::new();
        if self.eat('}') {
            return Ok(Value::from(members));
        }
        loop {
            self.skip_blanks();
            let key = self.quoted()?;
            self.expect(':')?;
            members.insert(key.into(), self.literal()?);
            if !self.eat(',') {
                break;
            }
        }
        self.expect('}')?;
        Ok(Value::from(members))
    }

    /// `/pattern/flags`. The pattern must match the whole text, as in Jayway.
    fn pattern(&mut self) -> Result<Regex, PathError> {
        self.expect('/')?;
        self.patterns += 1;
        if self.patterns > PATH_PATTERNS_MAX {
            return Err(PathError::new(format!(
                "a path has more than {PATH_PATTERNS_MAX} patterns"
            )));
        }
        let mut pattern = String::new();
        loop {
            match self.next_char() {
                Some('/') => break,
                Some('\\') => match self.next_char() {
                    Some('/') => pattern.push('/'),
                    Some(c) => pattern.extend(['\\', c]),
                    None => return Err(self.ended()),
                },
                Some(c) => pattern.push(c),
                None => return Err(self.ended()),
            }
        }
        let flags_length = self
            .rest()
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let flags = &self.rest()[..flags_length];
        let meaning = if flags.contains('U') {
            pattern.clone()
        } else {
            with_ascii_classes(&pattern)
        };
        let mut builder = RegexBuilder::new(&format!(r"\A(?:{meaning})\z"));
        builder.size_limit(PATH_PATTERN_BYTES_MAX);
        for flag in flags.chars() {
            match flag {
                'i' => drop(builder.case_insensitive(true)),
                'm' => drop(builder.multi_line(true)),
                's' => drop(builder.dot_matches_new_line(true)),
                'x' => drop(builder.ignore_whitespace(true)),
                // Unicode case folding and Unix lines are always on.
                'u' | 'U' | 'd' => {}
                other => return Err(PathError::new(format!("'{other}' is no pattern flag"))),
            }
        }
        self.eat_text(flags);
        builder
            .build()
            .map_err(|error| PathError::new(format!("the pattern /{pattern}/ is refused: {error}")))
    }
}

fn single_or(mut filters: Vec<Filter>, wrap: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    if filters.len() > 1 {
        return wrap(filters);
    }
    filters.pop().expect("a list of conditions starts with one")
}

/// Java's `\d`, `\w` and `\s` are ASCII. The classes written for them stand inside other classes as well.
fn with_ascii_classes(pattern: &str) -> String {
    let mut meaning = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            meaning.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => meaning.push_str("[0-9]"),
            Some('D') => meaning.push_str("[^0-9]"),
            Some('w') => meaning.push_str("[0-9A-Za-z_]"),
            Some('W') => meaning.push_str("[^0-9A-Za-z_]"),
            Some('s') => meaning.push_str(r"[\x20\t\n\x0B\f\r]"),
            Some('S') => meaning.push_str(r"[^\x20\t\n\x0B\f\r]"),
            Some(escaped) => meaning.extend(['\\', escaped]),
            None => meaning.push('\\'),
        }
    }
    meaning
}
