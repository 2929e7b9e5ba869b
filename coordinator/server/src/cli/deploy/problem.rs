//! What stands in the way of a deployment. Everything is collected, so that one run tells all of it.

use std::fmt;

/// One thing, and where in the template it stands: `Resources.Orders.Properties.RoleArn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: String,
    pub(super) what: String,
}

/// All of them, in the order in which they were found; one that is found again is not told twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, at: impl Into<String>, what: impl Into<String>) {
        let problem = Problem {
            at: at.into(),
            what: what.into(),
        };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}
