//! The patterns of `StringMatches`: `*` is any run of characters, `\*` a star, `\\` a backslash, nothing else special.

/// A compiled pattern: literal texts with a star between each two of them.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    pub(super) fn parse(text: &str) -> Pattern {
        let mut literals = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' => literals.push(std::mem::take(&mut literal)),
                '\\' => {
                    let escaped = chars.next_if(|next| matches!(next, '*' | '\\'));
                    literal.push(escaped.unwrap_or('\\'));
                }
                _ => literal.push(c),
            }
        }
        literals.push(literal);
        Pattern(literals)
    }

    /// Whether the whole text matches. Each literal takes the first place it fits, so the search is linear.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (last, before) = self
            .0
            .split_last()
            .expect("a pattern has at least one literal");
        let Some((first, middle)) = before.split_first() else {
            return text == last;
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for literal in middle {
            let Some(at) = rest.find(literal.as_str()) else {
                return false;
            };
            rest = &rest[at + literal.len()..];
        }
        rest.ends_with(last.as_str())
    }
}
