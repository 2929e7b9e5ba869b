//! Findings of one rule: what is wrong, where, and what to do about it.

use std::fmt::Display;

/// All findings of a rule; a test shows them together.
#[derive(Debug, Default)]
pub struct Findings {
    lines: Vec<String>,
}

impl Findings {
    /// One finding at a place (`path` or `path:line`).
    pub fn add(&mut self, place: impl Display, what: impl Display) {
        self.lines.push(format!("{place}: {what}"));
    }

    /// Fails the test when there is any finding.
    ///
    /// # Panics
    /// With every finding and the advice.
    pub fn check(self, advice: &str) {
        assert!(
            self.lines.is_empty(),
            "{}\n=> {advice}\n",
            self.lines.join("\n")
        );
    }
}
