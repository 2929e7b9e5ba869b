//! How long, how many, how rough.

use std::time::Duration;

use serde_json::{Value, json};
use stepfleet_e2e::now_ms;

/// The first two are served by processes of the SDK, the third by stock workers.
pub(crate) const ACTIVITIES: [&str; 3] = ["first", "second", "third"];
/// From here on the fleet is large.
const LONG_SECONDS: u64 = 300;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    /// Processes with several workers each, of which every fourth is left alone.
    pub(crate) processes: u32,
    pub(crate) workers_each: u32,
    /// Stock workers, of which every second is left alone.
    pub(crate) stock: u32,
    pub(crate) slots: u32,
    /// Executions a second.
    pub(crate) rate: u32,
    pub(crate) session_ttl_s: u64,
    /// Most time between two kills of the coordinator, and between two faults of a process.
    pub(crate) kill_every_ms: u64,
    pub(crate) fault_every_ms: u64,
}

impl Plan {
    pub(crate) fn from_environment() -> Self {
        let seconds = number("STEPFLEET_SOAK_SECONDS").unwrap_or(20);
        let seed = number("STEPFLEET_SOAK_SEED");
        let seed = seed.unwrap_or_else(|| now_ms().unsigned_abs() / 1000 % 1_000_000);
        let long = seconds >= LONG_SECONDS;
        let of = |short, long_one| if long { long_one } else { short };
        Self {
            seconds,
            seed,
            processes: of(4, 10),
            workers_each: of(5, 19),
            stock: of(2, 10),
            slots: of(4, 2),
            rate: of(20, 40),
            session_ttl_s: 6,
            kill_every_ms: if long { 30_000 } else { 6_000 },
            fault_every_ms: if long { 6_000 } else { 2_000 },
        }
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    pub(crate) fn workers(&self) -> u32 {
        self.processes * self.workers_each + self.stock
    }

    /// How long a worker is paused at most: half of the pauses end before its session does.
    pub(crate) fn pause_ms_max(&self) -> u64 {
        2000 * self.session_ttl_s
    }
}

/// Three activities in a row. A lost attempt is followed by another.
pub(crate) fn definition() -> Value {
    let states = ACTIVITIES.iter().enumerate().map(|(index, activity)| {
        let resource = format!("arn:aws:states:us-east-1:000000000000:activity:{activity}");
        let retrier =
            json!({ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1000, "BackoffRate": 1.0 });
        let mut state = json!({ "Type": "Task", "Resource": resource, "Retry": [retrier] });
        match ACTIVITIES.get(index + 1) {
            Some(next) => state["Next"] = json!(next),
            None => state["End"] = json!(true),
        }
        ((*activity).to_owned(), state)
    });
    let states: serde_json::Map<String, Value> = states.collect();
    json!({ "StartAt": ACTIVITIES[0], "States": states })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
