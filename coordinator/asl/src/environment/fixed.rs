//! Surroundings for tests: a small context object, two variables, and entropy that counts.

use std::cell::Cell;

use super::{Environment, Patience};
use crate::value::Value;

pub(crate) struct Fixed {
    context: Value,
    variables: Value,
    entropy: Cell<u64>,
}

impl Fixed {
    pub(crate) fn new() -> Fixed {
        Fixed {
            context: value(
                r#"{"Execution":{"Id":"e1","Input":{"a":1}},"Map":{"Item":{"Index":2,"Value":"v"}}}"#,
            ),
            variables: value(r#"{"count":3,"user_1":{"name":"Ann","tags":["x","y"]}}"#),
            entropy: Cell::new(0x0123_4567_89ab_cdef),
        }
    }
}

impl Environment for Fixed {
    fn patience(&self) -> Patience {
        Patience::Full
    }

    fn evaluating(&self) {}

    fn timed_out(&self) {}

    fn now_ms(&self) -> i64 {
        1_700_000_000_000
    }

    fn context(&self) -> &Value {
        &self.context
    }

    fn variable(&self, name: &str) -> Option<Value> {
        self.variables.get(name).cloned()
    }

    fn random_u64(&self) -> u64 {
        self.entropy.set(
            self.entropy
                .get()
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1),
        );
        self.entropy.get()
    }
}

/// A value from JSON that the test knows to be good.
pub(crate) fn value(json: &str) -> Value {
    Value::parse(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}
