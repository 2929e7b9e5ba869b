//! What no text may do: make the language panic, overflow the stack or work without end. Properties run a fixed number
//! of cases; `STEPFLEET_FUZZ_CASES=100000` makes a long run of them. `hostile` has the texts that once did harm.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod dialects;
mod generate;
mod hostile;
mod properties;

use std::time::Duration;

use proptest::prelude::ProptestConfig;
use stepfleet_asl::{Environment, Patience, Value};

/// Far more than any evaluation needs, even unoptimised and on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Surroundings with a context object and one variable.
struct Surroundings(Value);

impl Surroundings {
    fn new() -> Surroundings {
        Surroundings(value(
            r#"{"Execution":{"Input":{"a":[1,{"b":2}]}},"a":{"b":[1,2,3]}}"#,
        ))
    }
}

impl Environment for Surroundings {
    fn patience(&self) -> Patience {
        Patience::Full
    }

    fn evaluating(&self) {}

    fn timed_out(&self) {}

    fn now_ms(&self) -> i64 {
        0
    }

    fn context(&self) -> &Value {
        &self.0
    }

    fn variable(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn random_u64(&self) -> u64 {
        7
    }
}

fn value(json: &str) -> Value {
    Value::parse(json).unwrap()
}

fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("STEPFLEET_FUZZ_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|text| text.parse().ok()).unwrap_or(cases),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
