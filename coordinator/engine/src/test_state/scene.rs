//! What the expressions of a tested state see.

use std::cell::Cell;

use stepfleet_asl::{Environment, Object, Patience, Value};

use super::Case;
use crate::decide::draft::drawn_from;

/// The surroundings of one evaluation.
pub(super) struct Scene<'a> {
    variables: &'a Object,
    context: Value,
    now_ms: i64,
    entropy: u64,
    drawn: &'a Cell<u64>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(case: &'a Case<'_>, drawn: &'a Cell<u64>) -> Self {
        Self {
            variables: &case.variables,
            context: case.context.clone().into(),
            now_ms: case.now_ms,
            entropy: case.entropy,
            drawn,
        }
    }

    /// The same for the `ItemSelector` of one item.
    pub(super) fn of_item(
        case: &'a Case<'_>,
        drawn: &'a Cell<u64>,
        index: usize,
        item: &Value,
    ) -> Self {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let mut members = Object::new();
        members.insert("Index".into(), index.into());
        members.insert("Value".into(), item.clone());
        let mut map = Object::new();
        map.insert("Item".into(), members.into());
        let mut context = case.context.clone();
        context.insert("Map".into(), map.into());
        Self {
            context: context.into(),
            ..Self::new(case, drawn)
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
        let turn = self.drawn.get() + 1;
        self.drawn.set(turn);
        drawn_from(self.entropy, turn)
    }
}
