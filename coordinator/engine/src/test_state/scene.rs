//! What the expressions of a tested state see.

use stepfleet_asl::{Environment, Object, Patience, Value};

use super::Case;
use crate::decide::draft::Draws;

/// The surroundings of one evaluation.
pub(super) struct Scene<'a> {
    variables: &'a Object,
    context: Value,
    now_ms: i64,
    draws: &'a Draws,
}

impl<'a> Scene<'a> {
    pub(super) fn new(case: &'a Case<'_>, draws: &'a Draws) -> Self {
        Self {
            variables: &case.variables,
            context: case.context.clone().into(),
            now_ms: case.now_ms,
            draws,
        }
    }

    /// The same for the `ItemSelector` of one item. `context` is the context object without it.
    pub(super) fn of_item(&self, context: &Object, index: usize, item: &Value) -> Self {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let mut members = Object::new();
        members.insert("Index".into(), index.into());
        members.insert("Value".into(), item.clone());
        let mut map = Object::new();
        map.insert("Item".into(), members.into());
        let mut context = context.clone();
        context.insert("Map".into(), map.into());
        Self {
            context: context.into(),
            ..*self
        }
    }
}

impl Environment for Scene<'_> {
    fn context(&self) -> &Value {
        &self.context
    }

    fn variable(&self, name: &str) -> Option<Value> {
        self.variables.get(name).cloned()
    }

    fn patience(&self) -> Patience {
        Patience::Full
    }

    fn evaluating(&self) {}

    fn timed_out(&self) {}

    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn random_u64(&self) -> u64 {
        self.draws.next_u64()
    }
}
