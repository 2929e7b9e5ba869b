//! Properties of a resource, taken one by one with their types; what nobody takes is refused as unknown.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::parameters::text_of;
use super::problem::Problems;

/// Members of a mapping that are still to be read.
#[derive(Debug)]
pub(super) struct Fields<'p> {
    pub(super) at: String,
    members: Map<String, Value>,
    /// Members that are there and could not be evaluated, which was told.
    failed: BTreeSet<String>,
    pub(super) problems: &'p mut Problems,
}

impl<'p> Fields<'p> {
    pub(super) fn new(
        at: impl Into<String>,
        members: Map<String, Value>,
        problems: &'p mut Problems,
    ) -> Self {
        Self {
            at: at.into(),
            members,
            failed: BTreeSet::new(),
            problems,
        }
    }

    /// The same, beside members that could not be evaluated: they are no further problem.
    pub(super) fn with_failed(mut self, failed: BTreeSet<String>) -> Self {
        self.failed = failed;
        self
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name) || self.failed.contains(name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.shift_remove(name)
    }

    /// A text; numbers and booleans are texts too, as in CloudFormation.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        let text = text_of(&value);
        if text.is_none() {
            self.refuse(name, "a text is wanted");
        }
        text
    }

    pub(super) fn required_text(&mut self, name: &str) -> Option<String> {
        if !self.has(name) {
            self.refuse(name, "it is required");
            return None;
        }
        self.text(name)
    }

    pub(super) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(members) => Some(members),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {
                self.refuse(name, "a mapping is wanted");
                None
            }
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Option<Vec<Value>> {
        match self.take(name)? {
            Value::Array(items) => Some(items),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => {
                self.refuse(name, "a list is wanted");
                None
            }
        }
    }

    /// A boolean, or its word.
    pub(super) fn flag(&mut self, name: &str) -> Option<Value> {
        let text = self.text(name)?;
        let flag = text.to_ascii_lowercase().parse::<bool>();
        if flag.is_err() {
            self.refuse(name, "true or false is wanted");
        }
        flag.ok().map(Value::from)
    }

    pub(super) fn number(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let number = text.parse::<i64>();
        if number.is_err() {
            self.refuse(name, "a whole number is wanted");
        }
        number.ok()
    }

    /// The fields of a mapping in this one.
    pub(super) fn inner(&mut self, name: &str) -> Option<Fields<'_>> {
        let members = self.object(name)?;
        let at = format!("{}.{name}", self.at);
        Some(Fields::new(at, members, self.problems))
    }

    pub(super) fn refuse(&mut self, name: &str, what: impl Into<String>) {
        self.problems.add(format!("{}.{name}", self.at), what);
    }

    /// Refuses what is left; whether nothing was refused since there were `before` problems.
    pub(super) fn finish_since(self, before: usize) -> bool {
        let problems = self.refuse_rest();
        problems.len() == before
    }

    /// Refuses what is left.
    pub(super) fn finish(self) {
        self.refuse_rest();
    }

    fn refuse_rest(self) -> &'p mut Problems {
        for name in self.members.keys() {
            let at = format!("{}.{name}", self.at);
            self.problems.add(at, "this property is not handled");
        }
        self.problems
    }
}
